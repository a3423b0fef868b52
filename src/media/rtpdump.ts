import { accepted, rejected, type Result } from '../result.ts'

/** Files of rtptools' `rtpdump`, one stream in each: how RTP that is kept as it came is stored. `src/evidence/FORMAT.md` 3.1 */

const FIRST_LINE = '#!rtpplay1.0 0.0.0.0/0\n'
const FIRST_LINE_START = '#!rtpplay1.0 '
/** Longest first line that is read; an IPv6 address and a port fit twice. */
const FIRST_LINE_LENGTH_MAX = 120
/** RD_hdr_t: seconds, microseconds, address, port, padding. */
const FILE_HEADER_LENGTH = 16
/** RD_packet_t: length of the record, length of the packet, milliseconds. */
export const RTPDUMP_RECORD_HEADER_LENGTH = 8
/** What is written before the first record; always the same length. */
export const RTPDUMP_HEAD_LENGTH = FIRST_LINE.length + FILE_HEADER_LENGTH
/** Longest packet that a record holds: its length has 16 bits. */
export const RTPDUMP_PACKET_LENGTH_MAX = 0xffff - RTPDUMP_RECORD_HEADER_LENGTH
/** Latest time of a record: 32 bits of milliseconds, 49 days. */
const OFFSET_MS_MAX = 0xffff_ffff

/** `notRtpdump`: another first line. `cutOff`: the file ends inside its head or a record. `record`: a length that cannot be. */
export type RtpdumpRejectReason = 'notRtpdump' | 'cutOff' | 'record'

export interface RtpdumpRecord {
  /** Since the start of the file's time. */
  readonly offsetMs: number
  /** A view into the file. */
  readonly packet: Uint8Array
}

export interface Rtpdump {
  readonly startUnixMs: number
  readonly records: readonly RtpdumpRecord[]
}

/** First line and header of a file whose times count from `startUnixMs`. */
export function rtpdumpHead(startUnixMs: number): Uint8Array {
  const head = new Uint8Array(RTPDUMP_HEAD_LENGTH)
  for (let at = 0; at < FIRST_LINE.length; at += 1) head[at] = FIRST_LINE.charCodeAt(at)
  const view = new DataView(head.buffer, FIRST_LINE.length)
  view.setUint32(0, Math.floor(startUnixMs / 1_000))
  view.setUint32(4, Math.floor(startUnixMs % 1_000) * 1_000)
  return head
}

/**
 * Writes one record into `target` at `at`; returns where it ends. The caller has made room for header and packet, and the packet is not
 * longer than {@link RTPDUMP_PACKET_LENGTH_MAX}.
 */
export function writeRtpdumpRecord(target: Uint8Array, at: number, packet: Uint8Array, offsetMs: number): number {
  const length = RTPDUMP_RECORD_HEADER_LENGTH + packet.length
  const time = Math.min(OFFSET_MS_MAX, Math.max(0, Math.floor(offsetMs)))
  target[at] = length >> 8
  target[at + 1] = length
  target[at + 2] = packet.length >> 8
  target[at + 3] = packet.length
  target[at + 4] = time >>> 24
  target[at + 5] = time >>> 16
  target[at + 6] = time >>> 8
  target[at + 7] = time
  target.set(packet, at + RTPDUMP_RECORD_HEADER_LENGTH)
  return at + length
}

/**
 * Reads a whole file; RTCP records (packet length 0) and what a recorder cut off its packets (a record shorter than its packet) are read
 * as other tools write them, the former left out. Never throws.
 */
export function readRtpdump(bytes: Uint8Array): Result<Rtpdump, RtpdumpRejectReason> {
  const lineEnd = bytes.subarray(0, FIRST_LINE_LENGTH_MAX).indexOf(0x0a)
  const firstLine = String.fromCharCode(...bytes.subarray(0, Math.max(0, lineEnd)))
  if (!firstLine.startsWith(FIRST_LINE_START)) return rejected('notRtpdump')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = lineEnd + 1 + FILE_HEADER_LENGTH
  if (at > bytes.length) return rejected('cutOff')
  const startUnixMs = view.getUint32(lineEnd + 1) * 1_000 + Math.floor(view.getUint32(lineEnd + 5) / 1_000)
  const records: RtpdumpRecord[] = []
  while (at < bytes.length) {
    if (at + RTPDUMP_RECORD_HEADER_LENGTH > bytes.length) return rejected('cutOff')
    const length = view.getUint16(at)
    const packetLength = view.getUint16(at + 2)
    if (length < RTPDUMP_RECORD_HEADER_LENGTH) return rejected('record')
    if (at + length > bytes.length) return rejected('cutOff')
    const packet = bytes.subarray(at + RTPDUMP_RECORD_HEADER_LENGTH, at + length)
    if (packetLength > 0) records.push({ offsetMs: view.getUint32(at + 4), packet })
    at += length
  }
  return accepted({ startUnixMs, records })
}
