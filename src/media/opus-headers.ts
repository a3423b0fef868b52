/** Streams of channel mapping family 1; more take family 255. RFC 7845 5.1.1.2, 5.1.1.3 */
export const FAMILY_1_STREAMS_MAX = 8
/** What the comment header names as the encoder. RFC 7845 5.2 */
export const OPUS_VENDOR = 'earwitness'
/** Comments read of one link; the rest is ignored. */
export const OPUS_COMMENTS_MAX = 1_024

export type OpusComments = readonly (readonly [string, string])[]

/** What the identification header says. */
export interface OpusHeadOptions {
  /** Mono streams; output channel i is stream i. */
  readonly streamCount: number
  /** For information only. RFC 7845 5.1 item 5 */
  readonly inputSampleRate: number
  /** 48 kHz samples that the decoder drops at the start. */
  readonly preSkip: number
}

/** The identification header: mono streams, none coupled. RFC 7845 5.1 */
export function opusHead(options: OpusHeadOptions): Uint8Array {
  const { streamCount } = options
  const family = streamCount === 1 ? 0 : streamCount <= FAMILY_1_STREAMS_MAX ? 1 : 255
  const head = new Uint8Array(family === 0 ? 19 : 21 + streamCount)
  const view = new DataView(head.buffer)
  head.set(new TextEncoder().encode('OpusHead'))
  view.setUint8(8, 1)
  view.setUint8(9, streamCount)
  view.setUint16(10, options.preSkip, true)
  view.setUint32(12, options.inputSampleRate, true)
  view.setUint8(18, family)
  if (family !== 0) {
    view.setUint8(19, streamCount)
    for (let channel = 0; channel < streamCount; channel++) view.setUint8(21 + channel, channel)
  }
  return head
}

/** The comment header. RFC 7845 5.2 */
export function opusTags(comments: OpusComments): Uint8Array {
  const encoder = new TextEncoder()
  const fields = [OPUS_VENDOR, ...comments.map(([name, value]) => `${name}=${value}`)].map((text) =>
    encoder.encode(text),
  )
  const [vendor = new Uint8Array(0), ...entries] = fields
  return concat([
    encoder.encode('OpusTags'),
    ...[uint32(vendor.length), vendor, uint32(entries.length)],
    ...entries.flatMap((entry) => [uint32(entry.length), entry]),
  ])
}

/** What is read of an identification header. */
export interface OpusHead {
  readonly streamCount: number
  /** Output channel → decoded stream; 255 is a silent channel. RFC 7845 5.1.1 */
  readonly channelMapping: readonly number[]
  readonly preSkip: number
  readonly inputSampleRate: number
}

/**
 * Reads an identification header; undefined when it is malformed, or has coupled streams under a mapping of channels, which nobody here
 * writes. A stereo file of others (family 0) is one channel, as decoders here give the mean of the two.
 * RFC 7845 5.1, 5.1.1.1
 */
export function parseOpusHead(head: Uint8Array): OpusHead | undefined {
  if (head.length < 19 || textOf(head.subarray(0, 8)) !== 'OpusHead') return undefined
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  // The upper four bits are the incompatible part of the version.
  if (view.getUint8(8) >> 4 !== 0) return undefined
  const channels = view.getUint8(9)
  const common = { preSkip: view.getUint16(10, true), inputSampleRate: view.getUint32(12, true) }
  if (view.getUint8(18) === 0) {
    return channels === 1 || channels === 2 ? { ...common, streamCount: 1, channelMapping: [0] } : undefined
  }
  if (channels === 0 || head.length < 21 + channels || view.getUint8(20) !== 0) return undefined
  const streamCount = view.getUint8(19)
  const channelMapping = [...head.subarray(21, 21 + channels)]
  // 255 is a silent channel.
  if (streamCount === 0 || channelMapping.some((stream) => stream !== 255 && stream >= streamCount)) return undefined
  return { ...common, streamCount, channelMapping }
}

/** Reads a comment header; undefined when it is malformed. RFC 7845 5.2 */
export function parseOpusTags(tags: Uint8Array): OpusComments | undefined {
  if (tags.length < 16 || textOf(tags.subarray(0, 8)) !== 'OpusTags') return undefined
  const view = new DataView(tags.buffer, tags.byteOffset, tags.length)
  let at = 12 + view.getUint32(8, true)
  if (at + 4 > tags.length) return undefined
  const count = Math.min(view.getUint32(at, true), OPUS_COMMENTS_MAX)
  at += 4
  const comments: (readonly [string, string])[] = []
  for (let index = 0; index < count; index++) {
    if (at + 4 > tags.length) return undefined
    const end = at + 4 + view.getUint32(at, true)
    if (end > tags.length) return undefined
    const text = textOf(tags.subarray(at + 4, end))
    const equals = text.indexOf('=')
    if (equals > 0) comments.push([text.slice(0, equals), text.slice(equals + 1)])
    at = end
  }
  return comments
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

/** All parts one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
