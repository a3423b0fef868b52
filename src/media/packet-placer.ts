import { DriftCorrection } from './drift-correction.ts'
import { lostSamples } from './gap-list.ts'
import type { PacketQueue, QueuedPacket } from './packet-queue.ts'
import { follow, type RtpClock } from './rtp-clock.ts'

/** Gives the packets in the queue of a stream their places, in order, with what is known about the gap before each. Rules 1 to 7 of `StreamTimeline`. */
export class PacketPlacer {
  readonly #queue: PacketQueue
  readonly #clock: RtpClock
  readonly #drift: DriftCorrection
  /** End of the last audio placed. */
  #placedEnd = 0
  /** How many entries at the head of the queue have been placed. */
  #placed = 0
  // What is known about the gap before the next packet to be placed.
  #gapLost = 0
  #gapSilence = 0
  readonly #counts = { lateSamples: 0, overlapSamples: 0, resyncs: 0 }

  constructor(options: { readonly queue: PacketQueue; readonly clock: RtpClock; readonly sampleRate: number }) {
    this.#queue = options.queue
    this.#clock = options.clock
    this.#drift = new DriftCorrection(options.sampleRate, options.clock, options.queue)
  }

  /** How many packets at the head of the queue have their place. */
  get placed(): number {
    return this.#placed
  }

  /** End of the last audio that came, when all of it has its place: nothing is placed before that any more. 0 where a run waits to be tied, for which each further packet counts. */
  get unbrokenEnd(): number {
    return this.#placed === this.#queue.length ? this.#placedEnd : 0
  }

  /** Samples of missing packets since the last one that has its place, and those that the RTP clock counted without sending. */
  get gapLost(): number {
    return this.#gapLost
  }

  get gapSilence(): number {
    return this.#gapSilence
  }

  get counts(): {
    readonly lateSamples: number
    readonly overlapSamples: number
    readonly resyncs: number
    readonly insertedSamples: number
    readonly removedSamples: number
  } {
    const { insertedSamples, removedSamples } = this.#drift
    return { ...this.#counts, insertedSamples, removedSamples }
  }

  /** Gives packets their place as far as it can be told, and those due before `limit` in any case; none before `readPosition`. */
  place(limit: number, readPosition: number): void {
    for (let entry = this.#queue.at(this.#placed); entry !== undefined; entry = this.#queue.at(this.#placed)) {
      const mapping = this.#clock.mappingFor(this.#queue, this.#placed, this.#clock.state, limit)
      if (mapping === undefined) return
      this.#settle(entry, mapping, readPosition)
      this.#placed += 1
    }
  }

  /** There are `factor` times as many samples a second from now on, a whole number; queue and clock are told by others. */
  rescale(factor: number): void {
    this.#drift.rescale(factor)
    this.#placedEnd *= factor
    this.#gapLost *= factor
    this.#gapSilence *= factor
    this.#counts.lateSamples *= factor
    this.#counts.overlapSamples *= factor
  }

  /** Releases the oldest packet, which has been read. */
  shift(): void {
    this.#queue.shift()
    this.#placed -= 1
  }

  /** Where all audio in the queue ends, as far as that is known by now. */
  endOfAll(readPosition: number): number {
    const state = { ...this.#clock.state }
    let end = this.#placedEnd
    for (let index = this.#placed; index < this.#queue.length; index++) {
      const entry = this.#queue.at(index)
      const mapping = this.#clock.mappingFor(this.#queue, index, state, Infinity)
      if (entry === undefined || mapping === undefined) break
      const early = Math.max(end, readPosition) - (entry.timestamp + mapping)
      const shift = mapping === state.mapping ? 0 : this.#shiftOf(entry, early)
      follow(state, entry, mapping + shift)
      end = Math.max(end, entry.timestamp + mapping + shift + entry.length)
    }
    return end
  }

  #settle(entry: QueuedPacket, mapping: number, readPosition: number): void {
    const { state } = this.#clock
    const anchored = mapping !== state.mapping
    const jump = anchored ? 0 : Math.max(0, entry.timestamp - state.nextTimestamp)
    const lost = lostSamples(entry, jump, state.lastLength, anchored)
    const free = Math.max(readPosition, this.#placedEnd)
    const early = free - (entry.timestamp + mapping)
    if (anchored && state.mapping !== undefined) this.#counts.resyncs += 1
    this.#clock.advance(entry, anchored ? mapping + this.#shiftOf(entry, early) : mapping)
    entry.correction = 0
    entry.readOffset = 0
    this.#drift.apply(entry, { jump, silence: Math.max(0, jump - lost), free })
    entry.position = entry.timestamp + (state.mapping ?? 0) - entry.correction
    this.#cut(entry, free)
    this.#gapLost += lost
    this.#gapSilence += entry.silenceBefore ? Infinity : Math.max(0, jump - lost)
    entry.gapLost = this.#gapLost
    entry.gapSilence = this.#gapSilence
    if (entry.outLength > 0) {
      this.#gapLost = 0
      this.#gapSilence = 0
      this.#placedEnd = entry.position + entry.outLength
    }
  }

  /** By how much later, or earlier, than anchored a new run stands that begins `early`: it joins what is near (rule 6). */
  #shiftOf({ continues }: QueuedPacket, early: number): number {
    const { shiftMax } = this.#clock
    return early <= shiftMax && (early > 0 || (continues && -early <= shiftMax)) ? early : 0
  }

  /** Leaves out what lies before `free` (rule 6). */
  #cut(entry: QueuedPacket, free: number): void {
    const early = Math.max(0, free - entry.position)
    entry.skip = Math.min(early, entry.length)
    entry.outLength = entry.length + entry.correction - entry.skip
    if (entry.skip === 0) return
    const overlap = Math.min(entry.skip, Math.max(0, this.#placedEnd - entry.position))
    const late = entry.skip - overlap
    this.#counts.overlapSamples += overlap
    this.#counts.lateSamples += late
    this.#gapLost += late
    entry.position += entry.skip
  }
}
