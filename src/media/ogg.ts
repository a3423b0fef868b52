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
    const lacing: number[] = []
    // Granule position of the packet that ends with a segment, by segment.
    const ends = new Map<number, number>()
    let bodyLength = 0
    for (const { data, granulePosition } of packets) {
      for (let left = data.length; left >= 255; left -= 255) lacing.push(255)
      lacing.push(data.length % 255)
      ends.set(lacing.length - 1, granulePosition)
      bodyLength += data.length
    }
    const body = new Uint8Array(bodyLength)
    let filled = 0
    for (const { data } of packets) {
      body.set(data, filled)
      filled += data.length
    }
    const pageCount = Math.max(1, Math.ceil(lacing.length / OGG_SEGMENTS_MAX))
    const pages = new Uint8Array(pageCount * OGG_HEADER_LENGTH + lacing.length + bodyLength)
    let at = 0
    let bodyAt = 0
    for (let page = 0; page < pageCount; page++) {
      const from = page * OGG_SEGMENTS_MAX
      const segments = lacing.slice(from, from + OGG_SEGMENTS_MAX)
      const length = segments.reduce((sum, segment) => sum + segment, 0)
      let granule = lacing.length === 0 ? (options.emptyGranule ?? 0) : NO_GRANULE
      segments.forEach((_, index) => {
        granule = ends.get(from + index) ?? granule
      })
      const first = page === 0
      const flags =
        (first || lacing[from - 1] !== 255 ? 0 : FLAG_CONTINUED) |
        (first && options.beginOfStream === true ? FLAG_BEGIN : 0) |
        (page === pageCount - 1 && options.endOfStream === true ? FLAG_END : 0)
      at = this.#writePage(pages, at, { flags, granule, segments, body: body.subarray(bodyAt, bodyAt + length) })
      bodyAt += length
    }
    return pages
  }

  #writePage(
    pages: Uint8Array,
    at: number,
    page: {
      readonly flags: number
      readonly granule: number
      readonly segments: readonly number[]
      readonly body: Uint8Array
    },
  ): number {
    const view = new DataView(pages.buffer, at)
    view.setUint32(0, CAPTURE)
    view.setUint8(5, page.flags)
    view.setBigInt64(6, BigInt(page.granule), true)
    view.setUint32(14, this.#serialNumber, true)
    view.setUint32(18, this.#sequenceNumber, true)
    view.setUint8(26, page.segments.length)
    const bodyAt = at + OGG_HEADER_LENGTH + page.segments.length
    pages.set(page.segments, at + OGG_HEADER_LENGTH)
    pages.set(page.body, bodyAt)
    const end = bodyAt + page.body.length
    view.setUint32(22, crcOfPage(pages.subarray(at, end)), true)
    this.#sequenceNumber += 1
    return end
  }
}

/** RFC 3533 6: generator 0x04c11db7, no reflection, no initial or final inversion. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let remainder = index << 24
  for (let bit = 0; bit < 8; bit++) remainder = (remainder << 1) ^ (remainder < 0 ? 0x04c11db7 : 0)
  return remainder >>> 0
})

/** The checksum field itself counts as zero. */
function crcOfPage(page: Uint8Array): number {
  let crc = 0
  for (let i = 0; i < page.length; i++) {
    const value = i >= 22 && i < 26 ? 0 : (page[i] ?? 0)
    crc = ((crc << 8) ^ (CRC_TABLE[((crc >>> 24) ^ value) & 0xff] ?? 0)) >>> 0
  }
  return crc
}
