import { describe, expect, it } from 'vitest'

import { parseRtcp, type RtcpPacket } from '../../../src/protocol/rtp/rtcp.ts'
import { serializeGoodbye, serializeSenderReport } from '../../../src/protocol/rtp/rtcp-writer.ts'
import type { MediaTransport } from '../../../src/recorder/media-transport.ts'
import type { PacketOrigin, SourceRule } from '../../../src/recorder/packet-sources.ts'
import { MOVES_TOLD_MAX } from '../../../src/recorder/receiver-set.ts'
import { matchAudio, noise } from '../../support/audio.ts'
import {
  EncoderStock,
  OPENED_AT_UNIX_MS,
  OPENED_US,
  packetsOf,
  planOf,
  RecordingRig,
  type Arrival,
} from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
const SRC: PacketOrigin = { address: '192.0.2.1', port: 4_000 }
const SRC_RTCP: PacketOrigin = { address: '192.0.2.1', port: 4_001 }
const STRANGER: PacketOrigin = { address: '198.51.100.66', port: 6_666 }
const ELSEWHERE: PacketOrigin = { address: '203.0.113.7', port: 7_000 }
const TRANSPORT: MediaTransport = {
  address: SRC.address,
  rtpPort: 4_000,
  rtcpPort: 4_001,
  rtcpAddress: SRC.address,
  rtcpMux: false,
}
const plan = planOf(0, { transport: TRANSPORT })
const said = noise({ seed: 5, samples: 8 * 8_000, amplitude: 0.4 })
const injected = noise({ seed: 6, samples: 20 * 8_000, amplitude: 0.4 })

async function rigOf(sourceRule: SourceRule = 'latch', sendsRtcp = true): Promise<RecordingRig> {
  const reception = { sourceRule, signallingAddress: '192.0.2.9', sendsRtcp }
  return new RecordingRig({ encoders: await EncoderStock.of(2), plans: [plan], facts: { reception } })
}

/** Speech of the SRC, as packets from somewhere. */
function speech(
  origin: PacketOrigin,
  options: { readonly from?: number; readonly to?: number; readonly atMs?: number; readonly ssrc?: number } = {},
): Arrival[] {
  const { from = 0, to = 8, atMs = from * 1_000, ssrc = 1 } = options
  const samples = said.subarray(from * 8_000, to * 8_000)
  return packetsOf({ plan, samples, fromUs: atMs * 1_000, ssrc }).map((arrival) => ({ ...arrival, origin }))
}

function spray(fromMs: number, toMs: number): Arrival[] {
  const samples = injected.subarray(0, (toMs - fromMs) * 8)
  return packetsOf({ plan, samples, fromUs: fromMs * 1_000, ssrc: 666 }).map((arrival) => ({
    ...arrival,
    origin: STRANGER,
  }))
}

async function similarity(rig: RecordingRig, to: Int16Array = said): Promise<number> {
  const [heard] = await rig.heard()
  return matchAudio(to, heard ?? new Int16Array(0), { lagMax: 800 }).correlation
}

function rtcpAt(atMs: number, datagram: Uint8Array, origin: PacketOrigin): Arrival {
  return { streamId: plan.streamId, datagram, arrivalUs: OPENED_US + atMs * 1_000, origin, isRtcp: true }
}

function senderReport(atMs: number, packetCount: number): Uint8Array {
  return serializeSenderReport({
    type: 'senderReport',
    ssrc: 1,
    ntpAtUnixMs: OPENED_AT_UNIX_MS + atMs,
    rtpTimestamp: (0xffff_ff00 + atMs * 8) >>> 0,
    packetCount,
    octetCount: packetCount * 160,
    reports: [],
  })
}

function read(bytes: Uint8Array | undefined): readonly RtcpPacket[] {
  const parsed = parseRtcp(bytes ?? new Uint8Array(0))
  return parsed.ok ? parsed.value : []
}

describe('a stranger who sprays the port', () => {
  it('before, during and after the SRC gets nothing in, and costs nothing', async () => {
    const rig = await rigOf()
    rig.run([...spray(0, 8_400), ...speech(SRC, { atMs: 100 })], 8.4 * SECOND_US)
    const manifest = rig.end(8.4 * SECOND_US)
    expect(manifest.streams[0]?.packets).toMatchObject({ received: 400, lost: 0 })
    expect(manifest.streams[0]?.packets.discarded).toBeGreaterThan(400)
    expect(rig.recordingSession.streamReceivers.get(plan.streamId)?.counters.packetsDiscarded.source).toBeGreaterThan(
      400,
    )
    expect(rig.sink.incidentCodes).toEqual([])
    expect(await similarity(rig)).toBeGreaterThan(0.9)
  })

  it('gets nothing in at all where only the address of the SDP may send', async () => {
    const rig = await rigOf('sdp')
    rig.run([...spray(0, 3_000), ...speech(SRC, { atMs: 3_000 }), ...spray(11_500, 12_000)], 13 * SECOND_US)
    const manifest = rig.end(11.1 * SECOND_US)
    expect(manifest.streams[0]?.packets).toMatchObject({ received: 400, discarded: 175 })
    expect(await similarity(rig)).toBeGreaterThan(0.9)
  })
})

describe('an SRC that sends from elsewhere than its SDP says', () => {
  it('is recorded whole, and followed when it moves; the manifest says that it did', async () => {
    const rig = await rigOf()
    rig.run([...speech(ELSEWHERE, { to: 4 }), ...speech(STRANGER, { from: 4, ssrc: 2 })], 8.2 * SECOND_US)
    const manifest = rig.end(8.2 * SECOND_US)
    expect(manifest.streams[0]?.packets).toMatchObject({ received: 400, lost: 0, discarded: 0 })
    expect(manifest.incidents.map(({ code }) => code)).toEqual(['source-moved'])
    expect(await similarity(rig)).toBeGreaterThan(0.9)
  })

  it('is recorded even when it ends at once', async () => {
    const rig = await rigOf()
    rig.run(speech(ELSEWHERE).slice(0, 6), 150_000)
    expect(rig.end(150_000).streams[0]?.packets).toMatchObject({ received: 6 })
  })

  it('is told of a bounded number of times', async () => {
    const rig = await rigOf()
    const places = Array.from({ length: MOVES_TOLD_MAX + 3 }, (_, place) => ({
      address: `203.0.113.${place + 1}`,
      port: 5_000,
    }))
    const arrivals = places.flatMap((origin, index) =>
      speech(origin, { from: 0, to: 1, atMs: index * 1_000, ssrc: 100 + index }),
    )
    rig.run(arrivals, places.length * SECOND_US + 200_000)
    expect(rig.sink.incidentCodes.filter((code) => code === 'source-moved').length).toBe(MOVES_TOLD_MAX)
  })

  it('is said to be contested when another, no better known, sends all the time', async () => {
    const rig = await rigOf()
    rig.run([...speech(ELSEWHERE), ...spray(2_000, 8_000)], 8.2 * SECOND_US)
    expect(rig.end(8.2 * SECOND_US).incidents.map(({ code }) => code)).toEqual(['source-contested'])
    expect(await similarity(rig)).toBeGreaterThan(0.9)
  })
})

describe('RTCP', () => {
  it('tells the SRC what is lost, and says goodbye', async () => {
    const rig = await rigOf()
    const impaired = speech(SRC).filter((_, index) => index % 20 !== 7)
    rig.run([...impaired, rtcpAt(1_000, senderReport(1_000, 50), SRC_RTCP)], 8.1 * SECOND_US)
    rig.recordingSession.sayGoodbye(OPENED_US + 8.1 * SECOND_US)
    expect(rig.sink.rtcp.length).toBeGreaterThanOrEqual(2)
    expect(new Set(rig.sink.rtcp.map(({ address, port, via }) => `${address} ${port} ${via}`))).toEqual(
      new Set(['192.0.2.1 4001 rtcp']),
    )
    const last = read(rig.sink.rtcp.at(-1)?.bytes)
    expect(last[0]).toMatchObject({ type: 'receiverReport', reports: [{ ssrc: 1, cumulativeLost: 20 }] })
    expect(last.at(-1)?.type).toBe('goodbye')
  })

  it('is told of in the manifest: what the SRC counted, its goodbye, who was not believed', async () => {
    const rig = await rigOf()
    // The first three packets never come: no sequence number tells of them.
    const arrivals = speech(SRC).slice(3)
    const reports = [
      rtcpAt(1_000, senderReport(1_000, 50), SRC_RTCP),
      rtcpAt(7_000, senderReport(7_000, 350), SRC_RTCP),
    ]
    const others = [rtcpAt(2_000, senderReport(9_000, 1), STRANGER), rtcpAt(8_050, serializeGoodbye([1]), SRC_RTCP)]
    rig.run([...arrivals, ...reports, ...others, ...spray(4_000, 4_200)], 8.1 * SECOND_US)
    const [stream] = rig.end(8.1 * SECOND_US).streams
    expect(stream?.packets.lost).toBe(0)
    expect(stream?.rtcp).toEqual({
      ...{ senderReports: 2, goodbyes: 1, discarded: 1, packetsSent: 350, packetsArrived: 347 },
      ...{ octetsSent: expect.any(Number), octetsArrived: 347 * 160 },
      ...{ disagreements: 0, refusals: 0, alignedSamples: 0, alignedBy: 'arrival' },
    })
    expect(stream?.reception).toMatchObject({ ssrcs: 1, packetsExpected: 397, packetsReceived: 397, lossRate: 0 })
    expect(stream?.sources).toEqual({ kinds: ['sdp'], dropped: 10, moves: 0 })
  })

  it('is not told of in the manifest when none came', async () => {
    const rig = await rigOf()
    rig.run(speech(SRC), 8.1 * SECOND_US)
    expect(rig.end(8.1 * SECOND_US).streams[0]).not.toHaveProperty('rtcp')
  })

  it('is not sent when it is switched off', async () => {
    const rig = await rigOf('latch', false)
    rig.run(speech(SRC), 8.1 * SECOND_US)
    rig.recordingSession.sayGoodbye(OPENED_US + 8.1 * SECOND_US)
    expect(rig.sink.rtcp).toEqual([])
  })

  it('is read on the RTP port too, and counts as no discarded packet', async () => {
    const rig = await rigOf()
    rig.run([...speech(SRC), { ...rtcpAt(2_000, senderReport(2_000, 100), SRC), isRtcp: false }], 8.1 * SECOND_US)
    expect(rig.recordingSession.streamReceivers.get(plan.streamId)?.rtcp.counters.received.senderReport).toBe(1)
    expect(rig.end(8.1 * SECOND_US).streams[0]?.packets.discarded).toBe(0)
  })

  it('lets another SSRC follow at once on one that said goodbye', async () => {
    const heard: number[] = []
    for (const saysGoodbye of [true, false]) {
      const rig = await rigOf()
      const after = speech(SRC, { from: 4, ssrc: 2 }).slice(0, 3)
      const goodbye = saysGoodbye ? [rtcpAt(4_011, serializeGoodbye([1]), SRC_RTCP)] : []
      rig.run([...speech(SRC, { to: 4 }), ...goodbye, ...after], 4.08 * SECOND_US)
      heard.push(rig.recordingSession.streamReceivers.get(plan.streamId)?.counters.packetsReceived ?? 0)
    }
    // Without the goodbye three packets are not yet 100 ms of silence.
    expect(heard).toEqual([203, 200])
  })
})
