import { accepted, rejected, type Result } from '../../result.ts'

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

/** Well formed, of a packet type that is not read (APP, XR, feedback). */
export interface OtherRtcp {
  readonly type: 'other'
  readonly packetType: number
}

export type RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | OtherRtcp

/**
 * `short`: less than a header. `version`: not 2. `notRtcp`: packet type outside 192..223. `length`: the length field
 * passes the end. `count`: more report blocks, chunks or sources than fit. `padding`: not on the last packet, or wrong.
 */
export type RtcpRejectReason = 'short' | 'version' | 'notRtcp' | 'length' | 'count' | 'padding'

const TYPE_SENDER_REPORT = 200
const TYPE_RECEIVER_REPORT = 201
const TYPE_SOURCE_DESCRIPTION = 202
const TYPE_GOODBYE = 203
const REPORT_BLOCK_LENGTH = 24
const SDES_CNAME = 1
// Seconds from the NTP era (1900) to the unix epoch. RFC 5905 6
const NTP_UNIX_SECONDS = 2_208_988_800
const NTP_ERA_SECONDS = 0x1_0000_0000

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
    default:
      return { type: 'other', packetType }
  }
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
    ntpMiddle: ((seconds & 0xffff) * 0x1_0000 + (fraction >>> 16)) >>> 0,
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

/** Writes a receiver report, without and with report blocks (at most 31). RFC 3550 6.4.2 */
export function serializeReceiverReport(report: ReceiverReport): Uint8Array {
  const reports = report.reports.slice(0, 31)
  const view = startPacket(TYPE_RECEIVER_REPORT, reports.length, 4 + reports.length * REPORT_BLOCK_LENGTH)
  view.setUint32(4, report.ssrc)
  writeReportBlocks(view, 8, reports)
  return new Uint8Array(view.buffer)
}

/** Writes a sender report; `ntpMiddle` is derived from `ntpAtUnixMs`. RFC 3550 6.4.1 */
export function serializeSenderReport(report: Omit<SenderReport, 'ntpMiddle'>): Uint8Array {
  const reports = report.reports.slice(0, 31)
  const view = startPacket(TYPE_SENDER_REPORT, reports.length, 24 + reports.length * REPORT_BLOCK_LENGTH)
  const { seconds, fraction } = ntpOfUnixMs(report.ntpAtUnixMs)
  view.setUint32(4, report.ssrc)
  view.setUint32(8, seconds)
  view.setUint32(12, fraction)
  view.setUint32(16, report.rtpTimestamp)
  view.setUint32(20, report.packetCount)
  view.setUint32(24, report.octetCount)
  writeReportBlocks(view, 28, reports)
  return new Uint8Array(view.buffer)
}

/** Writes the CNAME that RFC 3550 6.1 asks for in every compound packet; at most 255 bytes of it. */
export function serializeCname(ssrc: number, cname: string): Uint8Array {
  const text = new TextEncoder().encode(cname).subarray(0, 255)
  // At least one null octet ends the chunk, padded to 32 bits. RFC 3550 6.5
  const view = startPacket(TYPE_SOURCE_DESCRIPTION, 1, 4 + 4 * Math.ceil((text.length + 3) / 4))
  view.setUint32(4, ssrc)
  view.setUint8(8, SDES_CNAME)
  view.setUint8(9, text.length)
  new Uint8Array(view.buffer).set(text, 10)
  return new Uint8Array(view.buffer)
}

/** RFC 3550 6.6; at most 31 sources. */
export function serializeGoodbye(ssrcs: readonly number[]): Uint8Array {
  const leaving = ssrcs.slice(0, 31)
  const view = startPacket(TYPE_GOODBYE, leaving.length, 4 * leaving.length)
  leaving.forEach((ssrc, index) => view.setUint32(4 + 4 * index, ssrc))
  return new Uint8Array(view.buffer)
}

function startPacket(packetType: number, count: number, bodyLength: number): DataView {
  const view = new DataView(new ArrayBuffer(4 + bodyLength))
  view.setUint8(0, 0x80 | count)
  view.setUint8(1, packetType)
  view.setUint16(2, bodyLength / 4)
  return view
}

function writeReportBlocks(view: DataView, start: number, reports: readonly ReportBlock[]): void {
  reports.forEach((report, index) => {
    const at = start + index * REPORT_BLOCK_LENGTH
    view.setUint32(at, report.ssrc)
    const lost = Math.max(-0x80_0000, Math.min(0x7f_ffff, report.cumulativeLost))
    view.setUint32(at + 4, lost & 0xff_ffff)
    view.setUint8(at + 4, Math.max(0, Math.min(255, Math.floor(report.fractionLost * 256))))
    view.setUint32(at + 8, report.extendedHighestSequenceNumber)
    view.setUint32(at + 12, Math.floor(report.jitter))
    view.setUint32(at + 16, report.lastSenderReport)
    view.setUint32(at + 20, report.delaySinceLastSenderReport)
  })
}

function unixMsOfNtp(seconds: number, fraction: number): number {
  if (seconds === 0 && fraction === 0) return Number.NaN
  // RFC 5905 6: seconds below 2^31 belong to the era that begins in 2036.
  const era = seconds < 0x8000_0000 ? NTP_ERA_SECONDS : 0
  return (seconds + era - NTP_UNIX_SECONDS) * 1_000 + (fraction * 1_000) / 0x1_0000_0000
}

function ntpOfUnixMs(unixMs: number): { readonly seconds: number; readonly fraction: number } {
  if (!Number.isFinite(unixMs)) return { seconds: 0, fraction: 0 }
  const wholeSeconds = Math.floor(unixMs / 1_000)
  const fraction = Math.floor(((unixMs - wholeSeconds * 1_000) / 1_000) * 0x1_0000_0000)
  return { seconds: (wholeSeconds + NTP_UNIX_SECONDS) % NTP_ERA_SECONDS, fraction }
}
