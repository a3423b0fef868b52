const scratch = new Uint8Array(65_536)

/**
 * Hands `bytes` to `take` as a receiver hands a datagram: in memory that means something else as soon as `take` has returned. What
 * keeps a view instead of a copy keeps 0xa5.
 */
export function lend<Result>(bytes: Uint8Array, take: (lent: Uint8Array) => Result): Result {
  const lent = scratch.subarray(0, bytes.length)
  lent.set(bytes)
  try {
    return take(lent)
  } finally {
    lent.fill(0xa5)
  }
}
