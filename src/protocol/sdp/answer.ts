import { parsePayloadType } from './parse-media.ts'
import type { MediaCodec, MediaDescription, SessionDescription } from './session-description.ts'

/** What the recorder decodes today, by upper-case encoding name; at 8000 Hz and one channel. RFC 3551 4.5.14 */
const RECORDABLE_NAMES: ReadonlySet<string> = new Set(['PCMU', 'PCMA'])
const RECORDABLE_CLOCK_RATE = 8000
/** Sent beside the audio in the same RTP stream: RFC 4733 events, RFC 3389 comfort noise. */
const COMPANION_NAMES: ReadonlySet<string> = new Set(['TELEPHONE-EVENT', 'CN'])
/** Plain RTP; the secure profiles need keys. RFC 3551, RFC 4585 */
const PLAIN_PROFILES: ReadonlySet<string> = new Set(['RTP/AVP', 'RTP/AVPF'])

/** What is answered to one m-line of the offer. */
export interface AnswerLine {
  /** Where we receive; 0 refuses the line. */
  readonly port: number
  /**
   * Where we receive RTCP. Left out, it is the next port, or the same one when the offer has `rtcp-mux`, which is then
   * accepted. Given and different from `port`, multiplexing is declined. RFC 5761 5.1.1
   */
  readonly rtcpPort?: number
  /** Taken from the offer; whatever was not offered is left out of the answer. */
  readonly payloadTypes: readonly number[]
  readonly direction: 'recvonly' | 'inactive'
}

/**
 * Writes the answer of a recorder: as many m-lines as the offer and in its order, every label echoed, nothing sent.
 *
 * - A line is refused (port 0) when `lines` says so or is too short, when the offer refused it, and when none of
 *   its payload types was offered: some clients hang up at once when they are answered with a codec they did not offer.
 * - A line that the offerer does not send on (`inactive`, `recvonly`) is answered `inactive`, whatever `lines` says.
 * - rtpmap and fmtp of the accepted types, ptime, the profile and `rtcp-mux` are those of the offer.
 *
 * The address family follows from `address` (a colon means IPv6; brackets are removed).
 *
 * @see RFC 3264 6, RFC 4574 5, RFC 7866 7.1
 */
export function buildAnswer(options: {
  readonly offer: SessionDescription
  readonly lines: readonly AnswerLine[]
  /** An IP address, or a name that resolves to an IPv4 address. */
  readonly address: string
  /** Decimal digits. The same for all answers of a dialog. */
  readonly sessionId: string
  /** Raised by one whenever the answer changes. RFC 3264 8 */
  readonly sessionVersion: number
}): Uint8Array {
  const connection = connectionData(options.address)
  const text = [
    'v=0',
    `o=- ${options.sessionId} ${options.sessionVersion} ${connection}`,
    's=-',
    `c=${connection}`,
    't=0 0',
    ...options.offer.media.flatMap((media, index) => mediaLines(media, options.lines[index], connection)),
    '',
  ].join('\r\n')
  return new TextEncoder().encode(text)
}

/**
 * True when the sender of this line announces that it sends no media now: `inactive` or `recvonly`, a connection
 * address of zeros (RFC 2543 style hold, RFC 3264 8.4), or port 0.
 */
export function isHeld(media: MediaDescription): boolean {
  if (media.port === 0) return true
  if (media.direction === 'inactive' || media.direction === 'recvonly') return true
  return media.connectionAddress === '0.0.0.0' || media.connectionAddress === '::'
}

/**
 * The payload types of this m-line to answer with, in the order of the offer; empty when nothing on it can be recorded
 * (not audio, not plain RTP, or only codecs that are not decoded yet). All codecs that are recordable are kept, because
 * clients change between them in mid-stream without a new offer.
 *
 * Says nothing about port 0 or direction: a held line is still a line that can be recorded later.
 */
export function selectPayloadTypes(media: MediaDescription): readonly number[] {
  if (media.type !== 'audio' || !PLAIN_PROFILES.has(media.protocol.toUpperCase())) return []
  if (!media.codecs.some(isRecordable)) return []
  return media.codecs.filter((codec) => isRecordable(codec) || isCompanion(codec)).map(({ payloadType }) => payloadType)
}

function connectionData(address: string): string {
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
  return `IN ${bare.includes(':') ? 'IP6' : 'IP4'} ${bare}`
}

function mediaLines(media: MediaDescription, line: AnswerLine | undefined, connection: string): readonly string[] {
  const offered = new Set(media.formats.map(parsePayloadType))
  const payloadTypes = line?.payloadTypes.filter((payloadType) => offered.has(payloadType)) ?? []
  if (line === undefined || line.port === 0 || media.port === 0 || payloadTypes.length === 0) return refusedLines(media)
  const muxed = media.rtcpMux && (line.rtcpPort === undefined || line.rtcpPort === line.port)
  const offererSends = media.direction === 'sendrecv' || media.direction === 'sendonly'
  return [
    `m=${media.type} ${line.port} ${media.protocol} ${payloadTypes.join(' ')}`,
    ...labelLines(media),
    ...payloadTypes.flatMap((payloadType) => formatLines(media, payloadType)),
    ...(media.packetTimeMs === undefined ? [] : [`a=ptime:${media.packetTimeMs}`]),
    `a=${offererSends ? line.direction : 'inactive'}`,
    ...(muxed ? ['a=rtcp-mux'] : []),
    ...(!muxed && line.rtcpPort !== undefined && line.rtcpPort !== line.port + 1
      ? [`a=rtcp:${line.rtcpPort} ${connection}`]
      : []),
  ]
}

// RFC 3264 6: a refused line keeps its place, its type and at least one format.
function refusedLines(media: MediaDescription): readonly string[] {
  const type = media.type === '' ? 'audio' : media.type
  const protocol = media.protocol === '' ? 'RTP/AVP' : media.protocol
  const formats = media.formats.length === 0 ? '0' : media.formats.join(' ')
  return [`m=${type} 0 ${protocol} ${formats}`, ...labelLines(media), 'a=inactive']
}

function labelLines(media: MediaDescription): readonly string[] {
  return media.label === undefined ? [] : [`a=label:${media.label}`]
}

function formatLines(media: MediaDescription, payloadType: number): readonly string[] {
  const codec = media.codecs.find((candidate) => candidate.payloadType === payloadType)
  if (codec === undefined) return []
  const written = media.attributes.find(
    ({ name, value }) => name === 'rtpmap' && parsePayloadType(value.split(/\s/)[0] ?? '') === payloadType,
  )
  const channels = codec.channels === 1 ? '' : `/${codec.channels}`
  return [
    `a=rtpmap:${written?.value ?? `${payloadType} ${codec.name}/${codec.clockRate}${channels}`}`,
    ...(codec.fmtp === undefined ? [] : [`a=fmtp:${payloadType} ${codec.fmtp}`]),
  ]
}

function isRecordable({ name, clockRate, channels }: MediaCodec): boolean {
  return RECORDABLE_NAMES.has(name) && clockRate === RECORDABLE_CLOCK_RATE && channels === 1
}

// RFC 4733 2.1: events share the clock of the audio they stand beside.
function isCompanion({ name, clockRate }: MediaCodec): boolean {
  return COMPANION_NAMES.has(name) && clockRate === RECORDABLE_CLOCK_RATE
}
