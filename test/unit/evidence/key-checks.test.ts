import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { checkKeys, linkRotations, type KeyRotation, type StoredKey } from '../../../src/evidence/key-checks.ts'
import { wrappedKeyName, wrappedKeyNumber } from '../../../src/evidence/object-names.ts'

const hash = (number: number): string => number.toString(16).padStart(64, '0')
const first = { name: 'key.age', sha256: hash(0), sizeBytes: 300 }
const stored = (number: number, change: Partial<StoredKey> = {}): StoredKey => ({
  ...{ name: wrappedKeyName(number), sha256: hash(number), sizeBytes: 300 },
  ...change,
})
const rotation = (from: number, to: number, change: Partial<KeyRotation> = {}): KeyRotation => ({
  ...{ seq: to, at: `2026-11-29T09:00:${String(to).padStart(2, '0')}.000Z`, name: wrappedKeyName(to) },
  ...{ sha256: hash(to), replacesSha256: hash(from) },
  ...change,
})

function check(keys: readonly StoredKey[], rotations: readonly KeyRotation[] = []) {
  const { findings, isIntact } = checkKeys(first, keys, rotations)
  return [isIntact, ...findings.map(({ code, name }) => `${code} ${name ?? ''}`)]
}

describe('without a rotation', () => {
  it('there is the one key of the manifest', () => {
    expect(check([stored(0)])).toEqual([true])
    expect(check([])).toEqual([false, 'key-missing key.age'])
  })

  it('what is wrong with it is named', () => {
    expect(check([stored(0, { sha256: hash(9) })])).toEqual([false, 'key-changed key.age'])
    expect(check([stored(0, { sha256: hash(9), sizeBytes: 299 })])).toEqual([false, 'key-truncated key.age'])
    const swapped = stored(0, { sha256: hash(9), contentOf: 'chunk-000000.age' })
    expect(check([swapped])).toEqual([false, 'key-swapped key.age'])
  })

  it('another one is explained by nothing', () => {
    expect(check([stored(0), stored(1)])).toEqual([true, 'key-unexplained key-001.age'])
    expect(check([stored(1)])).toEqual([false, 'key-missing key.age', 'key-unexplained key-001.age'])
  })
})

describe('after rotations', () => {
  it('the last key must be there, those before may', () => {
    const twice = [rotation(0, 1), rotation(1, 2)]
    expect(check([stored(2)], twice)).toEqual([true])
    expect(check([stored(0), stored(1), stored(2)], twice)).toEqual([true])
    expect(check([stored(0), stored(1)], twice)).toEqual([false, 'key-missing key-002.age'])
    expect(check([], twice)).toEqual([false, 'key-missing key-002.age'])
  })

  it('the order of the statements does not matter, nor that one is said twice', () => {
    const said = [rotation(1, 4, { at: '2026-11-29T08:00:00.000Z' }), rotation(0, 1), rotation(0, 1, { seq: 77 })]
    expect(check([stored(4)], said)).toEqual([true])
    expect(linkRotations(first.sha256, said).linked.map(({ name }) => name)).toEqual(['key-001.age', 'key-004.age'])
  })

  it('a key that a statement names otherwise is changed, or swapped', () => {
    expect(check([stored(1, { sha256: hash(9) })], [rotation(0, 1)])).toEqual([false, 'key-changed key-001.age'])
    expect(check([stored(0), stored(1, { sha256: hash(0) })], [rotation(0, 1)])).toEqual([
      false,
      'key-swapped key-001.age',
    ])
    expect(check([stored(1), stored(2, { sha256: hash(1) })], [rotation(0, 1), rotation(1, 2)])).toEqual([
      false,
      'key-swapped key-002.age',
    ])
  })

  it('of two statements with one name the later one counts', () => {
    const said = [rotation(0, 1, { sha256: hash(8), at: '2026-11-29T08:00:00.000Z' }), rotation(0, 1)]
    expect(check([stored(1)], said)).toEqual([true])
    expect(check([stored(1, { sha256: hash(8) })], said)).toEqual([false, 'key-changed key-001.age'])
  })

  it('a statement that replaces what nobody knows is no link', () => {
    expect(check([stored(0), stored(3)], [rotation(2, 3)])).toEqual([
      true,
      'key-unexplained key-003.age',
      'rotation-unlinked statement 3',
    ])
  })

  it('statements in a circle end nowhere', () => {
    expect(check([stored(0)], [rotation(1, 2), rotation(2, 1)])).toEqual([
      true,
      'rotation-unlinked statement 1',
      'rotation-unlinked statement 2',
    ])
  })
})

it('every chain, in any order and with any of the old keys left, verifies by its last key alone', () => {
  const chain = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(chain, fc.infiniteStream(fc.boolean()), fc.integer(), (numbers, kept, seed) => {
      const ordered = [0, ...numbers.toSorted((one, other) => one - other)]
      const said = ordered.slice(1).map((number, index) => rotation(ordered[index] ?? 0, number))
      const shuffled = said.toSorted((one, other) => ((one.seq * seed) % 7) - ((other.seq * seed) % 7))
      const left = ordered.slice(0, -1).filter(() => kept.next().value === true)
      const last = ordered.at(-1) ?? 0
      const keys = [...left, last].map((number) => stored(number))
      expect(check(keys, shuffled)).toEqual([true])
      expect(check(keys.slice(0, -1), shuffled)[0]).toBe(false)
    }),
  )
})

it('numbers of keys and their names belong together', () => {
  for (const number of [0, 1, 12, 999]) expect(wrappedKeyNumber(wrappedKeyName(number))).toBe(number)
  for (const name of ['key-000.age', 'key-1.age', 'key-1000.age', 'key-001.agex', 'keys.age', 'key-0a1.age'])
    expect(wrappedKeyNumber(name)).toBe(-1)
})
