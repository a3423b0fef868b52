import { setTimeout as sleep } from 'node:timers/promises'

import { TokenBucket } from './token-bucket.ts'

/** Lets so many bytes a second go, whoever they are of. */
export class Bandwidth {
  readonly #bucket: TokenBucket
  readonly #nowMs: () => number
  readonly #sleep: (durationMs: number, signal: AbortSignal) => Promise<void>

  /** @param bytesPerSecondMax 0: no limit */
  constructor(
    bytesPerSecondMax: number,
    options: {
      readonly nowMs?: () => number
      /** Resolves after that time, or when the signal says so; never rejects. */
      readonly sleep?: (durationMs: number, signal: AbortSignal) => Promise<void>
    } = {},
  ) {
    this.#bucket = new TokenBucket(bytesPerSecondMax)
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#sleep =
      options.sleep ?? ((durationMs, signal) => sleep(durationMs, undefined, { signal }).catch(() => undefined))
  }

  /** Resolves when they may go, or at once when somebody says to stop. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = this.#bucket.take(bytes, this.#nowMs())
      if (waitMs === 0) return
      await this.#sleep(waitMs, signal)
    }
  }
}
