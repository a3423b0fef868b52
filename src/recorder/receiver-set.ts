import { SAMPLES_PER_SECOND } from './audio-writer.ts'
import type { StreamId } from '../ids.ts'
import type { KeptPacket } from './kept-rtp-writer.ts'
import type { PlacedPacket } from './kept-stream.ts'
import type { MediaStreamPlan, RecordingFacts } from './recording-types.ts'
import { CLOCK_RATE, StreamReceiver } from './stream-receiver.ts'

/** Channels in one recording; channel mapping family 255 would take 255 (RFC 7845 5.1.1.3). */
export const CHANNELS_MAX = 32
const SAMPLE_FACTOR = SAMPLES_PER_SECOND / CLOCK_RATE

/** The media streams of one recording, in the order of their channels; their timelines are read in step. */
export class ReceiverSet {
  readonly #receivers = new Map<StreamId, StreamReceiver>()
  readonly #facts: Pick<RecordingFacts, 'conceals' | 'layout'>
  readonly #keep: (packet: KeptPacket) => void
  #originUs: number | undefined
  #isPaused = false

  /** @param keep takes packets of codecs that are not decoded live, in the order of their stream's timeline */
  constructor(facts: Pick<RecordingFacts, 'conceals' | 'layout'>, keep: (packet: KeptPacket) => void) {
    this.#facts = facts
    this.#keep = keep
  }

  get byId(): ReadonlyMap<StreamId, StreamReceiver> {
    return this.#receivers
  }

  get all(): readonly StreamReceiver[] {
    return [...this.#receivers.values()]
  }

  get isFull(): boolean {
    return this.#receivers.size >= CHANNELS_MAX
  }

  /** Nothing is awaited on any stream: the SDP said that nothing would come, or the recording is paused. */
  get allHeld(): boolean {
    return this.all.every((receiver) => receiver.plan.held || receiver.isPaused)
  }

  /** All timelines are read in step. */
  get readPosition(): number {
    for (const receiver of this.#receivers.values()) return receiver.timeline.readPosition
    return 0
  }

  /** End of the last audio of any stream, samples; at least what has been read. */
  get audioEnd(): number {
    return Math.max(this.readPosition, ...this.all.map(({ timeline }) => timeline.writePosition))
  }

  /** Monotonic microseconds of the newest packet of any stream; 0 when none came. */
  get lastArrivalUs(): number {
    return Math.max(0, ...this.all.map((receiver) => receiver.lastArrivalUs ?? 0))
  }

  /** The caller has looked at {@link isFull}. */
  add(plan: MediaStreamPlan, nowUs: number): void {
    const { conceals, layout } = this.#facts
    const channel = layout === 'mixed' ? 0 : this.#receivers.size
    const onKept = (placed: PlacedPacket): void => this.#keep(keptPacket(plan.streamId, channel, placed))
    const receiver = new StreamReceiver(plan, nowUs, { conceals, onKept })
    if (this.#originUs !== undefined) {
      receiver.timeline.setOrigin(this.#originUs)
      receiver.timeline.skip(this.readPosition)
    }
    if (this.#isPaused) receiver.pause(true, nowUs)
    this.#receivers.set(plan.streamId, receiver)
  }

  /** The whole recording is paused, or goes on. */
  pause(isPaused: boolean, atUs: number): void {
    this.#isPaused = isPaused
    for (const receiver of this.#receivers.values()) receiver.pause(isPaused, atUs)
  }

  /** How many streams the SDP wants paused. */
  get pausedByPlan(): number {
    return this.all.filter((receiver) => receiver.plan.paused).length
  }

  /** Position 0 by what has been received so far: the first sample of any stream, once one was watched for `windowUs`. */
  findOrigin(nowUs: number, windowUs: number): number | undefined {
    const started = this.all.filter((receiver) => receiver.firstArrivalUs !== undefined)
    const isWatched = started.some(({ firstArrivalUs = nowUs }) => nowUs - firstArrivalUs >= windowUs)
    if (!isWatched) return undefined
    return Math.min(...started.map(({ timeline, firstArrivalUs = nowUs }) => timeline.firstSampleUs ?? firstArrivalUs))
  }

  setOrigin(originUs: number): void {
    this.#originUs = originUs
    for (const { timeline } of this.#receivers.values()) timeline.setOrigin(originUs)
  }

  /** True when it has become clear of a further stream that nothing of it is authentic. */
  takeSrtpFailing(): boolean {
    return this.all.filter((receiver) => receiver.takeSrtpFailing()).length > 0
  }

  /** Decodes what is due; gives the streams that had no room for all of it. */
  drain(nowUs: number): readonly StreamReceiver[] {
    return this.all.filter((receiver) => !receiver.drain(nowUs))
  }

  /** The samples of every channel up to `toSample`; valid until the next read. */
  read(toSample: number): readonly Int16Array[] {
    return this.all.map(({ timeline }) => timeline.read(toSample))
  }
}

function keptPacket(streamId: StreamId, channel: number, placed: PlacedPacket): KeptPacket {
  const { bytes, packet, format } = placed
  return {
    ...{ streamId, channel, bytes, format },
    payloadType: packet.payloadType,
    sequenceNumber: packet.sequenceNumber,
    startSample: placed.startSample * SAMPLE_FACTOR,
    fromSample: placed.fromSample * SAMPLE_FACTOR,
    toSample: placed.toSample * SAMPLE_FACTOR,
  }
}

/** Where the audio of the first of some streams to end, ends: samples. */
export function endOf(receivers: readonly StreamReceiver[]): number {
  return Math.min(...receivers.map(({ timeline }) => timeline.writePosition))
}
