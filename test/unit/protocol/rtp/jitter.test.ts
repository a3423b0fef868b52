import { describe, expect, it } from 'vitest'

import { InterarrivalJitter } from '../../../../src/protocol/rtp/jitter.ts'

describe('interarrival jitter (RFC 3550 A.8)', () => {
  it('is zero when packets come as evenly as they were sent', () => {
    const jitter = new InterarrivalJitter(8_000)
    for (let i = 0; i < 100; i++) jitter.update(160 * i, 1_000_000 + 20_000 * i)
    expect(jitter.seconds).toBe(0)
  })

  it('rises by a sixteenth of the deviation with each packet', () => {
    const jitter = new InterarrivalJitter(8_000)
    jitter.update(0, 0)
    jitter.update(160, 30_000)
    expect(jitter.timestampUnits).toBe(80 / 16)
    expect(jitter.seconds).toBe(80 / 16 / 8_000)
  })

  it('tends to the mean deviation', () => {
    const jitter = new InterarrivalJitter(8_000)
    for (let i = 0; i < 500; i++) jitter.update(160 * i, 20_000 * i + (i % 2) * 10_000)
    expect(jitter.seconds).toBeCloseTo(0.01, 4)
  })

  it('does not notice that the timestamp wraps', () => {
    const jitter = new InterarrivalJitter(8_000)
    for (let i = 0; i < 10; i++) jitter.update((0xffff_fe00 + 160 * i) >>> 0, 20_000 * i)
    expect(jitter.seconds).toBe(0)
  })
})
