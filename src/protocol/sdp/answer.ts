import { acceptCrypto, formatCryptoAttribute, type CryptoAttribute } from './crypto-attribute.ts'
import { parsePayloadType, valuesByPayloadType } from './parse-media.ts'
import { encodingNameOf, isWrapper, payloadFormatOf } from '../rtp/payload-format.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import type { MediaDescription, MediaDirection, RecordState, SessionDescription } from './session-description.ts'

/** How the media of a profile is protected. RFC 3551, RFC 4585, RFC 3711, RFC 5124, RFC 5764 8 */
const PROFILES: ReadonlyMap<string, 'plain' | 'sdes' | 'dtls'> = new Map([
  ['RTP/AVP', 'plain'],
  ['RTP/AVPF', 'plain'],
  ['RTP/SAVP', 'sdes'],
  ['RTP/SAVPF', 'sdes'],
  ['UDP/TLS/RTP/SAVP', 'dtls'],
  ['UDP/TLS/RTP/SAVPF', 'dtls'],
])

/**
 * Why a line is not recorded; each is a metric label. `notAudio`: video, text, messages, fax · `dtls`: keys by DTLS
 * (RFC 5764) · `profile`: any other way of transport · `noCrypto`: a secure line without keys · `cryptoSuite`: none of its
 * suites is ours · `crypto`: its keys or their parameters are not valid · `noCodec`: it lists no payload type at all.
 */
export type LineRefusal = 'notAudio' | 'dtls' | 'profile' | 'noCrypto' | 'cryptoSuite' | 'crypto' | 'noCodec'

/** An m-line as it will be answered. */
export interface RecordableLine {
  /** At least one: those that are decoded live, then the others, each in the order of the offer. */
  readonly payloadTypes: readonly number[]
  /** The offered keys that are taken; undefined for RTP in clear. */
  readonly crypto: CryptoAttribute | undefined
}

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
  /** What we are ready for; what the offer does not allow is taken off. RFC 3264 6.1 */
  readonly direction: MediaDirection
  /** What is really done with the line; told when the offer spoke of it. `on` when left out. RFC 7866 7.1.2 */
  readonly record?: RecordState
  /** Our own key and salt for a line that is answered with keys, as many octets as the suite asks. RFC 4568 5.1.2 */
  readonly masterKey?: Uint8Array
}

/**
 * Writes the answer of a recorder: as many m-lines as the offer and in its order, every label echoed; nothing is sent unless a line says so.
 *
 * - A line is refused (port 0) when `lines` says so or is too short, when the offer refused it, when it cannot be recorded
 *   ({@link judgeLine}), when it needs a key of ours and there is none, and when none of its payload types was offered: some
 *   clients hang up at once when they are answered with a codec they did not offer.
 * - A line that the offerer does not send on (`inactive`, `recvonly`) is not answered as if he did, whatever `lines` says; likewise one on which
 *   he does not receive.
 * - rtpmap and fmtp of the accepted types, ptime, the profile and `rtcp-mux` are those of the offer.
 * - A line with keys has the tag and the suite of the one `a=crypto` that is accepted, and our own key.
 * - `a=record` is written where the offer has it or `a=recordpref`.
 * - Groups, ICE, fingerprints and `mid` are left out, by which all of them are declined. RFC 9143 7.3, RFC 5888 9
 *
 * The address family follows from `address` (a colon means IPv6; brackets are removed).
 *
 * @see RFC 3264 6, RFC 4574 5, RFC 7866 7.2, RFC 4568 7.1.2
 * @throws RangeError when a `masterKey` has the wrong length
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
 * address that is none (RFC 2543 style hold, RFC 3264 8.4), or port 0.
 */
export function isHeld(media: MediaDescription): boolean {
  if (media.port === 0) return true
  if (media.direction === 'inactive' || media.direction === 'recvonly') return true
  return isNoAddress(media.connectionAddress ?? '')
}

/** Whether the sender of this line wants to hear us now: it is neither refused nor on hold, and has an address. RFC 3264 5.1, 8.4 */
export function isListening(media: MediaDescription): boolean {
  return media.port !== 0 && receivesAs(media.direction) && !isNoAddress(media.connectionAddress ?? '')
}

/**
 * Whether and how this m-line is recorded.
 *
 * Audio is never refused for its codec. All that a line lists is kept, because clients change between codecs in mid-stream without a new
 * offer, and because some list payload types without rtpmap while a line is inactive and say what they are when they resume it. What is
 * decoded live goes first, so that a client with a choice sends that (RFC 3264 6.1). Left out are redundancy, retransmission
 * and error correction around a codec that is offered in itself.
 *
 * Keys are taken from the first usable `a=crypto` line (RFC 4568 5.1.2). A line of a plain profile that has one is
 * opportunistic SRTP (RFC 8643 3.1); without a usable one it is plain RTP.
 */
export function judgeLine(media: MediaDescription): Result<RecordableLine, LineRefusal> {
  if (media.type !== 'audio') return rejected('notAudio')
  const profile = PROFILES.get(media.protocol.toUpperCase())
  if (profile === undefined) return rejected('profile')
  if (profile === 'dtls') return rejected('dtls')
  const [crypto] = media.crypto.usable
  if (profile === 'sdes' && crypto === undefined) return rejected(missingCrypto(media))
  const payloadTypes = payloadTypesOf(media)
  return payloadTypes.length === 0 ? rejected('noCodec') : accepted({ payloadTypes, crypto })
}

/** The payload types of this m-line to answer with; empty when it cannot be recorded. See {@link judgeLine}. */
export function selectPayloadTypes(media: MediaDescription): readonly number[] {
  const judged = judgeLine(media)
  return judged.ok ? judged.value.payloadTypes : []
}

function payloadTypesOf({ formats, codecs }: MediaDescription): readonly number[] {
  const byPayloadType = new Map(codecs.map((codec) => [codec.payloadType, codec]))
  const listed = [...new Set(formats.map(parsePayloadType).filter((payloadType) => payloadType !== undefined))].map(
    (payloadType) => {
      const codec = byPayloadType.get(payloadType)
      return { payloadType, isWrapped: codec !== undefined && isWrapper(codec), format: payloadFormatOf(codec) }
    },
  )
  const codecsProper = listed.filter(({ isWrapped }) => !isWrapped)
  const hasAudio = codecsProper.some(({ format }) => encodingNameOf(format) !== undefined)
  const wanted = hasAudio ? codecsProper : listed
  const isLive = ({ format }: (typeof listed)[number]): boolean => format.kind === 'audio'
  const ordered = [...wanted.filter(isLive), ...wanted.filter((candidate) => !isLive(candidate))]
  return ordered.map(({ payloadType }) => payloadType)
}

// Before RFC 5764 8 had its profiles, keys by DTLS were offered as RTP/SAVP(F) with a fingerprint and no crypto.
function missingCrypto({ crypto, attributes }: MediaDescription): LineRefusal {
  if (crypto.rejected.length === 0) {
    return attributes.some(({ name }) => name === 'fingerprint') ? 'dtls' : 'noCrypto'
  }
  return crypto.rejected.every((reason) => reason === 'suite') ? 'cryptoSuite' : 'crypto'
}

// Zeros of either family, or a name that never resolves (RFC 6761 6.4).
function isNoAddress(address: string): boolean {
  if (address === '0.0.0.0' || address.toLowerCase().endsWith('.invalid')) return true
  return address.includes(':') && /^[0:]+$/.test(address)
}

/** `IN IP4 …` or `IN IP6 …`; a colon means IPv6, brackets are removed. RFC 8866 5.7 */
export function connectionData(address: string): string {
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
  return `IN ${bare.includes(':') ? 'IP6' : 'IP4'} ${bare}`
}

function mediaLines(media: MediaDescription, line: AnswerLine | undefined, connection: string): readonly string[] {
  const judged = judgeLine(media)
  if (line === undefined || line.port === 0 || media.port === 0 || !judged.ok) return refusedLines(media)
  const { crypto } = judged.value
  const offered = new Set(media.formats.map(parsePayloadType))
  const payloadTypes = line.payloadTypes.filter((payloadType) => offered.has(payloadType))
  if (payloadTypes.length === 0 || (crypto !== undefined && line.masterKey === undefined)) return refusedLines(media)
  const muxed = media.rtcpMux && (line.rtcpPort === undefined || line.rtcpPort === line.port)
  return [
    `m=${media.type} ${line.port} ${media.protocol} ${payloadTypes.join(' ')}`,
    ...labelLines(media),
    ...formatLines(media, payloadTypes),
    ...(media.packetTimeMs === undefined ? [] : [`a=ptime:${media.packetTimeMs}`]),
    ...cryptoLines(crypto, line.masterKey),
    `a=${answeredDirection(media.direction, line.direction)}`,
    ...recordLines(media, line.record ?? 'on'),
    ...(muxed ? ['a=rtcp-mux'] : []),
    ...(!muxed && line.rtcpPort !== undefined && line.rtcpPort !== line.port + 1
      ? [`a=rtcp:${line.rtcpPort} ${connection}`]
      : []),
  ]
}

// RFC 3264 6.1: `sendonly` of one side is `recvonly` of the other.
function answeredDirection(offered: MediaDirection, ours: MediaDirection): MediaDirection {
  const receives = sends(offered) && receivesAs(ours)
  const isSent = receivesAs(offered) && sends(ours)
  if (receives) return isSent ? 'sendrecv' : 'recvonly'
  return isSent ? 'sendonly' : 'inactive'
}

const sends = (direction: MediaDirection): boolean => direction === 'sendrecv' || direction === 'sendonly'
const receivesAs = (direction: MediaDirection): boolean => direction === 'sendrecv' || direction === 'recvonly'

// RFC 3264 6: a refused line keeps its place, its type and at least one format.
function refusedLines(media: MediaDescription): readonly string[] {
  const type = media.type === '' ? 'audio' : media.type
  const protocol = media.protocol === '' ? 'RTP/AVP' : media.protocol
  const formats = media.formats.length === 0 ? '0' : media.formats.join(' ')
  return [`m=${type} 0 ${protocol} ${formats}`, ...labelLines(media), 'a=inactive', ...recordLines(media, 'off')]
}

function cryptoLines(offered: CryptoAttribute | undefined, masterKey: Uint8Array | undefined): readonly string[] {
  if (offered === undefined || masterKey === undefined) return []
  return [`a=crypto:${formatCryptoAttribute(acceptCrypto(offered, masterKey))}`]
}

function recordLines({ record, recordPreference }: MediaDescription, state: RecordState): readonly string[] {
  return record === undefined && recordPreference === undefined ? [] : [`a=record:${state}`]
}

function labelLines(media: MediaDescription): readonly string[] {
  return media.label === undefined ? [] : [`a=label:${media.label}`]
}

function formatLines({ codecs, attributes }: MediaDescription, payloadTypes: readonly number[]): readonly string[] {
  const byPayloadType = new Map(codecs.map((codec) => [codec.payloadType, codec]))
  const written = valuesByPayloadType(attributes, 'rtpmap')
  return payloadTypes.flatMap((payloadType) => {
    const codec = byPayloadType.get(payloadType)
    if (codec === undefined) return []
    const channels = codec.channels === 1 ? '' : `/${codec.channels}`
    return [
      `a=rtpmap:${payloadType} ${written.get(payloadType) ?? `${codec.name}/${codec.clockRate}${channels}`}`,
      ...(codec.fmtp === undefined ? [] : [`a=fmtp:${payloadType} ${codec.fmtp}`]),
    ]
  })
}
