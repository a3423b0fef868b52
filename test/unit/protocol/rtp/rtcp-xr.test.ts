import { describe, expect, it } from 'vitest'

import { parseRtcp } from '../../../../src/protocol/rtp/rtcp.ts'
import { serializeExtendedReport, XR_BLOCKS_MAX, type VoipMetrics } from '../../../../src/protocol/rtp/rtcp-xr.ts'

const voip: VoipMetrics = {
  type: 'voipMetrics',
  ssrc: 0x0102_0304,
  lossRate: 0.25,
  discardRate: 1 / 256,
  burstDensity: 0.5,
  gapDensity: 0,
  burstMs: 120,
  gapMs: 4_000,
  roundTripMs: 80,
  endSystemMs: 600,
  gapMin: 16,
  bufferMs: 600,
  bufferMaxMs: 601,
  bufferAbsoluteMaxMs: 20_000,
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))

/** Built by hand from the figures of RFC 3611 2, 4.4, 4.5 and 4.7. */
const BY_HAND = `
  80 cf 00 11  aa bb cc dd
  04 00 00 02  ec d4 7c c0  40 00 00 00
  05 00 00 03  00 00 00 07  12 34 56 78  00 01 80 00
  07 00 00 08  01 02 03 04  40 01 80 00  00 78 0f a0  00 50 02 58  7f 7f 7f 10  7f 7f 7f 7f  00 00 02 58  02 59 4e 20
`

describe('extended reports', () => {
  it('are read as RFC 3611 lays them out', () => {
    expect(parseRtcp(bytesOf(BY_HAND))).toEqual({
      ok: true,
      value: [
        {
          type: 'extendedReport',
          ssrc: 0xaabb_ccdd,
          blocks: [
            { type: 'receiverReferenceTime', ntpAtUnixMs: (0xecd4_7cc0 - 2_208_988_800) * 1_000 + 250 },
            {
              type: 'delaySinceLastReceiverReport',
              reports: [{ ssrc: 7, lastReceiverReport: 0x1234_5678, delay: 98_304 }],
            },
            voip,
          ],
        },
      ],
    })
  })

  it('are written as they are read', () => {
    const parsed = parseRtcp(bytesOf(BY_HAND))
    const [report] = parsed.ok ? parsed.value : []
    if (report?.type !== 'extendedReport') throw new Error('not read')
    expect(Buffer.from(serializeExtendedReport(report)).equals(bytesOf(BY_HAND))).toBe(true)
  })

  it('cut what is too large to the width of its field', () => {
    const large = { ...voip, lossRate: 1, burstMs: 70_000, gapMs: -1, bufferMs: 1e9 }
    const parsed = parseRtcp(serializeExtendedReport({ type: 'extendedReport', ssrc: 1, blocks: [large] }))
    expect(parsed).toMatchObject({
      ok: true,
      value: [{ blocks: [{ lossRate: 255 / 256, burstMs: 65_535, gapMs: 0, bufferMs: 65_535 }] }],
    })
  })

  it('pass over blocks of other types, and over those beyond the bound', () => {
    const unknown = '63 00 00 01 00 00 00 00'
    expect(parseRtcp(bytesOf(`80 cf 00 03 00 00 00 01 ${unknown}`))).toEqual({
      ok: true,
      value: [{ type: 'extendedReport', ssrc: 1, blocks: [] }],
    })
    const many = Array.from({ length: XR_BLOCKS_MAX + 1 }, () => ({
      type: 'receiverReferenceTime' as const,
      ntpAtUnixMs: Date.UTC(2026, 10, 29),
    }))
    const parsed = parseRtcp(serializeExtendedReport({ type: 'extendedReport', ssrc: 1, blocks: many }))
    const [report] = parsed.ok ? parsed.value : []
    expect(report?.type === 'extendedReport' && report.blocks.length).toBe(XR_BLOCKS_MAX)
  })

  it.each([
    ['no SSRC', '80 cf 00 00'],
    ['a block that passes the end', '80 cf 00 02 00 00 00 01 07 00 00 08'],
  ])('are refused with %s', (_, hex) => {
    expect(parseRtcp(bytesOf(hex))).toMatchObject({ ok: false, reason: 'count' })
  })

  it('pass over known blocks that are too short', () => {
    expect(parseRtcp(bytesOf('80 cf 00 03 00 00 00 01 07 00 00 01 00 00 00 00'))).toMatchObject({
      ok: true,
      value: [{ blocks: [] }],
    })
  })
})

describe('application-defined packets', () => {
  it('are told by subtype and name', () => {
    expect(parseRtcp(bytesOf('83 cc 00 03 00 00 00 05 50 4f 43 31 ff ff ff ff'))).toEqual({
      ok: true,
      value: [{ type: 'application', ssrc: 5, subtype: 3, name: 'POC1' }],
    })
    expect(parseRtcp(bytesOf('80 cc 00 01 00 00 00 05'))).toMatchObject({ ok: false, reason: 'count' })
  })
})
