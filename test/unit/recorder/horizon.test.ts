import { beforeEach, describe, expect, it } from 'vitest'

import {
  COMMIT_INTERVAL_US,
  Horizon,
  HORIZON_US,
  SETTLE_US,
  STALL_US,
  STALLS_MAX,
  UNBROKEN_HORIZON_US,
} from '../../../src/recorder/horizon.ts'
import { OPENED_US } from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
let horizon: Horizon
/** A wake at which as much is committed as may be. */
const committed = (nowUs: number, aheadUs?: number, unbrokenUs?: number): number => {
  horizon.wake(nowUs)
  return horizon.advance(nowUs, aheadUs, unbrokenUs)
}

beforeEach(() => {
  horizon = new Horizon(OPENED_US)
})

describe('how far a recording is committed', () => {
  it('is a little behind now', () => {
    expect(committed(OPENED_US + 200_000)).toBe(OPENED_US + 200_000 - HORIZON_US)
    expect(committed(OPENED_US + 400_000)).toBe(OPENED_US + 400_000 - HORIZON_US)
  })

  it('is further behind where audio stands ahead of its packets, and never goes back for it', () => {
    const before = committed(OPENED_US + 200_000)
    expect(committed(OPENED_US + 300_000, 150_000)).toBe(before)
    expect(committed(OPENED_US + 600_000, 150_000)).toBe(OPENED_US + 600_000 - HORIZON_US - 150_000)
  })

  it('stays where it is for a while after a stall, then follows', () => {
    const before = committed(OPENED_US + 200_000)
    const lateUs = OPENED_US + 200_000 + STALL_US + 1
    expect(committed(lateUs)).toBe(before)
    expect(horizon.isSettling(lateUs)).toBe(true)
    expect(committed(lateUs + 200_000)).toBe(before)
    expect(horizon.isSettling(lateUs + SETTLE_US)).toBe(false)
    for (let us = lateUs + 400_000; us < lateUs + SETTLE_US; us += 200_000) committed(us)
    expect(committed(lateUs + SETTLE_US)).toBe(lateUs + SETTLE_US - HORIZON_US)
  })

  it('does not stay for long where a stall follows the other', () => {
    committed(OPENED_US + 200_000)
    const committedAt: number[] = []
    for (let us = OPENED_US; us < OPENED_US + 60 * SECOND_US; us += 1.5 * STALL_US)
      if (horizon.wake(us) && horizon.advance(us) === us - 1.5 * STALL_US - HORIZON_US) committedAt.push(us)
    const pauses = committedAt.slice(1).map((us, index) => us - (committedAt[index] ?? 0))
    expect(pauses.length).toBeGreaterThan(5)
    expect(Math.max(...pauses)).toBeLessThanOrEqual((STALLS_MAX + 1) * 1.5 * STALL_US)
  })

  it('stays after each of four stalls, however long the last was; behind the fifth only what came before it is committed', () => {
    const before = committed(OPENED_US + 200_000)
    let nowUs = OPENED_US + 200_000
    for (const seconds of [0.9, 0.9, 0.9, 6]) {
      nowUs += seconds * SECOND_US
      expect(committed(nowUs)).toBe(before)
      expect(horizon.isSettling(nowUs + SETTLE_US - 1)).toBe(true)
    }
    expect(committed(nowUs + 5 * SECOND_US)).toBe(nowUs - HORIZON_US)
    // It counts from there.
    expect(committed(nowUs + 10 * SECOND_US)).toBe(nowUs - HORIZON_US)
  })

  it('does not mind that nothing was committed for long, as long as it was woken', () => {
    committed(OPENED_US + 200_000)
    const lateUs = OPENED_US + 200_000 + 2 * STALL_US
    for (let us = OPENED_US + 300_000; us < lateUs; us += 100_000) horizon.wake(us)
    expect(committed(lateUs)).toBe(lateUs - HORIZON_US)
  })

  it('does not mind a wake that is only a little late', () => {
    committed(OPENED_US + 200_000)
    expect(committed(OPENED_US + 200_000 + STALL_US)).toBe(OPENED_US + 200_000 + STALL_US - HORIZON_US)
  })

  it('is closer where no stream misses anything, as far as that is so', () => {
    const nowUs = OPENED_US + 700_000
    expect(committed(nowUs, 0, nowUs - 450_000)).toBe(nowUs - 450_000)
    expect(committed(nowUs + 100_000, 0, nowUs)).toBe(nowUs + 100_000 - UNBROKEN_HORIZON_US)
    expect(committed(nowUs + 200_000, 0, nowUs - 450_000)).toBe(nowUs + 100_000 - UNBROKEN_HORIZON_US)
    expect(committed(nowUs + 700_000, 0, nowUs - 450_000)).toBe(nowUs + 700_000 - HORIZON_US)
  })

  it('is not that while it settles after a stall', () => {
    const before = committed(OPENED_US + 200_000)
    const lateUs = OPENED_US + 200_000 + STALL_US + 1
    expect(committed(lateUs, 0, lateUs)).toBe(before)
  })
})

describe('when more of a recording is committed', () => {
  it('is at once, then an interval later', () => {
    expect(horizon.wake(OPENED_US)).toBe(true)
    committed(OPENED_US + 200_000)
    expect(horizon.wake(OPENED_US + 200_000 + COMMIT_INTERVAL_US - 1)).toBe(false)
    expect(horizon.wake(OPENED_US + 200_000 + COMMIT_INTERVAL_US)).toBe(true)
  })

  it('is so much later as more was committed than had to be', () => {
    const nowUs = OPENED_US + 700_000
    committed(nowUs, 0, nowUs - 450_000)
    expect(horizon.wake(nowUs + COMMIT_INTERVAL_US + 50_000 - 1)).toBe(false)
    expect(horizon.wake(nowUs + COMMIT_INTERVAL_US + 50_000)).toBe(true)
  })

  it('is no sooner than that where audio stands ahead of its packets', () => {
    const nowUs = OPENED_US + 700_000
    committed(nowUs, 200_000)
    expect(horizon.wake(nowUs + COMMIT_INTERVAL_US - 1)).toBe(false)
    const committedUs = nowUs + COMMIT_INTERVAL_US - UNBROKEN_HORIZON_US - 100_000
    expect(committed(nowUs + COMMIT_INTERVAL_US, 100_000, nowUs)).toBe(committedUs)
    expect(horizon.wake(committedUs + HORIZON_US + COMMIT_INTERVAL_US - 1)).toBe(false)
    expect(horizon.wake(committedUs + HORIZON_US + COMMIT_INTERVAL_US)).toBe(true)
  })
})
