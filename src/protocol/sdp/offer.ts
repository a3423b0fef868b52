import { connectionData } from './answer.ts'
import { formatCryptoAttribute, type CryptoAttribute } from './crypto-attribute.ts'
import type { MediaCodec, MediaDescription } from './session-description.ts'

/** Dynamic payload type of telephone-event where nothing else is agreed; most clients use this number. */
const EVENT_PAYLOAD_TYPE = 101
/** Likewise of Opus. */
const OPUS_PAYLOAD_TYPE = 111
/** Payload types that nobody has: the dynamic ones (RFC 3551 6), and where they do not suffice the unassigned ones that RTCP does not look like (RFC 5761 4). */
const FREE_PAYLOAD_TYPES: readonly number[] = [...range(96, 127), ...range(35, 63)]

/**
 * What an offer of ours lists on each line, most wanted first, and why. Only what is decoded live: what is offered will be sent, and an
 * SRC that asks us to offer has no other codec in mind.
 */
export const OFFERED_CODECS: readonly (MediaCodec & { readonly why: string })[] = [
  {
    payloadType: 0,
    name: 'PCMU',
    clockRate: 8000,
    channels: 1,
    why: 'every client has it; a mandatory codec of RFC 7866 7',
  },
  {
    payloadType: 8,
    name: 'PCMA',
    clockRate: 8000,
    channels: 1,
    why: 'spoken outside North America and Japan; saves transcoding there',
  },
  { payloadType: 9, name: 'G722', clockRate: 8000, channels: 1, why: 'wideband as desk phones speak it' },
  {
    payloadType: OPUS_PAYLOAD_TYPE,
    name: 'OPUS',
    clockRate: 48_000,
    channels: 2,
    fmtp: 'useinbandfec=1',
    why: 'all that softphones and WebRTC gateways may have left; behind the others, as it costs most to record',
  },
  {
    payloadType: EVENT_PAYLOAD_TYPE,
    name: 'TELEPHONE-EVENT',
    clockRate: 8000,
    channels: 1,
    fmtp: '0-16',
    why: 'without it a client may refuse the line, or send tones in the audio',
  },
]

/** Names are read in any case, but some clients compare them as the RFCs write them. */
const WRITTEN_NAMES: Readonly<Record<string, string>> = { OPUS: 'opus', 'TELEPHONE-EVENT': 'telephone-event' }

/** One m-line of an offer of ours. */
export type OfferLine =
  | {
      /** Where we receive. */
      readonly port: number
      readonly label: string | undefined
      readonly direction: 'recvonly' | 'inactive'
      /** Undefined: RTP/AVP. */
      readonly protocol?: string
      /** Payload types that are agreed on this line already: their numbers keep their meaning. RFC 3264 8.3.2 */
      readonly agreed?: readonly MediaCodec[]
      /** Our own key, with the tag and suite of the SRC's. RFC 4568 */
      readonly crypto?: CryptoAttribute
    }
  /** A line that was refused earlier keeps its place. RFC 3264 8.2 */
  | { readonly refused: Pick<MediaDescription, 'type' | 'protocol' | 'formats' | 'label'> }

/**
 * Writes an offer of a recorder: audio that we receive and never send, in answer to an INVITE without SDP (RFC 3261 13.2.1, 14.2) or in
 * a re-INVITE of ours. Labels are those of the metadata, or of the lines as they were.
 *
 * @see RFC 3264 5, RFC 8866 5, RFC 7866 7.2
 */
export function buildOffer(options: {
  readonly lines: readonly OfferLine[]
  /** An IP address, or a name that resolves to an IPv4 address. */
  readonly address: string
  /** Decimal digits. The same for all descriptions of a dialog. */
  readonly sessionId: string
  /** Raised by one whenever the description changes. RFC 3264 8 */
  readonly sessionVersion: number
}): Uint8Array {
  const connection = connectionData(options.address)
  const text = [
    'v=0',
    `o=- ${options.sessionId} ${options.sessionVersion} ${connection}`,
    's=-',
    `c=${connection}`,
    't=0 0',
    ...options.lines.flatMap(offerLine),
    '',
  ].join('\r\n')
  return new TextEncoder().encode(text)
}

function offerLine(line: OfferLine): readonly string[] {
  if ('refused' in line) {
    const { type, protocol, formats, label } = line.refused
    const written = formats.length === 0 ? '0' : formats.join(' ')
    return [`m=${type || 'audio'} 0 ${protocol || 'RTP/AVP'} ${written}`, ...labelLine(label), 'a=inactive']
  }
  const codecs = numbered(line.agreed ?? [])
  const payloadTypes = codecs.map(({ payloadType }) => payloadType).join(' ')
  return [
    `m=audio ${line.port} ${line.protocol ?? 'RTP/AVP'} ${payloadTypes}`,
    ...labelLine(line.label),
    ...codecs.flatMap(({ payloadType, name, clockRate, channels, fmtp }) => [
      `a=rtpmap:${payloadType} ${WRITTEN_NAMES[name] ?? name}/${clockRate}${channels === 1 ? '' : `/${channels}`}`,
      ...(fmtp === undefined ? [] : [`a=fmtp:${payloadType} ${fmtp}`]),
    ]),
    ...(line.crypto === undefined ? [] : [`a=crypto:${formatCryptoAttribute(line.crypto)}`]),
    `a=${line.direction}`,
  ]
}

/** Our codecs, under the numbers that they have already, else under free ones; without those for which none is left. */
function numbered(agreed: readonly MediaCodec[]): readonly MediaCodec[] {
  const taken = new Set(agreed.map(({ payloadType }) => payloadType))
  return OFFERED_CODECS.flatMap((codec) => {
    const known = agreed.find(({ name, clockRate }) => name === codec.name && clockRate === codec.clockRate)
    if (known !== undefined) return [{ ...codec, payloadType: known.payloadType }]
    const free = [codec.payloadType, ...FREE_PAYLOAD_TYPES].find((payloadType) => !taken.has(payloadType))
    if (free === undefined) return []
    taken.add(free)
    return [{ ...codec, payloadType: free }]
  })
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

function labelLine(label: string | undefined): readonly string[] {
  return label === undefined ? [] : [`a=label:${label}`]
}
