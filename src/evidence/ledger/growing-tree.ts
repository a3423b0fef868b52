import { leafHash, nodeHash, rootOf } from './tree-hash.ts'
import { LOG_SIZE_MAX, type TreeNode } from './tree-layout.ts'

/**
 * A Merkle tree that only grows. Keeps the hashes of its largest complete subtrees, one for each 1 bit of its size: 40 at most, whatever its size.
 *
 * Appending hashes the leaf and, on average, one node.
 */
export class GrowingTree {
  /** By level; a place is filled when that bit of the size is 1. */
  readonly #subtrees: (Uint8Array | undefined)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The root over all leaves so far. */
  root(): Uint8Array {
    return rootOf(this.#subtrees.toReversed().filter((hash) => hash !== undefined))
  }

  /** The hash of a complete subtree, if it is one of the largest so far. */
  subtree({ level, index }: TreeNode): Uint8Array | undefined {
    return index + 1 === Math.floor(this.#size / 2 ** level) ? this.#subtrees[level] : undefined
  }

  /** Adds a leaf; gives the hashes to store for it, in the order of FORMAT.md 4. Throws a RangeError beyond `LOG_SIZE_MAX`. */
  append(leaf: Uint8Array | string): readonly Uint8Array[] {
    if (this.#size >= LOG_SIZE_MAX) throw new RangeError('The log is full.')
    let hash = leafHash(leaf)
    const stored = [hash]
    let level = 0
    for (let left = this.#subtrees[level]; left !== undefined; left = this.#subtrees[level]) {
      hash = nodeHash(left, hash)
      stored.push(hash)
      this.#subtrees[level] = undefined
      level += 1
    }
    this.#subtrees[level] = hash
    this.#size += 1
    return stored
  }
}
