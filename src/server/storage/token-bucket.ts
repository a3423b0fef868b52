/** Of a byte: what arithmetic with fractions may be off by. */
const ROUNDING = 1e-3

/**
 * A limit of bytes a second, with a second's worth to spend at once. Pure: time is an argument, in milliseconds of any
 * clock that does not run backwards.
 *
 * Something larger than a second's worth may go when the bucket is full; it is then in debt, and the next one waits.
 */
export class TokenBucket {
  readonly #bytesPerSecond: number
  #tokens: number
  #atMs: number | undefined

  /** `bytesPerSecond` 0 limits nothing. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond
    this.#tokens = bytesPerSecond
  }

  /** Takes `bytes` when they may go now, and gives 0; else takes nothing and gives the milliseconds to wait before asking again. */
  take(bytes: number, nowMs: number): number {
    if (this.#bytesPerSecond === 0) return 0
    const sinceMs = Math.max(0, nowMs - (this.#atMs ?? nowMs))
    this.#atMs = Math.max(nowMs, this.#atMs ?? nowMs)
    this.#tokens = Math.min(this.#bytesPerSecond, this.#tokens + (sinceMs / 1_000) * this.#bytesPerSecond)
    const needed = Math.min(bytes, this.#bytesPerSecond)
    if (this.#tokens + ROUNDING >= needed) {
      this.#tokens -= bytes
      return 0
    }
    return Math.ceil(((needed - this.#tokens - ROUNDING) / this.#bytesPerSecond) * 1_000)
  }
}
