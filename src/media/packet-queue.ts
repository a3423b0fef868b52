import type { GapCause } from './gap-list.ts'

/**
 * Decoded audio held between the reorder buffer and the reader, in seconds: more than a stalled machine finds in its
 * sockets. Grown to only when it is needed.
 */
export const QUEUE_SECONDS_MAX = 24
/** Packets held; 40 s of 20 ms packets. */
export const QUEUE_PACKETS_MAX = 2_048

const INITIAL_SECONDS = 1
const INITIAL_PACKETS = 64

/** One packet's audio on its way to the reader. Entries are pooled: valid until {@link PacketQueue.shift} releases them. */
export interface QueuedPacket {
  /** RTP timestamp, extended beyond 32 bits. */
  timestamp: number
  arrivalUs: number
  /** Of a packet that is not decoded, or made up: what its time is counted as. */
  gapCause: GapCause | undefined
  /** Its bytes wait for its place. */
  isKept: boolean
  /** Samples before it of which it holds a copy: none of it may be kept where that may not be. */
  reachesBack: number
  /** Samples as decoded. */
  length: number
  /** Packets missing before this one. */
  lostBefore: number
  /** Samples of packets before this one that found the queue full. */
  overflowBefore: number
  /** The sender said before this packet that it was silent. */
  silenceBefore: boolean
  /** The caller announced a new source before this packet. */
  restarted: boolean
  /** The codec changed before this packet, and with it the RTP clock; none is missing in between. */
  continues: boolean
  /** Counts the sources: see `MaskList.epoch`. */
  epoch: number
  /** Where the audio begins on the timeline, once placed. */
  position: number
  /** Leading samples left out because their time was already taken. */
  skip: number
  /** Samples inserted (positive) or left out (negative) to follow the sender's clock. */
  correction: number
  /** Samples to read: `length - skip + correction`. */
  outLength: number
  /** How many of those have been read. */
  readOffset: number
  /** Samples of the gap before that are known to be lost, and those that the RTP clock counted without sending. */
  gapLost: number
  gapSilence: number
  /** Absolute index of the first sample in the ring. */
  firstSample: number
}

/** Where a packet that is kept begins, and the part of the timeline that it fills; an empty part: none. */
export type UndecodedFound = (startSample: number, fromSample: number, toSample: number) => void

/**
 * A bounded first-in-first-out queue of decoded packets: samples in one ring, entries in another. Both start small and double
 * up to their limits, so that thousands of streams cost little and a stalled machine loses nothing.
 */
export class PacketQueue {
  readonly #samplesMax: number
  #samples: Int16Array
  #entries: QueuedPacket[]
  #head = 0
  #count = 0
  #firstSample = 0
  #endSample = 0

  constructor(clockRate: number) {
    this.#samplesMax = powerOfTwo(clockRate * QUEUE_SECONDS_MAX)
    this.#samples = new Int16Array(powerOfTwo(clockRate * INITIAL_SECONDS))
    this.#entries = Array.from({ length: INITIAL_PACKETS }, emptyEntry)
  }

  get length(): number {
    return this.#count
  }

  /** True from three quarters of a limit on: whoever can wait should not push more. */
  get isNearlyFull(): boolean {
    return 4 * (this.#endSample - this.#firstSample) > 3 * this.#samplesMax || 4 * this.#count > 3 * QUEUE_PACKETS_MAX
  }

  /** Samples that wait to be read, when the first `placed` entries have their place. */
  pendingSamples(placed: number): number {
    let pending = 0
    for (let index = 0; index < this.#count; index += 1) {
      const entry = this.at(index)
      if (entry === undefined) break
      pending += index < placed ? entry.outLength - entry.readOffset : entry.length
    }
    return pending
  }

  /** Copies the samples in; the caller fills the rest of the entry. Undefined when the queue is full. */
  push(samples: Int16Array): QueuedPacket | undefined {
    const end = this.#endSample + samples.length
    if (end - this.#firstSample > this.#samplesMax || this.#count >= QUEUE_PACKETS_MAX) return undefined
    while (end - this.#firstSample > this.#samples.length) this.#growSamples()
    if (this.#count === this.#entries.length) this.#growEntries()
    const entry = this.#entries[(this.#head + this.#count) & (this.#entries.length - 1)]
    if (entry === undefined) return undefined
    const start = this.#endSample & (this.#samples.length - 1)
    const untilWrap = this.#samples.length - start
    if (samples.length <= untilWrap) {
      this.#samples.set(samples, start)
    } else {
      this.#samples.set(samples.subarray(0, untilWrap), start)
      this.#samples.set(samples.subarray(untilWrap), 0)
    }
    entry.firstSample = this.#endSample
    entry.length = samples.length
    this.#endSample = end
    this.#count += 1
    return entry
  }

  at(index: number): QueuedPacket | undefined {
    return index < this.#count ? this.#entries[(this.#head + index) & (this.#entries.length - 1)] : undefined
  }

  /** Releases the oldest packet. */
  shift(): void {
    const entry = this.at(0)
    if (entry === undefined) return
    this.#firstSample = entry.firstSample + entry.length
    this.#head = (this.#head + 1) & (this.#entries.length - 1)
    this.#count -= 1
  }

  /** Copies an entry's samples from `offset` on into `target` from `targetOffset` on, as many as fit. Makes no views: it runs per packet. */
  copy(entry: QueuedPacket, offset: number, target: Int16Array, targetOffset: number): void {
    const mask = this.#samples.length - 1
    const start = entry.firstSample + offset
    const count = Math.min(entry.length - offset, target.length - targetOffset)
    for (let i = 0; i < count; i++) target[targetOffset + i] = this.#samples[(start + i) & mask] ?? 0
  }

  /** Mean absolute sample of an entry, 0..32768. */
  meanLevel(entry: QueuedPacket): number {
    const mask = this.#samples.length - 1
    let sum = 0
    for (let i = 0; i < entry.length; i++) sum += Math.abs(this.#samples[(entry.firstSample + i) & mask] ?? 0)
    return entry.length === 0 ? 0 : sum / entry.length
  }

  #growSamples(): void {
    const old = this.#samples
    const grown = new Int16Array(old.length * 2)
    for (let at = this.#firstSample; at < this.#endSample; at++) {
      grown[at & (grown.length - 1)] = old[at & (old.length - 1)] ?? 0
    }
    this.#samples = grown
  }

  #growEntries(): void {
    const old = this.#entries
    const head = this.#head
    const kept = Array.from(
      { length: this.#count },
      (_, index) => old[(head + index) & (old.length - 1)] ?? emptyEntry(),
    )
    this.#entries = Array.from({ length: old.length * 2 }, (_, index) => kept[index] ?? emptyEntry())
    this.#head = 0
  }
}

function emptyEntry(): QueuedPacket {
  return {
    timestamp: 0,
    arrivalUs: 0,
    gapCause: undefined,
    isKept: false,
    reachesBack: 0,
    length: 0,
    lostBefore: 0,
    overflowBefore: 0,
    silenceBefore: false,
    restarted: false,
    continues: false,
    epoch: 0,
    position: 0,
    skip: 0,
    correction: 0,
    outLength: 0,
    readOffset: 0,
    gapLost: 0,
    gapSilence: 0,
    firstSample: 0,
  }
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least))
}
