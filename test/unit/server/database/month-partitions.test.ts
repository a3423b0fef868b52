import { expect, test } from 'vitest'

import { monthAt } from '../../../../src/server/database/month-partitions.ts'

test.each([
  ['2026-11-29T23:59:59.999Z', 0, '2026-11-01'],
  ['2026-12-01T00:00:00.000Z', 0, '2026-12-01'],
  ['2026-11-30T12:00:00.000Z', 2, '2027-01-01'],
  // No day of February is lost or doubled by the length of the month before.
  ['2027-01-31T12:00:00.000Z', 1, '2027-02-01'],
])('the month of %s, %i later, begins on %s', (at, ahead, first) => {
  expect(monthAt(Date.parse(at), ahead)).toBe(first)
})
