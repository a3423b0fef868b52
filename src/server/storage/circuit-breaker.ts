import { backoffMs, type Backoff } from './backoff.ts'

/** Failures in a row after which a server is left alone. */
export const BREAKER_FAILURES_MAX = 5

export type BreakerState = 'closed' | 'open' | 'trying'

/**
 * Keeps requests from a server that fails them all: after {@link BREAKER_FAILURES_MAX} in a row it lets nothing through for
 * a while, then one request to try; when that succeeds everything flows again, else the pause is longer. Pure: time and
 * chance are arguments.
 */
export class CircuitBreaker {
  readonly #pause: Backoff
  #failures = 0
  /** How often in a row it has opened. */
  #openings = 0
  #openUntilMs = 0
  #state: BreakerState = 'closed'

  constructor(pause: Backoff) {
    this.#pause = pause
  }

  get state(): BreakerState {
    return this.#state
  }

  /** 0 when a request may go now, which must then be followed by `succeeded` or `failed`; else milliseconds to wait before asking again. */
  enter(nowMs: number): number {
    if (this.#state === 'closed') return 0
    // The one that tries will be back within its time-out; whoever asks meanwhile waits a little and asks again.
    if (this.#state === 'trying') return this.#pause.firstMs
    if (nowMs < this.#openUntilMs) return this.#openUntilMs - nowMs
    this.#state = 'trying'
    return 0
  }

  succeeded(): void {
    this.#failures = 0
    this.#openings = 0
    this.#state = 'closed'
  }

  failed(nowMs: number, random: number): void {
    this.#failures += 1
    // Those that were on their way when it opened tell nothing new.
    if (this.#state === 'open') return
    if (this.#state === 'closed' && this.#failures < BREAKER_FAILURES_MAX) return
    this.#openings += 1
    this.#state = 'open'
    this.#openUntilMs = nowMs + backoffMs(this.#openings, this.#pause, random)
  }

  /** Lets the next request try at once: somebody has mended something. */
  reset(): void {
    if (this.#state !== 'open') return
    this.#openUntilMs = 0
    this.#openings = 0
  }
}
