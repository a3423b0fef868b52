import { impairPackets, NO_IMPAIRMENT, nominalOffsetUs } from '../../src/cli/simulate/impairment.ts'
import type { ImpairmentCounts, ImpairmentProfile } from '../../src/cli/simulate/impairment.ts'
import { seededRandom } from '../../src/cli/simulate/random.ts'
import { decodePcma, decodePcmu, encodePcma, encodePcmu } from '../../src/media/g711.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import type { RtpPacket } from '../../src/protocol/rtp/packet.ts'

/** One media stream to be put into a capture. */
export interface PcapStream {
  /** 8 kHz; the last packet is filled with silence. */
  readonly samples: Int16Array
  /** Destination port minus the lowest of the capture: SIPp keeps this difference. Even. */
  readonly portOffset: number
  readonly ssrc: number
  readonly sequenceNumber: number
  readonly timestamp: number
  /** Clock error of this stream, parts per million. */
  readonly driftPpm?: number
  /** Turns each packet into what is sent of it, in the order of sequence: SRTP. */
  readonly protect?: (packet: Uint8Array) => Uint8Array
}

export interface PcapOptions {
  readonly streams: readonly PcapStream[]
  readonly codec?: 'PCMU' | 'PCMA'
  readonly impairment?: ImpairmentProfile
  /** Gives the same capture again. */
  readonly seed: number
}

/** One packet as the capture has it, or as it would have been. */
export interface PlannedPacket {
  /** Position in the stream, from 0. */
  readonly index: number
  readonly sequenceNumber: number
  readonly timestamp: number
}

export interface PcapStreamReport {
  readonly portOffset: number
  readonly ssrc: number
  /** Everything in the capture, in the order of its times; second copies included. */
  readonly sent: readonly (PlannedPacket & { readonly atUs: number; readonly copy: boolean })[]
  /** What the capture leaves out, in sequence. */
  readonly lost: readonly PlannedPacket[]
  readonly counts: ImpairmentCounts
  /** What a perfect receiver hears: through the codec and back, silence where packets are lost. */
  readonly heard: Int16Array
  readonly nextSequenceNumber: number
}

export interface Pcap {
  readonly bytes: Uint8Array
  readonly streams: readonly PcapStreamReport[]
  readonly durationMs: number
}

export const PCAP_BASE_PORT = 40_000
const PACKET_SAMPLES = 160
const PACKET_TIME_US = 20_000
const PAYLOAD_TYPES = { PCMU: 0, PCMA: 8 } as const

interface CapturedPacket {
  readonly atUs: number
  readonly portOffset: number
  readonly datagram: Uint8Array
}

/**
 * Makes a capture (libpcap format, Ethernet, IPv4, UDP) of RTP streams that begin together, impaired by a seed, and says
 * exactly what is in it and what was left out.
 */
export function buildPcap(options: PcapOptions): Pcap {
  const built = options.streams.map((stream) => buildStream(stream, options))
  const packets = built.flatMap(({ packets: captured }) => captured).sort((left, right) => left.atUs - right.atUs)
  const durationMs =
    Math.max(0, ...options.streams.map(({ samples }) => packetCount(samples))) * (PACKET_TIME_US / 1_000)
  return { bytes: writePcap(packets), streams: built.map(({ report }) => report), durationMs }
}

function buildStream(
  stream: PcapStream,
  options: PcapOptions,
): { readonly packets: readonly CapturedPacket[]; readonly report: PcapStreamReport } {
  const { codec = 'PCMU', impairment = NO_IMPAIRMENT, seed } = options
  const encoded = codec === 'PCMU' ? encodePcmu(stream.samples) : encodePcma(stream.samples)
  const padded = new Uint8Array(packetCount(stream.samples) * PACKET_SAMPLES).fill(codec === 'PCMU' ? 0xff : 0xd5)
  padded.set(encoded)
  const planned = Array.from({ length: packetCount(stream.samples) }, (_, index) => ({
    packet: planPacket(stream, index),
    nominalUs: nominalOffsetUs(index, PACKET_TIME_US, stream.driftPpm ?? 0),
  }))
  const random = seededRandom(seed, `pcap stream ${stream.portOffset}`)
  const schedule = impairPackets(planned, impairment, random)
  const payloadOf = ({ index }: PlannedPacket): Uint8Array =>
    padded.subarray(index * PACKET_SAMPLES, (index + 1) * PACKET_SAMPLES)
  const datagrams = planned.map(({ packet }) => {
    const content = { payloadType: PAYLOAD_TYPES[codec], payload: payloadOf(packet) }
    const clear = serializeRtp(rtpPacket(stream, packet, content))
    return stream.protect === undefined ? clear : stream.protect(clear)
  })
  const packets = schedule.packets.map(({ packet, sendAtUs }) => ({
    atUs: sendAtUs,
    portOffset: stream.portOffset,
    datagram: datagrams[packet.index] ?? new Uint8Array(0),
  }))
  const heard = codec === 'PCMU' ? decodePcmu(padded) : decodePcma(padded)
  for (const { index } of schedule.lost) heard.fill(0, index * PACKET_SAMPLES, (index + 1) * PACKET_SAMPLES)
  const report: PcapStreamReport = {
    portOffset: stream.portOffset,
    ssrc: stream.ssrc,
    sent: schedule.packets.map(({ packet, sendAtUs, copy }) => ({ ...packet, atUs: sendAtUs, copy })),
    lost: schedule.lost,
    counts: schedule.counts,
    heard,
    nextSequenceNumber: (stream.sequenceNumber + planned.length) & 0xffff,
  }
  return { packets, report }
}

function packetCount(samples: Int16Array): number {
  return Math.ceil(samples.length / PACKET_SAMPLES)
}

function planPacket(stream: PcapStream, index: number): PlannedPacket {
  return {
    index,
    sequenceNumber: (stream.sequenceNumber + index) & 0xffff,
    timestamp: (stream.timestamp + index * PACKET_SAMPLES) >>> 0,
  }
}

function rtpPacket(
  { ssrc }: PcapStream,
  { index, sequenceNumber, timestamp }: PlannedPacket,
  content: { readonly payloadType: number; readonly payload: Uint8Array },
): RtpPacket {
  return { ...content, marker: index === 0, sequenceNumber, timestamp, ssrc }
}

const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const ETHERNET_BYTES = 14
const IPV4_BYTES = 20
const UDP_BYTES = 8

function writePcap(packets: readonly CapturedPacket[]): Uint8Array {
  const overhead = RECORD_HEADER_BYTES + ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES
  const size = packets.reduce((sum, { datagram }) => sum + overhead + datagram.length, FILE_HEADER_BYTES)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  // Microsecond magic, version 2.4, UTC, snap length 65535, link type 1 (Ethernet).
  view.setUint32(0, 0xa1b2c3d4, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 4, true)
  view.setUint32(16, 65_535, true)
  view.setUint32(20, 1, true)
  let offset = FILE_HEADER_BYTES
  for (const { atUs, portOffset, datagram } of packets) {
    const length = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES + datagram.length
    view.setUint32(offset, Math.floor(atUs / 1_000_000), true)
    view.setUint32(offset + 4, atUs % 1_000_000, true)
    view.setUint32(offset + 8, length, true)
    view.setUint32(offset + 12, length, true)
    writeHeaders(view, offset + RECORD_HEADER_BYTES, portOffset, datagram.length)
    bytes.set(datagram, offset + overhead)
    offset += overhead + datagram.length
  }
  return bytes
}

function writeHeaders(view: DataView, offset: number, portOffset: number, payloadBytes: number): void {
  view.setUint16(offset + 12, 0x0800)
  const ip = offset + ETHERNET_BYTES
  view.setUint8(ip, 0x45)
  view.setUint16(ip + 2, IPV4_BYTES + UDP_BYTES + payloadBytes)
  view.setUint8(ip + 8, 64)
  view.setUint8(ip + 9, 17)
  view.setUint32(ip + 12, 0x7f000001)
  view.setUint32(ip + 16, 0x7f000001)
  view.setUint16(ip + 10, ipChecksum(view, ip))
  const udp = ip + IPV4_BYTES
  view.setUint16(udp, PCAP_BASE_PORT + portOffset)
  view.setUint16(udp + 2, PCAP_BASE_PORT + portOffset)
  view.setUint16(udp + 4, UDP_BYTES + payloadBytes)
}

// RFC 1071
function ipChecksum(view: DataView, ip: number): number {
  let sum = 0
  for (let position = 0; position < IPV4_BYTES; position += 2) sum += view.getUint16(ip + position)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
