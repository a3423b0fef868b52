import { accepted, rejected, type Result } from '../result.ts'

/** Fixed part of a page header. RFC 3533 6 */
export const OGG_HEADER_LENGTH = 27
/** Lacing values in one page. RFC 3533 6 */
export const OGG_SEGMENTS_MAX = 255
/** Largest page: header, lacing table, 255 segments of 255 bytes. */
export const OGG_PAGE_LENGTH_MAX = OGG_HEADER_LENGTH + OGG_SEGMENTS_MAX + OGG_SEGMENTS_MAX * 255
/** A page on which no packet ends carries this granule position. RFC 3533 6 */
export const NO_GRANULE = -1
/** Longest packet put together from continued pages. */
export const OGG_PACKET_LENGTH_MAX = 16 * 1024 * 1024

const CAPTURE = 0x4f676753
const FLAG_CONTINUED = 1
const FLAG_BEGIN = 2
const FLAG_END = 4

/**
 * `capture`: no page begins here. `version`: not 0. `truncated`: the page is cut off. `crc`: its checksum is wrong.
 * `granule`: a granule position beyond 2^53.
 */
export type OggPageRejectReason = 'capture' | 'version' | 'truncated' | 'crc' | 'granule'

/** One page. RFC 3533 6 */
export interface OggPage {
  readonly continued: boolean
  readonly beginOfStream: boolean
  readonly endOfStream: boolean
  readonly granulePosition: number
  readonly serialNumber: number
  readonly sequenceNumber: number
  /** Lacing values; a packet ends with each that is less than 255. */
  readonly lacing: Uint8Array
  /** The packets' bytes, a view. */
  readonly body: Uint8Array
  /** Bytes from the capture pattern to the end of the body. */
  readonly length: number
}

/** Reads the page that begins at `offset`. Never throws, never copies. RFC 3533 6 */
export function readOggPage(bytes: Uint8Array, offset: number): Result<OggPage, OggPageRejectReason> {
  if (offset + OGG_HEADER_LENGTH > bytes.length) return rejected('truncated')
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset)
  if (view.getUint32(0) !== CAPTURE) return rejected('capture')
  if (view.getUint8(4) !== 0) return rejected('version')
  const flags = view.getUint8(5)
  const bodyAt = OGG_HEADER_LENGTH + view.getUint8(26)
  if (bodyAt > view.byteLength) return rejected('truncated')
  const lacing = bytes.subarray(offset + OGG_HEADER_LENGTH, offset + bodyAt)
  let length = bodyAt
  for (const segment of lacing) length += segment
  if (length > view.byteLength) return rejected('truncated')
  if (crcOfPage(bytes.subarray(offset, offset + length)) !== view.getUint32(22, true)) return rejected('crc')
  const granule = view.getBigInt64(6, true)
  if (granule > BigInt(Number.MAX_SAFE_INTEGER) || granule < -1n) return rejected('granule')
  return accepted({
    continued: (flags & FLAG_CONTINUED) !== 0,
    beginOfStream: (flags & FLAG_BEGIN) !== 0,
    endOfStream: (flags & FLAG_END) !== 0,
    granulePosition: Number(granule),
    serialNumber: view.getUint32(14, true),
    sequenceNumber: view.getUint32(18, true),
    lacing,
    body: bytes.subarray(offset + bodyAt, offset + length),
    length,
  })
}

/** A packet to be written, and the granule position that its last sample has. */
export interface OggPacket {
  readonly data: Uint8Array
  readonly granulePosition: number
}

/** Writes the pages of one logical stream. RFC 3533 6 */
export class OggPageWriter {
  readonly #serialNumber: number
  #sequenceNumber = 0

  constructor(serialNumber: number) {
    this.#serialNumber = serialNumber
  }

  /**
   * Whole pages with these packets, as many pages as they need: packets begin and end here, one longer than a page is
   * continued on the next. The last page ends with the last packet. Without packets it is one empty page, which has
   * `emptyGranule`.
   */
  write(
    packets: readonly OggPacket[],
    options: { readonly beginOfStream?: boolean; readonly endOfStream?: boolean; readonly emptyGranule?: number } = {},
  ): Uint8Array {
    let segmentCount = 0
    let bodyLength = 0
    for (const { data } of packets) {
      segmentCount += Math.floor(data.length / 255) + 1
      bodyLength += data.length
    }
    const pageCount = Math.max(1, Math.ceil(segmentCount / OGG_SEGMENTS_MAX))
    const pages = new Uint8Array(pageCount * OGG_HEADER_LENGTH + segmentCount + bodyLength)
    const view = new DataView(pages.buffer)
    const source = { packets, index: 0, offset: 0, granule: NO_GRANULE }
    let at = 0
    for (let page = 0; page < pageCount; page++) {
      const segments = Math.min(OGG_SEGMENTS_MAX, segmentCount - page * OGG_SEGMENTS_MAX)
      const flags =
        (source.offset > 0 ? FLAG_CONTINUED : 0) |
        (page === 0 && options.beginOfStream === true ? FLAG_BEGIN : 0) |
        (page === pageCount - 1 && options.endOfStream === true ? FLAG_END : 0)
      const end = fillPage(pages, at, segments, source)
      const granule = segmentCount === 0 ? (options.emptyGranule ?? 0) : source.granule
      this.#writeHeader(view, at, { flags, granule, segments })
      view.setUint32(at + 22, crcOfPage(pages.subarray(at, end)), true)
      at = end
    }
    return pages
  }

  #writeHeader(
    view: DataView,
    at: number,
    page: { readonly flags: number; readonly granule: number; readonly segments: number },
  ): void {
    view.setUint32(at, CAPTURE)
    view.setUint8(at + 5, page.flags)
    // 64 bits in two's complement; a granule position below 2^53 loses nothing on the way.
    view.setUint32(at + 6, page.granule >>> 0, true)
    view.setInt32(at + 10, Math.floor(page.granule / 0x1_0000_0000), true)
    view.setUint32(at + 14, this.#serialNumber, true)
    view.setUint32(at + 18, this.#sequenceNumber, true)
    view.setUint8(at + 26, page.segments)
    this.#sequenceNumber += 1
  }
}

/** How far the packets have been written, and the granule position of the last that ended on the page just filled. */
interface PageSource {
  readonly packets: readonly OggPacket[]
  index: number
  offset: number
  granule: number
}

/** Writes lacing values and bodies of the page that begins at `at`, segment by segment; the end of the page. */
function fillPage(pages: Uint8Array, at: number, segments: number, source: PageSource): number {
  const lacingAt = at + OGG_HEADER_LENGTH
  let end = lacingAt + segments
  source.granule = NO_GRANULE
  for (let segment = 0; segment < segments; segment++) {
    const packet = source.packets[source.index]
    if (packet === undefined) break
    const length = Math.min(255, packet.data.length - source.offset)
    pages[lacingAt + segment] = length
    // Octet by octet: most are short, and a view of each would cost more than it saves.
    for (let octet = 0; octet < length; octet++) pages[end + octet] = packet.data[source.offset + octet] ?? 0
    end += length
    source.offset += length
    if (length === 255) continue
    source.granule = packet.granulePosition
    source.index += 1
    source.offset = 0
  }
  return end
}

/**
 * RFC 3533 6: generator 0x04c11db7, no reflection, no initial or final inversion. Four tables of 256: the remainder of an octet that is followed by as
 * many zero octets as there are tables before, so that four octets are taken at a time. Signed: beyond 31 bits a number would be an object.
 */
const CRC_TABLES = crcTables()

function crcTables(): Int32Array {
  const tables = new Int32Array(4 * 256)
  for (let index = 0; index < 256; index++) {
    let remainder = index << 24
    for (let bit = 0; bit < 8; bit++) remainder = (remainder << 1) ^ (remainder < 0 ? 0x04c11db7 : 0)
    tables[index] = remainder
  }
  for (let index = 256; index < tables.length; index++) {
    const before = tables[index - 256] ?? 0
    tables[index] = (before << 8) ^ (tables[before >>> 24] ?? 0)
  }
  return tables
}

/** The checksum field itself counts as zero: it is passed over, whatever stands in it. */
function crcOfPage(page: Uint8Array): number {
  let crc = crcOf(page, { from: 0, to: 22, crc: 0 })
  for (let octet = 0; octet < 4; octet++) crc = (crc << 8) ^ (CRC_TABLES[crc >>> 24] ?? 0)
  return crcOf(page, { from: 26, to: page.length, crc }) >>> 0
}

function crcOf(page: Uint8Array, run: { readonly from: number; readonly to: number; readonly crc: number }): number {
  let { crc } = run
  let at = run.from
  for (; at + 4 <= run.to; at += 4) {
    const word =
      crc ^ (((page[at] ?? 0) << 24) | ((page[at + 1] ?? 0) << 16) | ((page[at + 2] ?? 0) << 8) | (page[at + 3] ?? 0))
    crc =
      (CRC_TABLES[768 + (word >>> 24)] ?? 0) ^
      (CRC_TABLES[512 + ((word >>> 16) & 0xff)] ?? 0) ^
      (CRC_TABLES[256 + ((word >>> 8) & 0xff)] ?? 0) ^
      (CRC_TABLES[word & 0xff] ?? 0)
  }
  for (; at < run.to; at++) crc = (crc << 8) ^ (CRC_TABLES[(crc >>> 24) ^ (page[at] ?? 0)] ?? 0)
  return crc
}
