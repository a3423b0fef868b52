import { carriesOffer } from './body-kind.ts'
import { responseTarget } from './build-response.ts'
import { ACCEPT, SDP_TYPE, SERVER } from './capabilities.ts'
import type { Dialog } from './dialog.ts'
import type { Dialogs } from './dialogs.ts'
import type { HangUp } from './hang-up.ts'
import type { SipHeader } from './header-list.ts'
import type { PendingOffer, PendingOffers } from './pending-offers.ts'
import { ProvisionalResponses, reliabilityOf } from './provisional-responses.ts'
import { acceptance, earlyHeaders, NO_SUCH_DIALOG, NOT_ACCEPTABLE, type Incoming, type Responder } from './responder.ts'
import type { SessionTimers } from './session-timers.ts'
import type { SipTimers } from './timers.ts'
import type { UserAgentSink } from './user-agent-sink.ts'

const PHRASES = { 180: 'Ringing', 183: 'Session Progress' } as const

/** How an offer is refused. */
export interface Refusal {
  /** 300 to 699; anything else becomes 500. */
  readonly status: number
  readonly reason: string
  readonly headers?: readonly SipHeader[]
}

export interface OfferAnswersOptions {
  readonly sink: UserAgentSink
  readonly responder: Responder
  readonly dialogs: Dialogs
  readonly offers: PendingOffers
  readonly sessions: SessionTimers
  readonly hangUp: HangUp
  readonly timers: SipTimers
}

/** What our owner makes of the offers it was shown: provisional responses (RFC 3262), and the one final answer. */
export class OfferAnswers {
  readonly #options: OfferAnswersOptions

  constructor(options: OfferAnswersOptions) {
    this.#options = options
  }

  /** As {@link UserAgentServer.progress} says. */
  progress(offerId: string, status: 180 | 183, sdp: Uint8Array | undefined, nowUs: number): boolean {
    const { offers, responder } = this.#options
    const offer = offers.get(offerId)
    if (offer === undefined || offer.heldAnswer !== undefined) return false
    const { incoming, dialog } = offer
    const { request } = incoming
    if (request.method !== 'INVITE') return false
    const progress = (offer.progress ??= this.#progressOf(offer))
    dialog.progress = progress
    if (!progress.admit()) return false
    offer.tryingAtUs = Infinity
    offer.answerAtUs = nowUs + this.#options.timers.answerUs
    // Without an offer of the peer it would be an offer of ours, whose answer comes in a PRACK: that is not done.
    const body = carriesOffer(request) ? sdp : undefined
    const typed = body === undefined ? {} : { body }
    const headers = body === undefined ? earlyHeaders(incoming) : [...earlyHeaders(incoming), SDP_TYPE]
    const parts = { status, reason: PHRASES[status], ...typed }
    const reliability = reliabilityOf(request.headers)
    dialog.noteEarly()
    if (reliability === 'required' || (reliability === 'supported' && body !== undefined)) {
      const build = (rseq: number): Uint8Array => {
        const reliable = [
          { name: 'Require', value: '100rel' },
          { name: 'RSeq', value: String(rseq) },
        ]
        return responder.build(incoming, { ...parts, headers: [...reliable, ...headers] })
      }
      progress.sendReliably({ status, hasAnswer: body !== undefined, build }, nowUs)
    } else responder.reply(incoming, { ...parts, headers }, nowUs)
    offers.update(offer)
    return true
  }

  /** As {@link UserAgentServer.answer} says. */
  answer(offerId: string, sdp: Uint8Array, nowUs: number): boolean {
    const offer = this.#options.offers.get(offerId)
    if (offer === undefined || offer.heldAnswer !== undefined) return false
    if (offer.progress?.holdsBack2xx === true) offer.heldAnswer = sdp
    else this.#accept(offer, sdp, nowUs)
    return true
  }

  /** As {@link UserAgentServer.refuse} says. */
  refuse(offerId: string, refusal: Refusal, nowUs: number): boolean {
    const offer = this.#options.offers.get(offerId)
    if (offer === undefined || offer.heldAnswer !== undefined) return false
    this.cutOff(offer, refusal, nowUs)
    return true
  }

  /** Refuses an offer even if it is answered already and the answer is held back. */
  cutOff(offer: PendingOffer, refusal: Refusal, nowUs: number): void {
    const { offers, responder, hangUp } = this.#options
    offers.take(offer.key)
    const status = refusal.status >= 300 && refusal.status <= 699 ? refusal.status : 500
    const headers = [...(refusal.headers ?? []), ...(status === 415 ? [ACCEPT] : []), SERVER]
    if (offer.isInitial) hangUp.end(offer.dialog)
    responder.reply(offer.incoming, { status, reason: refusal.reason, headers }, nowUs)
  }

  /** RFC 3262 3, 5. An offer in a PRACK is refused; that it came acknowledges all the same. */
  prack(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const { responder, offers } = this.#options
    const { headers, body } = incoming.request
    const isKnown = dialog.progress?.acknowledge(headers.first('RAck') ?? '', nowUs) === true
    const accepted = body.length === 0 ? { status: 200, reason: 'OK', headers: [SERVER] } : NOT_ACCEPTABLE
    responder.reply(incoming, isKnown ? accepted : NO_SUCH_DIALOG, nowUs)
    const offer = dialog.pendingOffer === undefined ? undefined : offers.get(dialog.pendingOffer)
    if (offer === undefined) return
    if (offer.heldAnswer !== undefined && offer.progress?.holdsBack2xx === false) {
      this.#accept(offer, offer.heldAnswer, nowUs)
    } else offers.update(offer)
  }

  /** Runs the timers that are due. */
  handleTimeout(nowUs: number): void {
    const { offers, sink } = this.#options
    for (let due = offers.takeDue(nowUs); due !== undefined; due = offers.takeDue(nowUs)) {
      const outcome = nowUs >= due.answerAtUs ? 'unanswered' : (due.progress?.handleTimeout(nowUs) ?? 'none')
      if (nowUs >= due.tryingAtUs) offers.sendTrying(due, nowUs)
      if (outcome === 'unanswered' || outcome === 'notAcknowledged') {
        this.cutOff(due, outcome === 'unanswered' ? UNANSWERED : NO_PRACK, nowUs)
        if (!due.isInitial) continue
        sink.handleEnded(due.dialog.id, { cause: 'refused', receivedUs: nowUs, request: undefined })
        continue
      }
      if (outcome === 'retransmitted') sink.handleCounted({ kind: 'retransmission', direction: 'out' })
      offers.update(due)
    }
  }

  #progressOf({ incoming }: PendingOffer): ProvisionalResponses {
    const { facts, transaction } = incoming
    return new ProvisionalResponses({
      timers: this.#options.timers,
      sequenceNumber: facts.sequenceNumber,
      // A provisional response starts no timer of the transaction.
      send: (status, bytes) => void transaction.machine.respond(status, bytes, 0),
    })
  }

  #accept(offer: PendingOffer, sdp: Uint8Array, nowUs: number): void {
    const { responder, offers, sessions, dialogs } = this.#options
    offers.take(offer.key)
    const { incoming, dialog, terms } = offer
    const { request, facts, flow } = incoming
    const bytes = responder.reply(incoming, acceptance(incoming, sdp, terms), nowUs)
    const { sequenceNumber } = facts
    dialog.describe(sdp)
    if (request.method === 'UPDATE') dialog.retarget(request.headers)
    else dialog.accept({ request, sequenceNumber, bytes, target: responseTarget(facts.via, flow) }, nowUs)
    sessions.set(dialog.id, terms, nowUs)
    dialogs.update(dialog)
  }
}

const UNANSWERED: Refusal = { status: 500, reason: 'No Answer In Time' }
/** RFC 3262 3 asks for a 5xx. */
const NO_PRACK: Refusal = { status: 504, reason: 'No PRACK In Time' }
