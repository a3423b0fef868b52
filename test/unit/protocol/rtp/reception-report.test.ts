import { describe, expect, it } from 'vitest'

import { BurstMetrics, GAP_PACKETS_MIN } from '../../../../src/protocol/rtp/burst-metrics.ts'
import { ReceptionReport } from '../../../../src/protocol/rtp/reception-report.ts'

const PACKET_US = 20_000
const PLAYOUT = { roundTripMs: 0, delayMs: 600, delayMaxMs: 20_000 }

/** Packets by number, each arriving when it is due. */
function received(report: ReceptionReport, numbers: readonly number[]): void {
  let previous: number | undefined
  for (const number of numbers) {
    report.noteArrival(number & 0xffff)
    report.noteTiming(number & 0xffff, number * 160, number * PACKET_US)
    report.noteReleased(previous === undefined ? 0 : number - previous - 1)
    previous = number
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

describe('ReceptionReport', () => {
  it('says what RFC 3550 A.3 says of loss, in all and since the last report', () => {
    const report = new ReceptionReport(7, 8_000)
    received(report, [...range(100, 150), ...range(155, 200)])
    expect(report.takeBlock(0)).toMatchObject({
      ssrc: 7,
      cumulativeLost: 5,
      fractionLost: 0.05,
      extendedHighestSequenceNumber: 199,
    })
    for (const number of range(200, 250)) report.noteArrival(number)
    expect(report.takeBlock(0)).toMatchObject({ cumulativeLost: 5, fractionLost: 0 })
    expect(report.takeBlock(0).fractionLost).toBe(0)
  })

  it('counts duplicates as RFC 3550 6.4.1 does: the loss may be negative, its fraction not', () => {
    const report = new ReceptionReport(7, 8_000)
    for (const number of [1, 2, 2, 3, 3, 4]) report.noteArrival(number)
    expect(report.takeBlock(0)).toMatchObject({ cumulativeLost: -2, fractionLost: 0 })
  })

  it('quotes the last sender report, and how long ago it came', () => {
    const report = new ReceptionReport(7, 8_000)
    expect(report.takeBlock(9_000_000)).toMatchObject({ lastSenderReport: 0, delaySinceLastSenderReport: 0 })
    report.noteSenderReport(0xdead_beef, 10_000_000)
    expect(report.takeBlock(11_500_000)).toMatchObject({
      lastSenderReport: 0xdead_beef,
      delaySinceLastSenderReport: 98_304,
    })
    // The clock cannot go back, but a report must not be nonsense if it did.
    expect(report.takeBlock(9_000_000).delaySinceLastSenderReport).toBe(0)
  })

  it('measures the jitter of RFC 3550 A.8', () => {
    const report = new ReceptionReport(7, 8_000)
    report.noteTiming(1, 0, 0)
    report.noteTiming(2, 160, 36_000)
    // 16 ms later than spaced: 128 units, a sixteenth of it.
    expect(report.takeBlock(0).jitter).toBe(8)
    expect(report.jitterSeconds).toBeCloseTo(0.001, 6)
  })

  it('says in VoIP metrics how losses come: in a burst, and alone', () => {
    const report = new ReceptionReport(7, 8_000)
    // One alone, and a burst of 3 missing in 5.
    received(report, [...range(0, 50), ...range(51, 100), 102, 103, ...range(105, 200)])
    const metrics = report.voipMetrics(PLAYOUT)
    expect(metrics.lossRate).toBeCloseTo(4 / 200, 6)
    expect(metrics.discardRate).toBe(0)
    expect(metrics.burstDensity).toBeCloseTo(4 / 5 - 1 / 5, 6)
    expect(metrics.gapDensity).toBeCloseTo(1 / 195, 6)
    expect(metrics.burstMs).toBe(100)
    expect(metrics.gapMs).toBe((195 * 20) / 2)
  })

  it('tells packets that came too late from those that never came', () => {
    const report = new ReceptionReport(7, 8_000)
    received(report, [...range(0, 10), ...range(12, 20)])
    report.noteLate()
    expect(report.voipMetrics(PLAYOUT)).toMatchObject({ lossRate: 1 / 20, discardRate: 1 / 20 })
  })

  it('says nothing it does not know before the first packet', () => {
    expect(new ReceptionReport(7, 8_000).voipMetrics(PLAYOUT)).toMatchObject({
      lossRate: 0,
      burstDensity: 0,
      burstMs: 0,
      gapMs: 0,
    })
  })
})

describe('BurstMetrics', () => {
  it('needs as many received packets as RFC 3611 recommends to end a burst', () => {
    for (const [between, bursts] of [
      [GAP_PACKETS_MIN - 1, 1],
      [GAP_PACKETS_MIN, 0],
    ] as const) {
      const metrics = new BurstMetrics()
      metrics.noteMissing(1)
      for (let packet = 0; packet < between; packet++) metrics.noteReceived()
      metrics.noteMissing(1)
      for (let packet = 0; packet < 20; packet++) metrics.noteReceived()
      expect(metrics.statistics.bursts).toBe(bursts)
      expect(metrics.statistics.burstPackets).toBe(bursts * (between + 2))
    }
  })

  it('counts a burst that has not ended', () => {
    const metrics = new BurstMetrics()
    for (let packet = 0; packet < 3; packet++) metrics.noteReceived()
    metrics.noteMissing(4)
    expect(metrics.statistics).toEqual({ burstPackets: 4, burstMissing: 4, bursts: 1, gapPackets: 3, gapMissing: 0 })
  })
})
