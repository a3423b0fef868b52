import { OggOpusWriter, type OggOpusLink } from './ogg-opus.ts'
import { concat, type OpusComments } from './opus-headers.ts'
import { joinMultistreamPacket, opusPacketSamples, silentOpusPacket, splitMultistreamPacket } from './opus-packet.ts'

/** Comment of a link: the 48 kHz sample of the recording timeline at which it begins. */
export const LINK_START_COMMENT = 'EARWITNESS_LINK_START'
/** Comment prefix, followed by the channel: the label of the stream on it. */
export const CHANNEL_COMMENT_PREFIX = 'EARWITNESS_CHANNEL_'
/** Silence filled in between two links; a longer pause means that the comments are wrong. */
export const LINK_PAUSE_SAMPLES_MAX = 48_000 * 86_400

const FRAME_SAMPLES = 960
/** Packets on one page of the flattened file. */
const PAGE_PACKETS = 50

/**
 * Makes one Ogg Opus file out of the links of a recording, without re-encoding: its channels are all labels in order of their
 * first appearance; silent Opus frames stand where a stream was not yet (or no more) there, and between links.
 *
 * Every link starts within half a frame of its place on the timeline. Each ends with a frame that only pushes the encoder's
 * delay out, and begins with as much priming: the next link's priming takes the time of that last frame, which is
 * left out. That costs the last 6.5 ms of the link (at 8 kHz) and keeps all later audio in its place; whoever
 * needs those samples, decodes link by link.
 *
 * Throws a RangeError when there is no link, when there are more than 255 labels, when a link's start is missing, lies before
 * the end of the link before or far behind it, or when a packet is malformed. RFC 7845 3, 4
 */
export function flattenLinks(
  links: readonly OggOpusLink[],
  options: { readonly serialNumber?: number; readonly comments?: OpusComments } = {},
): Uint8Array {
  const first = links[0]
  if (first === undefined) throw new RangeError('there is no link to flatten')
  const keys = [...new Set(links.flatMap(channelKeys))]
  const writer = new OggOpusWriter({
    serialNumber: options.serialNumber ?? first.serialNumber,
    streamCount: keys.length,
    inputSampleRate: first.inputSampleRate,
    preSkip: first.preSkip,
    comments: [
      ...(options.comments ?? []),
      [LINK_START_COMMENT, String(linkStart(first) ?? 0)],
      ...keys.map((key, channel) => [`${CHANNEL_COMMENT_PREFIX}${channel}`, labelOf(key)] as const),
    ],
  })
  const packets: Uint8Array[] = []
  let samples = 0
  let endSample = 0
  for (const [index, link] of links.entries()) {
    const startSample = index === 0 ? 0 : startAfter(first, link, endSample)
    // The decoder drops pre-skip only once, at the start of the file.
    const target = startSample + first.preSkip - link.preSkip
    while (index > 0 && samples - target > FRAME_SAMPLES / 2) samples -= opusPacketSamples(packets.pop() ?? EMPTY)
    for (; target - samples >= FRAME_SAMPLES / 2; samples += FRAME_SAMPLES) {
      packets.push(joinMultistreamPacket(keys.map(() => silentOpusPacket(FRAME_SAMPLES))))
    }
    const own = channelKeys(link)
    const streams = keys.map((key) => link.channelMapping[own.indexOf(key)])
    for (const { data } of link.packets) {
      packets.push(rearrange(data, link.streamCount, streams))
      samples += opusPacketSamples(data)
    }
    endSample = startSample + audioSamples(link)
  }
  return writeFile(writer, packets, first.preSkip + endSample)
}

const EMPTY = new Uint8Array(0)

/** The label of the stream on each channel of a link, in order of channels. */
export function linkLabels(link: OggOpusLink): readonly string[] {
  return channelKeys(link).map(labelOf)
}

/** Where a link begins on the recording timeline, 48 kHz samples; undefined without a valid comment. */
export function linkStart(link: OggOpusLink): number | undefined {
  const text = commentOf(link, LINK_START_COMMENT) ?? ''
  const start = text.length > 15 ? Number.NaN : Number.parseInt(text, 10)
  return start >= 0 && String(start) === text ? start : undefined
}

/** 48 kHz samples that a decoder plays of a link. */
export function audioSamples(link: OggOpusLink): number {
  return Math.max(0, link.granulePosition - link.preSkip)
}

// Between a label and the count of its occurrence; cannot be part of an SDP label.
const OCCURRENCE = '\u0000'

/** Labels, with those that occur twice in one link told apart. */
function channelKeys(link: OggOpusLink): string[] {
  const seen = new Map<string, number>()
  return link.channelMapping.map((_, channel) => {
    const label = commentOf(link, `${CHANNEL_COMMENT_PREFIX}${channel}`) ?? `channel ${channel}`
    const count = seen.get(label) ?? 0
    seen.set(label, count + 1)
    return count === 0 ? label : `${label}${OCCURRENCE}${count}`
  })
}

function labelOf(key: string): string {
  const at = key.indexOf(OCCURRENCE)
  return at < 0 ? key : key.slice(0, at)
}

/** Names of comments are compared without case. RFC 7845 5.2 */
function commentOf(link: OggOpusLink, name: string): string | undefined {
  return link.comments.find(([candidate]) => candidate.toUpperCase() === name)?.[1]
}

/** Where a link begins in the flattened file, whose first link begins at 0. */
function startAfter(first: OggOpusLink, link: OggOpusLink, endSample: number): number {
  const start = linkStart(link)
  const origin = linkStart(first) ?? 0
  if (start === undefined) throw new RangeError('a link does not say where it begins')
  const startSample = start - origin
  if (startSample < endSample - FRAME_SAMPLES || startSample > endSample + LINK_PAUSE_SAMPLES_MAX) {
    throw new RangeError('a link does not begin where the one before it ends')
  }
  return startSample
}

/** One packet of a link as a packet of the result: its streams where they belong, silence on the other channels. */
function rearrange(data: Uint8Array, streamCount: number, streams: readonly (number | undefined)[]): Uint8Array {
  const split = splitMultistreamPacket(data, streamCount)
  if (!split.ok) throw new RangeError(`malformed Opus packet: ${split.reason}`)
  const silence = silentOpusPacket(opusPacketSamples(data))
  return joinMultistreamPacket(streams.map((stream) => split.value[stream ?? -1] ?? silence))
}

function writeFile(writer: OggOpusWriter, packets: readonly Uint8Array[], endGranule: number): Uint8Array {
  const pages = [writer.headers()]
  let decoded = 0
  for (let from = 0; from === 0 || from < packets.length; from += PAGE_PACKETS) {
    const page = packets.slice(from, from + PAGE_PACKETS)
    for (const packet of page) decoded += opusPacketSamples(packet)
    const endOfStream = from + PAGE_PACKETS >= packets.length
    pages.push(writer.page(page, Math.min(decoded, endGranule), { endOfStream }))
  }
  return concat(pages)
}
