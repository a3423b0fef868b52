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

/** A ring that is filled to less than this part of it is made half as large: a stall may have needed it, an hour of audio does not. */
const SHRINK_AT = 3 / 8

/** One packet's audio on its way to the reader. Entries are used again: valid until {@link PacketQueue.shift} releases them. */
export interface QueuedPacket {
  /** RTP timestamp, extended beyond 32 bits. */
  timestamp: number
  arrivalUs: number
  /** Of a packet that is not decoded, or made up: what its time is counted as. */
  gapCause: GapCause | undefined
  /** Its bytes wait for its place. */
  isKept: boolean
  /** Samples before it of which it holds anything, if it is kept or made up: none of it may be where that may not be. */
  reachesBack: number
  /** Each of its samples holds something of so many before it: of a filter. */
  spread: number
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
 * A bounded first-in-first-out queue of decoded packets: samples in one ring, entries in another. Both start small, double
 * up to their limits, and give back what they no longer need, so that thousands of streams cost little and a stalled machine loses nothing.
 */
export class PacketQueue {
  #samplesMax: number
  #samplesMin: number
  #samples: Int16Array
  #entries: (QueuedPacket | undefined)[]
  /** Entries that were released: there are as many as ever waited at a time, not as many as the ring has places. */
  readonly #spare: QueuedPacket[] = []
  #head = 0
  #count = 0
  #firstSample = 0
  #endSample = 0

  constructor(clockRate: number) {
    this.#samplesMax = powerOfTwo(clockRate * QUEUE_SECONDS_MAX)
    this.#samplesMin = powerOfTwo(clockRate * INITIAL_SECONDS)
    this.#samples = new Int16Array(this.#samplesMin)
    this.#entries = ringOf(INITIAL_PACKETS, [])
  }

  get length(): number {
    return this.#count
  }

  /** Memory of the samples. */
  get bytes(): number {
    return this.#samples.byteLength
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
    while (end - this.#firstSample > this.#samples.length) this.#resizeSamples(this.#samples.length * 2)
    if (this.#count === this.#entries.length) this.#resizeEntries(this.#entries.length * 2)
    const entry = this.#spare.pop() ?? emptyEntry()
    this.#entries[(this.#head + this.#count) & (this.#entries.length - 1)] = entry
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
    this.#entries[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#entries.length - 1)
    this.#count -= 1
    this.#spare.push(entry)
    this.#shrink()
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

  /**
   * Everything in the queue is at `clockRate` from now on, `factor` times what it was.
   *
   * @param upsample makes so many times as many samples of those in the queue
   */
  rescale(clockRate: number, factor: number, upsample: (samples: Int16Array) => Int16Array): void {
    const old = this.#samples
    const waiting = new Int16Array(this.#endSample - this.#firstSample)
    for (let i = 0; i < waiting.length; i++) waiting[i] = old[(this.#firstSample + i) & (old.length - 1)] ?? 0
    const more = upsample(waiting)
    this.#samplesMax = powerOfTwo(clockRate * QUEUE_SECONDS_MAX)
    this.#samplesMin = powerOfTwo(clockRate * INITIAL_SECONDS)
    this.#firstSample *= factor
    this.#endSample *= factor
    this.#samples = new Int16Array(powerOfTwo(old.length * factor))
    const mask = this.#samples.length - 1
    for (let i = 0; i < more.length; i++) this.#samples[(this.#firstSample + i) & mask] = more[i] ?? 0
    for (let index = 0; index < this.#count; index++) rescaleEntry(this.at(index), factor)
  }

  /** Halves what is nearly empty, so that what a stall has brought does not stay with the stream for the rest of the hour. */
  #shrink(): void {
    const { length } = this.#samples
    if (length > this.#samplesMin && this.#endSample - this.#firstSample < SHRINK_AT * length) {
      this.#resizeSamples(length / 2)
    }
    const places = this.#entries.length
    if (places > INITIAL_PACKETS && this.#count < SHRINK_AT * places) {
      this.#resizeEntries(places / 2)
      this.#spare.length = Math.min(this.#spare.length, places / 2 - this.#count)
    }
  }

  #resizeSamples(length: number): void {
    const old = this.#samples
    const resized = new Int16Array(length)
    for (let at = this.#firstSample; at < this.#endSample; at++) {
      resized[at & (length - 1)] = old[at & (old.length - 1)] ?? 0
    }
    this.#samples = resized
  }

  #resizeEntries(length: number): void {
    const [old, head] = [this.#entries, this.#head]
    this.#entries = ringOf(
      length,
      Array.from({ length: this.#count }, (_, index) => old[(head + index) & (old.length - 1)]),
    )
    this.#head = 0
  }
}

function ringOf(length: number, entries: readonly (QueuedPacket | undefined)[]): (QueuedPacket | undefined)[] {
  return Array.from({ length }, (_, index) => entries[index])
}

function emptyEntry(): QueuedPacket {
  return {
    timestamp: 0,
    arrivalUs: 0,
    gapCause: undefined,
    isKept: false,
    reachesBack: 0,
    spread: 0,
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

function rescaleEntry(entry: QueuedPacket | undefined, factor: number): void {
  if (entry === undefined) return
  entry.timestamp *= factor
  entry.reachesBack *= factor
  entry.spread *= factor
  entry.length *= factor
  entry.overflowBefore *= factor
  entry.position *= factor
  entry.skip *= factor
  entry.correction *= factor
  entry.outLength *= factor
  entry.readOffset *= factor
  entry.gapLost *= factor
  entry.gapSilence *= factor
  entry.firstSample *= factor
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least))
}
