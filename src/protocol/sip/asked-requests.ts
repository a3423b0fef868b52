import { isOffer } from './body-kind.ts'
import { ALLOW, contactFor } from './capabilities.ts'
import type { Dialog } from './dialog.ts'
import type { SipHeader } from './header-list.ts'
import type { SipResponse } from './message.ts'
import type { OwnRequests } from './own-requests.ts'
import type { SessionTimers } from './session-timers.ts'
import type { AskedAnswer, AskedRequest, UserAgentSink } from './user-agent-sink.ts'

const NO_BODY = new Uint8Array(0)

/** The requests inside dialogs that our owner asks for: re-INVITE with an offer, UPDATE, INFO. */
export class AskedRequests {
  readonly #options: {
    readonly sink: UserAgentSink
    readonly requests: OwnRequests
    readonly sessions: SessionTimers
  }

  constructor(options: {
    readonly sink: UserAgentSink
    readonly requests: OwnRequests
    readonly sessions: SessionTimers
  }) {
    this.#options = options
  }

  /**
   * Sends a request, or says why not: 405 for a method that the peer's Allow leaves out, as its own answer would be; 0 when the
   * dialog has no room for it now. Offers do not cross an offer of the peer, nor an answer of ours that is not acknowledged.
   *
   * @see RFC 3261 14.1, RFC 3311 5.1, RFC 6337 4
   */
  send(dialog: Dialog, request: AskedRequest, nowUs: number): { readonly key: string } | { readonly status: 0 | 405 } {
    const { method, contentType, body = NO_BODY } = request
    const carriesOffer = isOffer(contentType, body)
    if (dialog.state !== 'confirmed' || dialog.openRequest !== undefined) return { status: 0 }
    if (method === 'INVITE' && !carriesOffer) return { status: 0 }
    if (dialog.allows(method) === false) return { status: 405 }
    const isFree = dialog.pendingOffer === undefined && !dialog.isUnacknowledged
    if (!isFree && (method === 'INVITE' || carriesOffer)) return { status: 0 }
    const headers = [...this.#headersFor(dialog, request), ...(request.headers ?? [])]
    const typed = contentType === undefined ? headers : [...headers, { name: 'Content-Type', value: contentType }]
    const key = this.#options.requests.send(dialog, { method, headers: typed, body }, nowUs)
    const isSdp = contentType?.toLowerCase().startsWith('application/sdp') === true
    dialog.openRequest = {
      key,
      purpose: 'asked',
      isOffer: carriesOffer,
      description: isSdp && carriesOffer ? body : undefined,
    }
    return { key }
  }

  /** The request was answered, or given up. False when the dialog is gone. RFC 5057 5.1 */
  settle(dialog: Dialog, key: string, response: SipResponse | undefined, nowUs: number): boolean {
    const { sink, sessions } = this.#options
    if (response !== undefined) sessions.handleAnswered(dialog, response, nowUs)
    const answer = answerOf(response)
    sink.handleOwnResponse(key, answer)
    return answer.status !== 408 && answer.status !== 481
  }

  /** INVITE and UPDATE refresh target and session; REFER only the target (RFC 3515 2.2); an INFO neither. RFC 3261 12.2.1.1, RFC 4028 7.4 */
  #headersFor(dialog: Dialog, { method }: AskedRequest): readonly SipHeader[] {
    if (method === 'INFO') return []
    const contact = contactFor(dialog.flow, dialog.isSips)
    return method === 'REFER' ? [contact] : [contact, ALLOW, ...this.#options.sessions.headersFor(dialog)]
  }
}

function answerOf(response: SipResponse | undefined): AskedAnswer {
  if (response === undefined) return { status: 408 }
  const { status, headers, body } = response
  const contentType = headers.first('Content-Type')
  return {
    status,
    ...(contentType === undefined ? {} : { contentType }),
    ...(body.length === 0 ? {} : { body }),
  }
}
