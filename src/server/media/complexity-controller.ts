/** The complexity falls from this share of the load limit on, so that it has fallen before new recording sessions are refused. */
export const FALL_SHARE = 0.9
/** It rises below this share: a step back up may cost up to a quarter of what there is. */
export const RISE_SHARE = 0.65
/** How long the load must have been below {@link RISE_SHARE} before each step back up. */
export const RISE_US = 10_000_000
/** A step up that had to be taken back within this time doubles the wait for the next one. */
export const REGRET_US = 30_000_000
export const RISE_US_MAX = 320_000_000
/** Steps at once when the load is above the limit itself: from 10 to 0 in the five seconds before admission refuses. */
const STEPS_WHEN_OVER = 2

/**
 * Decides with which complexity a media worker encodes: as configured, and less when the thread is nearly at its limit, so that audio is never lost to
 * load. It falls with the first measurement that is too high and rises slowly; steps up that do not last come ever more rarely.
 *
 * Feed it one measurement a second. It knows no clock: time is an argument, in monotonic microseconds.
 */
export class ComplexityController {
  readonly #configured: number
  readonly #busyShareMax: number
  #complexity: number
  #lowSinceUs: number | undefined
  #riseUs = RISE_US
  #roseUs = Number.NEGATIVE_INFINITY
  #stepsDown = 0
  #stepsUp = 0

  /** @param options.configured 0 to 10 @param options.busyShareMax the share from which on admission refuses, above 0 */
  constructor(options: { readonly configured: number; readonly busyShareMax: number }) {
    this.#configured = options.configured
    this.#busyShareMax = options.busyShareMax
    this.#complexity = options.configured
  }

  get complexity(): number {
    return this.#complexity
  }

  get stepsDown(): number {
    return this.#stepsDown
  }

  get stepsUp(): number {
    return this.#stepsUp
  }

  /** Takes a measurement; gives the complexity from now on. */
  observe(busyShare: number, nowUs: number): number {
    const share = busyShare / this.#busyShareMax
    if (share < RISE_SHARE) this.#lowSinceUs ??= nowUs
    else this.#lowSinceUs = undefined
    if (share >= FALL_SHARE) this.#fall(share > 1 ? STEPS_WHEN_OVER : 1, nowUs)
    else if (this.#lowSinceUs !== undefined && nowUs - this.#lowSinceUs >= this.#riseUs) this.#rise(nowUs)
    return this.#complexity
  }

  #fall(steps: number, nowUs: number): void {
    const lower = Math.max(0, this.#complexity - steps)
    if (lower === this.#complexity) return
    if (nowUs - this.#roseUs < REGRET_US) {
      this.#riseUs = Math.min(this.#riseUs * 2, RISE_US_MAX)
      // Once for each step up.
      this.#roseUs = Number.NEGATIVE_INFINITY
    }
    this.#stepsDown += this.#complexity - lower
    this.#complexity = lower
  }

  #rise(nowUs: number): void {
    if (this.#complexity >= this.#configured) {
      this.#riseUs = RISE_US
      return
    }
    this.#complexity += 1
    this.#stepsUp += 1
    this.#roseUs = nowUs
    // The next step has to wait as long again.
    this.#lowSinceUs = nowUs
  }
}
