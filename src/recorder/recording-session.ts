import type { PauseRequester } from '../evidence/words.ts'
import { RecordingClock } from './recording-clock.ts'
import { RecordingWriter } from './recording-writer.ts'
import { holdUntilConsent } from './held-span.ts'
import { createRecordingKey, handOver, type RecordingKey } from './recording-key.ts'
import type { KeptPacket } from './kept-run.ts'
import type { FrameCounts } from './gated-encoder.ts'
import { createConsentListener, type ConsentHearing, type ConsentListener } from './consent-listener.ts'
import { PauseList } from './pause-list.ts'
import { endIncidents } from './end-incidents.ts'
import { IncidentNotes } from './incident-notes.ts'
import { LiveListeners } from './live-listeners.ts'
import { LiveMonitor, type Sealing } from './live-monitor.ts'
import { describeRecording, reportStreams, whatIsKnown, type StreamReport } from './manifest-body.ts'
import { SnapshotKeeper, type ReceivedMetadata } from './snapshot-keeper.ts'
import { POSITIONS_PER_SECOND, ReceiverSet } from './receiver-set.ts'
import { StreamChanges } from './stream-changes.ts'
import { commonRate } from './stream-rates.ts'
import type { StreamReceiver } from './stream-receiver.ts'
import { Horizon } from './horizon.ts'
import type { PacketOrigin } from './packet-sources.ts'
import type { TakeOpusDecoder } from './opus-decoder.ts'
import type { TakeOpusEncoder } from './opus-encoder.ts'
import type { AlertThresholds } from './stream-watch.ts'
import type { EndCause, MediaStreamPlan, PauseWay, RecordingFacts, RecordingSink } from './recording-types.ts'
import type { RandomBytes } from '../evidence/age-seal.ts'
import type { ManifestBody } from '../evidence/manifest.ts'
import type { StreamId } from '../ids.ts'
import { MetadataState } from '../protocol/siprec/metadata-state.ts'

/** How often a recording session wants to be woken while it lasts: what waits for a missing packet must not wait much longer than it has to. Counted from when the last wake was due: one that comes a little early must not be missed. */
export const WAKE_INTERVAL_US = 100_000
/** How long the first stream is watched before its place in time is fixed: jitter is removed by the least transit. */
export const ANCHOR_WINDOW_US = 400_000

/**
 * One recording session on one timeline: datagrams, metadata snapshots and time go in, sealed objects and at the end the manifest's body come
 * out. It knows no clock, socket or thread; the media worker, the simulator and tests drive the same class.
 *
 * Clear audio exists only inside this object; everything handed to the sink is sealed to the recording's own key.
 */
export class RecordingSession {
  readonly #facts: RecordingFacts
  readonly #key: RecordingKey
  readonly #receivers: ReceiverSet
  readonly #writer: RecordingWriter
  readonly #horizon: Horizon
  readonly #metadata = new MetadataState()
  readonly #snapshots: SnapshotKeeper
  readonly #incidents: IncidentNotes
  readonly monitor: LiveMonitor
  readonly #sealing: Sealing
  readonly listeners: LiveListeners
  readonly #pauses = new PauseList()
  readonly #changes: StreamChanges
  readonly #clock: RecordingClock
  readonly #consent: ConsentListener | undefined
  /** Since when something was to be expected: the INVITE, or the last resume. */
  #awaitedSinceUs: number
  #nextTimeoutUs: number
  /** `ending`: all audio is committed. `failed`: a broken invariant; nothing more is recorded, and `end` closes what there is. */
  #state: 'running' | 'ending' | 'failed' | 'over' = 'running'
  #manifest: ManifestBody | undefined

  constructor(options: {
    readonly facts: RecordingFacts
    readonly streams: readonly MediaStreamPlan[]
    readonly randomBytes: RandomBytes
    readonly takeEncoder: TakeOpusEncoder
    /** Without it Opus is kept as it came. */
    readonly takeDecoder?: TakeOpusDecoder
    /** Without it no announcement is looked for, and no spoken answer. */
    readonly hearing?: ConsentHearing
    readonly sink: RecordingSink
    readonly alerts: AlertThresholds
  }) {
    this.#facts = options.facts
    this.#clock = new RecordingClock(options.facts, POSITIONS_PER_SECOND, options.sink)
    this.#incidents = new IncidentNotes({ clock: this.#clock, sink: options.sink })
    this.monitor = new LiveMonitor({ alerts: options.alerts, notes: this.#incidents, sink: options.sink })
    this.#key = createRecordingKey(options.facts.vaultRecipients, options.randomBytes)
    const held = holdUntilConsent(options.facts, options.randomBytes)
    this.#sealing = {
      ...{ recipient: this.#key.recipient, randomBytes: options.randomBytes, sink: options.sink },
      ...(held === undefined ? {} : { held }),
    }
    this.listeners = new LiveListeners(this.#incidents)
    const { facts, streams, randomBytes, sink, takeDecoder } = options
    const keep = (packet: KeptPacket) => this.#writer.keep(packet)
    const consent = createConsentListener({ facts, sink, clock: this.#clock, hearing: options.hearing })
    this.#consent = consent
    this.#receivers = new ReceiverSet({
      ...{ facts, randomBytes, sink, keep, takeDecoder },
      onKey: consent === undefined ? undefined : (receiver, press) => consent.handleKey(receiver, press),
      commonRate: commonRate(facts.layout, streams),
    })
    this.#writer = new RecordingWriter({
      ...{ facts, clock: this.#clock, receivers: this.#receivers, monitor: this.monitor },
      hearers: [this.monitor, ...(consent === undefined ? [] : [consent])],
      ...{ listeners: this.listeners, sealing: this.#sealing, takeEncoder: options.takeEncoder },
    })
    this.#snapshots = new SnapshotKeeper(this.#sealing)
    this.#nextTimeoutUs = options.facts.openedUs + WAKE_INTERVAL_US
    this.#horizon = new Horizon(options.facts.openedUs)
    this.#awaitedSinceUs = options.facts.openedUs
    this.#changes = new StreamChanges({
      ...{ layout: facts.layout, receivers: this.#receivers, writer: this.#writer },
      ...{ incidents: this.#incidents, pauses: this.#pauses },
    })
    this.#changes.begin(streams, facts.openedUs)
    handOver('key', this.#key, sink)
    if (held !== undefined) handOver('heldKey', held.key, sink)
    this.#changes.noteFirst(streams, facts.openedUs)
  }

  /** The sample rates of further encoders that {@link updateStreams} would take with these plans; the shell makes them beforehand. */
  encodersNeeded(plans: readonly MediaStreamPlan[]): readonly number[] {
    return this.#state === 'running' ? this.#changes.encodersNeeded(plans) : []
  }

  /** The same of Opus decoders. */
  decodersNeeded(plans: readonly MediaStreamPlan[]): readonly number[] {
    return this.#state === 'running' ? this.#receivers.decodersNeeded(plans) : []
  }

  /** The same of encoders that {@link releaseHeld} would take. */
  encodersForRelease(): readonly number[] {
    return this.#state === 'running' && this.#writer.isHolding ? this.#changes.encodersForRelease() : []
  }

  /** Audio has come that has more in it than its stream is recorded at: {@link acceptWider} is due. */
  get isWider(): boolean {
    return this.#state === 'running' && this.#receivers.isWider
  }

  /** What came by now is to be recorded with all there is in it, from {@link raiseRates} on. Gives the plans for which {@link encodersNeeded} and {@link decodersNeeded} then say what has to be made. */
  acceptWider(): readonly MediaStreamPlan[] {
    this.#receivers.acceptWider()
    return this.#receivers.all.map(({ plan }) => plan)
  }

  /** Goes on at the rates that {@link acceptWider} asked for, in a new link. */
  raiseRates(): void {
    if (this.#state === 'running') this.#changes.raiseRates()
  }

  get streamReceivers(): ReadonlyMap<StreamId, StreamReceiver> {
    return this.#receivers.byId
  }

  /** How often reports told of streams that are too far apart to be aligned by them. */
  get alignmentRefusals(): number {
    return this.#receivers.alignment.refusals
  }

  /** Since when no stream had a packet although one was to be expected: monotonic microseconds. */
  get quietSinceUs(): number {
    return Math.max(this.#awaitedSinceUs, this.#receivers.lastArrivalUs)
  }

  /** Frames of every channel, and how many of them were silence that cost no encoding. */
  get frameCounts(): Readonly<FrameCounts> {
    return this.#writer.frameCounts
  }

  /** Chunks are at most so long, and never longer than configured: where the spool keeps nothing, audio leaves the machine sooner. */
  limitChunks(chunkUs: number): void {
    this.#writer.limitChunks(chunkUs)
  }

  get allHeld(): boolean {
    return this.#receivers.allHeld
  }

  /** A packet of RTP was taken on a media stream. */
  hasReceivedOn(streamId: StreamId): boolean {
    return this.#receivers.byId.get(streamId)?.lastArrivalUs !== undefined
  }

  get hasFailed(): boolean {
    return this.#state === 'failed'
  }

  /** Incidents that found the list full. */
  get incidentsDropped(): number {
    return this.#incidents.dropped
  }

  nextTimeoutUs(): number {
    return this.#nextTimeoutUs
  }

  /** A datagram on the RTP port of a stream. Without `origin` it is not asked where it came from. */
  handleDatagram(streamId: StreamId, datagram: Uint8Array, arrivalUs: number, origin?: PacketOrigin): void {
    if (this.#state !== 'running') return
    this.#receivers.byId.get(streamId)?.handleDatagram(datagram, arrivalUs, origin)
  }

  /** A datagram on the RTCP port of a stream. */
  handleRtcp(streamId: StreamId, datagram: Uint8Array, arrivalUs: number, origin?: PacketOrigin): void {
    if (this.#state === 'running') this.#receivers.handleRtcp(streamId, datagram, arrivalUs, origin)
  }

  /** Says goodbye by RTCP on every stream: the dialog is over, although packets may still be on their way. RFC 3550 6.3.7 */
  sayGoodbye(nowUs: number): void {
    this.#receivers.sendGoodbyes(nowUs)
  }

  /** Keeps the raw document sealed and applies what could be read of it. RFC 7865 */
  handleMetadata(received: ReceivedMetadata, receivedUs: number): void {
    if (this.#state === 'over') return
    if (this.#snapshots.isFull) {
      this.noteIncident('metadata-too-many', 'More metadata snapshots arrived than are kept.', receivedUs)
      return
    }
    this.#snapshots.keep(received, this.#clock.wallClock(receivedUs))
    if (received.snapshot === undefined) {
      this.noteIncident('metadata-invalid', 'A metadata snapshot could not be read; its bytes are kept.', receivedUs)
    } else {
      this.#metadata.apply(received.snapshot)
    }
  }

  /** A re-INVITE was answered: directions, payload types or the number of streams changed. */
  updateStreams(plans: readonly MediaStreamPlan[], nowUs: number): void {
    if (this.#state !== 'running') return
    const wasHeld = this.allHeld
    this.#changes.update(plans, nowUs)
    if (wasHeld && !this.allHeld) this.#awaitedSinceUs = nowUs
  }

  /**
   * Pauses the whole recording or goes on with it. Of what was spoken from `atUs` on nothing is kept; what was spoken before is, even when it
   * still waits for its place. Asked by two, it is paused until both have taken it back.
   *
   * @param atUs monotonic microseconds at which the request came
   * @param via how the SRC asked
   */
  setPaused(isPaused: boolean, by: PauseRequester, atUs: number, via?: PauseWay): void {
    if (this.#state !== 'running') return
    const incident = this.#pauses.set(isPaused, { by, via, atUs })
    if (incident === undefined) return
    const wasHeld = this.allHeld
    this.#receivers.pause(this.#pauses.isPaused, atUs)
    this.#incidents.noteIf(incident, atUs)
    if (wasHeld && !this.allHeld) this.#awaitedSinceUs = atUs
  }

  /**
   * There is consent, or whoever has to know has decided to go on without: what is said from `atUs` on is sealed to the recording's own key. What was
   * said before stays under the held key, whose fate is decided elsewhere. Asking again, or of a recording that holds nothing, changes nothing.
   *
   * The cut is 80 ms behind `atUs`, or more, so that nothing of before is in what follows. A request that comes late releases late.
   *
   * @param atUs monotonic microseconds
   */
  releaseHeld(atUs: number): void {
    if (this.#state === 'running') this.#writer.release(atUs)
  }

  /** Gives packets their place that have waited long enough for those before them, and now and then commits all audio that is older than the horizon: about when {@link nextTimeoutUs} says. By `readUs`: what came since may be in the sockets still. */
  handleTimeout(readUs: number, nowUs = readUs): void {
    if (this.#state !== 'running') return
    this.#nextTimeoutUs = Math.max(this.#nextTimeoutUs, readUs - WAKE_INTERVAL_US / 2) + WAKE_INTERVAL_US
    const full = this.#receivers.drain(readUs)
    const isDue = this.#horizon.wake(readUs, nowUs)
    if (isDue || full.length > 0) this.#commit(readUs, nowUs, full)
  }

  #commit(readUs: number, nowUs: number, drained: readonly StreamReceiver[]): void {
    // Where the time begins that need not be held is looked for until it is reached.
    const isCutSought = this.#writer.isHolding || this.#writer.isCutAhead
    const unbrokenUs = this.#clock.instantAt(isCutSought ? 0 : this.#receivers.unbrokenEnd)
    const horizonUs = this.#horizon.advance(readUs, this.#receivers.alignment.aheadMaxUs, unbrokenUs)
    for (const incident of this.#receivers.takeIncidents()) this.#incidents.note(incident, nowUs)
    this.#receivers.sendReports(nowUs)
    this.#receivers.alignment.update(this.#receivers.all, nowUs)
    if (this.#horizon.isSettling(readUs)) return
    const isAnchored = this.#anchor(readUs, ANCHOR_WINDOW_US)
    this.monitor.wake(this.#receivers.all, readUs, this.#clock.originUs)
    if (!isAnchored) return
    const horizon = this.#clock.samplesSinceOrigin(horizonUs)
    this.#receivers.readOn(drained, readUs, (position) => this.#writer.commit(Math.min(position, horizon)))
    this.#writer.commit(horizon)
  }

  /** Nothing more is taken; {@link end} is to follow, with the same instant. `heard`: what was being said in answer to an announcement is known, perhaps at once; not called after `end`. */
  awaitAnswers(nowUs: number, heard: () => void): void {
    this.#endAudio(nowUs)
    if (this.#state === 'ending' && this.#consent !== undefined) this.#consent.handleEnd(heard)
    else heard()
  }

  /**
   * Ends the recording: commits what is left, seals the last chunk, and gives the body of the manifest. Never throws: what
   * breaks on the way makes it an interrupted recording of what had been sealed. Ending twice gives the same manifest.
   */
  end(nowUs: number, cause: EndCause): ManifestBody {
    this.#manifest ??= this.#finish(nowUs, cause)
    return this.#manifest
  }

  /** Something inside threw: no more audio is taken; `end` keeps the whole frames there are. */
  fail(error: unknown, nowUs: number): void {
    if (this.#state !== 'running' && this.#state !== 'ending') return
    this.#state = 'failed'
    const detail = `The recorder failed inside (${error instanceof Error ? error.name : 'unknown'}).`
    this.noteIncident('recorder-failed', detail, nowUs)
  }

  /** Gives encoders back without committing anything more; for a recording session that could not be set up. */
  abandon(): void {
    this.#state = 'over'
    this.#writer.free()
  }

  /** Adds to the manifest's list of things that went wrong, which is bounded: see `IncidentList`. */
  noteIncident(code: string, detail: string, nowUs: number): void {
    this.#incidents.note({ code, detail }, nowUs)
  }

  /** Commits all that came. */
  #endAudio(nowUs: number): void {
    if (this.#state !== 'running') return
    this.#receivers.takeRest()
    const full = this.#receivers.drain(Infinity)
    // Whatever came counts, even what was read from its socket after the BYE.
    if (this.#anchor(nowUs, Number.NEGATIVE_INFINITY)) {
      this.#receivers.readOn(full, Infinity, (position) => this.#writer.commit(position))
      this.#writer.writeRest(this.#clock.samplesSinceOrigin(nowUs))
    }
    this.#incidents.noteIf(this.#writer.endKeys(), nowUs)
    this.#state = 'ending'
  }

  #finish(nowUs: number, cause: EndCause): ManifestBody {
    try {
      this.#endAudio(nowUs)
      if (this.#state === 'ending') {
        this.#state = 'over'
        for (const incident of this.#consent?.finish() ?? []) this.#incidents.note(incident, nowUs)
        const isOneWayNoted = this.monitor.hasNoted('oneWay')
        for (const incident of endIncidents(this.#receivers.all, isOneWayNoted)) this.#incidents.note(incident, nowUs)
        return this.#describe({ nowUs, cause, state: 'complete', streams: this.#reported() })
      }
    } catch (error) {
      this.#state = 'running'
      this.fail(error, nowUs)
    }
    this.#writer.sealWholeFrames()
    this.#state = 'over'
    whatIsKnown(() => (this.#consent?.finish() ?? []).map((incident) => this.#incidents.note(incident, nowUs)))
    whatIsKnown(() => [this.#receivers.countRest()])
    const streams = whatIsKnown(() => this.#reported())
    return this.#describe({ nowUs, cause: 'recorderFailed', state: 'interrupted', streams })
  }

  #reported(): readonly StreamReport[] {
    const { layout } = this.#facts
    return reportStreams(this.#receivers.all, this.#metadata, { layout, alignment: this.#receivers.alignment })
  }

  #describe(options: {
    readonly nowUs: number
    readonly cause: EndCause
    readonly state: ManifestBody['state']
    readonly streams: readonly StreamReport[]
  }): ManifestBody {
    const peaks = options.state === 'complete' ? this.#writer.sealPeaks() : undefined
    const { entries } = this.#writer
    const durationSamples = entries.chunks.at(-1)?.toSample ?? 0
    this.listeners.end(options.nowUs)
    return describeRecording({
      facts: this.#facts,
      key: this.#key,
      endedAt: this.#clock.wallClock(options.nowUs),
      originAt: this.#clock.originUs === undefined ? undefined : this.#clock.wallClock(this.#clock.originUs),
      ...{ state: options.state, endCause: options.cause, durationSamples },
      ...entries,
      ...{ peaks, streams: options.streams },
      participantIds: this.#metadata.participants.map(({ participantId }) => participantId),
      snapshots: this.#snapshots.entries,
      pauses: this.#pauses.entries(this.#clock, durationSamples),
      unlistedPauses: this.#pauses.unlisted,
      incidents: this.#incidents.entriesUpTo(durationSamples),
    })
  }

  /** Fixes position 0 once any stream has been watched for `windowUs`; true when it is fixed. */
  #anchor(nowUs: number, windowUs: number): boolean {
    if (this.#clock.originUs !== undefined) return true
    const originUs = this.#receivers.findOrigin(nowUs, windowUs)
    if (originUs === undefined) return false
    this.#clock.fixOrigin(originUs)
    this.#receivers.setOrigin(originUs)
    this.#writer.placeRelease()
    return true
  }
}
