import { accepted, rejected, type Result } from '../result.ts'
import { OGG_PACKET_LENGTH_MAX, OggPageWriter, readOggPage, type OggPacket, type OggPageRejectReason } from './ogg.ts'
import {
  concat,
  opusHead,
  opusTags,
  parseOpusHead,
  parseOpusTags,
  type OpusComments,
  type OpusHead,
  type OpusHeadOptions,
} from './opus-headers.ts'
import { opusPacketSamples } from './opus-packet.ts'

export const OGG_OPUS_STREAMS_MAX = 255

export interface OggOpusOptions extends OpusHeadOptions {
  /** 32 bits, different for every link. */
  readonly serialNumber: number
  readonly comments: OpusComments
}

/** Writes one link of an Ogg Opus file: N mono streams without coupling. RFC 7845 */
export class OggOpusWriter {
  readonly #options: OggOpusOptions
  readonly #pages: OggPageWriter
  #samples = 0

  constructor(options: OggOpusOptions) {
    if (options.streamCount < 1 || options.streamCount > OGG_OPUS_STREAMS_MAX) {
      throw new RangeError(`an Ogg Opus link has 1 to ${OGG_OPUS_STREAMS_MAX} streams`)
    }
    this.#options = options
    this.#pages = new OggPageWriter(options.serialNumber)
  }

  /** The page of the identification header and the page or pages of the comment header. RFC 7845 3 */
  headers(): Uint8Array {
    const head = this.#pages.write([{ data: opusHead(this.#options), granulePosition: 0 }], { beginOfStream: true })
    const tags = this.#pages.write([{ data: opusTags(this.#options.comments), granulePosition: 0 }])
    return concat([head, tags])
  }

  /**
   * Whole pages with these (multistream) packets.
   *
   * @param granulePosition 48 kHz samples, pre-skip included, up to the end of the last packet; on the last page of a link
   * less, to trim its end (RFC 7845 4.4)
   */
  page(
    packets: readonly Uint8Array[],
    granulePosition: number,
    options: { readonly endOfStream?: boolean } = {},
  ): Uint8Array {
    const positioned: OggPacket[] = []
    for (const data of packets) {
      this.#samples += opusPacketSamples(data)
      positioned.push({ data, granulePosition: Math.min(this.#samples, granulePosition) })
    }
    const last = positioned.pop()
    if (last !== undefined) positioned.push({ data: last.data, granulePosition })
    return this.#pages.write(positioned, { endOfStream: options.endOfStream === true, emptyGranule: granulePosition })
  }
}

/**
 * Reasons of `readOggPage`, and: `link`: a page outside of a link, or interleaved streams. `pageSequence`: a page is missing or
 * twice. `continuation`: a continued packet without its start, or the reverse. `tooLarge`: a packet beyond OGG_PACKET_LENGTH_MAX.
 * `opusHead`, `opusTags`: a header is missing or malformed.
 */
export type OggRejectReason =
  | OggPageRejectReason
  | 'link'
  | 'pageSequence'
  | 'continuation'
  | 'tooLarge'
  | 'opusHead'
  | 'opusTags'

/** One link of a chained file. */
export interface OggOpusLink extends OpusHead {
  readonly serialNumber: number
  readonly comments: OpusComments
  readonly packets: readonly { readonly data: Uint8Array }[]
  /** Of the last page on which a packet ends; 0 when there is none. */
  readonly granulePosition: number
  /** False when the link was cut short. */
  readonly endOfStream: boolean
}

interface OpenLink {
  readonly serialNumber: number
  nextSequence: number
  readonly packets: { readonly data: Uint8Array }[]
  partial: Uint8Array[]
  partialLength: number
  granulePosition: number
  endOfStream: boolean
}

/**
 * Reads a whole file of one or more links. Every checksum and page number is checked; links may lack their last page (a recording
 * that was interrupted), pages may not be cut. Never throws.
 */
export function readOggOpus(bytes: Uint8Array): Result<readonly OggOpusLink[], OggRejectReason> {
  const links: OggOpusLink[] = []
  let open: OpenLink | undefined
  for (let offset = 0; offset < bytes.length;) {
    const read = readOggPage(bytes, offset)
    if (!read.ok) return read
    const page = read.value
    if (page.beginOfStream) {
      if (open !== undefined) {
        const closed = closeLink(open)
        if (!closed.ok) return closed
        links.push(closed.value)
      }
      open = {
        serialNumber: page.serialNumber,
        nextSequence: page.sequenceNumber,
        packets: [],
        partial: [],
        partialLength: 0,
        granulePosition: 0,
        endOfStream: false,
      }
    }
    if (open === undefined || open.serialNumber !== page.serialNumber || open.endOfStream) return rejected('link')
    if (open.nextSequence !== page.sequenceNumber) return rejected('pageSequence')
    const fault = takePackets(open, page)
    if (fault !== undefined) return rejected(fault)
    open.nextSequence = (page.sequenceNumber + 1) >>> 0
    open.endOfStream = page.endOfStream
    if (page.granulePosition >= 0) open.granulePosition = page.granulePosition
    offset += page.length
  }
  if (open === undefined) return rejected('link')
  const closed = closeLink(open)
  return closed.ok ? accepted([...links, closed.value]) : closed
}

function takePackets(
  link: OpenLink,
  page: { readonly continued: boolean; readonly lacing: Uint8Array; readonly body: Uint8Array },
): 'continuation' | 'tooLarge' | undefined {
  if (page.continued !== link.partialLength > 0) return 'continuation'
  let start = 0
  let end = 0
  for (const segment of page.lacing) {
    end += segment
    if (segment === 255) continue
    const piece = page.body.subarray(start, end)
    link.packets.push({ data: link.partialLength === 0 ? piece : concat([...link.partial, piece]) })
    link.partial = []
    link.partialLength = 0
    start = end
  }
  if (end > start) {
    link.partial.push(page.body.subarray(start, end))
    link.partialLength += end - start
    if (link.partialLength > OGG_PACKET_LENGTH_MAX) return 'tooLarge'
  }
  return undefined
}

function closeLink(link: OpenLink): Result<OggOpusLink, OggRejectReason> {
  if (link.partialLength > 0) return rejected('continuation')
  const head = parseOpusHead(link.packets[0]?.data ?? new Uint8Array(0))
  if (head === undefined) return rejected('opusHead')
  const comments = parseOpusTags(link.packets[1]?.data ?? new Uint8Array(0))
  if (comments === undefined) return rejected('opusTags')
  const { serialNumber, granulePosition, endOfStream } = link
  return accepted({ ...head, serialNumber, comments, packets: link.packets.slice(2), granulePosition, endOfStream })
}
