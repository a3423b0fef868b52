import { createRecordingKey, type RecordingKey } from './recording-key.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { FRAME_US, OggLink, SAMPLES_PER_SECOND } from './audio-writer.ts'
import { IncidentList } from './incident-list.ts'
import { describeRecording, type StreamReport } from './manifest-body.ts'
import { SnapshotKeeper, type ReceivedMetadata } from './snapshot-keeper.ts'
import { CLOCK_RATE, StreamReceiver } from './stream-receiver.ts'
import type { TakeOpusEncoder } from './opus-encoder.ts'
import type { EndCause, MediaStreamPlan, RecordingFacts, RecordingSink } from './recording-types.ts'
import type { RandomBytes } from '../evidence/age-seal.ts'
import type { ManifestBody } from '../evidence/manifest.ts'
import type { StreamId } from '../ids.ts'
import { MetadataState } from '../protocol/siprec/metadata-state.ts'

/** How often a recording session wants to be woken while it lasts; nobody listens, so nothing is urgent. */
export const WAKE_INTERVAL_US = 200_000
/** How long the first stream is watched before its place in time is fixed: jitter is removed by the least transit. */
export const ANCHOR_WINDOW_US = 400_000
/** How far behind now the audio is committed; longer than the reorder window, so that nothing in time is ever late. */
export const HORIZON_US = 600_000
/** After a stall (a busy machine) the horizon catches up at this multiple of the wake interval, so that packets still
 * waiting in the socket are read before their place is given up. */
const HORIZON_STEP_US = 2 * WAKE_INTERVAL_US
/** A BYE this soon after the last sample is the normal end of the audio, not a gap; below {@link HORIZON_US}. */
export const TRAILING_TOLERANCE_US = 500_000
/** Channels in one recording: the limit of Opus channel mapping family 255 (RFC 7845 5.1.1.3) is 255. */
export const CHANNELS_MAX = 32

const SAMPLE_FACTOR = SAMPLES_PER_SECOND / CLOCK_RATE
const FRAME_SAMPLES = (CLOCK_RATE * FRAME_US) / 1_000_000

/**
 * One recording session on one timeline: datagrams, metadata snapshots and time go in, sealed objects and at the end
 * the manifest's body come out. It knows no clock, socket or thread; the media worker, the simulator and tests drive
 * the same class.
 *
 * Clear audio exists only inside this object; everything handed to the sink is sealed to the recording's own key.
 */
export class RecordingSession {
  readonly #facts: RecordingFacts
  readonly #key: RecordingKey
  readonly #randomBytes: RandomBytes
  readonly #takeEncoder: TakeOpusEncoder
  readonly #sink: RecordingSink
  readonly #chunks: ChunkWriter
  readonly #receivers = new Map<StreamId, StreamReceiver>()
  readonly #metadata = new MetadataState()
  readonly #snapshots: SnapshotKeeper
  readonly #incidents = new IncidentList()
  #link: OggLink | undefined
  #originUs: number | undefined
  #horizonUs = 0
  #chunkStartSample = 0
  #nextTimeoutUs: number
  /** `failed`: a broken invariant; nothing more is recorded, and `end` closes what there is. */
  #state: 'running' | 'failed' | 'over' = 'running'
  #manifest: ManifestBody | undefined

  constructor(options: {
    readonly facts: RecordingFacts
    readonly streams: readonly MediaStreamPlan[]
    readonly randomBytes: RandomBytes
    readonly takeEncoder: TakeOpusEncoder
    readonly sink: RecordingSink
  }) {
    this.#facts = options.facts
    this.#randomBytes = options.randomBytes
    this.#takeEncoder = options.takeEncoder
    this.#sink = options.sink
    this.#key = createRecordingKey(options.facts.vaultRecipients, options.randomBytes)
    const sealing = { recipient: this.#key.recipient, randomBytes: options.randomBytes, sink: options.sink }
    this.#chunks = new ChunkWriter(sealing)
    this.#snapshots = new SnapshotKeeper(sealing)
    this.#nextTimeoutUs = options.facts.openedUs + WAKE_INTERVAL_US
    this.#addStreams(options.streams, options.facts.openedUs)
    options.sink.handleSealed({
      kind: 'key',
      name: this.#key.name,
      bytes: this.#key.wrapped,
      recipient: this.#key.recipient,
    })
  }

  /** How many more encoders {@link updateStreams} would take with these plans; the shell makes them beforehand. */
  encodersNeeded(plans: readonly MediaStreamPlan[]): number {
    const added = plans.filter((plan) => !this.#receivers.has(plan.streamId)).length
    if (this.#state !== 'running' || this.#facts.layout === 'mixed' || added === 0) return 0
    return Math.min(CHANNELS_MAX, this.#receivers.size + added)
  }

  get streamReceivers(): ReadonlyMap<StreamId, StreamReceiver> {
    return this.#receivers
  }

  /** Monotonic microseconds of the newest packet of any stream, or undefined when none came. */
  get lastArrivalUs(): number | undefined {
    let last: number | undefined
    for (const receiver of this.#receivers.values()) {
      const arrivalUs = receiver.lastArrivalUs
      if (arrivalUs !== undefined && (last === undefined || arrivalUs > last)) last = arrivalUs
    }
    return last
  }

  get allHeld(): boolean {
    return [...this.#receivers.values()].every((receiver) => receiver.plan.held)
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

  handleDatagram(streamId: StreamId, datagram: Uint8Array, arrivalUs: number): void {
    if (this.#state !== 'running') return
    this.#receivers.get(streamId)?.handleDatagram(datagram, arrivalUs)
  }

  /** Keeps the raw document sealed and applies what could be read of it. RFC 7865 */
  handleMetadata(received: ReceivedMetadata, receivedUs: number): void {
    if (this.#state === 'over') return
    if (this.#snapshots.isFull) {
      this.noteIncident('metadata-too-many', 'More metadata snapshots arrived than are kept.', receivedUs)
      return
    }
    this.#snapshots.keep(received, this.#wallClock(receivedUs))
    if (received.snapshot === undefined) {
      this.noteIncident('metadata-invalid', 'A metadata snapshot could not be read; its bytes are kept.', receivedUs)
    } else {
      this.#metadata.apply(received.snapshot)
    }
  }

  /** A re-INVITE was answered: directions, payload types or the number of streams changed. */
  updateStreams(plans: readonly MediaStreamPlan[], nowUs: number): void {
    if (this.#state !== 'running') return
    const added = plans.filter((plan) => !this.#receivers.has(plan.streamId))
    const planned = new Map(plans.map((plan) => [plan.streamId, plan]))
    for (const [streamId, receiver] of this.#receivers) {
      const plan = planned.get(streamId)
      if (plan !== undefined) receiver.replan(plan, nowUs)
      else this.noteIncident('stream-refused', 'A media stream went over to formats that cannot be recorded.', nowUs)
    }
    const hasRoom = added.length > 0 && this.#receivers.size < CHANNELS_MAX
    if (hasRoom && this.#facts.layout === 'separate') this.#endLink()
    this.#addStreams(added, nowUs)
  }

  /** Commits all audio that is older than the horizon. Call it about when {@link nextTimeoutUs} says. */
  handleTimeout(nowUs: number): void {
    if (this.#state !== 'running') return
    this.#nextTimeoutUs = nowUs + WAKE_INTERVAL_US
    for (const receiver of this.#receivers.values()) receiver.drain(nowUs)
    if (!this.#anchor(nowUs, ANCHOR_WINDOW_US)) return
    this.#horizonUs = Math.min(nowUs - HORIZON_US, this.#horizonUs + HORIZON_STEP_US)
    const horizonSample = this.#samplesSinceOrigin(this.#horizonUs)
    while (this.#readPosition() + FRAME_SAMPLES <= horizonSample) this.#writeFrame(FRAME_SAMPLES)
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
    if (this.#state !== 'running') return
    this.#state = 'failed'
    const detail = `The recorder failed inside (${error instanceof Error ? error.name : 'unknown'}).`
    this.noteIncident('recorder-failed', detail, nowUs)
  }

  /** Gives encoders back without committing anything more; for a recording session that could not be set up. */
  abandon(): void {
    this.#state = 'over'
    this.#link?.free()
    this.#link = undefined
  }

  /** Adds to the manifest's list of things that went wrong, which is bounded: see `IncidentList`. */
  noteIncident(code: string, detail: string, nowUs: number): void {
    const incident = this.#incidents.add({
      code,
      at: this.#wallClock(nowUs),
      ...(this.#originUs === undefined ? {} : { atSample: Math.max(0, this.#sampleAt(nowUs)) }),
      detail,
    })
    if (incident !== undefined) this.#sink.handleIncident(incident)
  }

  #finish(nowUs: number, cause: EndCause): ManifestBody {
    try {
      if (this.#state === 'running') {
        for (const receiver of this.#receivers.values()) receiver.drain(Infinity)
        // Whatever came counts, even what was read from its socket after the BYE.
        if (this.#anchor(nowUs, Number.NEGATIVE_INFINITY)) this.#writeRest(nowUs)
        this.#state = 'over'
        this.#reportSilentStreams(nowUs)
        return this.#describe({ nowUs, cause, state: 'complete', streams: this.#streamReports() })
      }
    } catch (error) {
      this.#state = 'running'
      this.fail(error, nowUs)
    }
    this.#sealWholeFrames()
    this.#state = 'over'
    // Without the streams: their ledgers reach beyond what could be written.
    return this.#describe({ nowUs, cause: 'recorderFailed', state: 'interrupted', streams: [] })
  }

  /** After a failure: brings the frames that were encoded to the sink, if that still works. */
  #sealWholeFrames(): void {
    const link = this.#link
    this.#link = undefined
    if (link === undefined) return
    try {
      const page = link.flushPage()
      if (page !== undefined) this.#chunks.append(page)
      this.#sealChunk(link.playableSample)
    } catch {
      // The incident is noted; what was sealed before is safe, and this is the last that can be tried.
    } finally {
      link.free()
    }
  }

  #describe(options: {
    readonly nowUs: number
    readonly cause: EndCause
    readonly state: ManifestBody['state']
    readonly streams: readonly StreamReport[]
  }): ManifestBody {
    return describeRecording({
      facts: this.#facts,
      key: this.#key,
      endedAt: this.#wallClock(options.nowUs),
      originAt: this.#originUs === undefined ? undefined : this.#wallClock(this.#originUs),
      sampleFactor: SAMPLE_FACTOR,
      state: options.state,
      endCause: options.cause,
      durationSamples: this.#chunks.entries.at(-1)?.toSample ?? 0,
      chunks: this.#chunks.entries,
      streams: options.streams,
      participantIds: this.#metadata.participants.map(({ participantId }) => participantId),
      snapshots: this.#snapshots.entries,
      incidents: this.#incidents.entries,
    })
  }

  #addStreams(plans: readonly MediaStreamPlan[], nowUs: number): void {
    for (const plan of plans) {
      if (this.#receivers.size >= CHANNELS_MAX) {
        this.noteIncident('streams-too-many', 'More media streams were offered than a recording holds.', nowUs)
        return
      }
      const receiver = new StreamReceiver(plan, nowUs)
      if (this.#originUs !== undefined) {
        receiver.timeline.setOrigin(this.#originUs)
        receiver.timeline.skip(this.#readPosition())
      }
      this.#receivers.set(plan.streamId, receiver)
    }
  }

  /** Fixes position 0 once any stream has been watched for `windowUs`; true when it is fixed. */
  #anchor(nowUs: number, windowUs: number): boolean {
    if (this.#originUs !== undefined) return true
    let originUs = Infinity
    let watched = false
    for (const receiver of this.#receivers.values()) {
      const firstArrivalUs = receiver.firstArrivalUs
      if (firstArrivalUs === undefined) continue
      watched ||= nowUs - firstArrivalUs >= windowUs
      originUs = Math.min(originUs, receiver.timeline.firstSampleUs ?? firstArrivalUs)
    }
    if (!watched) return false
    this.#originUs = originUs
    this.#horizonUs = originUs
    for (const receiver of this.#receivers.values()) receiver.timeline.setOrigin(originUs)
    return true
  }

  #writeFrame(validSamples: number): void {
    const link = this.#openLink()
    const position = this.#readPosition()
    const channels: Int16Array[] = []
    for (const receiver of this.#receivers.values()) {
      const samples = receiver.timeline.read(position + validSamples)
      channels.push(validSamples === FRAME_SAMPLES ? samples : padded(samples))
    }
    const page = link.write(channels, validSamples)
    if (page === undefined) return
    this.#chunks.append(page)
    const chunkSamples = (this.#facts.chunkUs * SAMPLES_PER_SECOND) / 1_000_000
    if (link.playableSample - this.#chunkStartSample >= chunkSamples - 960 || this.#chunks.isFull) {
      this.#sealChunk(link.playableSample)
    }
  }

  #sealChunk(toSample: number): void {
    this.#chunks.seal(toSample)
    this.#chunkStartSample = toSample
  }

  #openLink(): OggLink {
    if (this.#link !== undefined) return this.#link
    const serial = this.#randomBytes(4)
    this.#link = new OggLink({
      layout: this.#facts.layout,
      labels: [...this.#receivers.values()].map((receiver) => receiver.plan.streamLabel),
      serialNumber: new DataView(serial.buffer, serial.byteOffset).getUint32(0),
      startSample: this.#readPosition() * SAMPLE_FACTOR,
      takeEncoder: this.#takeEncoder,
    })
    this.#chunks.append(this.#link.headers())
    return this.#link
  }

  #endLink(): void {
    if (this.#link === undefined) return
    this.#chunks.append(this.#link.end())
    this.#sealChunk(this.#link.endSample)
    this.#link = undefined
  }

  #writeRest(nowUs: number): void {
    let audioEnd = this.#readPosition()
    for (const { timeline } of this.#receivers.values()) audioEnd = Math.max(audioEnd, timeline.writePosition)
    const elapsed = this.#samplesSinceOrigin(nowUs)
    const tolerance = (TRAILING_TOLERANCE_US * CLOCK_RATE) / 1_000_000
    const end = elapsed - audioEnd > tolerance ? elapsed : audioEnd
    for (let left = end - this.#readPosition(); left > 0; left = end - this.#readPosition()) {
      this.#writeFrame(Math.min(left, FRAME_SAMPLES))
    }
    this.#endLink()
  }

  /** Streams that never had a packet although the SDP announced some: a recording that says so is still evidence. */
  #reportSilentStreams(nowUs: number): void {
    const receivers = [...this.#receivers.values()]
    const silent = receivers.filter((receiver) => receiver.firstArrivalUs === undefined)
    if (silent.length === receivers.length) {
      this.noteIncident('no-media', 'No RTP packet arrived on any media stream.', nowUs)
    } else if (silent.some((receiver) => receiver.wasAwaited)) {
      this.noteIncident('one-way', 'At least one media stream stayed without a single RTP packet.', nowUs)
    }
  }

  #streamReports(): StreamReport[] {
    return [...this.#receivers.values()].map((receiver, channel) => ({
      plan: receiver.plan,
      channel: this.#facts.layout === 'mixed' ? 0 : channel,
      participantIds: this.#metadata
        .everyParticipantFor(receiver.plan.line)
        .participants.map(({ participantId }) => participantId),
      codecs: receiver.codecs,
      counters: receiver.counters,
      timeline: receiver.timeline,
    }))
  }

  /** All timelines are read in step. */
  #readPosition(): number {
    for (const receiver of this.#receivers.values()) return receiver.timeline.readPosition
    return 0
  }

  #samplesSinceOrigin(us: number): number {
    return Math.floor(((us - (this.#originUs ?? us)) * CLOCK_RATE) / 1_000_000)
  }

  #sampleAt(us: number): number {
    return this.#samplesSinceOrigin(us) * SAMPLE_FACTOR
  }

  #wallClock(us: number): string {
    return new Date(this.#facts.openedAtUnixMs + Math.round((us - this.#facts.openedUs) / 1_000)).toISOString()
  }
}

function padded(samples: Int16Array): Int16Array {
  const frame = new Int16Array(FRAME_SAMPLES)
  frame.set(samples)
  return frame
}
