import type { MaskList } from './mask-list.ts'
import type { PacketQueue, QueuedPacket } from './packet-queue.ts'
import { TimestampUnwrapper } from './transit.ts'

/** Enters the packets of one stream into its queue, in sequence, with what is known about what is missing before each. */
export class PacketIntake {
  readonly #queue: PacketQueue
  readonly #masks: MaskList
  #sampleRate: number
  #clockRate: number
  readonly #unwrapper = new TimestampUnwrapper()
  // What came in since the last packet that fitted into the queue.
  #lostBefore = 0
  #overflowBefore = 0
  #isSilent = false
  #isRestarted = false
  #continues = false
  /** Each sample of what is pushed from now on holds something of so many before it. */
  spread = 0
  /** Everything that came, and what of it found the queue full. */
  readonly counts = { writtenSamples: 0, overflowSamples: 0 }

  constructor(options: { readonly queue: PacketQueue; readonly masks: MaskList; readonly sampleRate: number }) {
    this.#queue = options.queue
    this.#masks = options.masks
    this.#sampleRate = options.sampleRate
    this.#clockRate = options.sampleRate
  }

  /** Of the RTP clock that the packets are counted by. */
  get clockRate(): number {
    return this.#clockRate
  }

  /** A timestamp near the last one in extended RTP time; undefined before there was one. */
  extended(timestamp: number): number | undefined {
    return this.#unwrapper.nearest(timestamp)
  }

  /** The next packet comes from another source, or a restarted one. */
  restart(): void {
    this.#masks.restart()
    this.#isRestarted = true
  }

  /** The next packet counts its time by an RTP clock of this rate. It changes with the codec, not with the source: RFC 7160. */
  setClock(clockRate: number): void {
    if (!this.#unwrapper.changeClock(this.#sampleRate / clockRate)) return
    this.#clockRate = clockRate
    this.#masks.restart()
    this.#isRestarted = true
    this.#continues = true
  }

  /** There are `factor` times as many samples a second from now on; the clock that packets are counted by stays. */
  rescale(factor: number): void {
    this.#sampleRate *= factor
    this.#overflowBefore *= factor
    this.spread *= factor
    this.counts.writtenSamples *= factor
    this.counts.overflowSamples *= factor
    this.#unwrapper.rescale(factor)
  }

  /** @param isSilent the sender says that nothing follows for now; true until the next packet is pushed */
  noteLost(packets: number, isSilent: boolean): void {
    this.#lostBefore += packets
    this.#isSilent ||= isSilent
  }

  /** The sender said after the last packet that it is silent. RFC 3389 */
  get isSilent(): boolean {
    return this.#isSilent
  }

  /** The packet in the queue, if it has one more; see `StreamTimeline.write`. */
  push(samples: Int16Array, timestamp: number, arrivalUs: number, lostBefore: number): QueuedPacket | undefined {
    this.counts.writtenSamples += samples.length
    this.#lostBefore += lostBefore
    if (samples.length === 0) return undefined
    const extended = this.#unwrapper.unwrap(timestamp)
    const entry = this.#queue.push(samples)
    if (entry === undefined) {
      this.counts.overflowSamples += samples.length
      this.#overflowBefore += samples.length
      return undefined
    }
    entry.timestamp = extended
    entry.gapCause = undefined
    entry.isKept = false
    entry.reachesBack = 0
    entry.spread = this.spread
    entry.arrivalUs = arrivalUs
    entry.lostBefore = this.#lostBefore
    entry.overflowBefore = this.#overflowBefore
    entry.silenceBefore = this.#isSilent
    entry.restarted = this.#isRestarted
    entry.epoch = this.#masks.epoch
    entry.continues = this.#continues && this.#lostBefore === 0
    this.#lostBefore = 0
    this.#overflowBefore = 0
    this.#isSilent = false
    this.#isRestarted = false
    this.#continues = false
    return entry
  }
}
