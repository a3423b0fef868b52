/** When fewer than so many a second are taken, they are not why something is late; a stall on a quiet recorder refuses nobody. */
export const PACE_MIN = 10
/** Above it there is no pace: nothing is limited. */
export const PACE_MAX = 2_000
/** What may come at once after a while of less. Seconds of the pace, and at least so many. */
const BURST_SECONDS = 0.1
const BURST_MIN = 4
/** A queue that is late: half of what was taken was too much. */
const LATE_FACTOR = 0.5
/** A thread that is too busy: so much less. */
const BUSY_FACTOR = 0.8
/** Each second in which all is well. */
const RECOVERY_FACTOR = 1.2
/** Between two steps down: what was taken before the first one must have had its effect. */
const STEP_US = 250_000

/**
 * How many recording sessions a second are taken, found by trial: without limit until something is late, then half of what was taken
 * and half of that again while it lasts; from there up by a fifth each second. So the queues stay short although more INVITEs
 * come than can be opened, and those beyond are refused the moment they arrive.
 *
 * Time is monotonic microseconds.
 */
export class AdmissionPace {
  #perSecond = Infinity
  #tokens = BURST_MIN
  #filledUs = 0
  #steppedUs = -Infinity
  #taken = 0
  #countedUs = 0

  /** Recording sessions a second; Infinity without limit. */
  get perSecond(): number {
    return this.#perSecond
  }

  /** Whether one may be taken now. */
  hasRoom(nowUs: number): boolean {
    return this.#perSecond === Infinity || this.#tokensAt(nowUs) >= 1
  }

  /** One is taken. */
  take(nowUs: number): void {
    this.#taken += 1
    this.#tokens = Math.max(0, this.#tokensAt(nowUs) - 1)
    this.#filledUs = nowUs
  }

  /** A queue is late. */
  noteLate(nowUs: number): void {
    this.#slowDown(LATE_FACTOR, nowUs)
  }

  /** To be called once a second with whether a thread was too busy in it. */
  noteSecond(isTooBusy: boolean, nowUs: number): void {
    if (isTooBusy) this.#slowDown(BUSY_FACTOR, nowUs)
    else if (nowUs - this.#steppedUs >= 4 * STEP_US) this.#perSecond *= RECOVERY_FACTOR
    if (this.#perSecond > PACE_MAX) this.#perSecond = Infinity
    this.#taken = 0
    this.#countedUs = nowUs
  }

  #slowDown(factor: number, nowUs: number): void {
    if (nowUs - this.#steppedUs < STEP_US) return
    // Of a short stretch a rate cannot be told: then what came is taken for what comes in a quarter of a second.
    const seconds = Math.max(STEP_US, nowUs - this.#countedUs) / 1e6
    const from = Math.min(this.#perSecond, this.#taken / seconds)
    if (from <= PACE_MIN) return
    this.#steppedUs = nowUs
    this.#tokens = Math.min(this.#tokensAt(nowUs), BURST_MIN)
    this.#filledUs = nowUs
    this.#perSecond = Math.max(PACE_MIN, factor * from)
  }

  #tokensAt(nowUs: number): number {
    const burst = Math.max(BURST_MIN, Math.min(this.#perSecond, PACE_MAX) * BURST_SECONDS)
    const added = (Math.min(this.#perSecond, PACE_MAX) * (nowUs - this.#filledUs)) / 1e6
    return Math.min(burst, this.#tokens + added)
  }
}
