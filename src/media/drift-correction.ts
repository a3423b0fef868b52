import type { PacketQueue, QueuedPacket } from './packet-queue.ts'
import type { RtpClock } from './rtp-clock.ts'

/** Most that is inserted or left out in one quiet packet to follow the sender's clock. */
const CORRECTION_MAX_MS = 4
/** Mean absolute sample up to which a packet counts as quiet: about -40 dB of full scale. */
const QUIET_LEVEL = 328
/** When no quiet packet comes and the error passes this, {@link FORCED_CORRECTION_MS} is corrected inside the audio ... */
const FORCED_DRIFT_MS = 8
const FORCED_CORRECTION_MS = 1
/** ... at most this often, that is by 1 %. */
const FORCED_INTERVAL_MS = 100

/** Lets the mapping of a stream's clock follow the sender's clock. Rule 5 of `StreamTimeline`. */
export class DriftCorrection {
  readonly #clock: RtpClock
  readonly #queue: PacketQueue
  #samplesPerMs: number
  #forcedTimestamp = Number.NEGATIVE_INFINITY
  insertedSamples = 0
  removedSamples = 0

  constructor(clockRate: number, clock: RtpClock, queue: PacketQueue) {
    this.#clock = clock
    this.#queue = queue
    this.#samplesPerMs = clockRate / 1_000
  }

  /** There are `factor` times as many samples a second from now on. */
  rescale(factor: number): void {
    this.#samplesPerMs *= factor
    this.#forcedTimestamp *= factor
    this.insertedSamples *= factor
    this.removedSamples *= factor
  }

  /**
   * Corrects before or inside `entry`, which is about to be placed.
   *
   * @param gap.jump samples that the RTP clock went on before it @param gap.silence part of them that is not lost
   * @param gap.free where time is still free
   */
  apply(entry: QueuedPacket, gap: { readonly jump: number; readonly silence: number; readonly free: number }): void {
    const { drift, state } = this.#clock
    const { jump, silence, free } = gap
    if (drift === 0 || state.mapping === undefined) return
    if (silence > 0) {
      state.mapping += Math.max(drift, -silence, Math.min(0, free - entry.timestamp - state.mapping))
      return
    }
    const cut = entry.timestamp + state.mapping < free
    if (jump !== 0 || cut) return
    let change = Math.min(Math.abs(drift), Math.floor(CORRECTION_MAX_MS * this.#samplesPerMs), entry.length >> 2)
    if (this.#queue.meanLevel(entry) > QUIET_LEVEL) {
      if (Math.abs(drift) <= FORCED_DRIFT_MS * this.#samplesPerMs) return
      if (entry.timestamp - this.#forcedTimestamp < FORCED_INTERVAL_MS * this.#samplesPerMs) return
      this.#forcedTimestamp = entry.timestamp
      change = Math.min(change, Math.floor(FORCED_CORRECTION_MS * this.#samplesPerMs))
    }
    entry.correction = Math.sign(drift) * change
    state.mapping += entry.correction
    if (drift > 0) this.insertedSamples += change
    else this.removedSamples += change
  }
}
