import { ACCEPT, ALLOW, SERVER } from '../../../protocol/sip/capabilities.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import type { RequestFacts } from '../../../protocol/sip/inspect-request.ts'
import type { ReplyParts } from '../../../protocol/sip/responder.ts'
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
}

export interface RemoteOffersOptions {
  readonly sink: RemoteUserAgentSink
  readonly replies: RemoteReplies
  /** How long whoever answers an offer may take, milliseconds. */
  readonly answerMs: number
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
    { incoming, facts, localAddress }: Given,
    dialog: RemoteDialog,
    options: { readonly isInitial: boolean; readonly terms: SessionTerms | undefined },
  ): void {
    const { sink, answerMs } = this.#options
    const offer: WaitingOffer = { incoming, ...options, provisionalCount: 0 }
    dialog.waiting = offer
    this.#waiting.set(incoming, dialog)
    dialog.setTimer('answer', answerMs, () => sink.enter(() => this.#giveUp(dialog, offer, 'No Answer In Time')))
    const isShown = sink.offer({
      dialogId: dialog.id,
      incoming,
      facts,
      localAddress,
      isInitial: options.isInitial,
      progress: (status, sdp) => this.#progress(dialog, offer, { status, sdp }),
      answer: (sdp) => this.#answer(dialog, offer, sdp),
      refuse: (status, reason, headers) => this.#refuse(dialog, offer, { status, reason, headers }),
    })
    if (!isShown) this.#giveUp(dialog, offer, 'Server Internal Error')
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
  }

  /** RFC 3262 3: reliably, where the other side knows how. */
  #progress(
    dialog: RemoteDialog,
    offer: WaitingOffer,
    { status, sdp }: { readonly status: 180 | 183; readonly sdp: Uint8Array | undefined },
  ): void {
    const { replies } = this.#options
    const { request, source } = offer.incoming
    if (dialog.waiting !== offer || request.method === 'UPDATE' || offer.provisionalCount === PROGRESS_MAX) return
    offer.provisionalCount += 1
    const isReliable = ['Require', 'Supported'].some((name) => optionTags(request.headers, name).includes('100rel'))
    const headers = [
      replies.contact(source),
      ALLOW,
      SERVER,
      ...(isReliable ? [{ name: 'Require', value: '100rel' }] : []),
      ...(sdp === undefined ? [] : [{ name: 'Content-Type', value: 'application/sdp' }]),
    ]
    const reason = status === 180 ? 'Ringing' : 'Session Progress'
    replies.send(offer.incoming, dialog, { status, reason, headers, ...(sdp === undefined ? {} : { body: sdp }) })
  }

  #answer(dialog: RemoteDialog, offer: WaitingOffer, sdp: Uint8Array): void {
    if (dialog.waiting !== offer) return
    const { sink, replies, accepted, delivered } = this.#options
    const { incoming, terms } = offer
    this.forget(dialog)
    accepted(dialog, offer)
    const headers = [...replies.acceptance(incoming, terms), { name: 'Content-Type', value: 'application/sdp' }]
    replies.send(incoming, dialog, { status: 200, reason: 'OK', headers, body: sdp }, (delivery) =>
      sink.enter(() => delivered(dialog, delivery)),
    )
  }

  #refuse(
    dialog: RemoteDialog,
    offer: WaitingOffer,
    refusal: { readonly status: number; readonly reason: string; readonly headers: readonly SipHeader[] },
  ): void {
    if (dialog.waiting !== offer) return
    const status = refusal.status >= 300 && refusal.status <= 699 ? refusal.status : 500
    const headers = [...refusal.headers, ...(status === 415 ? [ACCEPT] : []), SERVER]
    this.finish(dialog, { status, reason: refusal.reason, headers })
    if (offer.isInitial) this.#options.refused(dialog)
  }

  /** The offer will not be answered any more. */
  #giveUp(dialog: RemoteDialog, offer: WaitingOffer, reason: string): void {
    if (dialog.waiting !== offer) return
    this.#refuse(dialog, offer, { status: 500, reason, headers: [] })
    if (offer.isInitial) this.#options.sink.ended(dialog.id, { cause: 'refused' })
  }
}
