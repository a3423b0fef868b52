import type { Dialog } from './dialog.ts'
import type { ProvisionalResponses } from './provisional-responses.ts'
import type { Incoming, ReplyParts, Responder } from './responder.ts'
import type { SessionTerms } from './session-expires.ts'
import { TimedTable } from './timed-table.ts'
import type { SipTimers } from './timers.ts'
import type { UserAgentSink } from './user-agent-sink.ts'

/** An INVITE, or an UPDATE with an offer, that waits for {@link UserAgentServer.answer} or {@link UserAgentServer.refuse}. */
export interface PendingOffer {
  readonly key: string
  readonly incoming: Incoming
  readonly dialog: Dialog
  readonly isInitial: boolean
  readonly terms: SessionTerms | undefined
  /** When its 100 is due; Infinity once a provisional response was sent. RFC 3261 17.2.1 */
  tryingAtUs: number
  /** Once there are any. */
  progress: ProvisionalResponses | undefined
  /** When it is refused for want of an answer; each provisional response but 100 puts that off, as proxies do. RFC 3261 16.7 */
  answerAtUs: number
  /** The answer that waits for a PRACK. RFC 3262 3 */
  heldAnswer: Uint8Array | undefined
  readonly nextTimeoutUs: number
}

export interface PendingOffersOptions {
  readonly sink: UserAgentSink
  readonly responder: Responder
  readonly timers: SipTimers
}

/** The offers that were shown and not yet answered; at most one per dialog. */
export class PendingOffers {
  readonly #options: PendingOffersOptions
  readonly #table = new TimedTable<PendingOffer>(Infinity) // one per transaction at most, so bounded with them

  constructor(options: PendingOffersOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#table.size
  }

  get nextTimeoutUs(): number {
    return this.#table.nextTimeoutUs
  }

  /** Shows an offer to whoever answers it. An INVITE that is not answered soon gets its 100. */
  show(incoming: Incoming, dialog: Dialog, terms: SessionTerms | undefined, nowUs: number): void {
    const { request, facts, flow, transaction } = incoming
    const isInitial = dialog.state === 'early'
    const { tryingUs, answerUs } = this.#options.timers
    const answerAtUs = nowUs + answerUs
    const offer: PendingOffer = {
      ...{ key: transaction.key, incoming, dialog, isInitial, terms, answerAtUs },
      tryingAtUs: request.method === 'INVITE' ? nowUs + tryingUs : Infinity,
      progress: undefined,
      heldAnswer: undefined,
      get nextTimeoutUs() {
        return Math.min(this.tryingAtUs, this.answerAtUs, this.progress?.nextTimeoutUs ?? Infinity)
      },
    }
    this.#table.add(offer)
    if (tryingUs === 0) this.sendTrying(offer, nowUs)
    dialog.progress = undefined
    dialog.awaitAnswer(transaction.key)
    this.#options.sink.handleOffer({
      offerId: transaction.key,
      dialogId: dialog.id,
      isInitial,
      request,
      sipCallId: facts.sipCallId,
      from: facts.from,
      to: facts.to,
      flow,
      user: dialog.user,
      receivedUs: nowUs,
    })
  }

  get(offerId: string): PendingOffer | undefined {
    return this.#table.get(offerId)
  }

  /** Removes an offer that is about to be answered. */
  take(offerId: string): PendingOffer | undefined {
    const offer = this.#table.get(offerId)
    if (offer === undefined) return undefined
    this.#table.delete(offer)
    offer.progress?.stop()
    offer.dialog.awaitAnswer(undefined)
    return offer
  }

  /** Sends the 100 of an INVITE that nothing was said to yet. */
  sendTrying(offer: PendingOffer, nowUs: number): void {
    if (offer.tryingAtUs === Infinity) return
    offer.tryingAtUs = Infinity
    this.#options.responder.reply(offer.incoming, { status: 100, reason: 'Trying' }, nowUs)
    this.#table.update(offer)
  }

  /** Refuses what a dialog still has open. */
  refuseOf(dialog: Dialog, parts: ReplyParts, nowUs: number): void {
    const offer = dialog.pendingOffer === undefined ? undefined : this.take(dialog.pendingOffer)
    if (offer !== undefined) this.#options.responder.reply(offer.incoming, parts, nowUs)
  }

  /** To be called after an offer's deadline may have changed. */
  update(offer: PendingOffer): void {
    this.#table.update(offer)
  }

  takeDue(nowUs: number): PendingOffer | undefined {
    return this.#table.takeDue(nowUs)
  }
}
