import { describe, expect, it } from 'vitest'
import {
  DUPLICATE_DELAY_MAX_US,
  impairPackets,
  NO_IMPAIRMENT,
  nominalOffsetUs,
  REORDER_DISTANCE_MAX,
} from '../../../../src/cli/simulate/impairment.ts'
import type { ImpairmentProfile } from '../../../../src/cli/simulate/impairment.ts'
import { seededRandom } from '../../../../src/cli/simulate/random.ts'

const PACKETS = Array.from({ length: 5_000 }, (_, index) => ({ packet: index, nominalUs: index * 20_000 }))

function impair(change: Partial<ImpairmentProfile>, seed = 1) {
  return impairPackets(PACKETS, { ...NO_IMPAIRMENT, ...change }, seededRandom(seed, 'test'))
}

describe('the impaired path of RTP packets', () => {
  it('leaves packets and times alone when nothing is impaired', () => {
    const { packets, lost, counts } = impair({})
    expect(packets.map(({ packet, sendAtUs }) => ({ packet, nominalUs: sendAtUs }))).toEqual(PACKETS)
    expect(lost).toEqual([])
    expect(counts).toEqual({ sent: 5_000, lost: 0, duplicated: 0, reordered: 0 })
  })

  it('gives the same schedule for the same seed, and another for another', () => {
    const profile = { lossFraction: 0.05, jitterUs: 60_000, reorderFraction: 0.02, duplicateFraction: 0.01 }
    expect(impair(profile, 7)).toEqual(impair(profile, 7))
    expect(impair(profile, 7)).not.toEqual(impair(profile, 8))
  })

  it('loses the wanted share, and names every lost packet', () => {
    const { packets, lost, counts } = impair({ lossFraction: 0.05 })
    expect(lost.length).toBe(counts.lost)
    expect(lost.length / 5_000).toBeCloseTo(0.05, 1)
    expect([...lost, ...packets.map(({ packet }) => packet)].sort((a, b) => a - b)).toEqual(
      PACKETS.map(({ packet }) => packet),
    )
  })

  it('delays by jitter within its bound and keeps the order', () => {
    const { packets } = impair({ jitterUs: 60_000 })
    const delays = packets.map(({ sendAtUs, packet }) => sendAtUs - packet * 20_000)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...delays)).toBeLessThan(60_000)
    expect(Math.max(...delays)).toBeGreaterThan(50_000)
    expect(packets.map(({ packet }) => packet)).toEqual(PACKETS.map(({ packet }) => packet))
  })

  it('sends reordered packets after one to three of their followers, and counts them', () => {
    const { packets, counts } = impair({ reorderFraction: 0.02, jitterUs: 60_000 })
    const order = packets.map(({ packet }) => packet)
    const moved = order.filter((packet, position) => order.slice(0, position).some((earlier) => earlier > packet))
    expect(new Set(moved).size).toBe(counts.reordered)
    expect(counts.reordered / 5_000).toBeCloseTo(0.02, 2)
    for (const packet of moved) {
      const overtakenBy = order.slice(0, order.indexOf(packet)).filter((earlier) => earlier > packet).length
      expect(overtakenBy).toBeGreaterThanOrEqual(1)
      expect(overtakenBy).toBeLessThanOrEqual(2 * REORDER_DISTANCE_MAX)
    }
  })

  it('sends copies soon after their originals', () => {
    const { packets, counts } = impair({ duplicateFraction: 0.01 })
    const copies = packets.filter(({ copy }) => copy)
    expect(copies.length).toBe(counts.duplicated)
    expect(counts.sent).toBe(5_000 + counts.duplicated)
    for (const { packet, sendAtUs } of copies) {
      expect(sendAtUs).toBeGreaterThanOrEqual(packet * 20_000)
      expect(sendAtUs).toBeLessThan(packet * 20_000 + DUPLICATE_DELAY_MAX_US)
    }
  })

  it('keeps the fate of packets under one impairment when another is switched on', () => {
    expect(impair({ lossFraction: 0.05, jitterUs: 60_000, duplicateFraction: 0.3 }).lost).toEqual(
      impair({ lossFraction: 0.05 }).lost,
    )
  })

  it('sends what was held back for reordering when the media stream ends', () => {
    const { packets, lost } = impair({ reorderFraction: 1 })
    expect(packets.length + lost.length).toBe(5_000)
  })
})

describe('clock drift', () => {
  it('fills the same samples in less time when the clock is fast', () => {
    const anHour = 3_600 * 50
    expect(nominalOffsetUs(anHour, 20_000, 0)).toBe(3_600_000_000)
    expect(nominalOffsetUs(anHour, 20_000, 100)).toBe(3_599_640_036)
    expect(nominalOffsetUs(anHour, 20_000, -100)).toBe(3_600_360_036)
  })
})
