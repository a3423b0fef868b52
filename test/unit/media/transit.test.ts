import { describe, expect, it } from 'vitest'

import {
  ArrivalTransit,
  nearestWrap,
  TimestampUnwrapper,
  TRANSIT_WINDOW_SECONDS,
  TransitWindow,
} from '../../../src/media/transit.ts'

describe('RTP timestamps', () => {
  it('are extended over their wrap, in both directions', () => {
    const unwrapper = new TimestampUnwrapper()
    expect([0xffff_ff00, 0x60, 0xffff_ffa0, 0x100].map((timestamp) => unwrapper.unwrap(timestamp))).toEqual([
      0xffff_ff00, 0x1_0000_0060, 0xffff_ffa0, 0x1_0000_0100,
    ])
  })

  it('are compared modulo 2^32', () => {
    expect(nearestWrap(5, 0x1_0000_0000)).toBe(0x1_0000_0005)
    expect(nearestWrap(0x3_0000_0005, -20)).toBe(5)
  })
})

describe('the least transit in order of arrival', () => {
  it('is that of the fastest packet, wherever it stands', () => {
    const transit = new ArrivalTransit(8_000, 2_000)
    transit.note(160, 1_050_000)
    transit.note(0, 1_060_000)
    transit.note(320, 1_045_000)
    // The fastest one is the third: its RTP time 0 was 40 ms before it came.
    expect(transit.firstSentUs).toBe(1_005_000)
  })

  it('begins anew when the RTP clock jumps, which does not move the first sample', () => {
    const transit = new ArrivalTransit(8_000, 2_000)
    transit.note(0, 1_000_000)
    transit.note(90_000_000, 1_020_000)
    expect(transit.firstSentUs).toBe(1_000_000)
    expect(transit.leastSince(1_000_000)).toBe(Infinity)
    expect(transit.leastSince(1_020_000)).toBe(8_160 - 90_000_000)
  })
})

describe('when the last packet was sent', () => {
  /** A packet of 20 ms each 20 ms, and how much later than that it comes. */
  const sentUs = (lateUs: (us: number) => number): { readonly sentUs: number; readonly arrivalUs: number } => {
    const transit = new ArrivalTransit(8_000, 2_000)
    let arrivalUs = 0
    for (let us = 0; us <= 100_000_000; us += 20_000) {
      arrivalUs = us + lateUs(us)
      transit.note((us * 8) / 1_000, arrivalUs)
    }
    return { sentUs: transit.lastSentUs, arrivalUs }
  }

  it('follows a clock that is slow', () => {
    const { sentUs: us, arrivalUs } = sentUs((at) => at / 2_000)
    expect(arrivalUs - us).toBeLessThan(1)
  })

  it('is before it came, where a queue has grown since', () => {
    const { sentUs: us, arrivalUs } = sentUs((at) => Math.max(0, Math.min(200_000, (at - 90_000_000) / 10)))
    expect(arrivalUs - us).toBeGreaterThan(199_800)
  })

  it('and however long that has stayed', () => {
    const { sentUs: us, arrivalUs } = sentUs((at) => Math.max(0, Math.min(200_000, at - 2_000_000)))
    expect(arrivalUs - us).toBeGreaterThan(199_800)
  })
})

describe('the least transit over a window', () => {
  it('falls at once and rises only when the window has passed', () => {
    const window = new TransitWindow()
    for (let second = 0; second < 60; second++) {
      window.note(second < 20 ? 100 : 500, second * 1_000_000)
      const forgotten = second >= 20 - 1 + TRANSIT_WINDOW_SECONDS
      expect(window.least).toBe(forgotten ? 500 : 100)
    }
    window.note(-7, 60_000_000)
    expect(window.least).toBe(-7)
  })

  it('is mature after eight seconds with packets, and not after a pause', () => {
    const window = new TransitWindow()
    for (let second = 0; second < 7; second++) window.note(0, second * 1_000_000)
    expect(window.mature).toBe(false)
    window.note(0, 7_000_000)
    expect(window.mature).toBe(true)
    window.note(9, 100_000_000)
    expect(window.mature).toBe(false)
    expect(window.least).toBe(9)
  })
})
