import { randomFillSync } from 'node:crypto'

import type { RandomBytes } from '../evidence/age-seal.ts'

/** Drawn at once; asked for more, the system is asked itself. */
export const RANDOM_POOL_BYTES = 4_096

/**
 * Unpredictable bytes of the system, drawn in stock: for 16 of them it takes nearly as long as for a thousand, and a sealed object needs three portions. What is
 * given is a copy, and is wiped from the stock, so no byte is given twice.
 */
export function pooledRandomBytes(
  fill: (bytes: Uint8Array) => void = (bytes) => void randomFillSync(bytes),
): RandomBytes {
  const pool = new Uint8Array(RANDOM_POOL_BYTES)
  let offset = pool.length
  return (length) => {
    if (length > pool.length) {
      const bytes = new Uint8Array(length)
      fill(bytes)
      return bytes
    }
    if (offset + length > pool.length) {
      fill(pool)
      offset = 0
    }
    const bytes = pool.slice(offset, offset + length)
    pool.fill(0, offset, offset + length)
    offset += length
    return bytes
  }
}
