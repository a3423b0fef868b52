import { createHash } from 'node:crypto'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { checkConsistency, checkInclusion } from '../../src/evidence/ledger/check-proof.ts'
import { decodeCheckpoint } from '../../src/evidence/ledger/checkpoint.ts'
import { GrowingTree } from '../../src/evidence/ledger/growing-tree.ts'
import {
  HashPicker,
  inclusionNodes,
  proveConsistency,
  proveInclusion,
  rootFromHashes,
} from '../../src/evidence/ledger/proofs.ts'
import { parseNote } from '../../src/evidence/ledger/signed-note.ts'
import { decodeStatement } from '../../src/evidence/ledger/statement.ts'
import { hashCount, hashPlace } from '../../src/evidence/ledger/tree-layout.ts'

/** RFC 9162 2.1.1, word for word. */
function naiveRoot(leaves: readonly string[]): Buffer {
  const hash = (...parts: (Uint8Array | string)[]): Buffer => {
    const digest = createHash('sha256')
    for (const part of parts) digest.update(part)
    return digest.digest()
  }
  if (leaves.length === 0) return hash()
  if (leaves.length === 1) return hash(Uint8Array.of(0), leaves[0] ?? '')
  let half = 1
  while (half * 2 < leaves.length) half *= 2
  return hash(Uint8Array.of(1), naiveRoot(leaves.slice(0, half)), naiveRoot(leaves.slice(half)))
}

/** RFC 9162 2.1.3.1, word for word. */
function naivePath(leaf: number, leaves: readonly string[]): readonly Buffer[] {
  if (leaves.length === 1) return []
  let half = 1
  while (half * 2 < leaves.length) half *= 2
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)]
  return leaf < half
    ? [...naivePath(leaf, left), naiveRoot(right)]
    : [...naivePath(leaf - half, right), naiveRoot(left)]
}

/** RFC 9162 2.1.4.1, word for word. */
function naiveProof(oldSize: number, leaves: readonly string[], isWhole = true): readonly Buffer[] {
  if (oldSize === leaves.length) return isWhole ? [] : [naiveRoot(leaves)]
  let half = 1
  while (half * 2 < leaves.length) half *= 2
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)]
  return oldSize <= half
    ? [...naiveProof(oldSize, left, isWhole), naiveRoot(right)]
    : [...naiveProof(oldSize - half, right, false), naiveRoot(left)]
}

function grown(leaves: readonly string[]) {
  const tree = new GrowingTree()
  const stored = leaves.flatMap((leaf) => tree.append(leaf))
  return { tree, stored, read: (node: { level: number; index: number }) => stored[hashPlace(node)] }
}

const hex = (hashes: readonly Uint8Array[] | undefined): string[] | undefined =>
  hashes?.map((hash) => Buffer.from(hash).toString('hex'))

const sizes = fc
  .tuple(fc.array(fc.string(), { minLength: 1, maxLength: 140 }), fc.nat(), fc.nat())
  .map(([leaves, leaf, old]) => ({ leaves, leaf: leaf % leaves.length, oldSize: 1 + (old % leaves.length) }))

describe('the Merkle tree of the ledger', () => {
  it('is that of RFC 9162, in its roots and in its proofs', () => {
    fc.assert(
      fc.property(sizes, ({ leaves, leaf, oldSize }) => {
        const { tree, stored, read } = grown(leaves)
        const size = leaves.length
        expect(stored).toHaveLength(hashCount(size))
        expect(hex([tree.root()])).toEqual(hex([naiveRoot(leaves)]))
        expect(hex([rootFromHashes(oldSize, read) ?? Buffer.alloc(0)])).toEqual(
          hex([naiveRoot(leaves.slice(0, oldSize))]),
        )
        expect(hex(proveInclusion(leaf, size, read))).toEqual(hex(naivePath(leaf, leaves)))
        expect(hex(proveConsistency(oldSize, size, read))).toEqual(hex(naiveProof(oldSize, leaves)))
        const picker = new HashPicker(inclusionNodes(leaf, size))
        picker.take(stored)
        expect(hex(proveInclusion(leaf, size, picker.read))).toEqual(hex(naivePath(leaf, leaves)))
      }),
    )
  })

  it('lets its proofs be checked, and none that was bent', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async ({ leaves, leaf, oldSize }, where) => {
        const { tree, stored, read } = grown(leaves)
        const size = leaves.length
        const root = tree.root()
        const leafHash = stored[hashPlace({ level: 0, index: leaf })] ?? new Uint8Array()
        const inclusion = { leafHash, leaf, size, root, proof: proveInclusion(leaf, size, read) ?? [] }
        expect(await checkInclusion(inclusion)).toBe(true)
        const oldRoot = naiveRoot(leaves.slice(0, oldSize))
        const consistency = { oldSize, oldRoot, size, root, proof: proveConsistency(oldSize, size, read) ?? [] }
        expect(await checkConsistency(consistency)).toBe(true)
        const bend = (proof: readonly Uint8Array[]): readonly Uint8Array[] =>
          proof.map((hash, index) => (index === where % proof.length ? hash.map((byte) => byte ^ 1) : hash))
        if (inclusion.proof.length > 0) {
          expect(await checkInclusion({ ...inclusion, proof: bend(inclusion.proof) })).toBe(false)
        }
        if (consistency.proof.length > 0) {
          expect(await checkConsistency({ ...consistency, proof: bend(consistency.proof) })).toBe(false)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('readers of the ledger', () => {
  it('give a value or a reason for any text', () => {
    const near = fc
      .array(fc.constantFrom('\n', '\n\n', '\u2014 ', 'earwitness/', '12', 'time ', 'a.b.c', 'eyJ', 'AAAA', '='), {
        maxLength: 30,
      })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (text) => {
        for (const result of [parseNote(text), decodeCheckpoint(text), decodeStatement(text)]) {
          expect(typeof (result.ok ? '' : result.reason)).toBe('string')
        }
      }),
    )
  })
})
