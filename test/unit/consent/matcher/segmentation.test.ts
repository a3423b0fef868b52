import { expect, test } from 'vitest'

import { segment } from '../../../../src/consent/matcher/segmentation.ts'

function rowOf(...parts: readonly (readonly [hops: number, gain: number])[]): string {
  const gains = Float64Array.from(parts.flatMap(([hops, gain]) => Array.from({ length: hops }, () => gain)))
  const states = new Uint8Array(gains.length)
  segment(gains, states)
  return states.join('')
}

test('a stretch whose gain is more than what both changes cost is one', () => {
  expect(rowOf([9, -1], [5, 3], [9, -1])).toBe('00000000011111000000000')
})

test('a stretch with less is taken for chance, of either kind', () => {
  expect(rowOf([9, -1], [2, 3], [9, -1])).toBe('0'.repeat(20))
  expect(rowOf([9, 1], [2, -1], [9, 1])).toBe('1'.repeat(20))
})

test('what it gives is the gain of the row, less its changes', () => {
  expect(segment(Float64Array.of(-9, 10, 10, -9), new Uint8Array(4))).toBe(20 - 14)
  expect(segment(Float64Array.of(-1, -1), new Uint8Array(2))).toBe(0)
})
