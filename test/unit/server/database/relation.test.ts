import { describe, expect, test } from 'vitest'

import { relationOf, type RelatedFacts } from '../../../../src/server/database/relation.ts'

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 23, 10, minute)).toISOString()
const recording = (from: number, to: number | null, ...ids: readonly string[]): RelatedFacts => ({
  startedAt: at(from),
  endedAt: to === null ? null : at(to),
  ids: ids.map((id) => ({ kind: id.split(' ')[0] ?? '', value: id.split(' ')[1] ?? '' })),
})

describe('another recording of the story', () => {
  test('is a duplicate when it is of the same communication session at the same time', () => {
    expect(relationOf(recording(0, 10, 'cs one'), recording(0, 10, 'cs one'))).toBe('duplicate')
    expect(
      relationOf(recording(0, 10, 'sessionId a', 'sessionId b'), recording(1, 9, 'sessionId b', 'sessionId a')),
    ).toBe('duplicate')
    expect(relationOf(recording(0, 10, 'sessionId a', 'sessionId b'), recording(0, 10, 'sessionId a'))).toBe(
      'duplicate',
    )
    expect(relationOf(recording(0, null, 'cs one'), recording(1, null, 'cs one'))).toBe('duplicate')
  })

  test('is before or after it when the times touch at most at their ends', () => {
    expect(relationOf(recording(0, 10, 'cs one'), recording(10, 20, 'cs one'))).toBe('after')
    expect(relationOf(recording(10, 20, 'cs one'), recording(0, 11, 'cs one'))).toBe('before')
    expect(relationOf(recording(0, 10), recording(30, null))).toBe('after')
    expect(relationOf(recording(30, null), recording(0, 10))).toBe('before')
  })

  test('is alongside when it is of something else at the same time: a consultation, the other side of a phone', () => {
    expect(relationOf(recording(0, 10, 'cs one'), recording(2, 8, 'cs two'))).toBe('alongside')
    // One endpoint, on hold with b while it asks c.
    expect(
      relationOf(recording(0, 10, 'sessionId a', 'sessionId b'), recording(2, 8, 'sessionId a', 'sessionId c')),
    ).toBe('alongside')
    const near = recording(0, 10, 'cs 27298698', 'sessionId a', 'fork 27298698/near')
    const far = recording(0, 10, 'cs 27298698', 'sessionId a', 'fork 27298698/far')
    expect(relationOf(near, far)).toBe('alongside')
    expect(relationOf(near, near)).toBe('duplicate')
  })
})
