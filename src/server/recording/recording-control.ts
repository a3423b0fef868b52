import type { DialogId, RecordingId } from '../../ids.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import {
  readMetadataBody,
  readRecordingRequest,
  REFUSALS,
  type RecordingRequest,
  type RefusalReason,
} from '../../recorder/recording-request.ts'
import type { EndCause, RecordingIncident, SealedObject } from '../../recorder/recording-types.ts'
import { SNAPSHOTS_MAX } from '../../recorder/snapshot-keeper.ts'
import type { MediaPlane, MediaPlaneHandler } from '../media/media-plane.ts'
import type { WorkerReport } from '../media/worker-messages.ts'
import type { DialogEnd, InDialogRequest, OfferRequest, SignallingHandler, SignallingPort } from '../signalling/port.ts'
import type { Custody } from './custody.ts'
import { createLiveRecording, sdpAnswer, type LiveRecording, type RecordingSettings } from './live-recording.ts'
import { OPENING_FAILURES } from './opening-failures.ts'
import type { RecordingEvents } from './recording-events.ts'
import type { SourceTable } from './source-table.ts'

const RETRY_AFTER_SECONDS = 5
export interface RecordingControlOptions {
  readonly signalling: Pick<SignallingPort, 'bye'>
  readonly media: Pick<MediaPlane, 'open' | 'update' | 'metadata' | 'end' | 'abandon'>
  readonly custody: Pick<Custody, 'opened' | 'sealed' | 'incident' | 'close' | 'interrupted'>
  readonly sources: Pick<SourceTable, 'lookup'>
  readonly events: Pick<RecordingEvents, keyof RecordingEvents>
  readonly settings: RecordingSettings & {
    readonly mediaTimeoutMs: number
    readonly mediaAddress: string | undefined
  }
  /** Sealed audio waits for the store beyond all bounds. */
  readonly isOverfull: () => boolean
  /** Why no recording session is taken, as `/readyz` says; INVITE and OPTIONS say the same. Undefined when one is. */
  readonly refusal: (method: 'INVITE' | 'OPTIONS' | undefined) => string | undefined
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
  #closing = 0
  /** Set once the recorder ends everything: what is still being opened then is refused. */
  #ending = false

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

  /** Recording sessions, and how many of them are over and only wait for their manifest to be stored. */
  get counts(): { readonly live: number; readonly closing: number } {
    return { live: this.#byId.size, closing: this.#closing }
  }

  /** Resolves when no recording session is left. */
  async whenIdle(): Promise<void> {
    while (this.#byId.size > 0) await Promise.all(this.live.map((recording) => recording.closed))
  }

  /** Ends every recording session with BYE; resolves when all manifests are stored. */
  async endAll(cause: EndCause): Promise<void> {
    this.#ending = true
    for (const recording of this.live) this.#hangUp(recording, cause, 'Recorder is shutting down')
    await this.whenIdle()
  }

  optionsStatus(method?: 'INVITE' | 'OPTIONS'): ReturnType<SignallingHandler['optionsStatus']> {
    const refusal = this.#options.refusal(method)
    if (refusal === undefined) return { status: 200 }
    if (method === 'INVITE') this.#options.events.notAdmitted(refusal)
    return { status: 503, retryAfterSeconds: RETRY_AFTER_SECONDS }
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
      // The snapshot is kept although the offer is not taken.
      this.#passBody(recording, offer.header('content-type'), offer)
      this.#refuse(offer, read.reason, recording.facts.src)
      return
    }
    this.#update(recording, offer, read.value).catch((error: unknown) => this.#breakOff(recording, offer, error))
  }

  /** Metadata in UPDATE, INFO or ACK; other bodies are not ours to read. */
  handleInDialog(dialogId: DialogId, request: InDialogRequest): void {
    const recording = this.#byDialog.get(dialogId)
    if (recording !== undefined) this.#passBody(recording, request.header('content-type'), request)
  }

  handleConfirmed(dialogId: DialogId): void {
    const recording = this.#byDialog.get(dialogId)
    if (recording?.state === 'answered') this.#setState(recording, 'recording')
  }

  handleEnded(dialogId: DialogId, end: DialogEnd): void {
    const recording = this.#byDialog.get(dialogId)
    if (recording === undefined) return
    if (recording.state === 'opening') {
      this.#forget(recording, end.cause)
      return
    }
    // CUBE and Ribbon send the last snapshot inside BYE.
    this.#passBody(recording, end.contentType, end)
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

  handleFailed(recordingId: RecordingId): void {
    const recording = this.#byId.get(recordingId)
    if (recording !== undefined) this.#hangUp(recording, 'recorderFailed', 'Recorder failed')
  }

  handleManifest(recordingId: RecordingId, manifest: ManifestBody): void {
    const recording = this.#byId.get(recordingId)
    if (recording === undefined) return
    this.#options.events.ended(recording, manifest)
    const closing = this.#options.custody.close(recording.objectPrefix, manifest).catch((error: unknown) => {
      // What no verifier would accept is not signed: then a manifest that says less.
      if (!(error instanceof TypeError)) throw error
      this.#options.events.failed(recording, error)
      return this.#interrupt(recording, 'The whole manifest could not be made; what was sealed is kept.')
    })
    void this.#close(recording, closing, manifest.endCause)
  }

  handleWorkerLost(recordingIds: readonly RecordingId[]): void {
    for (const recordingId of recordingIds) {
      const recording = this.#byId.get(recordingId)
      // One that is still being opened is refused when its `open` fails.
      if (recording === undefined || recording.state === 'opening') continue
      this.#setState(recording, 'closing')
      this.#options.events.workerLost(recording)
      this.#bye(recording, 500, 'Recorder failed')
      const detail = 'The media worker of this recording died; what it had sealed is kept.'
      void this.#close(recording, this.#interrupt(recording, detail), 'workerLost')
    }
  }

  handleReport(workerId: number, report: WorkerReport): void {
    this.#options.events.workerReport(workerId, report)
    if (this.#options.isOverfull()) {
      for (const recording of this.live) this.#hangUp(recording, 'storageFull', 'Storage is full')
    }
    const { mediaTimeoutMs } = this.#options.settings
    if (mediaTimeoutMs === 0) return
    for (const quiet of report.quiet) {
      const recording = this.#byId.get(quiet.recordingId)
      if (recording === undefined || quiet.held || quiet.quietMs < mediaTimeoutMs) continue
      this.#hangUp(recording, 'mediaTimeout', 'No media')
    }
  }

  async #open(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest): Promise<void> {
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
      if (opened.reason !== 'overloaded') this.#options.events.notOpened(recording, opened.detail)
      this.#refuseOpening(recording, offer, opened.reason)
      return
    }
    if (this.#ending) {
      this.#options.media.abandon(recording.facts.recordingId)
      this.#refuseOpening(recording, offer, 'draining')
      return
    }
    this.#openedTotal += 1
    this.#setState(recording, 'answered')
    this.#options.custody.opened(recording)
    this.#passMetadata(recording, request.metadata, offer.receivedUs)
    this.#options.events.opened(recording, offer, this.#options.nowUs())
    offer.answer(sdpAnswer(recording, request, opened.ports, this.#mediaAddress(offer)))
  }

  async #update(recording: LiveRecording, offer: OfferRequest, request: RecordingRequest): Promise<void> {
    const { recordingId } = recording.facts
    // Before anything can go wrong with the ports: the snapshot is kept whatever becomes of the offer.
    this.#passMetadata(recording, request.metadata, offer.receivedUs)
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
    offer.answer(sdpAnswer(recording, request, updated.ports, this.#mediaAddress(offer)))
  }

  #refuseOpening(recording: LiveRecording, offer: OfferRequest, reason: keyof typeof OPENING_FAILURES): void {
    const { check, sentence } = OPENING_FAILURES[reason]
    this.#forget(recording, reason)
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
      this.#forget(recording, 'failed')
    } else {
      this.#hangUp(recording, 'recorderFailed', 'Recorder failed')
    }
  }

  #passMetadata(recording: LiveRecording, metadata: RecordingRequest['metadata'], receivedUs: number): void {
    if (metadata === undefined) return
    const received = { raw: metadata.raw, rawSha256: sha256Hex(metadata.raw), snapshot: metadata.snapshot }
    const elapsedMs = Math.round((receivedUs - recording.facts.openedUs) / 1_000)
    const receivedAt = new Date(recording.facts.openedAtUnixMs + elapsedMs).toISOString()
    // The worker keeps no more either; it notes an incident instead.
    if (recording.snapshots.length + recording.pendingSnapshots.length < SNAPSHOTS_MAX) {
      recording.pendingSnapshots.push({ received, reason: metadata.reason, receivedAt })
    }
    if (metadata.snapshot === undefined) this.#options.events.metadataRejected(recording, metadata.reason ?? 'unknown')
    this.#options.media.metadata(recording.facts.recordingId, received, receivedUs)
  }

  /** Metadata in a message that is no offer, or is refused. */
  #passBody(
    recording: LiveRecording,
    contentType: string | undefined,
    { body, receivedUs }: Pick<DialogEnd, 'body' | 'receivedUs'>,
  ): void {
    if (body === undefined || body.length === 0 || recording.state === 'closing') return
    this.#passMetadata(recording, readMetadataBody(contentType, body), receivedUs)
  }

  async #interrupt(recording: LiveRecording, detail: string): Promise<void> {
    const { sealedKey } = recording
    if (sealedKey === undefined) throw new Error('a recording without its sealed key was answered')
    const endedAt = new Date(this.#options.nowUnixMs()).toISOString()
    await this.#options.custody.interrupted({ ...recording, ...sealedKey, endedAt }, detail)
  }

  #mediaAddress({ localAddress }: OfferRequest): string {
    return this.#options.settings.mediaAddress ?? localAddress
  }

  #refuse(offer: OfferRequest, reason: RefusalReason, src: string): void {
    const { status, phrase, headers } = REFUSALS[reason]
    this.#options.events.refused(offer, reason, src)
    offer.refuse(status, phrase, headers)
  }

  #hangUp(recording: LiveRecording, cause: EndCause, text: string): void {
    if (recording.state === 'closing' || recording.state === 'opening') return
    // In this order: the dialog's end is told at once, and would pass for a BYE of the SRC.
    this.#end(recording, cause, this.#options.nowUs())
    this.#bye(recording, 200, text)
  }

  #bye(recording: LiveRecording, cause: number, text: string): void {
    this.#options.signalling
      .bye(recording.dialogId, { cause, text })
      .catch((error: unknown) => this.#options.events.failed(recording, error))
  }

  #end(recording: LiveRecording, cause: EndCause, endedUs: number): void {
    if (recording.state === 'closing') return
    this.#setState(recording, 'closing')
    this.#options.media.end(recording.facts.recordingId, cause, endedUs)
  }

  #setState(recording: LiveRecording, state: LiveRecording['state']): void {
    const before = recording.state
    recording.state = state
    if (state === 'closing' && before !== 'closing') this.#closing += 1
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
    if (this.#byId.get(recording.facts.recordingId) !== recording) return
    this.#options.events.abandoned(recording, outcome)
    this.#remove(recording)
    recording.markClosed()
  }

  #remove(recording: LiveRecording): void {
    if (recording.state === 'closing') this.#closing -= 1
    this.#byDialog.delete(recording.dialogId)
    this.#byId.delete(recording.facts.recordingId)
  }
}
