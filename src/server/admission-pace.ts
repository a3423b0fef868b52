/** When fewer than so many a second are opened, they are not why something is late; a stall on a quiet recorder refuses nobody. */
export const PACE_MIN = 10
/** Above it there is no pace: nothing is limited. */
export const PACE_MAX = 2_000
/** What may come at once after a while of less. Seconds of the pace, and at least so many. */
const BURST_SECONDS = 0.1
const BURST_MIN = 4
/** Of what was opened a second while something was late, so much is taken: a little less, so that what waits can be worked off. */
const LATE_FACTOR = 0.85
/** Each second in which nothing is late. */
const RECOVERY_FACTOR = 1.25
/** Between two steps down: the first one must have had its effect. */
const STEP_US = 400_000
/** After a step down, before the first one up. */
const RECOVERY_AFTER_US = 1_000_000
/** Looks at what was opened, to be had every 100 ms or so. A rate is that of the best stretch of three in the last ten. */
const LOOKS_MAX = 10
const STRETCH = 3

/**
 * How many recording sessions a second are taken, found by trial: without limit until something is late. Then what was opened is all that
 * can be opened, and a little less than that is taken, and less again while it lasts; from there up by a quarter each second. So the
 * queues stay short although more INVITEs come than can be opened, and those beyond are refused the moment they arrive.
 *
 * Time is monotonic microseconds.
 */
export class AdmissionPace {
  #perSecond = Infinity
  #tokens = BURST_MIN
  #filledUs = 0
  #steppedUs = -Infinity
  #recoveredUs = -Infinity
  readonly #looks: { readonly atUs: number; readonly openedTotal: number }[] = []

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
    this.#tokens = Math.max(0, this.#tokensAt(nowUs) - 1)
    this.#filledUs = nowUs
  }

  /**
   * To be called every 100 ms or so.
   *
   * @param openedTotal recording sessions opened since the start
   */
  look(isLate: boolean, openedTotal: number, nowUs: number): void {
    this.#looks.push({ atUs: nowUs, openedTotal })
    if (this.#looks.length > LOOKS_MAX) this.#looks.shift()
    const sinceStepUs = nowUs - this.#steppedUs
    if (isLate && sinceStepUs >= STEP_US) this.#slowDown(nowUs)
    if (isLate || sinceStepUs < RECOVERY_AFTER_US || nowUs - this.#recoveredUs < 1_000_000) return
    this.#recoveredUs = nowUs
    this.#perSecond *= RECOVERY_FACTOR
    if (this.#perSecond > PACE_MAX) this.#perSecond = Infinity
  }

  #slowDown(nowUs: number): void {
    const from = Math.min(this.#perSecond, this.#openedPerSecond())
    if (from <= PACE_MIN) return
    this.#steppedUs = nowUs
    this.#tokens = Math.min(this.#tokensAt(nowUs), BURST_MIN)
    this.#filledUs = nowUs
    this.#perSecond = Math.max(PACE_MIN, LATE_FACTOR * from)
  }

  #openedPerSecond(): number {
    let best = 0
    for (let end = STRETCH; end < this.#looks.length; end += 1) {
      const [from, to] = [this.#looks[end - STRETCH], this.#looks[end]]
      if (from === undefined || to === undefined || to.atUs <= from.atUs) continue
      best = Math.max(best, ((to.openedTotal - from.openedTotal) * 1e6) / (to.atUs - from.atUs))
    }
    return best
  }

  #tokensAt(nowUs: number): number {
    const perSecond = Math.min(this.#perSecond, PACE_MAX)
    const burst = Math.max(BURST_MIN, perSecond * BURST_SECONDS)
    return Math.min(burst, this.#tokens + (perSecond * (nowUs - this.#filledUs)) / 1e6)
  }
}
