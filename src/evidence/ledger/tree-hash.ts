import { createHash } from 'node:crypto'

const LEAF_PREFIX = Uint8Array.of(0)
const NODE_PREFIX = Uint8Array.of(1)

/** RFC 9162 2.1.1, at once, for the recorder and for whole logs. What has to run in a browser too waits for `check-proof.ts`. */
export function leafHash(leaf: Uint8Array | string): Uint8Array {
  return createHash('sha256').update(LEAF_PREFIX).update(leaf).digest()
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(NODE_PREFIX).update(left).update(right).digest()
}

/** The root of a tree without leaves. */
export function emptyRoot(): Uint8Array {
  return createHash('sha256').digest()
}

/** The root over neighbouring complete subtrees, from left to right and each smaller than the one before; of none it is that of an empty tree. */
export function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const [last, ...others] = hashes.toReversed()
  if (last === undefined) return emptyRoot()
  return others.reduce((right, left) => nodeHash(left, right), last)
}
