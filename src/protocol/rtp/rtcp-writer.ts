import { ntpOfUnixMs } from './ntp.ts'
import type { ReceiverReport, ReportBlock, SenderReport } from './rtcp.ts'

const TYPE_SENDER_REPORT = 200
const TYPE_RECEIVER_REPORT = 201
const TYPE_SOURCE_DESCRIPTION = 202
const TYPE_GOODBYE = 203
const REPORT_BLOCK_LENGTH = 24
const SDES_CNAME = 1

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
