import {
  readRecordingRequest,
  REFUSALS,
  type RecordingRequest,
  type RefusalReason,
} from '../../recorder/recording-request.ts'
import type { OfferRequest } from '../signalling/port.ts'
import { createLiveRecording, sdpAnswer, type LiveRecording } from './live-recording.ts'
import type { MetadataIntake } from './metadata-intake.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import type { RecordingEnd } from './recording-end.ts'
import type { RecordingTable } from './recording-table.ts'

const RETRY_AFTER_SECONDS = 5
/** What an SRC is told; the operator's log has more. */
const OPENING_FAILURES = {
  portsExhausted: 'No free RTP port pair in the configured range',
  failed: 'The recorder could not open the media streams',
  draining: 'The recorder is shutting down',
} as const

/** What offers and answers need of the rest of the recording session's life. */
export interface OfferParts {
  readonly table: RecordingTable
  readonly end: RecordingEnd
  readonly metadata: MetadataIntake
}

/** Offers of SRCs, and how they are answered: the first of a recording session opens its recording. RFC 3264 */
export class RecordingOffers {
  readonly #options: RecordingControlOptions
  readonly #table: RecordingTable
  readonly #end: RecordingEnd
  readonly #metadata: MetadataIntake
  #isClosed = false

  constructor(options: RecordingControlOptions, parts: OfferParts) {
    this.#options = options
    this.#table = parts.table
    this.#end = parts.end
    this.#metadata = parts.metadata
  }

  /** The recorder ends everything: what is still being opened is refused. */
  close(): void {
    this.#isClosed = true
  }

  handleInvite(offer: OfferRequest): void {
    const source = this.#options.sources.lookup(offer.source.address)
    const read = readRecordingRequest({
      contentType: offer.header('content-type'),
      body: offer.body,
      require: offer.headers('require'),
      contact: offer.header('contact'),
      knownRecording: source.forceSiprec,
    })
    if (!read.ok) {
      this.#refuse(offer, read.reason, source.name)
      return
    }
    const { settings, nowUs, nowUnixMs, randomBytes } = this.#options
    const recording = createLiveRecording({
      offer,
      source,
      settings,
      openedUs: offer.receivedUs,
      openedAtUnixMs: Math.round(nowUnixMs() - (nowUs() - offer.receivedUs) / 1_000),
      randomBytes,
    })
    this.#open(recording, offer, read.value).catch((error: unknown) => this.#breakOff(recording, offer, error))
  }

  handleReinvite(offer: OfferRequest): void {
    const recording = this.#table.byDialog(offer.dialogId)
    const read = readRecordingRequest({
      contentType: offer.header('content-type'),
      body: offer.body,
      require: [],
      contact: undefined,
      knownRecording: true,
    })
    if (recording === undefined || recording.state === 'closing') {
      offer.refuse(481, 'Call/Transaction Does Not Exist')
      return
    }
    if (!read.ok) {
      // The snapshot is kept although the offer is not taken.
      this.#metadata.passBody(recording, offer.header('content-type'), offer)
      this.#refuse(offer, read.reason, recording.facts.src)
      return
    }
    this.#update(recording, offer, read.value).catch((error: unknown) => this.#breakOff(recording, offer, error))
  }

  async #open(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest): Promise<void> {
    this.#table.add(recording)
    this.#options.events.created(recording)
    const opened = await this.#options.media.open(recording.facts, request.plans)
    if (this.#table.byDialog(offer.dialogId) !== recording) {
      // CANCEL won while the ports were being bound.
      if (opened.ok) this.#options.media.abandon(recording.facts.recordingId)
      return
    }
    if (!opened.ok) {
      this.#options.events.notOpened(recording, opened.detail)
      this.#refuseOpening(recording, offer, opened.reason)
      return
    }
    if (this.#isClosed) {
      this.#options.media.abandon(recording.facts.recordingId)
      this.#refuseOpening(recording, offer, 'draining')
      return
    }
    this.#end.setState(recording, 'answered')
    this.#metadata.pass(recording, request.metadata, offer.receivedUs)
    this.#options.events.linesRefused(request.refusedLines)
    this.#options.events.opened(recording, offer, this.#options.nowUs())
    offer.answer(sdpAnswer(recording, request, opened.ports, this.#mediaAddress(offer)))
  }

  async #update(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest): Promise<void> {
    const { recordingId } = recording.facts
    // Before anything can go wrong with the ports: the snapshot is kept whatever becomes of the offer.
    this.#metadata.pass(recording, request.metadata, offer.receivedUs)
    const updated = await this.#options.media.update(recordingId, request.plans, offer.receivedUs)
    if (recording.state === 'closing') {
      // BYE won while the ports were being bound.
      offer.refuse(481, 'Call/Transaction Does Not Exist')
      return
    }
    if (!updated.ok) {
      this.#options.events.notOpened(recording, updated.detail)
      offer.refuse(updated.reason === 'portsExhausted' ? 503 : 500, 'Cannot change the recording session', [
        ['Retry-After', String(RETRY_AFTER_SECONDS)],
      ])
      return
    }
    this.#options.events.linesRefused(request.refusedLines)
    offer.answer(sdpAnswer(recording, request, updated.ports, this.#mediaAddress(offer)))
  }

  #refuseOpening(recording: LiveRecording, offer: OfferRequest, reason: keyof typeof OPENING_FAILURES): void {
    this.#end.forget(recording, reason)
    offer.refuse(503, 'Service Unavailable', [
      ['Retry-After', String(RETRY_AFTER_SECONDS)],
      ['Warning', `399 earwitness "${OPENING_FAILURES[reason]}"`],
    ])
  }

  /** Something here threw that never should: this recording session ends, and no other notices. */
  #breakOff(recording: LiveRecording, offer: OfferRequest, error: unknown): void {
    this.#options.events.failed(recording, error)
    offer.refuse(500, 'Server Internal Error')
    if (recording.state === 'opening') {
      this.#options.media.abandon(recording.facts.recordingId)
      this.#end.forget(recording, 'failed')
    } else {
      this.#end.hangUp(recording, 'recorderFailed', 'Recorder failed')
    }
  }

  #mediaAddress({ localAddress }: OfferRequest): string {
    return this.#options.settings.mediaAddress ?? localAddress
  }

  #refuse(offer: OfferRequest, reason: RefusalReason, src: string): void {
    const { status, phrase, headers } = REFUSALS[reason]
    this.#options.events.refused(offer, reason, src)
    offer.refuse(status, phrase, headers)
  }
}
