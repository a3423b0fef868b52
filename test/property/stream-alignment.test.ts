import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { StreamTimeline } from '../../src/media/stream-timeline.ts'
import { serializeCname, serializeSenderReport } from '../../src/protocol/rtp/rtcp-writer.ts'
import { PacketSources } from '../../src/recorder/packet-sources.ts'
import { ALIGNMENT_MAX_US, StreamAlignment } from '../../src/recorder/stream-alignment.ts'
import { StreamProtection } from '../../src/recorder/stream-protection.ts'
import { StreamRtcp } from '../../src/recorder/stream-rtcp.ts'
import { planOf } from '../support/recording-rig.ts'

const RATE = 8_000
const BEGIN_UNIX_MS = Date.UTC(2026, 10, 29, 12)
const SECONDS = 8

/** What one media stream of an SRC does. */
interface Habits {
  readonly delayMs: number
  /** By how much its wall clock is wrong, for good and from report to report. */
  readonly lieMs: number
  readonly errorsMs: readonly number[]
  readonly cname: string | undefined
}

const habits: fc.Arbitrary<Habits> = fc.record({
  delayMs: fc.nat({ max: 300 }),
  lieMs: fc.oneof(fc.constant(0), fc.integer({ min: -500, max: 500 }), fc.constant(Number.NaN)),
  errorsMs: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: -50, max: 50 })), { minLength: 1, maxLength: 4 }),
  cname: fc.constantFrom('a', 'b', undefined),
})

function streamOf(index: number) {
  const plan = planOf(index)
  const sources = new PacketSources(plan, { sourceRule: 'any', signallingAddress: undefined })
  const rtcp = new StreamRtcp(plan, sources, new StreamProtection(undefined), undefined)
  rtcp.begin(index + 1, RATE)
  return { plan, sources, rtcp, timeline: new StreamTimeline({ clockRate: RATE }) }
}

/** Streams of one SRC, each a packet of 20 ms and, every two seconds, a report. Compared once a second, in the order that is asked for. */
function align(all: readonly Habits[], isReversed: boolean) {
  const streams = all.map((_, index) => streamOf(index))
  const alignment = new StreamAlignment()
  for (let tick = 0; tick < SECONDS * 50; tick++) {
    const spokenUs = tick * 20_000
    for (const [index, { delayMs, lieMs, errorsMs, cname }] of all.entries()) {
      const stream = streams[index]
      if (stream === undefined) continue
      const ssrc = index + 1
      const origin = { address: '192.0.2.1', port: 4_000 + 2 * index }
      const atUs = spokenUs + delayMs * 1_000
      const packet = {
        ...{ payloadType: 0, marker: false, sequenceNumber: tick, timestamp: tick * 160, ssrc },
        payload: new Uint8Array(160),
      }
      stream.sources.noteAuthentic(packet, origin, atUs)
      stream.rtcp.noteArrival(packet, 'queued', atUs)
      stream.rtcp.noteTiming(packet, RATE, atUs)
      if (tick % 100 !== 5) continue
      const errorMs = errorsMs[Math.floor(tick / 100) % errorsMs.length] ?? 0
      const report = serializeSenderReport({
        ...{ type: 'senderReport', ssrc, rtpTimestamp: tick * 160, packetCount: tick, octetCount: tick * 160 },
        ...{ ntpAtUnixMs: BEGIN_UNIX_MS + spokenUs / 1_000 + lieMs + errorMs, reports: [] },
      })
      const name = cname === undefined ? [] : [serializeCname(ssrc, cname)]
      stream.rtcp.handleDatagram(Buffer.concat([report, ...name]), atUs, origin)
    }
    if (tick % 50 === 49) alignment.update(isReversed ? streams.toReversed() : streams, spokenUs + 400_000)
  }
  return { alignment, facts: streams.map(({ plan }) => alignment.factsOf(plan.streamId)) }
}

const sessions = fc.array(habits, { minLength: 1, maxLength: 4 })

describe('the alignment of media streams', () => {
  it('moves nothing by more than is allowed, nor by what is no number, whatever is reported', () => {
    fc.assert(
      fc.property(sessions, (all) => {
        const { alignment, facts } = align(all, false)
        for (const { aheadUs, refusals, basis } of facts) {
          expect(aheadUs).toBeGreaterThanOrEqual(0)
          expect(aheadUs).toBeLessThanOrEqual(ALIGNMENT_MAX_US)
          if (basis === 'arrival') expect(aheadUs).toBe(0)
          expect(refusals).toBeLessThanOrEqual(SECONDS)
        }
        expect(alignment.aheadMaxUs).toBe(Math.max(0, ...facts.map(({ aheadUs }) => aheadUs)))
        expect(alignment.refusals).toBe(facts.reduce((sum, { refusals }) => sum + refusals, 0))
      }),
      { numRuns: 40 },
    )
  })

  it('moves streams that tell the truth by what they are longer on their way, to 2 ms', () => {
    const delays = fc.array(fc.nat({ max: 200 }), { minLength: 2, maxLength: 4 })
    fc.assert(
      fc.property(delays, (delaysMs) => {
        const all = delaysMs.map((delayMs) => ({ delayMs, lieMs: 0, errorsMs: [0], cname: 'a' }))
        const least = Math.min(...delaysMs)
        for (const [index, { aheadUs }] of align(all, false).facts.entries()) {
          const extraMs = (delaysMs[index] ?? 0) - least
          // Less than 10 ms is left alone.
          if (extraMs >= 12) expect(Math.abs(aheadUs / 1_000 - extraMs)).toBeLessThan(2)
          if (extraMs <= 8) expect(aheadUs).toBe(0)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('is the same in whatever order the streams are', () => {
    // Where all say their CNAME, or none: with some of them silent, who shares a clock with whom depends on who is asked first.
    const named = fc
      .tuple(sessions, fc.boolean())
      .map(([all, isNamed]) => all.map((each) => ({ ...each, cname: isNamed ? (each.cname ?? 'a') : undefined })))
    fc.assert(
      fc.property(named, (all) => {
        expect(align(all, true).facts).toEqual(align(all, false).facts)
      }),
      { numRuns: 30 },
    )
  })
})
