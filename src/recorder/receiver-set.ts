import type { RandomBytes } from '../evidence/age-seal.ts'
import type { StreamId } from '../ids.ts'
import { CERTAIN_MS_MAX } from '../media/dtmf-detector.ts'
import { OPUS_UNDECODED, SENT_WHILE_HELD, SOURCE_MOVED, SRTP_FAILING } from './end-incidents.ts'
import type { KeyPress } from './dtmf-watch.ts'
import type { KeptPacket } from './kept-run.ts'
import type { PlacedPacket } from './kept-stream.ts'
import type { TakeOpusDecoder } from './opus-decoder.ts'
import type { PacketOrigin } from './packet-sources.ts'
import { receiverSettings, type ReceiverSettings } from './receiver-settings.ts'
import type { DtmfPolicy, MediaStreamPlan, RecordingFacts, RecordingSink } from './recording-types.ts'
import { StreamAlignment } from './stream-alignment.ts'
import { hasOpus, highestRate, preferredRate, raisedRate } from './stream-rates.ts'
import { StreamReceiver } from './stream-receiver.ts'

/** Channels in one recording; channel mapping family 255 would take 255 (RFC 7845 5.1.1.3). */
export const CHANNELS_MAX = 32
/** How often it is told that packets came from elsewhere; strangers may cause it. */
export const MOVES_TOLD_MAX = 10
/** Positions on the recording timeline are samples at this rate, whatever that of a stream. RFC 7845 4 */
export const POSITIONS_PER_SECOND = 48_000

/** The media streams of one recording, in the order of their channels; their timelines are read in step. */
export class ReceiverSet {
  readonly #receivers = new Map<StreamId, StreamReceiver>()
  /** The same in a list, which is asked for with every frame. */
  #all: readonly StreamReceiver[] = []
  /** What was read last, in the same order. */
  readonly #read: Int16Array[] = []
  readonly #settings: ReceiverSettings
  readonly #sink: Pick<RecordingSink, 'handleRtcp'>
  #moves = 0
  #movesTold = 0
  /** Of every stream, where they are mixed into one. */
  #commonRate: number | undefined
  readonly #dtmf: DtmfPolicy
  readonly #keep: (packet: KeptPacket) => void
  readonly #onKey: ((receiver: StreamReceiver, press: KeyPress) => void) | undefined
  #originUs: number | undefined
  #readPosition = 0
  #isPaused = false
  readonly alignment = new StreamAlignment()

  /**
   * @param options.sink what we say by RTCP goes there
   * @param options.commonRate samples per second of every stream; only where they are mixed
   * @param options.keep takes packets of codecs that are not decoded live, in the order of their stream's timeline
   */
  constructor(options: {
    readonly facts: RecordingFacts
    readonly randomBytes: RandomBytes
    readonly sink: Pick<RecordingSink, 'handleRtcp'>
    readonly commonRate: number | undefined
    readonly keep: (packet: KeptPacket) => void
    readonly takeDecoder?: TakeOpusDecoder | undefined
    /** Is told of every key that is pressed. */
    readonly onKey?: ((receiver: StreamReceiver, press: KeyPress) => void) | undefined
  }) {
    this.#settings = { ...receiverSettings(options.facts, options.randomBytes), takeDecoder: options.takeDecoder }
    this.#sink = options.sink
    this.#dtmf = options.facts.dtmf
    this.#commonRate = options.commonRate
    this.#keep = options.keep
    this.#onKey = options.onKey
  }

  get byId(): ReadonlyMap<StreamId, StreamReceiver> {
    return this.#receivers
  }

  get all(): readonly StreamReceiver[] {
    return this.#all
  }

  get isFull(): boolean {
    return this.#receivers.size >= CHANNELS_MAX
  }

  /** Nothing is awaited on any stream: the SDP said that nothing would come, or the recording is paused. */
  get allHeld(): boolean {
    return this.all.every((receiver) => receiver.plan.held || receiver.isPaused)
  }

  /** 48 kHz samples since the origin; all timelines are read in step. */
  get readPosition(): number {
    return this.#readPosition
  }

  /** End of the last audio of any stream, 48 kHz samples; at least what has been read. */
  get audioEnd(): number {
    return Math.max(this.readPosition, ...this.all.map(endPosition))
  }

  /** By how much audio of any stream may stand later than it was spoken, 48 kHz samples. */
  get lateness(): number {
    return Math.max(0, ...this.all.map((receiver) => receiver.timeline.times.lateness * positionsPerSample(receiver)))
  }

  /** Samples per second of each stream, in the order of the channels. */
  get rates(): readonly number[] {
    return this.all.map(({ timeline }) => timeline.sampleRate)
  }

  /** The same with these plans, of which some may be new. Streams that are mixed have one for all. */
  ratesWith(plans: readonly MediaStreamPlan[]): readonly number[] {
    const common = this.#commonRateWith(plans)
    if (common !== undefined) return this.all.map(() => common)
    const planned = new Map(plans.map((plan) => [plan.streamId, plan]))
    const known = this.all.map((receiver) => receiver.rateFor(planned.get(receiver.plan.streamId) ?? receiver.plan))
    const added = plans.filter(({ streamId }) => !this.#receivers.has(streamId))
    return [...known, ...added.map(preferredRate)].slice(0, CHANNELS_MAX)
  }

  /** Once the plans have been given to the streams: mixed ones go on at what the best of them needs, the others each at its own. */
  raiseRates(plans: readonly MediaStreamPlan[]): void {
    this.#commonRate = this.#commonRateWith(plans)
    for (const receiver of this.#receivers.values()) receiver.changeRate()
  }

  get isWider(): boolean {
    return this.all.some(({ isWider }) => isWider)
  }

  /** See {@link StreamReceiver.acceptWider}. */
  acceptWider(): void {
    for (const receiver of this.#receivers.values()) receiver.acceptWider()
  }

  /** The sample rates of the Opus decoders that these plans, of which some may be new, may need besides those in use. */
  decodersNeeded(plans: readonly MediaStreamPlan[]): readonly number[] {
    const common = this.#commonRateWith(plans)
    return plans.filter(hasOpus).flatMap((plan) => {
      const receiver = this.#receivers.get(plan.streamId)
      const rate = common ?? receiver?.rateFor(plan) ?? preferredRate(plan)
      return receiver?.hasOpusDecoder === true && receiver.timeline.sampleRate === rate ? [] : [rate]
    })
  }

  /** Monotonic microseconds of the newest packet of any stream; 0 when none came. */
  get lastArrivalUs(): number {
    return Math.max(0, ...this.all.map((receiver) => receiver.lastArrivalUs ?? 0))
  }

  /** The caller has looked at {@link isFull}. */
  add(plan: MediaStreamPlan, nowUs: number): void {
    const channel = this.#commonRate === undefined ? this.#receivers.size : 0
    const onKey = this.#onKey
    const receiver: StreamReceiver = new StreamReceiver(plan, nowUs, {
      ...this.#settings,
      commonRate: () => this.#commonRate,
      onKey: onKey === undefined ? undefined : (press) => onKey(receiver, press),
      onKept: (placed) => this.#keep(keptPacket(receiver, channel, placed)),
    })
    if (this.#originUs !== undefined) {
      receiver.timeline.setOrigin(this.#originUs)
      receiver.timeline.skip(this.readPosition / positionsPerSample(receiver))
    }
    if (this.#isPaused) receiver.pause(true, nowUs)
    this.#receivers.set(plan.streamId, receiver)
    this.#all = [...this.#receivers.values()]
  }

  /** The whole recording is paused, or goes on. */
  pause(isPaused: boolean, atUs: number): void {
    this.#isPaused = isPaused
    for (const receiver of this.#receivers.values()) receiver.pause(isPaused, atUs)
  }

  /** The streams that the SDP wants paused. */
  get pausedByPlan(): readonly StreamId[] {
    return this.all.flatMap(({ plan }) => (plan.paused ? [plan.streamId] : []))
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

  /** A datagram of the RTCP port of a stream. */
  handleRtcp(streamId: StreamId, datagram: Uint8Array, arrivalUs: number, origin?: PacketOrigin): void {
    this.#receivers.get(streamId)?.rtcp.handleDatagram(datagram, arrivalUs, origin)
  }

  /** Hands over the reports that are due. */
  sendReports(nowUs: number): void {
    for (const { rtcp } of this.#receivers.values()) {
      const due = rtcp.takeDue(nowUs)
      if (due !== undefined) this.#sink.handleRtcp?.(due)
    }
  }

  /** Hands over our goodbyes; no report follows. */
  sendGoodbyes(nowUs: number): void {
    for (const { rtcp } of this.#receivers.values()) {
      const goodbye = rtcp.takeGoodbye(nowUs)
      if (goodbye !== undefined) this.#sink.handleRtcp?.(goodbye)
    }
  }

  /** What has become clear of the packets of a stream since the last call. */
  takeIncidents(): readonly { readonly code: string; readonly detail: string }[] {
    const isFailing = this.all.filter((receiver) => receiver.takeSrtpFailing()).length > 0
    const isUndecoded = this.all.filter((receiver) => receiver.takeOpusUndecoded()).length > 0
    const isSentWhileHeld = this.all.filter((receiver) => receiver.takeSentWhileHeld()).length > 0
    const moves = this.all.reduce((sum, { sources }) => sum + sources.moves, 0)
    const hasMoved = moves > this.#moves && this.#movesTold < MOVES_TOLD_MAX
    this.#moves = moves
    if (hasMoved) this.#movesTold += 1
    return [
      ...(isFailing ? [SRTP_FAILING] : []),
      ...(isUndecoded ? [OPUS_UNDECODED] : []),
      ...(isSentWhileHeld ? [SENT_WHILE_HELD] : []),
      ...(hasMoved ? [SOURCE_MOVED] : []),
    ]
  }

  /** At the end: takes the packets that wait to be believed, of streams that had no others. */
  takeRest(): void {
    for (const receiver of this.#receivers.values()) receiver.takeRest()
  }

  /** After a failure inside: see {@link StreamReceiver.countRest}. */
  countRest(): void {
    for (const receiver of this.#receivers.values()) receiver.countRest()
  }

  /** Decodes what is due; gives the streams that had no room for all of it. */
  drain(nowUs: number): readonly StreamReceiver[] {
    return this.all.filter((receiver) => {
      const isDrained = receiver.drain(nowUs)
      receiver.dtmf.update(nowUs)
      return !isDrained
    })
  }

  /** The samples of every channel up to this 48 kHz position, a whole number at each rate; valid until the next read. */
  read(toPosition: number): readonly Int16Array[] {
    this.#readPosition = toPosition
    for (let index = 0; index < this.#all.length; index += 1) {
      const receiver = this.#all[index]
      if (receiver !== undefined) this.#read[index] = receiver.timeline.read(toPosition / positionsPerSample(receiver))
    }
    return this.#read
  }

  #commonRateWith(plans: readonly MediaStreamPlan[]): number | undefined {
    if (this.#commonRate === undefined) return undefined
    return raisedRate(this.#commonRate, highestRate([...plans.map(preferredRate), ...this.all.map(acceptedRate)]))
  }

  /** What had no room is decoded as streams are read, in steps, so that nothing of it is late. `commit`: as far as it may; true when there was something to read. */
  readOn(drained: readonly StreamReceiver[], nowUs: number, commit: (position: number) => boolean): void {
    for (let full = drained; full.length > 0 && commit(this.endOf(full));) full = this.drain(nowUs)
  }

  /** How far may be read before more of these streams is decoded: to where the audio of the first of them ends, 48 kHz samples. */
  endOf(receivers: readonly StreamReceiver[]): number {
    const end = Math.min(...receivers.map(endPosition))
    // A tone that has only just begun is not known yet, and is to be masked from its first sample on.
    return this.#dtmf === 'mask' ? end - (CERTAIN_MS_MAX * POSITIONS_PER_SECOND) / 1_000 : end
  }

  /** Up to here every stream has its audio, and nothing that comes later changes any of it, 48 kHz samples. 0 where it cannot be told, and where keys are masked: an event tells late how long it lasts. */
  get unbrokenEnd(): number {
    return this.#dtmf === 'mask' ? 0 : Math.min(...this.all.map(unbrokenEnd))
  }
}

function keptPacket(receiver: StreamReceiver, channel: number, placed: PlacedPacket): KeptPacket {
  const { bytes, packet, format } = placed
  const factor = positionsPerSample(receiver)
  return {
    ...{ streamId: receiver.plan.streamId, channel, bytes, format },
    payloadType: packet.payloadType,
    sequenceNumber: packet.sequenceNumber,
    startSample: placed.startSample * factor,
    fromSample: placed.fromSample * factor,
    toSample: placed.toSample * factor,
  }
}

/** 48 kHz samples for each sample of a stream: a whole number. */
export function positionsPerSample({ timeline }: Pick<StreamReceiver, 'timeline'>): number {
  return POSITIONS_PER_SECOND / timeline.sampleRate
}

function acceptedRate(receiver: StreamReceiver): number {
  return receiver.acceptedRate
}

function endPosition(receiver: StreamReceiver): number {
  return receiver.timeline.writePosition * positionsPerSample(receiver)
}

function unbrokenEnd(receiver: StreamReceiver): number {
  return receiver.timeline.times.unbrokenEnd * positionsPerSample(receiver)
}
