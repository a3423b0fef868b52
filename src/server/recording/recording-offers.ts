import type { ConsentListening } from '../../recorder/consent-listener.ts'
import { planDelayedOffer, type DelayedOffer } from '../../recorder/delayed-offer.ts'
import {
  readRecordingRequest,
  REFUSALS,
  type RecordingRequest,
  type RefusalReason,
} from '../../recorder/recording-request.ts'
import { withOwnKeys } from '../../recorder/own-keys.ts'
import type { MediaStreamPlan } from '../../recorder/recording-types.ts'
import { acceptsSnapshotRequest } from '../../protocol/siprec/snapshot-request.ts'
import type { OfferRequest } from '../signalling/port.ts'
import { createLiveRecording, type LiveRecording } from './live-recording.ts'
import { sdpAnswer, sdpFirstOffer, sdpOfferAgain } from './local-description.ts'
import type { MetadataIntake } from './metadata-intake.ts'
import { OPENING_FAILURES } from './opening-failures.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import type { RecordingEnd } from './recording-end.ts'
import type { RecordingPauses } from './recording-pauses.ts'
import { SOURCE_REFUSALS } from './source-refusals.ts'
import type { RecordingTable } from './recording-table.ts'

const RETRY_AFTER_SECONDS = 5

/** What offers and answers need of the rest of the recording session's life. */
export interface OfferParts {
  readonly table: RecordingTable
  readonly end: RecordingEnd
  readonly metadata: MetadataIntake
  readonly pauses: RecordingPauses
  readonly holdsAudio: (src: string) => boolean
  readonly listeningFor: (src: string) => ConsentListening | undefined
}

/** Offers of SRCs, and how they are answered: the first of a recording session opens its recording. RFC 3264 */
export class RecordingOffers {
  readonly #options: RecordingControlOptions
  readonly #parts: OfferParts
  #isClosed = false

  constructor(options: RecordingControlOptions, parts: OfferParts) {
    this.#options = options
    this.#parts = parts
  }

  /** The recorder ends everything: what is still being opened is refused. */
  close(): void {
    this.#isClosed = true
  }

  handleInvite(offer: OfferRequest): void {
    const source = this.#options.sources.lookup(offer.source)
    if (source.refusal !== undefined) {
      this.#options.events.sourceRefused(source.refusal, source.name, this.#options.nowUs())
      offer.refuse(403, 'Forbidden', [['Warning', SOURCE_REFUSALS[source.refusal]]])
      return
    }
    const facts = {
      contentType: offer.header('content-type'),
      body: offer.body,
      require: offer.headers('require'),
      contact: offer.header('contact'),
      knownRecording: source.forceSiprec,
      from: offer.from,
    }
    const read = readRecordingRequest(facts)
    if (!read.ok && read.reason !== 'noOffer') {
      this.#refuse(offer, read.reason, source.name)
      return
    }
    const { settings, nowUs, nowUnixMs, randomBytes } = this.#options
    const request = read.ok ? read.value : planDelayedOffer(facts)
    const recording = createLiveRecording({
      offer,
      request,
      source,
      mediaAddress: settings.mediaAddress ?? offer.localAddress,
      canBeAsked: acceptsSnapshotRequest(offer.headers('accept')),
      settings,
      reception: {
        sourceRule: source.rtpSource,
        signallingAddress: offer.source.address,
        sendsRtcp: settings.sendsRtcp,
      },
      isHeld: this.#parts.holdsAudio(source.name),
      consent: this.#parts.listeningFor(source.name),
      openedUs: offer.receivedUs,
      openedAtUnixMs: Math.round(nowUnixMs() - (nowUs() - offer.receivedUs) / 1_000),
      randomBytes,
    })
    this.#open(recording, offer, request).catch((error: unknown) => this.#breakOff(recording, offer, error))
  }

  handleReinvite(offer: OfferRequest): void {
    const recording = this.#parts.table.byDialog(offer.dialogId)
    if (recording === undefined || recording.state === 'closing') {
      offer.refuse(481, 'Call/Transaction Does Not Exist')
      return
    }
    this.#parts.pauses.handleHeaders(recording, offer, 'INVITE')
    const read = readRecordingRequest({
      contentType: offer.header('content-type'),
      body: offer.body,
      require: [],
      contact: undefined,
      knownRecording: true,
    })
    if (read.ok) {
      this.#update(recording, offer, read.value).catch((error: unknown) => this.#breakOff(recording, offer, error))
      return
    }
    // The snapshot is kept whether or not the offer is taken.
    this.#parts.metadata.passBody(recording, offer.header('content-type'), offer)
    this.#parts.metadata.passFrom(recording, offer.from, offer.receivedUs)
    if (read.reason === 'noOffer') this.#offerAgain(recording, offer)
    else this.#refuse(offer, read.reason, recording.facts.src)
  }

  async #open(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest | DelayedOffer): Promise<void> {
    const { table, end, metadata } = this.#parts
    table.add(recording)
    this.#options.events.created(recording)
    const opened = await this.#options.media.open(recording.facts, plansFor(recording, request))
    if (table.byDialog(offer.dialogId) !== recording) {
      // CANCEL won while the ports were being bound.
      if (opened.ok) this.#options.media.abandon(recording.facts.recordingId)
      return
    }
    if (!opened.ok) {
      if (opened.reason !== 'overloaded') this.#options.events.notOpened(recording, opened.detail)
      this.#refuseOpening(recording, offer, opened.reason)
      return
    }
    if (this.#isClosed) {
      this.#options.media.abandon(recording.facts.recordingId)
      this.#refuseOpening(recording, offer, 'draining')
      return
    }
    end.setState(recording, 'answered')
    if (request.metadata?.mediaType !== undefined) recording.from = offer.from
    metadata.notePlans(recording, agreedPlans(request), offer.receivedUs)
    metadata.pass(recording, request.metadata, offer.receivedUs)
    if ('refusedLines' in request) this.#options.events.linesRefused(request.refusedLines)
    this.#options.events.opened(recording, offer, this.#options.nowUs())
    offer.answer(this.#firstDescription(recording, request, opened.ports))
  }

  #firstDescription(
    recording: LiveRecording,
    request: RecordingRequest | DelayedOffer,
    ports: readonly number[],
  ): Uint8Array {
    if ('offer' in request) return sdpAnswer(recording, request, ports, recording.mediaAddress)
    recording.awaitsAnswer = 'first'
    return sdpFirstOffer(recording, request, ports, recording.mediaAddress)
  }

  async #update(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest): Promise<void> {
    const { recordingId } = recording.facts
    // Before anything can go wrong with the ports: the snapshot is kept whatever becomes of the offer.
    this.#parts.metadata.pass(recording, request.metadata, offer.receivedUs)
    this.#parts.metadata.passFrom(recording, offer.from, offer.receivedUs)
    // An offer of the SRC does as well as its answer to one of ours, which will not come any more. Before the ports are waited for: nobody must miss the answer meanwhile.
    const { awaitsAnswer } = recording
    recording.awaitsAnswer = undefined
    const updated = await this.#options.media.update(recordingId, plansFor(recording, request), offer.receivedUs)
    if (recording.state === 'closing') {
      // BYE won while the ports were being bound. What the worker has done since is in the manifest: the ledger has to say so too.
      if (updated.ok) this.#parts.metadata.notePlans(recording, request.plans, offer.receivedUs)
      offer.refuse(481, 'Call/Transaction Does Not Exist')
      return
    }
    if (!updated.ok) {
      recording.awaitsAnswer ??= awaitsAnswer
      this.#options.events.notOpened(recording, updated.detail)
      offer.refuse(updated.reason === 'portsExhausted' ? 503 : 500, 'Cannot change the recording session', [
        ['Retry-After', String(RETRY_AFTER_SECONDS)],
      ])
      return
    }
    // Before it is asked who takes part: a new line is somebody's.
    const answer = sdpAnswer(recording, request, updated.ports, recording.mediaAddress)
    this.#parts.metadata.noteOffer(recording, offer, request.plans)
    this.#options.events.linesRefused(request.refusedLines)
    offer.answer(answer)
  }

  /** A re-INVITE without SDP asks for an offer of ours. RFC 3261 14.2 */
  #offerAgain(recording: LiveRecording, offer: OfferRequest): void {
    const isInvite = offer.header('cseq')?.toUpperCase().endsWith('INVITE') !== false
    const sdp = isInvite ? sdpOfferAgain(recording, recording.mediaAddress) : undefined
    if (sdp === undefined) {
      offer.refuse(488, 'Not Acceptable Here')
      return
    }
    recording.awaitsAnswer ??= 'later'
    offer.answer(sdp)
  }

  #refuseOpening(recording: LiveRecording, offer: OfferRequest, reason: keyof typeof OPENING_FAILURES): void {
    const { check, sentence } = OPENING_FAILURES[reason]
    this.#parts.end.forget(recording, reason)
    if (check !== undefined) this.#options.events.notAdmitted(check)
    offer.refuse(503, 'Service Unavailable', [
      ['Retry-After', String(RETRY_AFTER_SECONDS)],
      ['Warning', `399 earwitness "${sentence}"`],
    ])
  }

  /** Something here threw that never should: this recording session ends, and no other notices. */
  #breakOff(recording: LiveRecording, offer: OfferRequest, error: unknown): void {
    this.#options.events.failed(recording, error)
    offer.refuse(500, 'Server Internal Error')
    if (recording.state === 'opening') {
      this.#options.media.abandon(recording.facts.recordingId)
      this.#parts.end.forget(recording, 'failed')
    } else {
      this.#parts.end.hangUp(recording, 'recorderFailed', 'Recorder failed')
    }
  }

  #refuse(offer: OfferRequest, reason: RefusalReason, src: string): void {
    const { status, phrase, headers } = REFUSALS[reason]
    this.#options.events.refused(offer, reason, src)
    offer.refuse(status, phrase, headers)
  }
}

/** What SDP has agreed on. That nothing is awaited before the SRC has answered an offer of ours is no hold: nobody asked for it. */
function agreedPlans(request: RecordingRequest | DelayedOffer): readonly MediaStreamPlan[] {
  return 'offer' in request ? request.plans : request.plans.map((plan) => ({ ...plan, held: false }))
}

/** The media streams, with the keys of our answer to their lines. */
function plansFor(recording: LiveRecording, request: RecordingRequest | DelayedOffer): readonly MediaStreamPlan[] {
  if (!('offer' in request)) return request.plans
  return withOwnKeys(request.plans, request.offer.media, (index, offered) =>
    recording.answerKeys.masterKeyFor(index, offered),
  )
}
