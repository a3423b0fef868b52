import { describe, expect, it } from 'vitest'
import { decodePcmu } from '../../../src/media/g711.ts'
import { parseRtp } from '../../../src/protocol/rtp/packet.ts'
import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { noise } from '../../support/audio.ts'
import { buildPcap, PCAP_BASE_PORT } from '../../support/pcap.ts'
import type { PcapOptions } from '../../support/pcap.ts'

const STREAMS = [
  {
    samples: noise({ seed: 1, samples: 16_000 }),
    portOffset: 0,
    ssrc: 111,
    sequenceNumber: 65_530,
    timestamp: 0xffff_ff00,
  },
  { samples: noise({ seed: 2, samples: 16_050 }), portOffset: 2, ssrc: 222, sequenceNumber: 10, timestamp: 0 },
]
const IMPAIRED = { lossFraction: 0.05, jitterUs: 60_000, reorderFraction: 0.02, duplicateFraction: 0.02 }

/** Reads a capture back, knowing nothing of how it was written but the file format. */
function readPcap(bytes: Uint8Array): { atUs: number; port: number; rtp: RtpPacket }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  expect(view.getUint32(0, true)).toBe(0xa1b2c3d4)
  const packets = []
  for (let offset = 24; offset < bytes.length;) {
    const length = view.getUint32(offset + 8, true)
    const frame = offset + 16
    const ipBytes = (view.getUint8(frame + 14) & 0x0f) * 4
    const udp = frame + 14 + ipBytes
    expect(view.getUint16(udp + 4)).toBe(length - 14 - ipBytes)
    const rtp = parseRtp(bytes.subarray(udp + 8, frame + length))
    if (!rtp.ok) throw new Error(rtp.reason)
    const atUs = view.getUint32(offset, true) * 1_000_000 + view.getUint32(offset + 4, true)
    packets.push({ atUs, port: view.getUint16(udp + 2), rtp: rtp.value })
    offset = frame + length
  }
  return packets
}

function build(change: Partial<PcapOptions> = {}) {
  return buildPcap({ streams: STREAMS, seed: 5, ...change })
}

describe('captures made for tests', () => {
  it('hold every packet of both streams at their ports, 20 ms apart', () => {
    const packets = readPcap(build().bytes)
    const first = packets.filter(({ port }) => port === PCAP_BASE_PORT)
    const second = packets.filter(({ port }) => port === PCAP_BASE_PORT + 2)
    expect([first.length, second.length]).toEqual([100, 101])
    expect(first.map(({ atUs }) => atUs)).toEqual(Array.from({ length: 100 }, (_, index) => index * 20_000))
    expect(first.slice(4, 8).map(({ rtp }) => rtp.sequenceNumber)).toEqual([65_534, 65_535, 0, 1])
    expect(first.slice(0, 3).map(({ rtp }) => rtp.timestamp)).toEqual([0xffff_ff00, 0xffff_ffa0, 0x40])
    expect(new Set(second.map(({ rtp }) => rtp.ssrc))).toEqual(new Set([222]))
    expect(build().streams[0]?.nextSequenceNumber).toBe((65_530 + 100) & 0xffff)
  })

  it('carry the audio that the report says is heard', () => {
    const pcap = build()
    const heard = readPcap(pcap.bytes)
      .filter(({ rtp }) => rtp.ssrc === 222)
      .flatMap(({ rtp }) => [...decodePcmu(rtp.payload)])
    expect(heard).toEqual([...(pcap.streams[1]?.heard ?? [])])
  })

  it('are in the order of time, whatever is impaired', () => {
    const times = readPcap(build({ impairment: IMPAIRED }).bytes).map(({ atUs }) => atUs)
    expect(times).toEqual([...times].sort((left, right) => left - right))
  })

  it('tell exactly what was sent and what was dropped', () => {
    const pcap = build({ impairment: IMPAIRED })
    const packets = readPcap(pcap.bytes)
    for (const report of pcap.streams) {
      const found = packets.filter(({ rtp }) => rtp.ssrc === report.ssrc).map(({ rtp }) => rtp.sequenceNumber)
      expect(found).toEqual(report.sent.map(({ sequenceNumber }) => sequenceNumber))
      expect(report.sent.length).toBe(report.counts.sent)
      expect(report.lost.length).toBe(report.counts.lost)
      expect(report.lost.length).toBeGreaterThan(0)
      for (const { sequenceNumber, index } of report.lost) {
        expect(found).not.toContain(sequenceNumber)
        expect(new Set(report.heard.subarray(index * 160, (index + 1) * 160))).toEqual(new Set([0]))
      }
      const distinct = new Set(found).size
      expect(found.length - distinct).toBe(report.counts.duplicated)
      expect(distinct + report.lost.length).toBe(Math.ceil(report.heard.length / 160))
    }
  })

  it('are the same for the same seed', () => {
    expect(build({ impairment: IMPAIRED }).bytes).toEqual(build({ impairment: IMPAIRED }).bytes)
    expect(build({ impairment: IMPAIRED, seed: 6 }).bytes).not.toEqual(build({ impairment: IMPAIRED }).bytes)
  })

  it('let a fast clock and a slow clock drift apart', () => {
    const [fast, slow] = STREAMS
    if (fast === undefined || slow === undefined) throw new Error('no streams')
    const pcap = build({
      streams: [
        { ...fast, driftPpm: 10_000 },
        { ...slow, driftPpm: -10_000 },
      ],
    })
    expect(pcap.streams[0]?.sent.at(-1)?.atUs).toBe(Math.round((99 * 20_000) / 1.01))
    expect(pcap.streams[1]?.sent.at(-1)?.atUs).toBe(Math.round((100 * 20_000) / 0.99))
  })
})
