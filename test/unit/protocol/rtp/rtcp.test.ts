import { describe, expect, it } from 'vitest'

import { parseRtcp, RTCP_PACKETS_MAX, type ReportBlock } from '../../../../src/protocol/rtp/rtcp.ts'
import {
  serializeCname,
  serializeGoodbye,
  serializeReceiverReport,
  serializeSenderReport,
} from '../../../../src/protocol/rtp/rtcp-writer.ts'

const block: ReportBlock = {
  ssrc: 0xffff_fffe,
  fractionLost: 0.25,
  cumulativeLost: -3,
  extendedHighestSequenceNumber: 0x0001_0002,
  jitter: 40,
  lastSenderReport: 0x9abc_def0,
  delaySinceLastSenderReport: 0x0001_8000,
}
const senderReport = {
  type: 'senderReport',
  ssrc: 7,
  // 2026-11-23 12:00:00.250 UTC
  ntpAtUnixMs: 1_795_435_200_250,
  rtpTimestamp: 0xffff_ff00,
  packetCount: 50,
  octetCount: 8_000,
  reports: [block],
} as const

function joined(...packets: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(packets.flatMap((packet) => [...packet]))
}

function reasonOf(datagram: Uint8Array): string {
  const parsed = parseRtcp(datagram)
  return parsed.ok ? 'accepted' : parsed.reason
}

describe('RTCP', () => {
  it('brings back a compound of sender report, CNAME and goodbye', () => {
    const parsed = parseRtcp(
      joined(serializeSenderReport(senderReport), serializeCname(7, 'src@example.com'), serializeGoodbye([7, 8])),
    )
    expect(parsed.ok && parsed.value).toEqual([
      { ...senderReport, ntpMiddle: expect.any(Number) },
      { type: 'sourceDescription', sources: [{ ssrc: 7, cname: 'src@example.com' }] },
      { type: 'goodbye', ssrcs: [7, 8] },
    ])
  })

  it('brings back a receiver report, with and without blocks', () => {
    for (const reports of [[], [block, { ...block, cumulativeLost: 0x7f_ffff }]]) {
      const report = { type: 'receiverReport', ssrc: 9, reports } as const
      expect(parseRtcp(serializeReceiverReport(report))).toEqual({ ok: true, value: [report] })
    }
  })

  it('gives the middle of the NTP time, which a report block quotes', () => {
    const bytes = serializeSenderReport({ ...senderReport, reports: [] })
    const parsed = parseRtcp(bytes)
    const [report] = parsed.ok ? parsed.value : []
    const view = new DataView(bytes.buffer)
    expect(report).toMatchObject({ ntpMiddle: view.getUint16(10) * 0x1_0000 + view.getUint16(12) })
  })

  it('reads NTP times of the era that begins in 2036', () => {
    const ntpAtUnixMs = Date.UTC(2040, 0, 1)
    const parsed = parseRtcp(serializeSenderReport({ ...senderReport, ntpAtUnixMs }))
    expect(parsed.ok && parsed.value[0]).toMatchObject({ ntpAtUnixMs })
  })

  it('knows that NTP time 0 means "no clock"', () => {
    const parsed = parseRtcp(serializeSenderReport({ ...senderReport, ntpAtUnixMs: Number.NaN }))
    expect(parsed.ok && parsed.value[0]).toMatchObject({ ntpAtUnixMs: Number.NaN })
  })

  it('pads a CNAME of any length to 32 bits', () => {
    for (let length = 0; length <= 20; length++) {
      const cname = 'x'.repeat(length)
      const bytes = joined(serializeCname(1, cname), serializeGoodbye([1]))
      const parsed = parseRtcp(bytes)
      expect(parsed.ok && parsed.value[0]).toEqual({ type: 'sourceDescription', sources: [{ ssrc: 1, cname }] })
    }
  })

  it('passes over packet types it does not read', () => {
    const feedback = Uint8Array.of(0x81, 206, 0, 1, 0, 0, 0, 1)
    const parsed = parseRtcp(joined(feedback, serializeGoodbye([1])))
    expect(parsed.ok && parsed.value).toEqual([
      { type: 'other', packetType: 206 },
      { type: 'goodbye', ssrcs: [1] },
    ])
  })

  it('reads no more than RTCP_PACKETS_MAX packets', () => {
    const many = joined(...Array.from({ length: RTCP_PACKETS_MAX + 5 }, () => serializeGoodbye([1])))
    const parsed = parseRtcp(many)
    expect(parsed.ok && parsed.value.length).toBe(RTCP_PACKETS_MAX)
  })

  it('takes padding off the last packet', () => {
    const parsed = parseRtcp(Uint8Array.of(0xa1, 203, 0, 2, 0, 0, 0, 5, 0, 0, 0, 4))
    expect(parsed.ok && parsed.value).toEqual([{ type: 'goodbye', ssrcs: [5] }])
  })
})

describe('an RTCP datagram is refused', () => {
  const report = serializeReceiverReport({ type: 'receiverReport', ssrc: 1, reports: [block] })

  it('as "short" without a whole header', () => {
    expect(reasonOf(new Uint8Array(0))).toBe('short')
    expect(reasonOf(joined(report, Uint8Array.of(0x80)))).toBe('short')
  })

  it('as "version" and as "notRtcp" when it is something else', () => {
    expect(reasonOf(Uint8Array.of(0, 201, 0, 0))).toBe('version')
    expect(reasonOf(Uint8Array.of(0x80, 0, 0, 0))).toBe('notRtcp')
  })

  it('as "length" when it is cut off', () => {
    expect(reasonOf(report.subarray(0, -1))).toBe('length')
  })

  it('as "count" when there are fewer report blocks, chunks or sources than it says', () => {
    for (const packetType of [200, 201, 202, 203]) {
      expect(reasonOf(Uint8Array.of(0x9f, packetType, 0, 1, 0, 0, 0, 1))).toBe('count')
    }
  })

  it('as "padding" when the padding is not on the last packet or longer than it', () => {
    expect(reasonOf(joined(Uint8Array.of(0xa1, 203, 0, 2, 0, 0, 0, 5, 0, 0, 0, 4), report))).toBe('padding')
    expect(reasonOf(Uint8Array.of(0xa0, 203, 0, 1, 0, 0, 0, 8))).toBe('padding')
  })
})
