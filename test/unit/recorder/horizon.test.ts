import { beforeEach, describe, expect, it } from 'vitest'

import { Horizon, HORIZON_US, SETTLE_US, STALL_US } from '../../../src/recorder/horizon.ts'
import { OPENED_US } from '../../support/recording-rig.ts'

let horizon: Horizon

beforeEach(() => {
  horizon = new Horizon(OPENED_US)
})

describe('how far a recording is committed', () => {
  it('is a little behind now', () => {
    expect(horizon.wake(OPENED_US + 200_000)).toBe(OPENED_US + 200_000 - HORIZON_US)
    expect(horizon.wake(OPENED_US + 400_000)).toBe(OPENED_US + 400_000 - HORIZON_US)
  })

  it('is further behind where audio stands ahead of its packets, and never goes back for it', () => {
    const before = horizon.wake(OPENED_US + 200_000)
    expect(horizon.wake(OPENED_US + 300_000, 150_000)).toBe(before)
    expect(horizon.wake(OPENED_US + 600_000, 150_000)).toBe(OPENED_US + 600_000 - HORIZON_US - 150_000)
  })

  it('stays where it is for a while after a stall, then follows', () => {
    const before = horizon.wake(OPENED_US + 200_000)
    const lateUs = OPENED_US + 200_000 + STALL_US + 1
    expect(horizon.wake(lateUs)).toBe(before)
    expect(horizon.isSettling(lateUs)).toBe(true)
    expect(horizon.wake(lateUs + 200_000)).toBe(before)
    expect(horizon.isSettling(lateUs + SETTLE_US)).toBe(false)
    for (let us = lateUs + 400_000; us < lateUs + SETTLE_US; us += 200_000) horizon.wake(us)
    expect(horizon.wake(lateUs + SETTLE_US)).toBe(lateUs + SETTLE_US - HORIZON_US)
  })

  it('does not mind a wake that is only a little late', () => {
    horizon.wake(OPENED_US + 200_000)
    expect(horizon.wake(OPENED_US + 200_000 + STALL_US)).toBe(OPENED_US + 200_000 + STALL_US - HORIZON_US)
  })
})
