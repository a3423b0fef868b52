import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { checkConsistency, checkInclusion, leafHashOf } from '../../../../src/evidence/ledger/check-proof.ts'
import { GrowingTree } from '../../../../src/evidence/ledger/growing-tree.ts'
import {
  consistencyNodes,
  HashPicker,
  inclusionNodes,
  proveConsistency,
  proveInclusion,
  rootFromHashes,
} from '../../../../src/evidence/ledger/proofs.ts'
import { leafHash } from '../../../../src/evidence/ledger/tree-hash.ts'
import {
  consistencyRanges,
  hashCount,
  hashPlace,
  inclusionRanges,
  LOG_SIZE_MAX,
  type TreeNode,
} from '../../../../src/evidence/ledger/tree-layout.ts'

const reference = JSON.parse(
  readFileSync(new URL('../../../vectors/ledger/reference-tree.json', import.meta.url), 'utf8'),
) as { readonly leaves: readonly string[]; readonly roots: readonly string[] }
const leaves = reference.leaves.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))

function storedTree(count: number): {
  readonly read: (node: TreeNode) => Uint8Array | undefined
  readonly root: Uint8Array
} {
  const tree = new GrowingTree()
  const stored = leaves.slice(0, count).flatMap((leaf) => tree.append(leaf))
  return { read: (node) => stored[hashPlace(node)], root: tree.root() }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

describe('the reference tree of Certificate Transparency', () => {
  it.each(reference.roots.map((root, size) => ({ root, size })))(
    'has the known root of $size leaves',
    ({ root, size }) => {
      expect(hex(storedTree(size).root)).toBe(root)
    },
  )

  it('gives every root from stored hashes too, at any size it has had', () => {
    const { read } = storedTree(8)
    for (const [size, root] of reference.roots.entries()) {
      expect(hex(rootFromHashes(size, read) ?? new Uint8Array())).toBe(root)
    }
  })

  it('proves every leaf in every tree, and no other leaf, size or root', async () => {
    const { read } = storedTree(8)
    for (let size = 1; size <= 8; size += 1) {
      for (let leaf = 0; leaf < size; leaf += 1) {
        const proof = proveInclusion(leaf, size, read) ?? []
        const root = Buffer.from(reference.roots[size] ?? '', 'hex')
        const claim = { leafHash: leafHash(leaves[leaf] ?? ''), leaf, size, root, proof }
        expect(await checkInclusion(claim), `${leaf} of ${size}`).toBe(true)
        expect(await checkInclusion({ ...claim, leafHash: leafHash('other') })).toBe(false)
        expect(await checkInclusion({ ...claim, leaf: size })).toBe(false)
        expect(await checkInclusion({ ...claim, proof: [...proof, root] })).toBe(false)
        expect(await checkInclusion({ ...claim, root: leafHash('other') })).toBe(false)
        if (proof.length > 0) expect(await checkInclusion({ ...claim, proof: proof.slice(1) })).toBe(false)
      }
    }
  })

  it('proves that every tree begins with every smaller one', async () => {
    const { read } = storedTree(8)
    for (let size = 0; size <= 8; size += 1) {
      for (let oldSize = 0; oldSize <= size; oldSize += 1) {
        const [oldRoot, root] = [oldSize, size].map((count) => Buffer.from(reference.roots[count] ?? '', 'hex'))
        if (oldRoot === undefined || root === undefined) throw new Error('no such root')
        const proof = proveConsistency(oldSize, size, read) ?? []
        const claim = { oldSize, oldRoot, size, root, proof }
        expect(await checkConsistency(claim), `${oldSize} in ${size}`).toBe(true)
        expect(await checkConsistency({ ...claim, oldRoot: leafHash('x') })).toBe(false)
        expect(await checkConsistency({ ...claim, proof: [...proof, root] })).toBe(false)
        if (oldSize !== 0) expect(await checkConsistency({ ...claim, root: leafHash('x') })).toBe(false)
        if (proof.length > 0) expect(await checkConsistency({ ...claim, proof: proof.slice(0, -1) })).toBe(false)
      }
    }
  })

  it('has the proofs that RFC 9162 2.1.5 shows for seven leaves', () => {
    // PATH(0) = [b, h, l], PATH(3) = [c, g, l], PATH(4) = [f, j, k], PATH(6) = [i, k]; PROOF(3) = [c, d, g, l], PROOF(4) = [l], PROOF(6) = [i, j, k]
    const range = (text: string): string[] => text.split(' ')
    const shown = (ranges: readonly { fromLeaf: number; toLeaf: number }[]): string[] =>
      ranges.map(({ fromLeaf, toLeaf }) => `${fromLeaf}-${toLeaf}`)
    expect(shown(inclusionRanges(0, 7))).toEqual(range('1-2 2-4 4-7'))
    expect(shown(inclusionRanges(3, 7))).toEqual(range('2-3 0-2 4-7'))
    expect(shown(inclusionRanges(4, 7))).toEqual(range('5-6 6-7 0-4'))
    expect(shown(inclusionRanges(6, 7))).toEqual(range('4-6 0-4'))
    expect(shown(consistencyRanges(3, 7))).toEqual(range('2-3 3-4 0-2 4-7'))
    expect(shown(consistencyRanges(4, 7))).toEqual(range('4-7'))
    expect(shown(consistencyRanges(6, 7))).toEqual(range('4-6 6-7 0-4'))
  })
})

describe('stored hashes', () => {
  it('lie leaf by leaf, each followed by the subtrees that it completes', () => {
    const places = [
      [0, 0, 0],
      [0, 1, 1],
      [1, 0, 2],
      [0, 2, 3],
      [0, 3, 4],
      [1, 1, 5],
      [2, 0, 6],
      [0, 4, 7],
    ]
    for (const [level = 0, index = 0, place] of places) expect(hashPlace({ level, index })).toBe(place)
    expect([0, 1, 2, 3, 4, 5].map(hashCount)).toEqual([0, 1, 3, 4, 7, 8])
  })

  it('are picked out as they go by', async () => {
    const picker = new HashPicker([...inclusionNodes(2, 7), ...consistencyNodes(3, 7)])
    const tree = new GrowingTree()
    for (const leaf of leaves.slice(0, 7)) picker.take(tree.append(leaf))
    const proof = proveInclusion(2, 7, picker.read) ?? []
    const hash = await leafHashOf(leaves[2] ?? new Uint8Array())
    expect(await checkInclusion({ leafHash: hash, leaf: 2, size: 7, root: tree.root(), proof })).toBe(true)
    expect(proveConsistency(3, 7, picker.read)).toHaveLength(4)
    // What was not asked for was not kept.
    expect(proveInclusion(5, 7, picker.read)).toBeUndefined()
  })

  it('are exact at the largest size', () => {
    expect(inclusionNodes(LOG_SIZE_MAX - 1, LOG_SIZE_MAX)).toHaveLength(40)
    expect(hashPlace({ level: 40, index: 0 })).toBe(hashCount(LOG_SIZE_MAX) - 1)
    expect(() => inclusionRanges(0, LOG_SIZE_MAX + 1)).toThrow(RangeError)
    expect(() => inclusionRanges(7, 7)).toThrow(RangeError)
    expect(() => consistencyRanges(8, 7)).toThrow(RangeError)
  })
})
