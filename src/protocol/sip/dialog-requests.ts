import { isAboutRefer, mayCarryMetadata } from './body-kind.ts'
import { SERVER } from './capabilities.ts'
import type { Dialog } from './dialog.ts'
import type { PendingOffers } from './pending-offers.ts'
import {
  acceptance,
  BAD_EVENT,
  BAD_INFO_PACKAGE,
  type Incoming,
  INTERVAL_TOO_SMALL,
  NOT_YET,
  type Responder,
} from './responder.ts'
import { readSessionTerms } from './session-expires.ts'
import type { SessionTimers } from './session-timers.ts'
import type { UserAgentSink } from './user-agent-sink.ts'

/** What the peer asks inside a living dialog, apart from ending it. */
export class DialogRequests {
  readonly #sink: UserAgentSink
  readonly #responder: Responder
  readonly #offers: PendingOffers
  readonly #sessions: SessionTimers

  constructor(options: {
    readonly sink: UserAgentSink
    readonly responder: Responder
    readonly offers: PendingOffers
    readonly sessions: SessionTimers
  }) {
    this.#sink = options.sink
    this.#responder = options.responder
    this.#offers = options.offers
    this.#sessions = options.sessions
  }

  /** A re-INVITE, or an UPDATE with an offer. */
  offer(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const terms = readSessionTerms(incoming.request.headers)
    if (terms.ok) this.#offers.show(incoming, dialog, terms.value, nowUs)
    else this.#responder.reply(incoming, INTERVAL_TOO_SMALL, nowUs)
  }

  /** An UPDATE without offer: a refresh, or metadata alone. RFC 3311 5.2, RFC 4028 9 */
  update(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const { request } = incoming
    const terms = readSessionTerms(request.headers)
    if (!terms.ok) {
      this.#responder.reply(incoming, INTERVAL_TOO_SMALL, nowUs)
      return
    }
    if (dialog.state === 'early' && request.body.length > 0) {
      this.#responder.reply(incoming, NOT_YET, nowUs)
      return
    }
    dialog.retarget(request.headers)
    dialog.noteAllow(request.headers)
    this.#sessions.set(dialog.id, terms.value, nowUs)
    this.#responder.reply(incoming, acceptance(incoming, undefined, terms.value), nowUs)
    if (dialog.state !== 'early') this.#sink.handleInDialog({ dialogId: dialog.id, request, receivedUs: nowUs })
  }

  /** RFC 6086 4.2.2: only a package that says nothing we could read is refused; old clients name none. */
  info(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const { request } = incoming
    const isForeign = request.headers.first('Info-Package') !== undefined && !mayCarryMetadata(request)
    const isEarly = dialog.state === 'early'
    const taken = isEarly ? NOT_YET : { status: 200, reason: 'OK', headers: [SERVER] }
    this.#responder.reply(incoming, isForeign ? BAD_INFO_PACKAGE : taken, nowUs)
    if (!isForeign && !isEarly) this.#sink.handleInDialog({ dialogId: dialog.id, request, receivedUs: nowUs })
  }
  /** What became of a REFER of ours. RFC 3515 2.4.4 */
  notify(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const { request } = incoming
    const isOurs = isAboutRefer(request)
    this.#responder.reply(incoming, isOurs ? { status: 200, reason: 'OK', headers: [SERVER] } : BAD_EVENT, nowUs)
    if (isOurs && dialog.state !== 'early')
      this.#sink.handleInDialog({ dialogId: dialog.id, request, receivedUs: nowUs })
  }
}
