import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { CAUGHT_UP_TICKS_MAX, PaceTimer } from '../../../../src/server/announcer/pace-timer.ts'

let stallUs = 0
let late = 0

beforeEach(() => {
  vi.useFakeTimers()
  stallUs = 0
  late = 0
})
afterEach(() => {
  vi.useRealTimers()
})

function timer(): PaceTimer {
  return new PaceTimer({
    nowUs: () => Date.now() * 1_000 + stallUs,
    late: (ticks) => {
      late += ticks
    },
  })
}

function paced() {
  return {
    ticks: 0,
    tick() {
      this.ticks += 1
    },
  }
}

it('ticks every 20 ms for all, whoever joins later, and no error adds up', () => {
  const pace = timer()
  const [first, second] = [paced(), paced()]
  pace.add(first)
  vi.advanceTimersByTime(1_000)
  pace.add(second)
  vi.advanceTimersByTime(9_000)
  expect([first.ticks, second.ticks, late]).toEqual([500, 450, 0])
  pace.remove(first)
  pace.remove(second)
  expect(vi.getTimerCount()).toBe(0)
})

it('makes up for a short stall, and stands still for the rest of a long one', () => {
  const pace = timer()
  const one = paced()
  pace.add(one)
  vi.advanceTimersByTime(100)
  stallUs += 60_000
  vi.advanceTimersByTime(20)
  expect([one.ticks, late]).toEqual([9, 0])
  stallUs += 1_000_000
  vi.advanceTimersByTime(20)
  expect([one.ticks, late]).toEqual([9 + CAUGHT_UP_TICKS_MAX, 51 - CAUGHT_UP_TICKS_MAX])
  vi.advanceTimersByTime(200)
  expect(one.ticks).toBe(9 + CAUGHT_UP_TICKS_MAX + 10)
  pace.remove(one)
})

it('goes on for the others when one leaves while it ticks', () => {
  const pace = timer()
  const other = paced()
  const leaving = { tick: () => pace.remove(leaving) }
  pace.add(leaving)
  pace.add(other)
  vi.advanceTimersByTime(100)
  expect(other.ticks).toBe(5)
  pace.remove(other)
})
