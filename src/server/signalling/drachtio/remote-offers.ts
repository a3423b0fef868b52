import { ACCEPT, ALLOW, SDP_TYPE, SERVER } from '../../../protocol/sip/capabilities.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import type { RequestFacts } from '../../../protocol/sip/inspect-request.ts'
import type { ReplyParts } from '../../../protocol/sip/responder.ts'
import { carriesOffer } from '../../../protocol/sip/body-kind.ts'
import { optionTags } from '../../../protocol/sip/scalar-headers.ts'
import type { SessionTerms } from '../../../protocol/sip/session-expires.ts'
import { PROGRESS_MAX } from '../port.ts'
import type { RemoteDialog, WaitingOffer } from './remote-dialog.ts'
import type { RemoteReplies } from './remote-replies.ts'
import type { RemoteUserAgentSink } from './remote-user-agent-sink.ts'
import type { Delivery, IncomingRequest } from './srf-link.ts'

/** A request with what was found out about it. */
export interface Given {
  readonly incoming: IncomingRequest
  readonly facts: RequestFacts
  readonly localAddress: string
  /** Who proved to have sent the first INVITE; undefined where nobody was asked. */
  readonly user: string | undefined
}

export interface RemoteOffersOptions {
  readonly sink: RemoteUserAgentSink
  readonly replies: RemoteReplies
  /** How long whoever answers an offer may take, milliseconds. */
  readonly answerMs: number
  /** How long a PRACK may take, milliseconds. */
  readonly prackMs: number
  /** An offer is being answered with 200. */
  readonly accepted: (dialog: RemoteDialog, offer: WaitingOffer) => void
  /** What became of that 200. */
  readonly delivered: (dialog: RemoteDialog, delivery: Delivery) => void
  /** The dialog is over: its first offer was refused. */
  readonly refused: (dialog: RemoteDialog) => void
}

/** The offers that wait for an answer, at most one in each dialog. Each is answered or refused once; later attempts do nothing. */
export class RemoteOffers {
  readonly #options: RemoteOffersOptions
  readonly #waiting = new Map<IncomingRequest, RemoteDialog>()

  constructor(options: RemoteOffersOptions) {
    this.#options = options
  }

  /** Shows an offer to the handler. */
  show(
    { incoming, facts, localAddress, user }: Given,
    dialog: RemoteDialog,
    options: { readonly isInitial: boolean; readonly terms: SessionTerms | undefined },
  ): void {
    const { sink } = this.#options
    const offer: WaitingOffer = {
      incoming,
      ...options,
      provisionalCount: 0,
      unacknowledged: [],
      heldAnswer: undefined,
    }
    dialog.waiting = offer
    this.#waiting.set(incoming, dialog)
    this.#awaitAnswer(dialog, offer)
    const isShown = sink.offer({
      dialogId: dialog.id,
      incoming,
      facts,
      localAddress,
      user,
      isInitial: options.isInitial,
      progress: (status, sdp) => this.#progress(dialog, offer, { status, sdp }),
      answer: (sdp) => this.#answer(dialog, offer, sdp),
      refuse: (status, reason, headers) => this.#refuse(dialog, offer, { status, reason, headers }),
    })
    if (!isShown) this.#giveUp(dialog, offer, FAILED)
  }

  /** The dialog whose offer came in this request, while it waits. */
  dialogOf(incoming: IncomingRequest): RemoteDialog | undefined {
    return this.#waiting.get(incoming)
  }

  /** Answers the offer that waits, if one does. */
  finish(dialog: RemoteDialog, parts: ReplyParts): void {
    const incoming = dialog.waiting?.incoming
    this.forget(dialog)
    if (incoming !== undefined) this.#options.replies.send(incoming, dialog, parts)
  }

  /** Nobody waits for the answer to the offer any more. */
  forget(dialog: RemoteDialog): void {
    if (dialog.waiting === undefined) return
    this.#waiting.delete(dialog.waiting.incoming)
    dialog.waiting = undefined
    dialog.clearTimer('answer')
    dialog.clearTimer('prack')
  }

  /** drachtio-server matched a PRACK with the oldest provisional response that waited for one. */
  acknowledged(dialog: RemoteDialog): void {
    const offer = dialog.waiting
    if (offer === undefined) return
    offer.unacknowledged.shift()
    this.#watch(dialog, offer)
  }

  /** From now on, or from the last provisional response: as proxies count. RFC 3261 16.7 */
  #awaitAnswer(dialog: RemoteDialog, offer: WaitingOffer): void {
    const { sink, answerMs } = this.#options
    dialog.setTimer('answer', answerMs, () => sink.enter(() => this.#giveUp(dialog, offer, UNANSWERED)))
  }

  /** RFC 3262 3: reliably, where the SRC asks for that, or knows how and there is SDP that must not be lost. */
  #progress(
    dialog: RemoteDialog,
    offer: WaitingOffer,
    given: { readonly status: 180 | 183; readonly sdp: Uint8Array | undefined },
  ): void {
    const { sink, replies } = this.#options
    const { request, source } = offer.incoming
    const { method, headers: asked } = request
    const isEnough = offer.heldAnswer !== undefined || offer.provisionalCount === PROGRESS_MAX
    if (dialog.waiting !== offer || method !== 'INVITE' || isEnough) return
    offer.provisionalCount += 1
    this.#awaitAnswer(dialog, offer)
    // Without an offer of the SRC it would be an offer of ours, whose answer comes in a PRACK: that is not done.
    const body = carriesOffer(request) ? given.sdp : undefined
    const isKnown = optionTags(asked, 'Supported').includes('100rel') && body !== undefined
    const isReliable = optionTags(asked, 'Require').includes('100rel') || isKnown
    const headers = [
      replies.contact(source),
      ALLOW,
      SERVER,
      ...(isReliable ? [{ name: 'Require', value: '100rel' }] : []),
      ...(body === undefined ? [] : [SDP_TYPE]),
    ]
    const reason = given.status === 180 ? 'Ringing' : 'Session Progress'
    const parts = { status: given.status, reason, headers, ...(body === undefined ? {} : { body }) }
    if (!isReliable) return replies.send(offer.incoming, dialog, parts)
    const waiting = { hasSdp: body !== undefined }
    offer.unacknowledged.push(waiting)
    this.#watch(dialog, offer)
    replies.send(offer.incoming, dialog, parts, ({ ok }) => {
      if (ok) return
      const index = offer.unacknowledged.indexOf(waiting)
      if (index !== -1) offer.unacknowledged.splice(index, 1)
      sink.enter(() => this.#watch(dialog, offer))
    })
  }

  /** Waits for the next PRACK, or sends the answer that none holds back any more. */
  #watch(dialog: RemoteDialog, offer: WaitingOffer): void {
    if (dialog.waiting !== offer) return
    const { sink, prackMs } = this.#options
    if (offer.unacknowledged.length === 0) dialog.clearTimer('prack')
    else dialog.setTimer('prack', prackMs, () => sink.enter(() => this.#giveUp(dialog, offer, NO_PRACK)))
    const isHeldBack = offer.unacknowledged.some(({ hasSdp }) => hasSdp)
    if (offer.heldAnswer !== undefined && !isHeldBack) this.#accept(dialog, offer, offer.heldAnswer)
  }

  #answer(dialog: RemoteDialog, offer: WaitingOffer, sdp: Uint8Array): void {
    if (dialog.waiting !== offer || offer.heldAnswer !== undefined) return
    if (offer.unacknowledged.some(({ hasSdp }) => hasSdp)) offer.heldAnswer = sdp
    else this.#accept(dialog, offer, sdp)
  }

  #accept(dialog: RemoteDialog, offer: WaitingOffer, sdp: Uint8Array): void {
    const { sink, replies, accepted, delivered } = this.#options
    const { incoming, terms } = offer
    this.forget(dialog)
    accepted(dialog, offer)
    const headers = [...replies.acceptance(incoming, terms), SDP_TYPE]
    replies.send(incoming, dialog, { status: 200, reason: 'OK', headers, body: sdp }, (delivery) =>
      sink.enter(() => delivered(dialog, delivery)),
    )
  }

  #refuse(
    dialog: RemoteDialog,
    offer: WaitingOffer,
    refusal: { readonly status: number; readonly reason: string; readonly headers: readonly SipHeader[] },
  ): void {
    if (dialog.waiting !== offer || offer.heldAnswer !== undefined) return
    this.#cutOff(dialog, offer, refusal)
  }

  /** Refuses an offer even if its answer is held back. */
  #cutOff(
    dialog: RemoteDialog,
    offer: WaitingOffer,
    refusal: { readonly status: number; readonly reason: string; readonly headers: readonly SipHeader[] },
  ): void {
    const status = refusal.status >= 300 && refusal.status <= 699 ? refusal.status : 500
    const headers = [...refusal.headers, ...(status === 415 ? [ACCEPT] : []), SERVER]
    this.finish(dialog, { status, reason: refusal.reason, headers })
    if (offer.isInitial) this.#options.refused(dialog)
  }

  /** The offer will not be answered any more. */
  #giveUp(
    dialog: RemoteDialog,
    offer: WaitingOffer,
    refusal: { readonly status: number; readonly reason: string },
  ): void {
    if (dialog.waiting !== offer) return
    this.#cutOff(dialog, offer, { ...refusal, headers: [] })
    if (offer.isInitial) this.#options.sink.ended(dialog.id, { cause: 'refused' })
  }
}

const FAILED = { status: 500, reason: 'Server Internal Error' }
const UNANSWERED = { status: 500, reason: 'No Answer In Time' }
/** RFC 3262 3 asks for a 5xx. */
const NO_PRACK = { status: 504, reason: 'No PRACK In Time' }
