import { describe, expect, it } from 'vitest'

import { receiverIntervalUs, RTCP_INTERVAL_MIN_US } from '../../../../src/protocol/rtp/rtcp-interval.ts'

const call = { sessionBitsPerSecond: 80_000, averageOctets: 150, isInitial: false }
const COMPENSATION = Math.E - 1.5

describe('the interval of a receiver', () => {
  it('is five seconds, half to one and a half times, for speech of any codec', () => {
    expect(receiverIntervalUs({ ...call, random: 0 })).toBe(Math.round((0.5 * RTCP_INTERVAL_MIN_US) / COMPENSATION))
    expect(receiverIntervalUs({ ...call, random: 0.5 })).toBe(Math.round(RTCP_INTERVAL_MIN_US / COMPENSATION))
    const longest = receiverIntervalUs({ ...call, random: 1 - Number.EPSILON })
    expect(longest).toBe(Math.round((1.5 * RTCP_INTERVAL_MIN_US) / COMPENSATION))
  })

  it('is half of that before the first packet', () => {
    expect(receiverIntervalUs({ ...call, isInitial: true, random: 0.5 })).toBe(
      Math.round(RTCP_INTERVAL_MIN_US / 2 / COMPENSATION),
    )
  })

  it('never takes more of a narrow session than its receivers are due', () => {
    const octets = 400
    const intervalUs = receiverIntervalUs({
      sessionBitsPerSecond: 8_000,
      averageOctets: octets,
      isInitial: true,
      random: 0.5,
    })
    const bitsPerSecond = (octets * 8 * 1_000_000) / (intervalUs * COMPENSATION)
    expect(bitsPerSecond).toBeCloseTo(8_000 * 0.05 * 0.75, 3)
  })
})
