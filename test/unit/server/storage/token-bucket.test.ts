import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { TokenBucket } from '../../../../src/server/storage/token-bucket.ts'

describe('the limit of bytes a second', () => {
  it('limits nothing at 0', () => {
    const bucket = new TokenBucket(0)
    expect([bucket.take(1e12, 0), bucket.take(1e12, 0)]).toEqual([0, 0])
  })

  it('lets a second’s worth go at once and says how long the next has to wait', () => {
    const bucket = new TokenBucket(1_000)
    expect(bucket.take(600, 0)).toBe(0)
    expect(bucket.take(600, 0)).toBe(200)
    expect(bucket.take(600, 199)).toBe(1)
    expect(bucket.take(600, 200)).toBe(0)
  })

  it('lets something larger than a second’s worth go, and makes the next pay for it', () => {
    const bucket = new TokenBucket(1_000)
    expect(bucket.take(5_000, 0)).toBe(0)
    expect(bucket.take(1, 0)).toBe(4_001)
    expect(bucket.take(1, 4_001)).toBe(0)
  })

  it('never lets more go than the rate, a second’s worth and one object allow', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 100 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), sizes, (bytesPerSecond, sizes) => {
        const bucket = new TokenBucket(bytesPerSecond)
        let [nowMs, sent] = [0, 0]
        for (const size of sizes) {
          for (let waitMs = bucket.take(size, nowMs); waitMs > 0; waitMs = bucket.take(size, nowMs)) nowMs += waitMs
          sent += size
          expect(sent - size).toBeLessThanOrEqual(bytesPerSecond * (1 + nowMs / 1_000) + 1)
        }
      }),
    )
  })

  it('is not confused by a clock that stands still or steps back', () => {
    const bucket = new TokenBucket(1_000)
    bucket.take(1_000, 5_000)
    expect(bucket.take(500, 4_000)).toBe(500)
    expect(bucket.take(500, 5_500)).toBe(0)
  })
})
