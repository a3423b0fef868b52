import { rootOf } from './tree-hash.ts'
import { consistencyRanges, hashPlace, inclusionRanges, nodesOf, type LeafRange, type TreeNode } from './tree-layout.ts'

/** The hash of a complete subtree; undefined when it is not at hand. */
export type ReadHash = (node: TreeNode) => Uint8Array | undefined

/** The hashes that an inclusion proof is made of, so that they can be fetched first. */
export function inclusionNodes(leaf: number, size: number): readonly TreeNode[] {
  return inclusionRanges(leaf, size).flatMap(nodesOf)
}

/** The hashes that a consistency proof is made of. */
export function consistencyNodes(oldSize: number, size: number): readonly TreeNode[] {
  return consistencyRanges(oldSize, size).flatMap(nodesOf)
}

/** The proof that leaf `leaf` is in the tree of `size` leaves; undefined when a hash is missing. RFC 9162 2.1.3.1 */
export function proveInclusion(leaf: number, size: number, readHash: ReadHash): readonly Uint8Array[] | undefined {
  return rootsOf(inclusionRanges(leaf, size), readHash)
}

/** The proof that the tree of `size` leaves begins with that of `oldSize`; undefined when a hash is missing. RFC 9162 2.1.4.1 */
export function proveConsistency(oldSize: number, size: number, readHash: ReadHash): readonly Uint8Array[] | undefined {
  return rootsOf(consistencyRanges(oldSize, size), readHash)
}

/** The root of the tree of `size` leaves from stored hashes; undefined when one is missing. */
export function rootFromHashes(size: number, readHash: ReadHash): Uint8Array | undefined {
  return rootsOf([{ fromLeaf: 0, toLeaf: size }], readHash)?.[0]
}

/**
 * Picks what is wanted out of the hashes of a log that goes by, in the order in which they are stored: what a proof needs where
 * nobody keeps hashes. Memory is that of what is wanted.
 */
export class HashPicker {
  readonly #wanted: Set<number>
  readonly #picked = new Map<number, Uint8Array>()
  #place = 0

  constructor(wanted: readonly TreeNode[] = []) {
    this.#wanted = new Set(wanted.map(hashPlace))
  }

  /** These are wanted too; of what has gone by already, only what `known` still has. */
  want(nodes: readonly TreeNode[], known: ReadHash): void {
    for (const node of nodes) {
      const hash = known(node)
      if (hash === undefined) this.#wanted.add(hashPlace(node))
      else this.#picked.set(hashPlace(node), hash)
    }
  }

  take(hashes: readonly Uint8Array[]): void {
    for (const hash of hashes) {
      if (this.#wanted.has(this.#place)) this.#picked.set(this.#place, hash)
      this.#place += 1
    }
  }

  readonly read: ReadHash = (node) => this.#picked.get(hashPlace(node))
}

function rootsOf(ranges: readonly LeafRange[], readHash: ReadHash): readonly Uint8Array[] | undefined {
  const proof: Uint8Array[] = []
  for (const range of ranges) {
    const hashes = nodesOf(range).map(readHash)
    const present = hashes.filter((hash) => hash !== undefined)
    if (present.length < hashes.length) return undefined
    proof.push(rootOf(present))
  }
  return proof
}
