import { describe, expect, it } from 'vitest'

import { MAX_DROPOUT, MAX_MISORDER, sequenceDistance, SequenceTracker } from '../../../../src/protocol/rtp/sequence.ts'

function tracked(numbers: readonly number[]): SequenceTracker {
  const tracker = new SequenceTracker()
  for (const number of numbers) tracker.update(number)
  return tracker
}

describe('the distance between sequence numbers', () => {
  it('is the shorter way round', () => {
    expect(sequenceDistance(1, 3)).toBe(2)
    expect(sequenceDistance(3, 1)).toBe(-2)
    expect(sequenceDistance(65_535, 0)).toBe(1)
    expect(sequenceDistance(0, 65_535)).toBe(-1)
    expect(sequenceDistance(0, 32_768)).toBe(-32_768)
  })
})

describe('sequence tracking (RFC 3550 A.1)', () => {
  it('extends the number over its wrap', () => {
    expect(tracked([65_534, 65_535, 0, 1]).statistics).toEqual({
      extendedHighestSequenceNumber: 65_537,
      packetsExpected: 4,
      packetsReceived: 4,
      cumulativeLost: 0,
    })
  })

  it('counts what is missing as lost, and duplicates against it', () => {
    expect(tracked([10, 11, 14]).statistics.cumulativeLost).toBe(2)
    expect(tracked([10, 11, 11]).statistics.cumulativeLost).toBe(-1)
  })

  it('takes a reordered packet for neither loss nor restart', () => {
    const tracker = new SequenceTracker()
    expect([10, 12, 11].map((number) => tracker.update(number))).toEqual(['first', 'ahead', 'behind'])
    expect(tracker.statistics.cumulativeLost).toBe(0)
  })

  it('believes a large jump only when its successor comes', () => {
    const tracker = tracked([100, 101])
    expect(tracker.update(101 + MAX_DROPOUT)).toBe('probation')
    expect(tracker.update(102)).toBe('ahead')
    expect(tracker.update(40_000)).toBe('probation')
    expect(tracker.update(40_001)).toBe('restarted')
    expect(tracker.statistics).toMatchObject({ extendedHighestSequenceNumber: 40_001, packetsReceived: 1 })
  })

  it('counts no stragglers of the run before a restart, and does not go back for them', () => {
    const tracker = tracked([100, 101, 104, 40_000, 40_001, 102, 103, 40_002])
    expect(tracker.statistics).toEqual({
      extendedHighestSequenceNumber: 40_002,
      packetsExpected: 2,
      packetsReceived: 2,
      cumulativeLost: 0,
    })
  })

  it('goes back with a sender that does so for good', () => {
    const tracker = tracked([100, 101, 40_000, 40_001])
    const steps = Array.from({ length: MAX_MISORDER + 3 }, (_, index) => tracker.update(102 + index))
    expect(steps.at(-4)).toBe('behind')
    expect(steps.slice(-3)).toEqual(['probation', 'restarted', 'ahead'])
  })

  it('draws the line between reordering and restart at MAX_MISORDER', () => {
    expect(tracked([1_000]).update(1_000 - MAX_MISORDER)).toBe('behind')
    expect(tracked([1_000]).update(999 - MAX_MISORDER)).toBe('probation')
  })

  it('gives the fraction lost since it was last asked (RFC 3550 A.3)', () => {
    const tracker = tracked([0, 1, 2, 4])
    expect(tracker.takeFractionLost()).toBeCloseTo(0.2)
    expect(tracker.takeFractionLost()).toBe(0)
    tracker.update(5)
    tracker.update(7)
    expect(tracker.takeFractionLost()).toBeCloseTo(1 / 3)
    tracker.update(6)
    expect(tracker.takeFractionLost()).toBe(0)
  })
})
