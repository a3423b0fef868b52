import { accepted, rejected, type Result } from '../../result.ts'

/** Bytes of the fixed header. RFC 3550 5.1 */
export const RTP_HEADER_LENGTH = 12

/** One RTP packet. RFC 3550 5.1 */
export interface RtpPacket {
  /** 0..127 */
  readonly payloadType: number
  readonly marker: boolean
  /** 0..65535 */
  readonly sequenceNumber: number
  /** 0..2^32-1, units of the payload type's clock. */
  readonly timestamp: number
  /** 0..2^32-1 */
  readonly ssrc: number
  /**
   * Without CSRC list, header extension and padding; may be empty. As read it is a view into the datagram, whose memory is used again
   * for the next one: whoever keeps the packet puts a copy in its place.
   */
  payload: Uint8Array
}

/**
 * `short`: header or CSRC list cut off. `version`: not 2. `padding`: count zero or larger than what is left.
 * `extension`: cut off. `rtcp`: the packet type range of RTCP, which may share the port (RFC 5761 4).
 */
export type RtpRejectReason = 'short' | 'version' | 'padding' | 'extension' | 'rtcp'

// RFC 5761 4: the second byte of RTCP, seen as marker and payload type, is a marker with payload types 64..95.
const RTCP_TYPE_MIN = 192
const RTCP_TYPE_MAX = 223

/**
 * Reads one datagram as RTP. Never throws, never copies: `payload` is valid as long as the datagram's buffer is not reused.
 * The contents of CSRC list and header extension are skipped, not read. RFC 3550 5.1, 5.3.1
 */
export function parseRtp(datagram: Uint8Array): Result<RtpPacket, RtpRejectReason> {
  const length = datagram.length
  if (length < RTP_HEADER_LENGTH) return rejected('short')
  const first = byte(datagram, 0)
  if (first >> 6 !== 2) return rejected('version')
  const second = byte(datagram, 1)
  if (second >= RTCP_TYPE_MIN && second <= RTCP_TYPE_MAX) return rejected('rtcp')
  let start = RTP_HEADER_LENGTH + 4 * (first & 0x0f)
  if (start > length) return rejected('short')
  if ((first & 0x10) !== 0) {
    if (start + 4 > length) return rejected('extension')
    start += 4 + 4 * uint16(datagram, start + 2)
    if (start > length) return rejected('extension')
  }
  let end = length
  if ((first & 0x20) !== 0) {
    const padding = byte(datagram, length - 1)
    if (padding === 0 || padding > length - start) return rejected('padding')
    end -= padding
  }
  return accepted({
    payloadType: second & 0x7f,
    marker: second >= 0x80,
    sequenceNumber: uint16(datagram, 2),
    timestamp: uint32(datagram, 4),
    ssrc: uint32(datagram, 8),
    payload: datagram.subarray(start, end),
  })
}

/** Writes a packet without CSRC list, extension or padding. Fields beyond their width are truncated. RFC 3550 5.1 */
export function serializeRtp(packet: RtpPacket): Uint8Array {
  const datagram = new Uint8Array(RTP_HEADER_LENGTH + packet.payload.length)
  const view = new DataView(datagram.buffer)
  view.setUint8(0, 0x80)
  view.setUint8(1, (packet.marker ? 0x80 : 0) | (packet.payloadType & 0x7f))
  view.setUint16(2, packet.sequenceNumber)
  view.setUint32(4, packet.timestamp)
  view.setUint32(8, packet.ssrc)
  datagram.set(packet.payload, RTP_HEADER_LENGTH)
  return datagram
}

function byte(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0
}

function uint16(bytes: Uint8Array, offset: number): number {
  return (byte(bytes, offset) << 8) | byte(bytes, offset + 1)
}

function uint32(bytes: Uint8Array, offset: number): number {
  return uint16(bytes, offset) * 0x1_0000 + uint16(bytes, offset + 2)
}
