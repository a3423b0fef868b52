import { ALLOW, USER_AGENT } from '../../../protocol/sip/capabilities.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import type { SipResponse } from '../../../protocol/sip/message.ts'
import { reasonHeader } from '../../../protocol/sip/reason.ts'
import { REQUEST_TERMINATED, type ReplyParts } from '../../../protocol/sip/responder.ts'
import { readRefreshAnswer, type SessionTerms } from '../../../protocol/sip/session-expires.ts'
import type { BoundAddress, DialogEnd, OwnRequest, OwnResponse } from '../port.ts'
import type { ByeReason, RemoteDialog } from './remote-dialog.ts'
import type { RemoteDialogs } from './remote-dialogs.ts'
import type { RemoteUserAgentSink } from './remote-user-agent-sink.ts'
import type { SrfLink } from './srf-link.ts'

const NOT_SENT: OwnResponse = { status: 0 }
/** The SRC's Allow says so; not sent. */
const NOT_ALLOWED: OwnResponse = { status: 405 }
/** Answers that say that the dialog is no more. RFC 5057 5.1 */
const FATAL: ReadonlySet<number> = new Set([408, 481])

/** Our own requests in dialogs that drachtio-server holds. RFC 3261 15 allows no BYE before the ACK. */
export class RemoteRequests {
  readonly #options: {
    readonly sink: RemoteUserAgentSink
    readonly link: Pick<SrfLink, 'request'>
    readonly timers: { readonly requestMs: number; readonly sessionSecondMs: number }
    readonly dialogs: RemoteDialogs
    readonly contact: (source: BoundAddress) => SipHeader
    readonly finishOffer: (dialog: RemoteDialog, parts: ReplyParts) => void
  }
  /** What becomes of a request of ours that is open, by its dialog. */
  readonly #open = new Map<RemoteDialog, (outcome: OwnResponse) => void>()

  constructor(options: {
    readonly sink: RemoteUserAgentSink
    readonly link: Pick<SrfLink, 'request'>
    readonly timers: { readonly requestMs: number; readonly sessionSecondMs: number }
    readonly dialogs: RemoteDialogs
    readonly contact: (source: BoundAddress) => SipHeader
    readonly finishOffer: (dialog: RemoteDialog, parts: ReplyParts) => void
  }) {
    this.#options = options
  }

  /** As `SignallingPort.request`. */
  async ask(dialog: RemoteDialog | undefined, request: OwnRequest): Promise<OwnResponse> {
    const stackDialogId = dialog?.stackDialogId
    if (dialog?.state !== 'confirmed' || stackDialogId === undefined) return NOT_SENT
    if (dialog.isAsking || dialog.waiting !== undefined || dialog.awaitedAck !== undefined) return NOT_SENT
    const { method, contentType, body, headers = [] } = request
    if (method === 'INVITE' && body === undefined) return NOT_SENT
    if (dialog.allowed?.has(method.toLowerCase()) === false) return NOT_ALLOWED
    const { terms } = dialog
    const { sink, link, timers, contact } = this.#options
    const content = {
      headers: [
        ...(method === 'INFO' ? [] : [contact(dialog.source)]),
        ...(method === 'INFO' || method === 'REFER' ? [] : [ALLOW, ...sessionHeaders(terms)]),
        USER_AGENT,
        ...headers.map(([name, value]) => ({ name, value })),
        ...(contentType === undefined ? [] : [{ name: 'Content-Type', value: contentType }]),
      ],
      ...(body === undefined ? {} : { body }),
    }
    return new Promise((resolve) => {
      dialog.isAsking = true
      const finish = (outcome: OwnResponse): void => {
        if (this.#open.get(dialog) !== finish) return
        this.#open.delete(dialog)
        dialog.isAsking = false
        dialog.clearTimer('request')
        resolve(outcome)
        if (FATAL.has(outcome.status)) this.expire(dialog)
      }
      this.#open.set(dialog, finish)
      dialog.setTimer('request', timers.requestMs, () => sink.enter(() => finish({ status: 408 })))
      link.request(
        dialog.connection,
        { method, stackDialogId, ...content },
        {
          answered: (response) =>
            sink.enter(() => {
              if (method !== 'INFO' && method !== 'REFER') this.#refreshed(dialog, response)
              finish(outcomeOf(response))
            }),
          failed: ({ isUnknownDialog }) => sink.enter(() => finish(isUnknownDialog ? { status: 481 } : NOT_SENT)),
        },
      )
    })
  }

  /** Sends BYE and tells that the dialog is over. */
  bye(dialog: RemoteDialog, bye: { readonly cause: DialogEnd['cause']; readonly reason: ByeReason | undefined }): void {
    const { sink, link, timers, finishOffer } = this.#options
    const { stackDialogId } = dialog
    finishOffer(dialog, REQUEST_TERMINATED)
    this.abandon(dialog)
    dialog.clearTimers()
    dialog.state = 'closing'
    const finish = (): void => sink.enter(() => this.#finish(dialog))
    dialog.setTimer('request', timers.requestMs, finish)
    const headers = [USER_AGENT, ...(bye.reason === undefined ? [] : [reasonHeader(bye.reason)])]
    sink.ended(dialog.id, { cause: bye.cause })
    if (stackDialogId === undefined) finish()
    else {
      link.request(dialog.connection, { method: 'BYE', stackDialogId, headers }, { answered: finish, failed: finish })
    }
  }

  /** Sends the BYE that waited. */
  sendWantedBye(dialog: RemoteDialog): void {
    const reason = dialog.wantedBye?.reason
    dialog.wantedBye = undefined
    this.bye(dialog, { cause: 'local', reason })
  }

  giveUpAck(dialog: RemoteDialog): void {
    if (dialog.isOver) return
    if (dialog.wantedBye !== undefined) this.sendWantedBye(dialog)
    else this.bye(dialog, { cause: 'noAck', reason: undefined })
  }

  /** RFC 4028 10 */
  expire(dialog: RemoteDialog): void {
    if (dialog.isOver) return
    this.bye(dialog, { cause: 'sessionExpired', reason: { cause: 408, text: 'Session expired' } })
  }

  /** Without a refresh in time the dialog is over. When the refreshes are ours, drachtio-server sends them and tells of their failure. */
  setExpiry(dialog: RemoteDialog, terms: SessionTerms | undefined): void {
    const { sink, timers } = this.#options
    dialog.terms = terms
    dialog.clearTimer('expiry')
    if (terms === undefined || terms.isOurs) return
    dialog.setTimer('expiry', terms.intervalSeconds * timers.sessionSecondMs, () =>
      sink.enter(() => this.expire(dialog)),
    )
  }

  /** Waits for nothing any more. */
  abandon(dialog: RemoteDialog): void {
    this.#open.get(dialog)?.(NOT_SENT)
    if (dialog.state === 'closing') this.#finish(dialog)
  }

  /** A re-INVITE or UPDATE of ours refreshes as well. RFC 4028 7.4 */
  #refreshed(dialog: RemoteDialog, { status, headers }: SipResponse): void {
    if (dialog.isOver || dialog.terms === undefined || status < 200 || status > 299) return
    this.setExpiry(dialog, readRefreshAnswer(headers, dialog.terms))
  }

  #finish(dialog: RemoteDialog): void {
    if (dialog.state !== 'closing') return
    dialog.state = 'ended'
    dialog.clearTimers()
    this.#options.dialogs.delete(dialog)
    for (const done of dialog.byeWaiters.splice(0)) done()
  }
}

/** Who sends the refreshes stays as it is. RFC 4028 7.4 */
function sessionHeaders(terms: SessionTerms | undefined): readonly SipHeader[] {
  const supported = { name: 'Supported', value: 'siprec, timer' }
  if (terms === undefined) return [supported]
  const value = `${terms.intervalSeconds};refresher=${terms.isOurs ? 'uac' : 'uas'}`
  return [supported, { name: 'Session-Expires', value }]
}

function outcomeOf({ status, headers, body }: SipResponse): OwnResponse {
  const contentType = headers.first('Content-Type')
  if (body.length === 0) return { status }
  return { status, body, ...(contentType === undefined ? {} : { contentType }) }
}
