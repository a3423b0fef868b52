import { accepted, rejected, type Result } from '../../result.ts'
import { ntpMiddle, unixMsOfNtp } from './ntp.ts'
import { parseExtendedReport, TYPE_EXTENDED_REPORT, type ExtendedReport } from './rtcp-xr.ts'

/** Packets read of one compound datagram; the rest is ignored. Real ones hold two or three. */
export const RTCP_PACKETS_MAX = 32

/** One source as its receiver sees it. RFC 3550 6.4.1 */
export interface ReportBlock {
  readonly ssrc: number
  /** 0..1 in steps of 1/256. */
  readonly fractionLost: number
  /** -2^23..2^23-1 */
  readonly cumulativeLost: number
  readonly extendedHighestSequenceNumber: number
  /** RTP timestamp units. */
  readonly jitter: number
  /** Middle 32 bits of the NTP time of the last sender report, 0 when none came. */
  readonly lastSenderReport: number
  /** Since that report came, in units of 1/65536 s. */
  readonly delaySinceLastSenderReport: number
}

/** RFC 3550 6.4.1 */
export interface SenderReport {
  readonly type: 'senderReport'
  readonly ssrc: number
  /** The sender's wall clock as unix milliseconds with fraction; NaN when it sent 0, "no clock" (RFC 3550 6.4.1). */
  readonly ntpAtUnixMs: number
  /** What a report block quotes as `lastSenderReport`. */
  readonly ntpMiddle: number
  /** The same instant in the stream's RTP time. */
  readonly rtpTimestamp: number
  readonly packetCount: number
  readonly octetCount: number
  readonly reports: readonly ReportBlock[]
}

/** RFC 3550 6.4.2 */
export interface ReceiverReport {
  readonly type: 'receiverReport'
  readonly ssrc: number
  readonly reports: readonly ReportBlock[]
}

/** RFC 3550 6.5; items other than CNAME are skipped. */
export interface SourceDescription {
  readonly type: 'sourceDescription'
  readonly sources: readonly { readonly ssrc: number; readonly cname: string | undefined }[]
}

/** RFC 3550 6.6; the reason text is skipped. */
export interface Goodbye {
  readonly type: 'goodbye'
  readonly ssrcs: readonly number[]
}

/** Application-defined; its data is skipped. RFC 3550 6.7 */
export interface ApplicationPacket {
  readonly type: 'application'
  readonly ssrc: number
  /** 0..31, the application's own. */
  readonly subtype: number
  /** Four characters. */
  readonly name: string
}

/** Well formed, of a packet type that is not read (feedback and the like). */
export interface OtherRtcp {
  readonly type: 'other'
  readonly packetType: number
}

export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | ApplicationPacket
  | ExtendedReport
  | OtherRtcp

/**
 * `short`: less than a header. `version`: not 2. `notRtcp`: packet type outside 192..223. `length`: the length field
 * passes the end. `count`: more report blocks, chunks or sources than fit. `padding`: not on the last packet, or wrong.
 */
export type RtcpRejectReason = 'short' | 'version' | 'notRtcp' | 'length' | 'count' | 'padding'

const TYPE_SENDER_REPORT = 200
const TYPE_RECEIVER_REPORT = 201
const TYPE_SOURCE_DESCRIPTION = 202
const TYPE_GOODBYE = 203
const TYPE_APPLICATION = 204
const REPORT_BLOCK_LENGTH = 24
const SDES_CNAME = 1

/**
 * Reads a compound (RFC 3550 6.1) or reduced-size (RFC 5506) RTCP datagram. Never throws; one malformed packet rejects
 * the whole datagram, since what follows cannot be trusted to be aligned.
 */
export function parseRtcp(datagram: Uint8Array): Result<readonly RtcpPacket[], RtcpRejectReason> {
  const packets: RtcpPacket[] = []
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength)
  let offset = 0
  do {
    if (offset + 4 > view.byteLength) return rejected('short')
    const first = view.getUint8(offset)
    const packetType = view.getUint8(offset + 1)
    if (first >> 6 !== 2) return rejected('version')
    if (packetType < 192 || packetType > 223) return rejected('notRtcp')
    const next = offset + 4 * (view.getUint16(offset + 2) + 1)
    if (next > view.byteLength) return rejected('length')
    let end = next
    if ((first & 0x20) !== 0) {
      const padding = view.getUint8(next - 1)
      if (next !== view.byteLength || padding === 0 || padding % 4 !== 0 || padding > next - offset - 4) {
        return rejected('padding')
      }
      end -= padding
    }
    const body = new DataView(view.buffer, view.byteOffset + offset + 4, end - offset - 4)
    const packet = parseBody(packetType, first & 0x1f, body)
    if (packet === undefined) return rejected('count')
    packets.push(packet)
    offset = next
  } while (offset < view.byteLength && packets.length < RTCP_PACKETS_MAX)
  return accepted(packets)
}

function parseBody(packetType: number, count: number, body: DataView): RtcpPacket | undefined {
  switch (packetType) {
    case TYPE_SENDER_REPORT:
      return parseSenderReport(count, body)
    case TYPE_RECEIVER_REPORT: {
      const reports = parseReportBlocks(count, body, 4)
      return reports === undefined ? undefined : { type: 'receiverReport', ssrc: body.getUint32(0), reports }
    }
    case TYPE_SOURCE_DESCRIPTION:
      return parseSourceDescription(count, body)
    case TYPE_GOODBYE:
      if (4 * count > body.byteLength) return undefined
      return { type: 'goodbye', ssrcs: Array.from({ length: count }, (_, index) => body.getUint32(4 * index)) }
    case TYPE_APPLICATION:
      return parseApplication(count, body)
    case TYPE_EXTENDED_REPORT:
      return parseExtendedReport(body)
    default:
      return { type: 'other', packetType }
  }
}

function parseApplication(subtype: number, body: DataView): ApplicationPacket | undefined {
  if (body.byteLength < 8) return undefined
  const name = Array.from({ length: 4 }, (_, index) => String.fromCodePoint(body.getUint8(4 + index))).join('')
  return { type: 'application', ssrc: body.getUint32(0), subtype, name }
}

function parseSenderReport(count: number, body: DataView): SenderReport | undefined {
  const reports = parseReportBlocks(count, body, 24)
  if (reports === undefined) return undefined
  const seconds = body.getUint32(4)
  const fraction = body.getUint32(8)
  return {
    type: 'senderReport',
    ssrc: body.getUint32(0),
    ntpAtUnixMs: unixMsOfNtp(seconds, fraction),
    ntpMiddle: ntpMiddle(seconds, fraction),
    rtpTimestamp: body.getUint32(12),
    packetCount: body.getUint32(16),
    octetCount: body.getUint32(20),
    reports,
  }
}

/** `start` bytes have to be there too, so that callers may read them. */
function parseReportBlocks(count: number, body: DataView, start: number): ReportBlock[] | undefined {
  if (start + count * REPORT_BLOCK_LENGTH > body.byteLength) return undefined
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * REPORT_BLOCK_LENGTH
    return {
      ssrc: body.getUint32(at),
      fractionLost: body.getUint8(at + 4) / 256,
      // 24 bits, signed.
      cumulativeLost: (body.getUint32(at + 4) << 8) >> 8,
      extendedHighestSequenceNumber: body.getUint32(at + 8),
      jitter: body.getUint32(at + 12),
      lastSenderReport: body.getUint32(at + 16),
      delaySinceLastSenderReport: body.getUint32(at + 20),
    }
  })
}

function parseSourceDescription(count: number, body: DataView): SourceDescription | undefined {
  const sources: { ssrc: number; cname: string | undefined }[] = []
  let offset = 0
  for (let chunk = 0; chunk < count; chunk++) {
    if (offset + 4 > body.byteLength) return undefined
    const ssrc = body.getUint32(offset)
    let cname: string | undefined
    offset += 4
    // Items until a null octet; then up to the next 32-bit boundary. RFC 3550 6.5
    while (offset < body.byteLength && body.getUint8(offset) !== 0) {
      if (offset + 2 > body.byteLength) return undefined
      const length = body.getUint8(offset + 1)
      const end = offset + 2 + length
      if (end > body.byteLength) return undefined
      if (body.getUint8(offset) === SDES_CNAME) {
        cname = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          new Uint8Array(body.buffer, body.byteOffset + offset + 2, length),
        )
      }
      offset = end
    }
    offset += 4 - (offset % 4)
    sources.push({ ssrc, cname })
  }
  return { type: 'sourceDescription', sources }
}
