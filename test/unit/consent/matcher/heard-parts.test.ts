import { expect, test } from 'vitest'

import type { Alignment } from '../../../../src/consent/matcher/fine-alignment.ts'
import { hearParts } from '../../../../src/consent/matcher/heard-parts.ts'
import { mulberry32 } from '../../../support/random.ts'

const BITS = 16

/** Hops of which bits are wrong at these rates; a rate below 0 is a pause. */
function alignmentOf(...parts: readonly (readonly [hops: number, rate: number])[]): Pick<Alignment, 'bits' | 'errors'> {
  const random = mulberry32(5)
  const rates = parts.flatMap(([hops, rate]) => Array.from({ length: hops }, () => rate))
  const bits = Uint8Array.from(rates, (rate) => (rate < 0 ? 0 : BITS))
  const errors = Uint8Array.from(
    rates,
    (rate) => Array.from({ length: BITS }, random).filter((value) => value < rate).length,
  )
  return { bits, errors }
}

test.each([0.05, 0.2, 0.3, 0.37])('all of it is heard where bits are wrong at a rate of %d throughout', (rate) => {
  const parts = hearParts(alignmentOf([200, rate]))
  expect(parts).toMatchObject({ share: 1, longestMissing: 0 })
  expect(Math.abs(parts.errorRate - rate)).toBeLessThan(0.03)
  expect(parts.evidence).toBeGreaterThan(0)
})

test('nothing is heard where half of the bits are wrong', () => {
  expect(hearParts(alignmentOf([200, 0.5]))).toMatchObject({ share: 0, longestMissing: 200 })
})

test('a part that is cut off is missing; pauses count for neither', () => {
  const parts = hearParts(alignmentOf([120, 0.1], [50, -1], [80, 0.5]))
  expect(Math.abs(parts.share - 0.6)).toBeLessThan(0.02)
  expect(Math.abs(parts.longestMissing - 80)).toBeLessThanOrEqual(3)
})

test('a word that is another is missing', () => {
  const parts = hearParts(alignmentOf([100, 0.1], [12, 0.5], [100, 0.1]))
  expect(Math.abs(parts.longestMissing - 12)).toBeLessThanOrEqual(3)
})

test('a word that is another in the same rhythm is odd against the rest', () => {
  expect(hearParts(alignmentOf([100, 0.12], [12, 0.38], [100, 0.12])).oddness).toBeGreaterThan(7.4)
  expect(hearParts(alignmentOf([212, 0.12])).oddness).toBeLessThan(4)
})

test('the more noise, the less would a changed word be noticed', () => {
  const [clean, noisy, drowned] = [0.05, 0.25, 0.37].map((rate) => hearParts(alignmentOf([200, rate])).discernment)
  expect(clean).toBeGreaterThan(noisy ?? 0)
  expect(noisy).toBeGreaterThan(drowned ?? 0)
  expect(drowned).toBeLessThan(5)
})
