import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseRtp, serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { parseRtcp } from '../../src/protocol/rtp/rtcp.ts'
import {
  serializeCname,
  serializeGoodbye,
  serializeReceiverReport,
  serializeSenderReport,
} from '../../src/protocol/rtp/rtcp-writer.ts'
import { SequenceTracker } from '../../src/protocol/rtp/sequence.ts'

const uint32 = fc.nat({ max: 0xffff_ffff })
const uint16 = fc.nat({ max: 0xffff })
const packet = fc.record({
  // 64..95 with a marker would be RTCP. RFC 5761 4
  payloadType: fc.oneof(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 96, max: 127 })),
  marker: fc.boolean(),
  sequenceNumber: uint16,
  timestamp: uint32,
  ssrc: uint32,
  payload: fc.uint8Array({ maxLength: 300 }),
})
const report = fc.record({
  ssrc: uint32,
  fractionLost: fc.nat({ max: 255 }).map((value) => value / 256),
  cumulativeLost: fc.integer({ min: -0x80_0000, max: 0x7f_ffff }),
  extendedHighestSequenceNumber: uint32,
  jitter: uint32,
  lastSenderReport: uint32,
  delaySinceLastSenderReport: uint32,
})
const reports = fc.array(report, { maxLength: 31 })

/** Bytes that look like a packet up to some point: plain noise would be refused at the first byte. */
const nearly = fc
  .tuple(packet, fc.nat({ max: 60 }), fc.nat({ max: 255 }))
  .map(([value, at, byte]) =>
    Uint8Array.from(serializeRtp(value), (original, index) => (index === at ? byte : original)),
  )

describe('RTP', () => {
  it('gives back every packet as it was', () => {
    fc.assert(
      fc.property(packet, (value) => {
        expect(parseRtp(serializeRtp(value))).toEqual({ ok: true, value })
      }),
    )
  })

  it('never throws, and never reads beyond the datagram', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), nearly), (datagram) => {
        const parsed = parseRtp(datagram)
        if (!parsed.ok) return
        const { payload } = parsed.value
        expect(payload.byteOffset + payload.length).toBeLessThanOrEqual(datagram.byteOffset + datagram.length)
      }),
    )
  })
})

describe('RTCP', () => {
  it('gives back receiver reports, CNAMEs and goodbyes as they were', () => {
    fc.assert(
      fc.property(
        uint32,
        reports,
        fc.string({ maxLength: 60 }),
        fc.array(uint32, { maxLength: 31 }),
        (ssrc, blocks, cname, ssrcs) => {
          fc.pre(new TextEncoder().encode(cname).length <= 255 && cname.isWellFormed())
          const receiverReport = { type: 'receiverReport', ssrc, reports: blocks } as const
          const bytes = [serializeReceiverReport(receiverReport), serializeCname(ssrc, cname), serializeGoodbye(ssrcs)]
          expect(parseRtcp(Uint8Array.from(bytes.flatMap((part) => [...part])))).toEqual({
            ok: true,
            value: [
              receiverReport,
              { type: 'sourceDescription', sources: [{ ssrc, cname }] },
              { type: 'goodbye', ssrcs },
            ],
          })
        },
      ),
    )
  })

  it('gives back sender reports to the microsecond', () => {
    fc.assert(
      fc.property(
        uint32,
        uint32,
        reports,
        fc.nat({ max: 4_000_000_000_000 }),
        (ssrc, rtpTimestamp, blocks, ntpAtUnixMs) => {
          const sent = {
            type: 'senderReport',
            ssrc,
            ntpAtUnixMs,
            rtpTimestamp,
            packetCount: 1,
            octetCount: 2,
            reports: blocks,
          } as const
          const parsed = parseRtcp(serializeSenderReport(sent))
          const [got] = parsed.ok ? parsed.value : []
          expect(got).toMatchObject({ ssrc, rtpTimestamp, reports: blocks })
          expect(got?.type === 'senderReport' ? Math.abs(got.ntpAtUnixMs - ntpAtUnixMs) : 1).toBeLessThan(0.001)
        },
      ),
    )
  })

  it('never throws', () => {
    const header = fc.tuple(
      fc.integer({ min: 0x80, max: 0xbf }),
      fc.integer({ min: 199, max: 208 }),
      fc.nat({ max: 12 }),
    )
    const likely = fc
      .tuple(header, fc.uint8Array({ maxLength: 80 }))
      .map(([[first, type, length], rest]) => Uint8Array.of(first, type, 0, length, ...rest))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), likely), (datagram) => {
        expect(typeof parseRtcp(datagram).ok).toBe('boolean')
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('sequence tracking', () => {
  it('survives any row of numbers, and never expects less than nothing', () => {
    fc.assert(
      fc.property(fc.array(uint16), (numbers) => {
        const tracker = new SequenceTracker()
        for (const number of numbers) tracker.update(number)
        const { packetsExpected, packetsReceived } = tracker.statistics
        expect(packetsExpected).toBeGreaterThanOrEqual(0)
        expect(packetsReceived).toBeLessThanOrEqual(numbers.length)
        const fraction = tracker.takeFractionLost()
        expect(fraction >= 0 && fraction <= 1).toBe(true)
      }),
    )
  })
})
