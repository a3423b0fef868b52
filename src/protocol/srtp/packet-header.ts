/** The payload of a UDP datagram is shorter; longer keystreams would leave the 16 bits of a counter. RFC 3711 4.1.1 */
export const DATAGRAM_LENGTH_MAX = 65_535
const RTP_HEADER_LENGTH = 12
/** RFC 3711 3.4: the first eight octets of a compound packet stay in clear. */
export const RTCP_HEADER_LENGTH = 8

/**
 * `short`: no room for header, tag and MKI. `long`: no datagram. `version`: not 2. `extension`: cut off. `rtcp`, `notRtcp`: the one
 * where the other belongs (RFC 5761 4).
 */
export type HeaderRejectReason = 'short' | 'long' | 'version' | 'extension' | 'rtcp' | 'notRtcp'

/** What is in clear in front of every packet. It is read into, so that one serves for many packets. */
export interface PacketHeader {
  /** Octets that are authenticated but not encrypted: CSRC list and header extension are among them. RFC 3711 3.1 */
  headerLength: number
  ssrc: number
  /** 0 for RTCP. */
  sequenceNumber: number
}

/** Reads as much of an RTP header as a transform has to know into `header`; undefined, or what is wrong with it. RFC 3550 5.1 */
export function readRtpHeader(packet: Uint8Array, header: PacketHeader): HeaderRejectReason | undefined {
  if (packet.length < RTP_HEADER_LENGTH) return 'short'
  if (packet.length > DATAGRAM_LENGTH_MAX) return 'long'
  const first = octet(packet, 0)
  if (first >> 6 !== 2) return 'version'
  if (isRtcpType(octet(packet, 1))) return 'rtcp'
  let length = RTP_HEADER_LENGTH + 4 * (first & 0x0f)
  if ((first & 0x10) !== 0) {
    if (length + 4 > packet.length) return 'extension'
    length += 4 + 4 * uint16(packet, length + 2)
  }
  if (length > packet.length) return (first & 0x10) === 0 ? 'short' : 'extension'
  header.headerLength = length
  header.ssrc = uint32(packet, 8)
  header.sequenceNumber = uint16(packet, 2)
  return undefined
}

/** Likewise of RTCP. RFC 3550 6.4.1, RFC 3711 3.4 */
export function readRtcpHeader(packet: Uint8Array, header: PacketHeader): HeaderRejectReason | undefined {
  if (packet.length < RTCP_HEADER_LENGTH) return 'short'
  if (packet.length > DATAGRAM_LENGTH_MAX) return 'long'
  if (octet(packet, 0) >> 6 !== 2) return 'version'
  if (!isRtcpType(octet(packet, 1))) return 'notRtcp'
  header.headerLength = RTCP_HEADER_LENGTH
  header.ssrc = uint32(packet, 4)
  header.sequenceNumber = 0
  return undefined
}

/** Whether the second octet of a packet is a packet type of RTCP, not a payload type of RTP. RFC 5761 4 */
export function isRtcpType(type: number): boolean {
  return type >= 192 && type <= 223
}

function octet(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0
}

function uint16(bytes: Uint8Array, offset: number): number {
  return (octet(bytes, offset) << 8) | octet(bytes, offset + 1)
}

/** 0 beyond the end. */
export function uint32(bytes: Uint8Array, offset: number): number {
  return uint16(bytes, offset) * 0x1_0000 + uint16(bytes, offset + 2)
}
