import { ntpOfUnixMs, unixMsOfNtp } from './ntp.ts'

export const TYPE_EXTENDED_REPORT = 207
/** Report blocks read of one extended report; the rest is passed over. */
export const XR_BLOCKS_MAX = 32
/** What a field says that its sender does not measure. RFC 3611 4.7.3, 4.7.5 */
export const XR_UNAVAILABLE = 127

/** A receiver's clock, for whoever sends to it to quote. RFC 3611 4.4 */
export interface ReceiverReferenceTime {
  readonly type: 'receiverReferenceTime'
  readonly ntpAtUnixMs: number
}

/** What a sender quotes of receivers' clocks, so that they can tell the round trip. RFC 3611 4.5 */
export interface DelaySinceLastReceiverReport {
  readonly type: 'delaySinceLastReceiverReport'
  readonly reports: readonly {
    readonly ssrc: number
    /** Middle 32 bits of the NTP time quoted; 0 when none came. */
    readonly lastReceiverReport: number
    /** Since it came, in units of 1/65536 s. */
    readonly delay: number
  }[]
}

/** How one source is heard here. RFC 3611 4.7; signal levels, R factor and MOS are not measured and say so. */
export interface VoipMetrics {
  readonly type: 'voipMetrics'
  readonly ssrc: number
  /** Fractions 0..1 in steps of 1/256, since the beginning of reception. */
  readonly lossRate: number
  readonly discardRate: number
  readonly burstDensity: number
  readonly gapDensity: number
  /** Means, milliseconds, up to 65,535. */
  readonly burstMs: number
  readonly gapMs: number
  /** 0 when it is not known. */
  readonly roundTripMs: number
  readonly endSystemMs: number
  /** Received packets in a row that end a burst. RFC 3611 4.7.2 */
  readonly gapMin: number
  /** The delay of the jitter buffer: now, at most so far, at most ever. */
  readonly bufferMs: number
  readonly bufferMaxMs: number
  readonly bufferAbsoluteMaxMs: number
}

export type XrBlock = ReceiverReferenceTime | DelaySinceLastReceiverReport | VoipMetrics

/** RFC 3611 2; blocks of other types are passed over. */
export interface ExtendedReport {
  readonly type: 'extendedReport'
  readonly ssrc: number
  readonly blocks: readonly XrBlock[]
}

const BLOCK_REFERENCE_TIME = 4
const BLOCK_DELAYS = 5
const BLOCK_VOIP = 7
const VOIP_LENGTH = 32
// RFC 3611 4.7.6: concealment and adaptivity of the jitter buffer, "unknown" both.
const RECEIVER_UNKNOWN = 0

/** @param body what follows the header word; undefined when a block passes the end */
export function parseExtendedReport(body: DataView): ExtendedReport | undefined {
  if (body.byteLength < 4) return undefined
  const blocks: XrBlock[] = []
  let offset = 4
  while (offset < body.byteLength && blocks.length < XR_BLOCKS_MAX) {
    if (offset + 4 > body.byteLength) return undefined
    const length = 4 * body.getUint16(offset + 2)
    const start = offset + 4
    if (start + length > body.byteLength) return undefined
    const block = parseBlock(body.getUint8(offset), new DataView(body.buffer, body.byteOffset + start, length))
    if (block !== undefined) blocks.push(block)
    offset = start + length
  }
  return { type: 'extendedReport', ssrc: body.getUint32(0), blocks }
}

function parseBlock(blockType: number, block: DataView): XrBlock | undefined {
  if (blockType === BLOCK_REFERENCE_TIME && block.byteLength >= 8) {
    return { type: 'receiverReferenceTime', ntpAtUnixMs: unixMsOf(block) }
  }
  if (blockType === BLOCK_DELAYS) {
    const reports = Array.from({ length: Math.floor(block.byteLength / 12) }, (_, index) => ({
      ssrc: block.getUint32(12 * index),
      lastReceiverReport: block.getUint32(12 * index + 4),
      delay: block.getUint32(12 * index + 8),
    }))
    return { type: 'delaySinceLastReceiverReport', reports }
  }
  if (blockType !== BLOCK_VOIP || block.byteLength < VOIP_LENGTH) return undefined
  return {
    type: 'voipMetrics',
    ssrc: block.getUint32(0),
    lossRate: block.getUint8(4) / 256,
    discardRate: block.getUint8(5) / 256,
    burstDensity: block.getUint8(6) / 256,
    gapDensity: block.getUint8(7) / 256,
    burstMs: block.getUint16(8),
    gapMs: block.getUint16(10),
    roundTripMs: block.getUint16(12),
    endSystemMs: block.getUint16(14),
    gapMin: block.getUint8(19),
    bufferMs: block.getUint16(26),
    bufferMaxMs: block.getUint16(28),
    bufferAbsoluteMaxMs: block.getUint16(30),
  }
}

/** Writes an extended report. Fractions and durations beyond their width are cut to it. RFC 3611 2 */
export function serializeExtendedReport({ ssrc, blocks }: ExtendedReport): Uint8Array {
  const lengths = blocks.map(blockLength)
  const total = lengths.reduce((sum, length) => sum + 4 + length, 8)
  const view = new DataView(new ArrayBuffer(total))
  view.setUint8(0, 0x80)
  view.setUint8(1, TYPE_EXTENDED_REPORT)
  view.setUint16(2, total / 4 - 1)
  view.setUint32(4, ssrc)
  let offset = 8
  for (const [index, block] of blocks.entries()) {
    const length = lengths[index] ?? 0
    view.setUint16(offset + 2, length / 4)
    writeBlock(view, offset, block)
    offset += 4 + length
  }
  return new Uint8Array(view.buffer)
}

function blockLength(block: XrBlock): number {
  if (block.type === 'receiverReferenceTime') return 8
  return block.type === 'voipMetrics' ? VOIP_LENGTH : 12 * block.reports.length
}

function writeBlock(view: DataView, offset: number, block: XrBlock): void {
  const start = offset + 4
  switch (block.type) {
    case 'receiverReferenceTime': {
      const { seconds, fraction } = ntpOfUnixMs(block.ntpAtUnixMs)
      view.setUint8(offset, BLOCK_REFERENCE_TIME)
      view.setUint32(start, seconds)
      view.setUint32(start + 4, fraction)
      return
    }
    case 'delaySinceLastReceiverReport':
      view.setUint8(offset, BLOCK_DELAYS)
      block.reports.forEach(({ ssrc, lastReceiverReport, delay }, index) => {
        view.setUint32(start + 12 * index, ssrc)
        view.setUint32(start + 12 * index + 4, lastReceiverReport)
        view.setUint32(start + 12 * index + 8, delay)
      })
      return
    case 'voipMetrics':
      view.setUint8(offset, BLOCK_VOIP)
      writeVoipMetrics(view, start, block)
  }
}

function writeVoipMetrics(view: DataView, start: number, block: VoipMetrics): void {
  view.setUint32(start, block.ssrc)
  const fractions = [block.lossRate, block.discardRate, block.burstDensity, block.gapDensity]
  fractions.forEach((fraction, index) => view.setUint8(start + 4 + index, octet(fraction * 256)))
  const durations = [block.burstMs, block.gapMs, block.roundTripMs, block.endSystemMs]
  durations.forEach((ms, index) => view.setUint16(start + 8 + 2 * index, word(ms)))
  // Signal level, noise level and residual echo return loss.
  for (let at = 16; at < 19; at++) view.setUint8(start + at, XR_UNAVAILABLE)
  view.setUint8(start + 19, octet(block.gapMin))
  // R factor, external R factor, MOS-LQ and MOS-CQ.
  for (let at = 20; at < 24; at++) view.setUint8(start + at, XR_UNAVAILABLE)
  view.setUint8(start + 24, RECEIVER_UNKNOWN)
  view.setUint16(start + 26, word(block.bufferMs))
  view.setUint16(start + 28, word(block.bufferMaxMs))
  view.setUint16(start + 30, word(block.bufferAbsoluteMaxMs))
}

function octet(value: number): number {
  return Math.max(0, Math.min(0xff, Math.floor(value)))
}

function word(value: number): number {
  return Math.max(0, Math.min(0xffff, Math.floor(value)))
}

function unixMsOf(block: DataView): number {
  return unixMsOfNtp(block.getUint32(0), block.getUint32(4))
}
