import type { ConsentFactAt } from '../../consent/words.ts'
import { ConsentDesk } from '../consent/consent-desk.ts'
import { consentActions } from './consent-actions.ts'
import type { DialogId, RecordingId, StreamId } from '../../ids.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { EndCause, FlagEvent, RecordingIncident, SealedObject } from '../../recorder/recording-types.ts'
import type { MediaPlaneHandler } from '../media/media-plane-handler.ts'
import type { WorkerReport } from '../media/worker-messages.ts'
import type { ClosedSegment } from '../spool/segment-cover.ts'
import type { DialogEnd, InDialogRequest, OfferRequest, SignallingHandler } from '../signalling/port.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import { AwaitedAnswers } from './awaited-answers.ts'
import { Commitment } from './commitment.ts'
import type { HeldDecision } from './held-decision.ts'
import { monotonicOf, wallClock, type LiveRecording } from './live-recording.ts'
import { streamsOfVoices } from './local-description.ts'
import { MetadataIntake } from './metadata-intake.ts'
import { type ConsentWord, factOfWord } from './noted-consent.ts'
import { OwnRequests } from './own-requests.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import { RecordingEnd } from './recording-end.ts'
import { RecordingOffers } from './recording-offers.ts'
import { RecordingPauses } from './recording-pauses.ts'
import { RecordingTable } from './recording-table.ts'

const RETRY_AFTER_SECONDS = 5
/** A disk that hangs must not keep whoever asks. */
const KEPT_WITHIN_MS = 10_000

/** What an operator can do to a recording session. */
export type OperatorAction = 'pause' | 'resume' | 'stop'

/**
 * Joins signalling, media and custody: every SIP dialog that asks for a recording becomes one recording, and ends as one.
 */
export class RecordingControl implements SignallingHandler, MediaPlaneHandler {
  readonly #options: RecordingControlOptions
  readonly #table = new RecordingTable()
  readonly #metadata: MetadataIntake
  readonly #commitment: Commitment
  readonly #end: RecordingEnd
  readonly #offers: RecordingOffers
  readonly #answers: AwaitedAnswers
  readonly #requests: OwnRequests
  readonly #pauses: RecordingPauses
  readonly #consent: ConsentDesk | undefined

  constructor(options: RecordingControlOptions) {
    this.#options = options
    this.#commitment = new Commitment(options.custody, (recording) => this.#consent?.opened(recording))
    const { consent, nowUs } = options
    this.#end = new RecordingEnd(options, {
      ...{ table: this.#table, commitment: this.#commitment },
      ending: async (recording) => this.#consent?.ended(recording),
    })
    this.#requests = new OwnRequests(options, {
      notePlans: (recording, plans, atUs) => this.#metadata.notePlans(recording, plans, atUs),
    })
    this.#metadata = new MetadataIntake(options, {
      requests: this.#requests,
      peopleChanged: (recording) => this.#consent?.peopleChanged(recording),
    })
    this.#answers = new AwaitedAnswers(options, { end: this.#end, metadata: this.#metadata })
    this.#pauses = new RecordingPauses(options, this.#requests)
    if (consent !== undefined) {
      this.#consent = new ConsentDesk({
        ...{ settings: consent, nowUs },
        actions: consentActions(options, {
          ...{ pauses: this.#pauses, end: this.#end },
          decideHeld: ({ facts }, outcome, cause) =>
            void this.decideHeld(facts.recordingId, { outcome, cause, fromUs: nowUs() }),
        }),
      })
    }
    this.#offers = new RecordingOffers(options, {
      table: this.#table,
      end: this.#end,
      metadata: this.#metadata,
      pauses: this.#pauses,
      holdsAudio: (src) => this.#consent?.holds(src) === true,
      listeningFor: (src) => this.#consent?.listeningFor(src),
    })
  }

  /** Recordings begun since the start: by ACK, or by RTP. */
  get openedTotal(): number {
    return this.#commitment.total
  }

  get live(): readonly LiveRecording[] {
    return this.#table.live
  }

  /** Recording sessions, and how many of them are over and only wait for their manifest to be stored. */
  get counts(): { readonly live: number; readonly closing: number } {
    return { live: this.#table.size, closing: this.#end.closing }
  }

  /** Resolves when no recording session is left. */
  async whenIdle(): Promise<void> {
    while (this.#table.size > 0) await Promise.all(this.live.map((recording) => recording.closed))
  }

  /** Ends every recording session with BYE; resolves when all manifests are stored. */
  async endAll(cause: EndCause): Promise<void> {
    this.#offers.close()
    for (const recording of this.live) this.#end.hangUp(recording, cause, 'Recorder is shutting down')
    await this.whenIdle()
  }

  /**
   * What an operator wants of a recording session: a pause holds at once, whatever the SRC makes of it; `stop` ends the session with BYE.
   * `notRecording`: it is still being opened, or is ending already.
   */
  operate(rsId: string, action: OperatorAction): Result<LiveRecording, 'unknown' | 'notRecording'> {
    const recording = this.live.find(({ facts }) => facts.rsId === rsId)
    if (recording === undefined) return rejected('unknown')
    if (recording.state === 'opening' || recording.state === 'closing') return rejected('notRecording')
    if (action === 'stop') this.#end.hangUp(recording, 'operator', 'Stopped by the operator')
    else this.#pauses.set(recording, { isPaused: action === 'pause', by: 'api', atUs: this.#options.nowUs() })
    return accepted(recording)
  }

  /**
   * Decides about audio that is held until consent: `kept`, it is part of the recording from now on; `destroyed`, nobody can ever open it. The first decision holds.
   * `notHeld`: this recording holds nothing. `decided`: somebody has. `unknown`: it is not under way; see `settleHeld`.
   *
   * @param decision.cause a word for the manifest, as `agreed`
   * @param decision.fromUs monotonic microseconds: what is said from then on is not held. Absent: all is, to the end
   */
  decideHeld(
    recordingId: RecordingId,
    decision: Pick<HeldDecision, 'outcome' | 'cause'> & { readonly fromUs?: number },
  ): Result<undefined, 'unknown' | 'notHeld' | 'decided'> {
    const recording = this.#table.byId(recordingId)
    if (recording === undefined || recording.state === 'opening') return rejected('unknown')
    if (recording.held === undefined) return rejected('notHeld')
    if (recording.heldDecision !== undefined) return rejected('decided')
    const { outcome, cause, fromUs } = decision
    if (fromUs !== undefined) this.#options.media.release(recordingId, fromUs)
    const decidedAt = new Date(this.#options.nowUnixMs()).toISOString()
    this.#options.custody.decideHeld(recording, { outcome, cause, decidedAt })
    return accepted(undefined)
  }

  /**
   * What an operator was told about the consent of a party; resolves when no crash takes it any more. `notDecided`: nobody asks for it. `unknownParty`: a yes of nobody in the recording. `notKept`: it could not be signed, or the disk
   * did not take it; what it forbids is done all the same.
   */
  async noteConsent(
    rsId: string,
    word: ConsentWord,
  ): Promise<Result<LiveRecording, 'unknown' | 'notRecording' | 'unknownParty' | 'notDecided' | 'notKept'>> {
    const recording = this.live.find(({ facts }) => facts.rsId === rsId)
    if (recording === undefined) return rejected('unknown')
    if (recording.state !== 'recording') return rejected('notRecording')
    const fact = factOfWord(word, recording)
    if (!fact.ok) return fact
    // By the clock of what is heard: that of the system may be set while the call lasts, and a yes takes back what was said before it.
    const at = wallClock(recording, this.#options.nowUs()).toISOString()
    const kept = this.#consent?.handleFact(recording, { at, fact: fact.value })
    if (kept === undefined) return rejected('notDecided')
    const tooLate = this.#options.sleep(KEPT_WITHIN_MS).then(() => false)
    return (await Promise.race([kept, tooLate])) ? accepted(recording) : rejected('notKept')
  }

  optionsStatus(method?: 'INVITE' | 'OPTIONS'): ReturnType<SignallingHandler['optionsStatus']> {
    const refusal = this.#options.refusal(method)
    if (refusal === undefined) return { status: 200 }
    if (method === 'INVITE') this.#options.events.notAdmitted(refusal.name)
    return { status: 503, retryAfterSeconds: RETRY_AFTER_SECONDS, warning: refusal.sentence }
  }

  handleCounted(counter: Parameters<NonNullable<SignallingHandler['handleCounted']>>[0]): void {
    this.#options.events.signallingCounted(counter)
  }

  handleInvite(offer: OfferRequest): void {
    this.#offers.handleInvite(offer)
  }

  handleReinvite(offer: OfferRequest): void {
    this.#offers.handleReinvite(offer)
  }

  /** UPDATE, INFO or ACK: metadata, a wish to pause, or the answer to an offer of ours. */
  handleInDialog(dialogId: DialogId, request: InDialogRequest): void {
    const recording = this.#table.byDialog(dialogId)
    if (recording === undefined) return
    // Whoever sends it has our 200.
    this.#begin(recording)
    this.#metadata.passBody(recording, request.header('content-type'), request)
    if (request.method === 'ACK') {
      this.#answers.handleAck(recording, request)
      return
    }
    this.#metadata.passFrom(recording, request.header('from'), request.receivedUs)
    this.#pauses.handleHeaders(recording, request, request.method)
  }

  handleConfirmed(dialogId: DialogId, receivedUs: number): void {
    const recording = this.#table.byDialog(dialogId)
    if (recording === undefined) return
    recording.isConfirmed = true
    this.#begin(recording)
    this.#answers.handleConfirmed(recording, receivedUs)
    this.#requests.handleConfirmed(recording)
  }

  handleEnded(dialogId: DialogId, end: DialogEnd): void {
    const recording = this.#table.byDialog(dialogId)
    if (recording === undefined) return
    if (recording.state === 'opening') {
      this.#end.forget(recording, end.cause)
      return
    }
    // CUBE and Ribbon send the last snapshot inside BYE.
    this.#metadata.passBody(recording, end.contentType, end)
    const { cause } = end
    this.#end.end(recording, cause === 'noAck' || cause === 'sessionExpired' ? cause : 'bye', end.receivedUs)
  }

  handleSealed(recordingId: RecordingId, object: SealedObject): void {
    const recording = this.#table.byId(recordingId)
    if (recording === undefined) return
    this.#commitment.take(recording, object)
    const entry = object.chunk ?? object.kept ?? object.dtmf
    if (entry !== undefined) recording.room.take(entry)
    // Before its manifest is longer than any reader takes.
    if (recording.room.isFull) this.#end.hangUp(recording, 'recordingFull', 'Recording is full')
  }

  handleIncident(recordingId: RecordingId, incident: RecordingIncident): void {
    const recording = this.#table.byId(recordingId)
    if (recording === undefined) return
    this.#commitment.note(recording, incident)
    this.#options.events.incident(recording, incident)
  }

  handleOrigin(recordingId: RecordingId, originAt: string): void {
    const recording = this.#table.byId(recordingId)
    if (recording === undefined) return
    recording.originUs = monotonicOf(recording, originAt)
    this.#options.custody.note(recording, { kind: 'origin', originAt })
  }

  handleConsent(recordingId: RecordingId, fact: ConsentFactAt): void {
    const recording = this.#table.byId(recordingId)
    if (recording !== undefined) void this.#consent?.handleFact(recording, fact)
  }

  handleFlag(recordingId: RecordingId, event: FlagEvent): void {
    const recording = this.#table.byId(recordingId)
    if (recording !== undefined) this.#options.events.flagged(recording, event)
  }

  handleFirstPacket(recordingId: RecordingId, streamId: StreamId): void {
    const recording = this.#table.byId(recordingId)
    if (recording === undefined) return
    const isExpected = streamsOfVoices(recording).includes(streamId)
    recording.receivedOn.add(streamId)
    this.#begin(recording)
    if (!isExpected) this.#consent?.peopleChanged(recording)
  }

  handleFailed(recordingId: RecordingId): void {
    const recording = this.#table.byId(recordingId)
    if (recording !== undefined) this.#end.hangUp(recording, 'recorderFailed', 'Recorder failed')
  }

  handleManifest(recordingId: RecordingId, manifest: ManifestBody): void {
    const recording = this.#table.byId(recordingId)
    if (recording !== undefined) this.#end.close(recording, manifest)
  }

  handleSegment(segment: ClosedSegment): void {
    this.#options.spool?.keeper.closed(segment)
  }

  handleWorkerLost(recordingIds: readonly RecordingId[], spoolFolder?: string): void {
    const frames = spoolFolder === undefined ? undefined : this.#options.spool?.lostFrames(spoolFolder, recordingIds)
    // Where no recording asks for them, their failure is nobody's.
    frames?.catch(() => {})
    for (const recordingId of recordingIds) {
      const recording = this.#table.byId(recordingId)
      // One that is still being opened is refused when its `open` fails.
      if (recording !== undefined && recording.state !== 'opening') this.#end.closeLost(recording, frames)
    }
  }

  handleReport(workerId: number, report: WorkerReport): void {
    this.#options.events.workerReport(workerId, report)
    if (report.spool !== undefined) this.#options.spoolWatch?.frames(workerId, report.spool)
    if (this.#options.isOverfull()) {
      for (const recording of this.live) this.#end.hangUp(recording, 'storageFull', 'Storage is full')
    }
    const { mediaTimeoutMs } = this.#options.settings
    if (mediaTimeoutMs === 0) return
    for (const quiet of report.quiet) {
      const recording = this.#table.byId(quiet.recordingId)
      if (recording === undefined || quiet.held || quiet.quietMs < mediaTimeoutMs) continue
      this.#end.hangUp(recording, 'mediaTimeout', 'No media')
    }
  }

  /** The SRC has our 200, or sends already: there is a recording. */
  #begin(recording: LiveRecording): void {
    if (recording.state !== 'answered') return
    this.#end.setState(recording, 'recording')
    this.#commitment.commit(recording)
  }
}
