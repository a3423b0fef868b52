import { SECURE_PROTOCOL } from './line-protection.ts'

/** The codecs that `simulate` sends, with their static payload types. RFC 3551 6 */
export const OFFER_CODECS = {
  PCMU: { payloadType: 0, clockRate: 8000 },
  PCMA: { payloadType: 8, clockRate: 8000 },
} as const
export type OfferCodec = keyof typeof OFFER_CODECS

export interface OfferStream {
  readonly streamLabel: string
  readonly port: number
  readonly direction: 'sendonly' | 'inactive'
  /** What follows `a=crypto:` for a media stream that is sent as SRTP. RFC 4568 */
  readonly crypto?: string | undefined
}

export interface OfferOptions {
  /** Where the SRC's media comes from: an IPv4 or IPv6 address. */
  readonly address: string
  readonly sdpSessionId: string
  /** Grows by one with every changed offer. RFC 3264 8 */
  readonly sdpSessionVersion: number
  readonly codec: OfferCodec
  readonly streams: readonly OfferStream[]
}

const encoder = new TextEncoder()

/** The SDP of an SRC: one `m=audio` line per media stream, labelled and sendonly (or inactive on hold), secure where it has a key. RFC 7866 7.1 */
export function buildOffer(options: OfferOptions): Uint8Array {
  const { payloadType, clockRate } = OFFER_CODECS[options.codec]
  const family = options.address.includes(':') ? 'IP6' : 'IP4'
  const lines = [
    'v=0',
    `o=simulate ${options.sdpSessionId} ${options.sdpSessionVersion} IN ${family} ${options.address}`,
    's=-',
    `c=IN ${family} ${options.address}`,
    't=0 0',
    ...options.streams.flatMap(({ streamLabel, port, direction, crypto }) => [
      `m=audio ${port} ${crypto === undefined ? 'RTP/AVP' : SECURE_PROTOCOL} ${payloadType}`,
      ...(crypto === undefined ? [] : [`a=crypto:${crypto}`]),
      `a=rtpmap:${payloadType} ${options.codec}/${clockRate}`,
      'a=ptime:20',
      `a=label:${streamLabel}`,
      `a=${direction}`,
    ]),
    '',
  ]
  return encoder.encode(lines.join('\r\n'))
}

export interface OutgoingBody {
  readonly contentType: string
  /** RFC 7866 9.1: metadata is sent with the disposition `recording-session`. */
  readonly contentDisposition?: string
  readonly bytes: Uint8Array
}

export function sdpBody(sdp: Uint8Array): OutgoingBody {
  return { contentType: 'application/sdp', bytes: sdp }
}

/** One multipart/mixed body of whole parts. The boundary must not occur in them: give a random one. RFC 2046 5.1.1 */
export function multipartBody(parts: readonly OutgoingBody[], boundary: string): OutgoingBody {
  const chunks = parts.flatMap((part) => [encoder.encode(partHead(part, boundary)), part.bytes, encoder.encode('\r\n')])
  const bytes = concatBytes([...chunks, encoder.encode(`--${boundary}--\r\n`)])
  return { contentType: `multipart/mixed;boundary=${boundary}`, bytes }
}

function partHead({ contentType, contentDisposition }: OutgoingBody, boundary: string): string {
  const disposition = contentDisposition === undefined ? [] : [`Content-Disposition: ${contentDisposition}`]
  return [`--${boundary}`, `Content-Type: ${contentType}`, ...disposition, '', ''].join('\r\n')
}

function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}
