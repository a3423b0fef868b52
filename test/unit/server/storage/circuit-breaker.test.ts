import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { backoffMs } from '../../../../src/server/storage/backoff.ts'
import { BREAKER_FAILURES_MAX, CircuitBreaker } from '../../../../src/server/storage/circuit-breaker.ts'

const PAUSE = { firstMs: 1_000, lastMs: 8_000 }

function opened(): CircuitBreaker {
  const breaker = new CircuitBreaker(PAUSE)
  for (let failure = 0; failure < BREAKER_FAILURES_MAX; failure += 1) breaker.failed(0, 1)
  return breaker
}

describe('the pause between attempts', () => {
  it('doubles up to its bound, spread over the upper half', () => {
    expect([1, 2, 3, 4, 5, 1e9].map((attempt) => backoffMs(attempt, PAUSE, 0))).toEqual([500, 1e3, 2e3, 4e3, 4e3, 4e3])
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, random) => {
          const pauseMs = backoffMs(attempt, PAUSE, random)
          expect(pauseMs).toBeGreaterThanOrEqual(PAUSE.firstMs / 2)
          expect(pauseMs).toBeLessThan(PAUSE.lastMs)
        },
      ),
    )
  })
})

describe('the circuit breaker', () => {
  it('lets everything through while less than so many fail in a row', () => {
    const breaker = new CircuitBreaker(PAUSE)
    for (let round = 0; round < 3; round += 1) {
      for (let failure = 1; failure < BREAKER_FAILURES_MAX; failure += 1) breaker.failed(0, 1)
      expect(breaker.enter(0)).toBe(0)
      breaker.succeeded()
    }
    expect(breaker.state).toBe('closed')
  })

  it('lets nothing through after that, then one to try, and everything when that succeeds', () => {
    const breaker = opened()
    expect(breaker.enter(0)).toBe(1_000)
    expect(breaker.enter(999)).toBe(1)
    expect(breaker.enter(1_000)).toBe(0)
    expect(breaker.state).toBe('trying')
    expect(breaker.enter(1_000)).toBeGreaterThan(0)
    breaker.succeeded()
    expect([breaker.enter(1_000), breaker.enter(1_000)]).toEqual([0, 0])
  })

  it('waits longer each time the one that tries fails, up to its bound', () => {
    const breaker = opened()
    let nowMs = 0
    const waits = Array.from({ length: 6 }, () => {
      const waitMs = breaker.enter(nowMs)
      nowMs += waitMs
      expect(breaker.enter(nowMs)).toBe(0)
      breaker.failed(nowMs, 1)
      return waitMs
    })
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
  })

  it('is not moved by those that were on their way when it opened', () => {
    const breaker = opened()
    for (let late = 0; late < 100; late += 1) breaker.failed(500, 1)
    expect(breaker.enter(500)).toBe(500)
  })

  it('tries at once when somebody has mended something', () => {
    const breaker = opened()
    breaker.reset()
    expect(breaker.enter(1)).toBe(0)
  })
})
