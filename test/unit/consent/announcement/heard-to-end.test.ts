import { describe, expect, it } from 'vitest'

import { heardToEnd } from '../../../../src/consent/announcement/heard-to-end.ts'

const SENT = {
  ...{ firstSequence: 65_500, lastSequence: 65_599, endUs: 10_000_000, destination: 3 },
  ...{ startSequence: 65_500, before: undefined },
}
const ALL = { highestSequence: 65_599, cumulativeLost: 0, arrivalUs: 10_100_000, destination: 3 }

describe('whether a prompt was heard', () => {
  it.each([
    ['unknown', undefined],
    ['yes', {}],
    ['yes', { highestSequence: 65_596, cumulativeLost: 4 }],
    ['yes', { highestSequence: 65_594, cumulativeLost: 5 }],
    ['no', { cumulativeLost: 6 }],
    ['unknown', { highestSequence: 65_593 }],
    ['unknown', { highestSequence: 65_540, arrivalUs: 10_999_999 }],
    ['no', { highestSequence: 65_540, arrivalUs: 11_000_000 }],
  ] as const)('%s: %j', (expected, news) => {
    expect(heardToEnd(SENT, news && { ...ALL, ...news })).toBe(expected)
  })

  it.each([
    ['unknown', {}],
    ['no', { cumulativeLost: 6 }],
    ['unknown', { highestSequence: 65_540 }],
    ['no', { highestSequence: 65_540, arrivalUs: 11_000_000 }],
  ] as const)('by whom a part of it was sent to only: %s %j', (expected, news) => {
    expect(heardToEnd({ ...SENT, destination: undefined }, { ...ALL, ...news })).toBe(expected)
  })

  describe('after another one, or before one', () => {
    const BEFORE = { highestSequence: 65_499, cumulativeLost: 20, arrivalUs: 8_000_000, destination: 3 }
    const later = { ...SENT, startSequence: 65_300, before: BEFORE }

    it.each([
      // What was lost of the one before is not lost of this one.
      ['yes', { cumulativeLost: 25 }],
      ['no', { cumulativeLost: 26 }],
      // Of the one that follows up to 50 packets may be lost.
      ['unknown', { cumulativeLost: 70, highestSequence: 65_649 }],
      ['no', { cumulativeLost: 76, highestSequence: 65_649 }],
      ['yes', { cumulativeLost: 25, highestSequence: 65_649 }],
    ] as const)('%s: %j', (expected, news) => {
      expect(heardToEnd(later, { ...ALL, ...news })).toBe(expected)
    })

    it.each([
      // The last report is of ten packets before it began: as many may have been lost there.
      ['yes', { ...BEFORE, highestSequence: 65_489 }, { cumulativeLost: 25 }],
      ['unknown', { ...BEFORE, highestSequence: 65_489 }, { cumulativeLost: 35 }],
      ['no', { ...BEFORE, highestSequence: 65_489 }, { cumulativeLost: 36 }],
      // There is none, or it counts otherwise: two hundred packets were sent before it began.
      ['yes', undefined, { cumulativeLost: 5 }],
      ['unknown', undefined, { cumulativeLost: 205 }],
      ['unknown', { ...BEFORE, destination: 2 }, { cumulativeLost: 26 }],
      ['unknown', BEFORE, { cumulativeLost: 19 }],
      ['yes', BEFORE, { cumulativeLost: 5 }],
    ] as const)('%s, by what was reported last before it: %j %j', (expected, before, news) => {
      expect(heardToEnd({ ...later, before }, { ...ALL, ...news })).toBe(expected)
    })
  })

  it.each([{}, { cumulativeLost: 99 }, { highestSequence: 1, arrivalUs: Infinity }])(
    'by whom it was not sent to: %j',
    (news) => {
      expect(heardToEnd(SENT, { ...ALL, ...news, destination: 4 })).toBe('unknown')
    },
  )
})
