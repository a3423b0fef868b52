/** Which subtrees a Merkle tree of RFC 9162 2.1 is made of, and where their hashes lie. FORMAT.md 3, 4 */

/** Statements in one log. Beyond 2^53 sums of places would not be exact; this is a thousand a second for 34 years. */
export const LOG_SIZE_MAX = 2 ** 40

/** A complete subtree: that over the leaves `index * 2^level` to `(index + 1) * 2^level`. */
export interface TreeNode {
  readonly level: number
  readonly index: number
}

/** A stretch of leaves, `toLeaf` not among them, whose root is one hash of a proof. */
export interface LeafRange {
  readonly fromLeaf: number
  readonly toLeaf: number
}

/** The place of a complete subtree's hash in the row of stored hashes. */
export function hashPlace({ level, index }: TreeNode): number {
  const lastLeaf = (index + 1) * 2 ** level - 1
  return 2 * lastLeaf - onesOf(lastLeaf) + level
}

/** How many hashes are stored for a log of `size` statements. */
export function hashCount(size: number): number {
  return 2 * size - onesOf(size)
}

/**
 * The complete subtrees that make up a range, from left to right: the largest first. The range must be one of those that proofs are made of, or begin at 0: its
 * beginning is a multiple of a power of two that is not smaller than its length.
 */
export function nodesOf({ fromLeaf, toLeaf }: LeafRange): readonly TreeNode[] {
  const nodes: TreeNode[] = []
  for (let start = fromLeaf; start < toLeaf;) {
    const level = levelOf(toLeaf - start)
    nodes.push({ level, index: start / 2 ** level })
    start += 2 ** level
  }
  return nodes
}

/** The ranges whose roots are the inclusion proof of a leaf, in the order of the proof. RFC 9162 2.1.3.1 */
export function inclusionRanges(leaf: number, size: number): readonly LeafRange[] {
  requireSize(size)
  if (!Number.isSafeInteger(leaf) || leaf < 0 || leaf >= size) throw new RangeError('There is no such leaf.')
  const ranges: LeafRange[] = []
  let fromLeaf = 0
  let toLeaf = size
  while (toLeaf - fromLeaf > 1) {
    const middle = fromLeaf + halfOf(toLeaf - fromLeaf)
    if (leaf < middle) {
      ranges.push({ fromLeaf: middle, toLeaf })
      toLeaf = middle
    } else {
      ranges.push({ fromLeaf, toLeaf: middle })
      fromLeaf = middle
    }
  }
  return ranges.toReversed()
}

/** The ranges whose roots prove that the tree of `size` goes on where that of `oldSize` ended. RFC 9162 2.1.4.1 */
export function consistencyRanges(oldSize: number, size: number): readonly LeafRange[] {
  requireSize(size)
  if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > size) throw new RangeError('There is no such size.')
  // Section 2.1.4.1 defines it for 0 < m; an empty tree is the beginning of every other.
  if (oldSize === 0 || oldSize === size) return []
  const ranges: LeafRange[] = []
  let fromLeaf = 0
  let toLeaf = size
  // SUBPROOF until the old tree is exactly the subtree at hand.
  while (toLeaf !== oldSize) {
    const middle = fromLeaf + halfOf(toLeaf - fromLeaf)
    if (oldSize <= middle) {
      ranges.push({ fromLeaf: middle, toLeaf })
      toLeaf = middle
    } else {
      ranges.push({ fromLeaf, toLeaf: middle })
      fromLeaf = middle
    }
  }
  // What begins at 0 is the old tree itself, whose root the verifier has.
  if (fromLeaf > 0) ranges.push({ fromLeaf, toLeaf })
  return ranges.toReversed()
}

/** The largest power of two that is smaller than `length`. RFC 9162 2.1.1 */
function halfOf(length: number): number {
  return 2 ** levelOf(length - 1)
}

/** The level of the largest complete subtree that fits into `length` leaves. */
function levelOf(length: number): number {
  let level = 0
  for (let rest = length; rest >= 2; rest = Math.floor(rest / 2)) level += 1
  return level
}

function onesOf(value: number): number {
  let ones = 0
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}

function requireSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0 || size > LOG_SIZE_MAX) throw new RangeError('No tree has that size.')
}
