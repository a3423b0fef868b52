import { ACCEPT, ACCEPT_ENCODING, ALLOW, countedMethod, SERVER, SUPPORTED } from '../../../protocol/sip/capabilities.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import { type ReplyParts, unavailable } from '../../../protocol/sip/responder.ts'
import { sessionAnswerHeaders, type SessionTerms } from '../../../protocol/sip/session-expires.ts'
import { readSessionId, sessionIdHeaders } from '../../../protocol/sip/session-id.ts'
import type { BoundAddress } from '../port.ts'
import type { RemoteDialog } from './remote-dialog.ts'
import type { RemoteUserAgentSink } from './remote-user-agent-sink.ts'
import type { Delivery, IncomingRequest } from './srf-link.ts'

/** What we say to requests. Via, From, To, Call-ID and CSeq are put in by drachtio-server. */
export class RemoteReplies {
  readonly #sink: RemoteUserAgentSink
  readonly #contact: (source: BoundAddress) => SipHeader

  constructor(sink: RemoteUserAgentSink, contact: (source: BoundAddress) => SipHeader) {
    this.#sink = sink
    this.#contact = contact
  }

  /** Our Contact towards a peer. */
  contact(source: BoundAddress): SipHeader {
    return this.#contact(source)
  }

  /** Sends a response; a final one is counted. */
  send(
    incoming: IncomingRequest,
    dialog: RemoteDialog | undefined,
    parts: ReplyParts,
    done: (delivery: Delivery) => void = () => {},
  ): void {
    const { status, reason, body } = parts
    const { method, headers: given } = incoming.request
    const localId = dialog?.id ?? this.#sink.randomToken()
    const headers = [...sessionIdHeaders(localId, readSessionId(given)), ...(parts.headers ?? [])]
    if (status >= 200) this.#sink.count({ kind: 'request', method: countedMethod(method), code: status })
    incoming.respond({ status, reason, headers, ...(body === undefined ? {} : { body }) }, done)
  }

  /** Headers of a 200 to INVITE or UPDATE. RFC 3261 13.3.1.4, RFC 3311 5.2 */
  acceptance({ source }: IncomingRequest, terms: SessionTerms | undefined): readonly SipHeader[] {
    return [this.#contact(source), ALLOW, SUPPORTED, ...sessionAnswerHeaders(terms), ACCEPT, SERVER]
  }

  /** The answer to OPTIONS: that of an INVITE at this moment. RFC 3261 11.2 */
  sendCapabilities(incoming: IncomingRequest): void {
    const admission = this.#sink.admission()
    const headers = [this.#contact(incoming.source), ALLOW, ACCEPT, ACCEPT_ENCODING, SUPPORTED, SERVER]
    const able = { status: 200, reason: 'OK', headers }
    this.send(incoming, undefined, admission.status === 200 ? able : unavailable(admission))
  }
}
