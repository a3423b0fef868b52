import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  ComplexityController,
  FALL_SHARE,
  RISE_SHARE,
  RISE_US,
  RISE_US_MAX,
} from '../../../../src/server/media/complexity-controller.ts'

const SECOND_US = 1_000_000
const LIMIT = 0.85
const FULL = LIMIT * (FALL_SHARE + 0.01)
const OVER = LIMIT * 1.1
const BETWEEN = LIMIT * (RISE_SHARE + 0.05)
const LOW = LIMIT * (RISE_SHARE - 0.05)

/** One measurement a second. */
class Clocked {
  readonly controller: ComplexityController
  nowUs = 5 * SECOND_US

  constructor(configured: number) {
    this.controller = new ComplexityController({ configured, busyShareMax: LIMIT })
  }

  observe(busyShare: number, seconds = 1): number {
    for (let second = 0; second < seconds; second += 1) {
      this.nowUs += SECOND_US
      this.controller.observe(busyShare, this.nowUs)
    }
    return this.controller.complexity
  }

  /** Seconds of this load until the complexity changes. */
  secondsUntilChange(busyShare: number): number {
    const before = this.controller.complexity
    let seconds = 0
    while (this.controller.complexity === before && seconds < 1_000) {
      this.observe(busyShare)
      seconds += 1
    }
    return seconds
  }
}

describe('ComplexityController', () => {
  it('is as configured while there is room, for ever', () => {
    expect(new Clocked(7).observe(LOW, 600)).toBe(7)
  })

  it('falls a step with every measurement near the limit', () => {
    const clocked = new Clocked(5)
    expect([1, 2, 3, 4, 5, 6].map(() => clocked.observe(FULL))).toEqual([4, 3, 2, 1, 0, 0])
    expect(clocked.controller.stepsDown).toBe(5)
  })

  it('is at 0 from 10 before a limit that is passed for five seconds refuses new recording sessions', () => {
    const clocked = new Clocked(10)
    expect(clocked.observe(OVER, 5)).toBe(0)
    expect(clocked.controller.stepsDown).toBe(10)
  })

  it('stays where it is between the two thresholds', () => {
    const clocked = new Clocked(5)
    clocked.observe(FULL, 3)
    expect(clocked.observe(BETWEEN, 600)).toBe(2)
  })

  it('rises a step at a time, each after a while of low load, and not beyond what is configured', () => {
    const clocked = new Clocked(3)
    clocked.observe(FULL, 2)
    expect(clocked.secondsUntilChange(LOW)).toBe(RISE_US / SECOND_US + 1)
    expect(clocked.secondsUntilChange(LOW)).toBe(RISE_US / SECOND_US)
    expect(clocked.observe(LOW, 100)).toBe(3)
    expect(clocked.controller.stepsUp).toBe(2)
  })

  it('begins to wait anew when the load was not low for a moment', () => {
    const clocked = new Clocked(3)
    clocked.observe(FULL)
    clocked.observe(LOW, RISE_US / SECOND_US)
    clocked.observe(BETWEEN)
    expect(clocked.secondsUntilChange(LOW)).toBe(RISE_US / SECOND_US + 1)
  })

  it('tries ever more rarely when a step up does not last, and as before when one did', () => {
    const clocked = new Clocked(5)
    clocked.observe(FULL)
    const waits: number[] = []
    for (let round = 0; round < 8; round += 1) {
      waits.push(clocked.secondsUntilChange(LOW))
      expect(clocked.observe(FULL)).toBe(4)
    }
    expect(waits.slice(0, 4)).toEqual([11, 21, 41, 81])
    expect(waits.at(-1)).toBe(RISE_US_MAX / SECOND_US + 1)
    clocked.observe(LOW, (2 * RISE_US_MAX) / SECOND_US + 2)
    clocked.observe(FULL)
    expect(clocked.secondsUntilChange(LOW)).toBe(RISE_US / SECOND_US + 1)
  })

  it('is always between 0 and what is configured, and its steps add up', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 300 }),
        (configured, loads) => {
          const clocked = new Clocked(configured)
          for (const load of loads) {
            const complexity = clocked.observe(load, 4)
            expect(complexity).toBeGreaterThanOrEqual(0)
            expect(complexity).toBeLessThanOrEqual(configured)
          }
          const { complexity, stepsDown, stepsUp } = clocked.controller
          expect(configured - stepsDown + stepsUp).toBe(complexity)
        },
      ),
    )
  })
})
