/** Pauses between attempts: from `firstMs` doubling up to `lastMs`. */
export interface Backoff {
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * Milliseconds to wait after attempt number `attempt` (from 1) has failed. `random` in [0, 1) spreads it over the upper
 * half, so that what failed together does not come back together.
 */
export function backoffMs(attempt: number, { firstMs, lastMs }: Backoff, random: number): number {
  const fullMs = Math.min(lastMs, firstMs * 2 ** Math.min(attempt - 1, 30))
  return fullMs * (0.5 + random / 2)
}
