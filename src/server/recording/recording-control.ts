import type { DialogId, RecordingId } from '../../ids.ts'
import { asRecordingId, asRsId, uuidV7 } from '../../ids.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import { buildAnswer } from '../../protocol/sdp/answer.ts'
import {
  answerLines,
  readMetadataBody,
  readRecordingRequest,
  REFUSALS,
  type RecordingRequest,
  type RefusalReason,
} from '../../recorder/recording-request.ts'
import type { EndCause, Layout, RecordingIncident, SealedObject } from '../../recorder/recording-types.ts'
import type { MediaPlane, MediaPlaneHandler } from '../media/media-plane.ts'
import type { WorkerReport } from '../media/worker-messages.ts'
import type { DialogEnd, InDialogRequest, OfferRequest, SignallingHandler, SignallingPort } from '../signalling/port.ts'
import { recordingPrefix } from '../storage/layout.ts'
import { sha256Hex, type Custody } from './custody.ts'
import type { LiveRecording } from './live-recording.ts'
import type { RecordingEvents } from './recording-events.ts'
import type { SourceTable } from './source-table.ts'

const RETRY_AFTER_SECONDS = 5

export interface RecordingControlOptions {
  readonly signalling: Pick<SignallingPort, 'bye'>
  readonly media: MediaPlane
  readonly custody: Custody
  readonly sources: SourceTable
  readonly events: RecordingEvents
  readonly settings: {
    readonly layout: Layout
    readonly chunkUs: number
    readonly mediaTimeoutMs: number
    readonly mediaAddress: string | undefined
    readonly vaultRecipients: readonly string[]
    readonly software: { readonly name: string; readonly version: string }
  }
  /** What `/readyz` says; INVITE and OPTIONS say the same. */
  readonly isReady: () => boolean
  readonly nowUs: () => number
  readonly nowUnixMs: () => number
  readonly randomBytes: (length: number) => Uint8Array
}

/**
 * Joins signalling, media and custody: every SIP dialog that asks for a recording becomes one recording, and ends as one.
 */
export class RecordingControl implements SignallingHandler, MediaPlaneHandler {
  readonly #options: RecordingControlOptions
  readonly #byDialog = new Map<DialogId, LiveRecording>()
  readonly #byId = new Map<RecordingId, LiveRecording>()
  #openedTotal = 0

  constructor(options: RecordingControlOptions) {
    this.#options = options
  }

  /** Recording sessions opened since the start. */
  get openedTotal(): number {
    return this.#openedTotal
  }

  get live(): readonly LiveRecording[] {
    return [...this.#byId.values()]
  }

  /** Resolves when no recording session is left. */
  async whenIdle(): Promise<void> {
    while (this.#byId.size > 0) await Promise.all(this.live.map((recording) => recording.closed))
  }

  /** Ends every recording session with BYE; resolves when all manifests are stored. */
  async endAll(cause: EndCause): Promise<void> {
    for (const recording of this.live) this.#hangUp(recording, cause, 'Recorder is shutting down')
    await this.whenIdle()
  }

  optionsStatus(): { readonly status: 200 } | { readonly status: 503; readonly retryAfterSeconds: number } {
    return this.#options.isReady() ? { status: 200 } : { status: 503, retryAfterSeconds: RETRY_AFTER_SECONDS }
  }

  handleCounted(counter: Parameters<NonNullable<SignallingHandler['handleCounted']>>[0]): void {
    this.#options.events.signallingCounted(counter)
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
    void this.#open(offer, read.value, source.name, source.tenant)
  }

  handleReinvite(offer: OfferRequest): void {
    const recording = this.#byDialog.get(offer.dialogId)
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
      this.#refuse(offer, read.reason, recording.facts.src)
      return
    }
    void this.#update(recording, offer, read.value)
  }

  /** Metadata in UPDATE, INFO or ACK; other bodies are not ours to read. */
  handleInDialog(dialogId: DialogId, request: InDialogRequest): void {
    const recording = this.#byDialog.get(dialogId)
    if (recording === undefined || recording.state === 'closing' || request.body.length === 0) return
    this.#passMetadata(recording, readMetadataBody(request.header('content-type'), request.body), request.receivedUs)
  }

  handleConfirmed(dialogId: DialogId): void {
    const recording = this.#byDialog.get(dialogId)
    if (recording?.state === 'answered') this.#setState(recording, 'recording')
  }

  handleEnded(dialogId: DialogId, end: DialogEnd): void {
    const recording = this.#byDialog.get(dialogId)
    if (recording === undefined) return
    if (end.cause === 'cancelled' || end.cause === 'refused') {
      if (recording.state === 'opening') this.#forget(recording, end.cause)
      return
    }
    this.#keepFinalMetadata(recording, end)
    const { cause } = end
    this.#end(recording, cause === 'noAck' || cause === 'sessionExpired' ? cause : 'bye', end.receivedUs)
  }

  handleSealed(recordingId: RecordingId, object: SealedObject): void {
    const recording = this.#byId.get(recordingId)
    if (recording === undefined) return
    if (object.kind !== 'key') {
      this.#options.custody.sealed(recording, object)
      return
    }
    const { name, bytes, recipient = '' } = object
    recording.sealedKey = {
      recipient,
      bytes,
      wrappedKey: { name, sha256: sha256Hex(bytes), sizeBytes: bytes.length },
    }
  }

  handleIncident(recordingId: RecordingId, incident: RecordingIncident): void {
    const recording = this.#byId.get(recordingId)
    if (recording === undefined) return
    this.#options.custody.incident(recording, incident)
    this.#options.events.incident(recording, incident)
  }

  handleFirstPacket(recordingId: RecordingId): void {
    const recording = this.#byId.get(recordingId)
    if (recording?.state === 'answered') this.#setState(recording, 'recording')
  }

  handleManifest(recordingId: RecordingId, manifest: ManifestBody): void {
    const recording = this.#byId.get(recordingId)
    if (recording === undefined) return
    this.#options.events.ended(recording, manifest)
    void this.#close(recording, this.#options.custody.close(recording.objectPrefix, manifest), manifest.endCause)
  }

  handleWorkerLost(recordingIds: readonly RecordingId[]): void {
    for (const recordingId of recordingIds) {
      const recording = this.#byId.get(recordingId)
      if (recording === undefined) continue
      const answered = recording.state !== 'opening'
      this.#setState(recording, 'closing')
      if (!answered) continue
      void this.#options.signalling.bye(recording.dialogId, { cause: 500, text: 'Recorder failed' })
      this.#options.events.workerLost(recording)
      const { sealedKey } = recording
      if (sealedKey === undefined) continue
      const detail = 'The media worker of this recording died; what it had sealed is kept.'
      void this.#close(
        recording,
        this.#options.custody.interrupted({ ...recording, ...sealedKey }, detail),
        'workerLost',
      )
    }
  }

  handleReport(workerId: number, report: WorkerReport): void {
    this.#options.events.workerReport(workerId, report)
    const { mediaTimeoutMs } = this.#options.settings
    if (mediaTimeoutMs === 0) return
    for (const quiet of report.quiet) {
      const recording = this.#byId.get(quiet.recordingId)
      if (recording === undefined || quiet.held || quiet.quietMs < mediaTimeoutMs) continue
      this.#hangUp(recording, 'mediaTimeout', 'No media')
    }
  }

  async #open(offer: OfferRequest, request: RecordingRequest, src: string, tenant: string): Promise<void> {
    const recording = this.#create(offer, src, tenant)
    this.#byDialog.set(offer.dialogId, recording)
    this.#byId.set(recording.facts.recordingId, recording)
    this.#options.events.created(recording)
    const opened = await this.#options.media.open(recording.facts, request.plans)
    if (this.#byDialog.get(offer.dialogId) !== recording) {
      // CANCEL won while the ports were being bound.
      if (opened.ok) this.#options.media.abandon(recording.facts.recordingId)
      return
    }
    if (!opened.ok) {
      this.#forget(recording, opened.reason)
      offer.refuse(503, 'Service Unavailable', [
        ['Retry-After', String(RETRY_AFTER_SECONDS)],
        ['Warning', `399 earwitness "${opened.detail}"`],
      ])
      return
    }
    this.#openedTotal += 1
    this.#options.custody.opened(recording)
    this.#passMetadata(recording, request.metadata, offer.receivedUs)
    this.#setState(recording, 'answered')
    this.#options.events.opened(recording, offer, this.#options.nowUs())
    offer.answer(this.#answer(recording, request, opened.ports, offer.localAddress))
  }

  async #update(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest): Promise<void> {
    const { recordingId } = recording.facts
    const updated = await this.#options.media.update(recordingId, request.plans, offer.receivedUs)
    if (!updated.ok) {
      offer.refuse(updated.reason === 'portsExhausted' ? 503 : 500, 'Cannot change the recording session', [
        ['Retry-After', String(RETRY_AFTER_SECONDS)],
      ])
      return
    }
    this.#passMetadata(recording, request.metadata, offer.receivedUs)
    offer.answer(this.#answer(recording, request, updated.ports, offer.localAddress))
  }

  #answer(
    recording: LiveRecording,
    request: RecordingRequest,
    ports: readonly number[],
    localAddress: string,
  ): Uint8Array {
    recording.sdpVersion += 1
    return buildAnswer({
      offer: request.offer,
      lines: answerLines(request, ports),
      address: this.#options.settings.mediaAddress ?? localAddress,
      sessionId: recording.sdpSessionId,
      sessionVersion: recording.sdpVersion,
    })
  }

  #create(offer: OfferRequest, src: string, tenant: string): LiveRecording {
    const { nowUnixMs, nowUs, randomBytes, settings } = this.#options
    const openedUs = nowUs()
    const openedAtUnixMs = nowUnixMs()
    const recordingId = asRecordingId(uuidV7(openedAtUnixMs, randomBytes(16)))
    let markClosed = (): void => {}
    const closed = new Promise<void>((resolve) => {
      markClosed = resolve
    })
    return {
      facts: {
        recordingId,
        rsId: asRsId(uuidV7(openedAtUnixMs, randomBytes(16))),
        tenant,
        src,
        sipCallIdSha256: sha256Hex(offer.sipCallId),
        layout: settings.layout,
        chunkUs: settings.chunkUs,
        openedUs,
        openedAtUnixMs,
        vaultRecipients: settings.vaultRecipients,
        software: settings.software,
      },
      dialogId: offer.dialogId,
      sipCallId: offer.sipCallId,
      startedAt: new Date(openedAtUnixMs).toISOString(),
      objectPrefix: recordingPrefix(tenant, recordingId),
      sdpSessionId: String(openedAtUnixMs),
      sdpVersion: 0,
      state: 'opening',
      sealedKey: undefined,
      chunks: [],
      snapshots: [],
      pendingSnapshots: [],
      incidents: [],
      closed,
      markClosed,
    }
  }

  #passMetadata(recording: LiveRecording, metadata: RecordingRequest['metadata'], receivedUs: number): void {
    if (metadata === undefined) return
    const received = { raw: metadata.raw, rawSha256: sha256Hex(metadata.raw), snapshot: metadata.snapshot }
    const elapsedMs = Math.round((receivedUs - recording.facts.openedUs) / 1_000)
    const receivedAt = new Date(recording.facts.openedAtUnixMs + elapsedMs).toISOString()
    recording.pendingSnapshots.push({ received, reason: metadata.reason, receivedAt })
    if (metadata.snapshot === undefined) this.#options.events.metadataRejected(recording, metadata.reason ?? 'unknown')
    this.#options.media.metadata(recording.facts.recordingId, received, receivedUs)
  }

  /** CUBE and Ribbon send the last snapshot inside BYE. */
  #keepFinalMetadata(recording: LiveRecording, end: DialogEnd): void {
    if (end.body === undefined || end.body.length === 0 || recording.state === 'closing') return
    const metadata = readMetadataBody(end.contentType, end.body)
    this.#passMetadata(recording, metadata, end.receivedUs)
  }

  #refuse(offer: OfferRequest, reason: RefusalReason, src: string): void {
    const { status, phrase, headers } = REFUSALS[reason]
    this.#options.events.refused(offer, reason, src)
    offer.refuse(status, phrase, headers)
  }

  #hangUp(recording: LiveRecording, cause: EndCause, text: string): void {
    if (recording.state === 'closing' || recording.state === 'opening') return
    void this.#options.signalling.bye(recording.dialogId, { cause: 200, text })
    this.#end(recording, cause, this.#options.nowUs())
  }

  #end(recording: LiveRecording, cause: EndCause, endedUs: number): void {
    if (recording.state === 'closing') return
    this.#setState(recording, 'closing')
    this.#options.media.end(recording.facts.recordingId, cause, endedUs)
  }

  #setState(recording: LiveRecording, state: LiveRecording['state']): void {
    const before = recording.state
    recording.state = state
    this.#options.events.stateChanged(recording, before)
  }

  async #close(recording: LiveRecording, closing: Promise<void>, outcome: string): Promise<void> {
    try {
      await closing
      this.#options.events.closed(recording, outcome)
    } catch (error) {
      // The manifest could not be stored: the open journal still has the recording, and the next start finishes it.
      this.#options.events.notClosed(recording, error)
    }
    this.#remove(recording)
    recording.markClosed()
  }

  /** The INVITE came to nothing: there is no recording. */
  #forget(recording: LiveRecording, outcome: string): void {
    this.#options.events.abandoned(recording, outcome)
    this.#remove(recording)
    recording.markClosed()
  }

  #remove(recording: LiveRecording): void {
    this.#byDialog.delete(recording.dialogId)
    this.#byId.delete(recording.facts.recordingId)
  }
}
