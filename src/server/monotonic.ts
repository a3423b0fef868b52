const NANOSECONDS_PER_MICROSECOND = 1_000n

/** Monotonic microseconds; the same clock in every thread of the process, unlike `performance.now()`. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / NANOSECONDS_PER_MICROSECOND)
}
