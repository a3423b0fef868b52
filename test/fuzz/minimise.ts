import type { FuzzTarget } from './target.ts'

/** Runs that minimising may take; what is left then is small enough to read. */
const ATTEMPTS_MAX = 3_000
/** A reproducer of a hang is slow to try. */
const MINIMISE_MS = 30_000

/** Leaves pieces out of a failing input as long as it still fails in the same way (delta debugging). */
export function minimise(target: FuzzTarget, input: Uint8Array, fails: (input: Uint8Array) => boolean): Uint8Array {
  let pieces = target.split?.(input) ?? Array.from(input, (byte) => Uint8Array.of(byte))
  let attempts = 0
  const deadline = performance.now() + MINIMISE_MS
  for (let size = Math.ceil(pieces.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < pieces.length && attempts < ATTEMPTS_MAX && performance.now() < deadline;) {
      const rest = [...pieces.slice(0, start), ...pieces.slice(start + size)]
      attempts += 1
      if (fails(Buffer.concat(rest))) pieces = rest
      else start += size
    }
  }
  return Buffer.concat(pieces)
}
