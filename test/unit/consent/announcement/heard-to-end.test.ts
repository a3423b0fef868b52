import { describe, expect, it } from 'vitest'

import { heardToEnd } from '../../../../src/consent/announcement/heard-to-end.ts'

const SENT = { firstSequence: 65_500, lastSequence: 65_599, endUs: 10_000_000, destination: 3 }
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

  it.each([{}, { cumulativeLost: 99 }, { highestSequence: 1, arrivalUs: Infinity }])(
    'by whom it was not sent to: %j',
    (news) => {
      expect(heardToEnd(SENT, { ...ALL, ...news, destination: 4 })).toBe('unknown')
    },
  )
})
