import type { GapCauses } from './gap-causes.ts'
import type { RtpClock } from './rtp-clock.ts'
import type { PacketIntake } from './packet-intake.ts'
import type { PacketPlacer } from './packet-placer.ts'

/**
 * One stream's instants as extended RTP time: its 32-bit timestamps over their wraps, in the order in which packets were written. Where such
 * a time stands on the timeline is known when a packet near it has been placed.
 */
export class StreamTimes {
  readonly #intake: PacketIntake
  readonly #clock: RtpClock
  readonly #causes: GapCauses
  readonly #placer: PacketPlacer

  constructor(options: {
    readonly intake: PacketIntake
    readonly clock: RtpClock
    readonly causes: GapCauses
    readonly placer: PacketPlacer
  }) {
    this.#intake = options.intake
    this.#clock = options.clock
    this.#causes = options.causes
    this.#placer = options.placer
  }

  /** Of the RTP clock that the packets are counted by; extended RTP time counts samples, whatever that is. */
  get clockRate(): number {
    return this.#intake.clockRate
  }

  /** Undefined before anything was written. */
  ofTimestamp(timestamp: number): number | undefined {
    return this.#intake.extended(timestamp)
  }

  /** By when packets come, that have been placed; as a position, before there was one. @param us monotonic microseconds */
  ofInstant(us: number): number {
    return this.#causes.positionAt(us) - Math.round(this.#clock.arrivalMapping ?? 0)
  }

  /** The audio belongs by so many microseconds earlier than its arrival says: reports of its sender have shown it. */
  setAhead(us: number): void {
    this.#clock.setAhead(us)
  }

  /** By how many samples audio may stand later than it was spoken: see `RtpClock`. */
  get lateness(): number {
    return this.#clock.lateness
  }

  /**
   * Position up to which nothing that comes later changes anything: all audio has its place, and none of it is near a pause, as what is silenced of that is known by the packets behind
   * it. 0 where it cannot be told.
   */
  get unbrokenEnd(): number {
    return this.#causes.hasPause ? 0 : this.#placer.unbrokenEnd
  }

  /** Position minus extended RTP time, by the last packet that was placed; undefined before there was one. */
  get mapping(): number | undefined {
    return this.#clock.state.mapping
  }
}
