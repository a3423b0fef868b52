import { describe, expect, it } from 'vitest'

import { asStreamId } from '../../../src/ids.ts'
import { ntpMiddleOf } from '../../../src/protocol/rtp/ntp.ts'
import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { parseRtcp, type ReceiverReport, type RtcpPacket } from '../../../src/protocol/rtp/rtcp.ts'
import { serializeCname, serializeGoodbye, serializeSenderReport } from '../../../src/protocol/rtp/rtcp-writer.ts'
import { serializeExtendedReport, type ExtendedReport } from '../../../src/protocol/rtp/rtcp-xr.ts'
import type { SrtpKeys } from '../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpReceiver } from '../../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../../src/protocol/srtp/srtp-sender.ts'
import type { MediaTransport } from '../../../src/recorder/media-transport.ts'
import { PacketSources, type PacketOrigin } from '../../../src/recorder/packet-sources.ts'
import { StreamProtection } from '../../../src/recorder/stream-protection.ts'
import { GOODBYE_GRACE_US, StreamRtcp, type OutgoingRtcp } from '../../../src/recorder/stream-rtcp.ts'
import { seededBytes } from '../../support/recording-rig.ts'

const BEGIN_US = 3_000_000_000
const BEGIN_UNIX_MS = Date.UTC(2026, 10, 29, 12)
const SRC: PacketOrigin = { address: '192.0.2.1', port: 4_000 }
const SRC_RTCP: PacketOrigin = { address: '192.0.2.1', port: 4_001 }
const STRANGER: PacketOrigin = { address: '198.51.100.66', port: 4_001 }
const SSRC = 0x5555
const unixMsAt = (us: number): number => BEGIN_UNIX_MS + (us - BEGIN_US) / 1_000

const TRANSPORT: MediaTransport = {
  address: SRC.address,
  rtpPort: 4_000,
  rtcpPort: 4_001,
  rtcpAddress: SRC.address,
  rtcpMux: false,
}

function keysOf(seed: number): SrtpKeys {
  const bytes = seededBytes(seed)
  return {
    suite: 'AES_CM_128_HMAC_SHA1_80',
    masterKeys: [{ key: bytes(16), salt: bytes(14), mki: new Uint8Array(0) }],
    unencryptedSrtp: false,
    unencryptedSrtcp: false,
    unauthenticatedSrtp: false,
  }
}

function packetOf(index: number, ssrc = SSRC): RtpPacket {
  const payload = new Uint8Array(0)
  return { payloadType: 0, marker: false, sequenceNumber: index, timestamp: index * 160, ssrc, payload }
}

class Rig {
  readonly sources: PacketSources
  readonly rtcp: StreamRtcp

  constructor(
    options: {
      readonly transport?: Partial<MediaTransport>
      readonly keys?: SrtpKeys
      readonly ownKeys?: SrtpKeys
      readonly isSilent?: boolean
      readonly randomBytes?: (length: number) => Uint8Array
    } = {},
  ) {
    const { keys, ownKeys } = options
    this.sources = new PacketSources(
      { transport: { address: SRC.address }, held: false },
      { sourceRule: 'latch', signallingAddress: undefined },
    )
    const plan = {
      streamId: asStreamId('0'),
      transport: { ...TRANSPORT, ...options.transport },
      keys,
      ...(ownKeys === undefined ? {} : { ownKeys }),
    }
    const randomBytes = options.randomBytes ?? seededBytes(9)
    const identity = options.isSilent === true ? undefined : { cname: 'xPvq3cA0+KQ=', randomBytes, unixMsAt }
    this.rtcp = new StreamRtcp(plan, this.sources, new StreamProtection(keys), identity)
  }

  /** Takes packets of 20 ms as the receiver does, all but those lost. */
  receive(origin: PacketOrigin, count: number, lost: readonly number[] = []): number {
    this.rtcp.begin(SSRC, 8_000)
    for (let index = 0; index < count; index++) {
      if (lost.includes(index)) continue
      const arrivalUs = BEGIN_US + index * 20_000
      this.sources.noteAuthentic(packetOf(index), origin, arrivalUs)
      this.rtcp.noteArrival(packetOf(index), 'queued', arrivalUs)
      this.rtcp.reception?.noteTiming(index, index * 160, arrivalUs)
    }
    return BEGIN_US + count * 20_000
  }

  /** The first report after `us`, with when it came. */
  next(us: number): { readonly atUs: number; readonly outgoing: OutgoingRtcp } | undefined {
    for (let atUs = us; atUs < us + 10_000_000; atUs += 100_000) {
      const outgoing = this.rtcp.takeDue(atUs)
      if (outgoing !== undefined) return { atUs, outgoing }
    }
    return undefined
  }
}

function read(bytes: Uint8Array | undefined): readonly RtcpPacket[] {
  const parsed = parseRtcp(bytes ?? new Uint8Array(0))
  if (!parsed.ok) throw new Error(`not RTCP: ${parsed.reason}`)
  return parsed.value
}

const reportIn = (packets: readonly RtcpPacket[]): ReceiverReport => {
  const [first] = packets
  if (first?.type !== 'receiverReport') throw new Error('a compound begins with a report')
  return first
}

const extendedIn = (packets: readonly RtcpPacket[]): ExtendedReport => {
  const found = packets.find((packet) => packet.type === 'extendedReport')
  if (found?.type !== 'extendedReport') throw new Error('no extended report')
  return found
}

function senderReport(options: {
  readonly atUs: number
  readonly packetCount?: number
  readonly ssrc?: number
}): Uint8Array {
  const { atUs, packetCount = 0, ssrc = SSRC } = options
  return Uint8Array.from([
    ...serializeSenderReport({
      type: 'senderReport',
      ssrc,
      ntpAtUnixMs: unixMsAt(atUs),
      rtpTimestamp: 0,
      packetCount,
      octetCount: 0,
      reports: [],
    }),
    ...serializeCname(ssrc, 'src@example.com'),
  ])
}

describe('what we report', () => {
  it('says how the SRC is heard, as RFC 3550 lays down, and its VoIP metrics', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 100, [10, 11, 50, 70])
    rig.rtcp.handleDatagram(senderReport({ atUs: afterUs }), afterUs, SRC_RTCP)
    const sent = rig.next(afterUs)
    const packets = read(sent?.outgoing.bytes)
    expect(packets.map(({ type }) => type)).toEqual(['receiverReport', 'sourceDescription', 'extendedReport'])
    const { ssrc, reports } = reportIn(packets)
    expect(ssrc).not.toBe(SSRC)
    expect(reports).toMatchObject([
      {
        ssrc: SSRC,
        cumulativeLost: 4,
        extendedHighestSequenceNumber: 99,
        lastSenderReport: ntpMiddleOf(unixMsAt(afterUs)),
        delaySinceLastSenderReport: Math.round((((sent?.atUs ?? 0) - afterUs) * 65_536) / 1_000_000),
      },
    ])
    expect(reports[0]?.fractionLost).toBeCloseTo(0.04, 2)
    expect(packets[1]).toEqual({ type: 'sourceDescription', sources: [{ ssrc, cname: 'xPvq3cA0+KQ=' }] })
    const { blocks } = extendedIn(packets)
    expect(blocks.map(({ type }) => type)).toEqual(['receiverReferenceTime', 'voipMetrics'])
  })

  it('goes out half to one and a half times every five seconds, the first sooner', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 1)
    let before = BEGIN_US
    for (let report = 0; report < 50; report++) {
      const sent = rig.next(Math.max(before, afterUs))
      const waitedUs = (sent?.atUs ?? Infinity) - before
      const meanUs = (report === 0 ? 2_500_000 : 5_000_000) / (Math.E - 1.5)
      expect(waitedUs).toBeGreaterThanOrEqual(0.5 * meanUs)
      expect(waitedUs).toBeLessThanOrEqual(1.5 * meanUs + 200_000)
      before = sent?.atUs ?? 0
    }
    expect(rig.rtcp.counters.sent).toBe(50)
  })

  it('does not go out before a packet was taken, nor when it is switched off', () => {
    expect(new Rig().next(BEGIN_US)).toBeUndefined()
    const silent = new Rig({ isSilent: true })
    const afterUs = silent.receive(SRC, 5)
    expect([silent.next(afterUs), silent.rtcp.takeGoodbye(afterUs)]).toEqual([undefined, undefined])
  })

  it('ends with a goodbye, if anybody has heard of us', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 5)
    expect(rig.rtcp.takeGoodbye(afterUs)).toBeUndefined()
    const heard = new Rig()
    heard.receive(SRC, 5)
    const sent = heard.next(afterUs)
    const { ssrc } = reportIn(read(sent?.outgoing.bytes))
    const last = read(heard.rtcp.takeGoodbye(sent?.atUs ?? 0)?.bytes)
    expect(last.at(-1)).toEqual({ type: 'goodbye', ssrcs: [ssrc] })
    expect(heard.next(sent?.atUs ?? 0)).toBeUndefined()
  })

  it('takes another SSRC when the SRC has ours, and says goodbye to the one it gives up', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 5)
    const first = rig.next(afterUs)
    const { ssrc } = reportIn(read(first?.outgoing.bytes))
    const atUs = first?.atUs ?? 0
    rig.rtcp.handleDatagram(senderReport({ atUs, ssrc }), atUs, SRC_RTCP)
    const packets = read(rig.next(atUs)?.outgoing.bytes)
    expect(reportIn(packets).ssrc).not.toBe(ssrc)
    expect(packets.at(-1)).toEqual({ type: 'goodbye', ssrcs: [ssrc] })
  })

  it('never has the SSRC of the SRC, whatever is drawn', () => {
    const rig = new Rig({ randomBytes: (length) => new Uint8Array(length).fill(0x55) })
    rig.rtcp.begin(0x5555_5555, 8_000)
    rig.sources.noteAuthentic(packetOf(1, 0x5555_5555), SRC, BEGIN_US)
    rig.rtcp.noteArrival(packetOf(1, 0x5555_5555), 'queued', BEGIN_US)
    expect(reportIn(read(rig.next(BEGIN_US)?.outgoing.bytes)).ssrc).toBe(0xaaaa_aaaa)
  })

  it('knows the round trip when the SRC quotes our reference time', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 5)
    const first = rig.next(afterUs)
    const atUs = first?.atUs ?? 0
    const { ssrc } = reportIn(read(first?.outgoing.bytes))
    const quote = (lastReceiverReport: number, delay: number): Uint8Array =>
      serializeExtendedReport({
        type: 'extendedReport',
        ssrc: SSRC,
        blocks: [{ type: 'delaySinceLastReceiverReport', reports: [{ ssrc, lastReceiverReport, delay }] }],
      })
    // 40 ms there and back, and 1 s at the SRC.
    rig.rtcp.handleDatagram(quote(ntpMiddleOf(unixMsAt(atUs)), 65_536), atUs + 1_040_000, SRC_RTCP)
    expect(rig.rtcp.roundTripMs).toBeCloseTo(40, 0)
    // Nonsense changes nothing: nothing quoted, or from the future.
    rig.rtcp.handleDatagram(quote(0, 1), atUs + 1_100_000, SRC_RTCP)
    rig.rtcp.handleDatagram(quote(ntpMiddleOf(unixMsAt(atUs + 9_000_000)), 1), atUs + 1_100_000, SRC_RTCP)
    expect(rig.rtcp.roundTripMs).toBeCloseTo(40, 0)
  })
})

describe('where we report to', () => {
  const target = (rig: Rig, origin: PacketOrigin, before?: () => void): unknown => {
    const afterUs = rig.receive(origin, 5)
    before?.()
    const { address, port, via } = rig.next(afterUs)?.outgoing ?? {}
    return { address, port, via }
  }

  it('is the port that the SDP gives, when RTP comes from the address that it names', () => {
    const rig = new Rig({ transport: { rtcpPort: 9_999 } })
    expect(target(rig, { ...SRC, port: 7_777 })).toEqual({ address: SRC.address, port: 9_999, via: 'rtcp' })
  })

  it('is the address of a=rtcp', () => {
    const rig = new Rig({ transport: { rtcpPort: 9_999, rtcpAddress: '192.0.2.33' } })
    expect(target(rig, SRC)).toEqual({ address: '192.0.2.33', port: 9_999, via: 'rtcp' })
  })

  it('is the RTP port, from our RTP port, when both share it', () => {
    expect(target(new Rig({ transport: { rtcpMux: true, rtcpPort: 4_000 } }), SRC)).toEqual({ ...SRC, via: 'rtp' })
  })

  it('is beside where RTP comes from, when that is not what the SDP names', () => {
    const latched = { address: '203.0.113.5', port: 40_000 }
    expect(target(new Rig(), latched)).toEqual({ ...latched, port: 40_001, via: 'rtcp' })
    expect(target(new Rig({ transport: { rtcpMux: true } }), latched)).toEqual({ ...latched, via: 'rtp' })
  })

  it('is where its RTCP comes from, when that is known', () => {
    const latched = { address: '203.0.113.5', port: 40_000 }
    const rig = new Rig()
    const hear = (): void =>
      rig.rtcp.handleDatagram(senderReport({ atUs: BEGIN_US }), BEGIN_US, { ...latched, port: 51_234 })
    expect(target(rig, latched, hear)).toEqual({ ...latched, port: 51_234, via: 'rtcp' })
  })

  it('is nowhere when the port beside it is none', () => {
    expect(target(new Rig(), { address: '203.0.113.5', port: 65_535 })).toEqual({})
  })
})

describe('what the SRC reports', () => {
  it('is believed from where it may come, and counted otherwise', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 10)
    const report = senderReport({ atUs: afterUs, packetCount: 10 })
    rig.rtcp.handleDatagram(report, afterUs, STRANGER)
    expect(rig.rtcp.tally).toBeUndefined()
    rig.rtcp.handleDatagram(Uint8Array.of(0x80, 200, 0, 1), afterUs, SRC_RTCP)
    rig.rtcp.handleDatagram(report, afterUs, SRC_RTCP)
    expect(rig.rtcp.tally?.sent).toBe(10)
    expect(rig.rtcp.cname).toBe('src@example.com')
    expect(rig.rtcp.counters).toMatchObject({
      received: { senderReport: 1, sourceDescription: 1 },
      discarded: { source: 1, srtcp: 0, malformed: 1 },
    })
    expect(rig.rtcp.tally).toMatchObject({ senderReports: 1, sent: 10, received: 10 })
  })

  it('is passed over when it is of another SSRC', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 10)
    rig.rtcp.handleDatagram(senderReport({ atUs: afterUs, ssrc: 99 }), afterUs, SRC_RTCP)
    expect([rig.rtcp.senderClock, rig.rtcp.tally]).toEqual([undefined, undefined])
  })

  it('may be a goodbye, which packets that go on for long take back', () => {
    const rig = new Rig()
    const afterUs = rig.receive(SRC, 10)
    rig.rtcp.handleDatagram(serializeGoodbye([1, 2]), afterUs, SRC_RTCP)
    rig.rtcp.handleDatagram(serializeGoodbye([SSRC]), afterUs, STRANGER)
    expect(rig.rtcp.hasLeft).toBe(false)
    rig.rtcp.handleDatagram(serializeGoodbye([1, SSRC]), afterUs, SRC_RTCP)
    rig.rtcp.noteArrival(packetOf(10), 'queued', afterUs + GOODBYE_GRACE_US)
    expect([rig.rtcp.hasLeft, rig.rtcp.goodbyes]).toEqual([true, 1])
    rig.rtcp.noteArrival(packetOf(11), 'queued', afterUs + GOODBYE_GRACE_US + 1)
    expect(rig.rtcp.hasLeft).toBe(false)
  })
})

describe('on a stream with keys', () => {
  const keys = keysOf(1)
  const ownKeys = keysOf(2)

  it('only authentic RTCP is believed, wherever it comes from', () => {
    const rig = new Rig({ keys, ownKeys })
    const afterUs = rig.receive(SRC, 10)
    const report = senderReport({ atUs: afterUs, packetCount: 10 })
    rig.rtcp.handleDatagram(report, afterUs, SRC_RTCP)
    rig.rtcp.handleDatagram(new SrtpSender(ownKeys).protectRtcp(report), afterUs, SRC_RTCP)
    expect(rig.rtcp.tally).toBeUndefined()
    const sealed = new SrtpSender(keys).protectRtcp(report)
    rig.rtcp.handleDatagram(sealed, afterUs, STRANGER)
    expect(rig.rtcp.tally?.sent).toBe(10)
    // The same again is a replay.
    rig.rtcp.handleDatagram(sealed, afterUs, SRC_RTCP)
    expect(rig.rtcp.counters).toMatchObject({ received: { senderReport: 1 }, discarded: { srtcp: 3, source: 0 } })
  })

  it('what we send is under our own key', () => {
    const rig = new Rig({ keys, ownKeys })
    const afterUs = rig.receive(SRC, 10)
    const sent = rig.next(afterUs)
    expect(parseRtcp(sent?.outgoing.bytes.subarray(8) ?? new Uint8Array(0)).ok).toBe(false)
    const src = new SrtpReceiver(ownKeys)
    const opened = src.unprotectRtcp(sent?.outgoing.bytes ?? new Uint8Array(0), afterUs)
    expect(opened.ok && reportIn(read(opened.value)).reports).toMatchObject([{ ssrc: SSRC }])
    const again = src.unprotectRtcp(rig.next(sent?.atUs ?? 0)?.outgoing.bytes ?? new Uint8Array(0), afterUs)
    expect(again.ok).toBe(true)
  })

  it('nothing is sent in clear when we have no key', () => {
    const rig = new Rig({ keys })
    expect(rig.next(rig.receive(SRC, 10))).toBeUndefined()
  })

  it('a new key of ours is used from then on, the same one goes on', () => {
    const rig = new Rig({ keys, ownKeys })
    const afterUs = rig.receive(SRC, 10)
    const other = keysOf(3)
    const plan = { streamId: asStreamId('0'), transport: TRANSPORT, keys }
    rig.rtcp.replan({ ...plan, ownKeys: keysOf(2) })
    const first = rig.next(afterUs)
    rig.rtcp.replan({ ...plan, ownKeys: other })
    const second = rig.next(first?.atUs ?? 0)
    const bytesOf = (sent: typeof first): Uint8Array => sent?.outgoing.bytes ?? new Uint8Array(0)
    expect(new SrtpReceiver(ownKeys).unprotectRtcp(bytesOf(first), afterUs).ok).toBe(true)
    expect(new SrtpReceiver(ownKeys).unprotectRtcp(bytesOf(second), afterUs).ok).toBe(false)
    expect(new SrtpReceiver(other).unprotectRtcp(bytesOf(second), afterUs).ok).toBe(true)
  })
})
