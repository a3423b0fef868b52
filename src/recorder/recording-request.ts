import { asStreamId } from '../ids.ts'
import { isRecordingRequest } from '../protocol/siprec/detect.ts'
import { readFromMetadata } from '../protocol/siprec/from-metadata.ts'
import type { MetadataSnapshot } from '../protocol/siprec/metadata.ts'
import { isMetadataType, splitBody, type BodyPart } from '../protocol/siprec/multipart.ts'
import { payloadFormatOf } from '../protocol/rtp/payload-format.ts'
import { parseMetadata } from '../protocol/siprec/parse-metadata.ts'
import { isHeld, judgeLine, type AnswerLine, type LineRefusal } from '../protocol/sdp/answer.ts'
import { srtpKeysOf, type CryptoAttribute } from '../protocol/sdp/crypto-attribute.ts'
import { parseSdp } from '../protocol/sdp/parse.ts'
import { STATIC_PAYLOAD_TYPES } from '../protocol/sdp/static-payload-types.ts'
import type { MediaDescription, SessionDescription } from '../protocol/sdp/session-description.ts'
import { accepted, rejected, type Result } from '../result.ts'
import { mediaTransport } from './media-transport.ts'
import type { MediaStreamPlan } from './recording-types.ts'

/** Media streams of one recording session that are received; more audio lines are answered with port 0. */
export const STREAMS_MAX = 32
/** Payload types of redundant audio on one line, and those that they wrap. */
const REDUNDANT_TYPES_MAX = 8

/** Why an INVITE starts no recording. Each is a metric label and has one SIP answer in {@link REFUSALS}. */
export type RefusalReason =
  | 'notRecording'
  | 'contentType'
  | 'body'
  | 'sdp'
  | 'noAudio'
  | 'noCodec'
  | 'noKeys'
  | 'dtls'
  | 'profile'

export interface Refusal {
  readonly status: number
  readonly phrase: string
  readonly headers: readonly (readonly [string, string])[]
}

const warning = (code: number, text: string): readonly (readonly [string, string])[] => [
  ['Warning', `${code} earwitness "${text}"`],
]

/** RFC 3261 21.4 for the codes, 20.43 for the warnings. */
export const REFUSALS: Readonly<Record<RefusalReason, Refusal>> = {
  notRecording: {
    status: 403,
    phrase: 'Forbidden',
    headers: warning(
      399,
      'This server only takes SIPREC recording sessions (Require: siprec, +sip.src or rs-metadata)',
    ),
  },
  contentType: {
    status: 415,
    phrase: 'Unsupported Media Type',
    // The user agent adds the Accept that belongs to it.
    headers: [],
  },
  body: { status: 400, phrase: 'Bad Request', headers: warning(399, 'The multipart body could not be split') },
  sdp: { status: 400, phrase: 'Bad Request', headers: warning(399, 'The SDP offer could not be read') },
  noAudio: {
    status: 488,
    phrase: 'Not Acceptable Here',
    headers: warning(304, 'No audio stream in the offer'),
  },
  noCodec: {
    status: 488,
    phrase: 'Not Acceptable Here',
    headers: warning(305, 'The audio line lists no payload type'),
  },
  noKeys: {
    status: 488,
    phrase: 'Not Acceptable Here',
    headers: warning(
      307,
      'No usable a=crypto line; offer AES_CM_128_HMAC_SHA1_80 or AEAD_AES_256_GCM with an inline key',
    ),
  },
  dtls: {
    status: 488,
    phrase: 'Not Acceptable Here',
    headers: warning(302, 'Keys are not taken by DTLS; offer RTP/SAVP with a=crypto lines'),
  },
  profile: {
    status: 488,
    phrase: 'Not Acceptable Here',
    headers: warning(302, 'No audio over RTP/AVP, RTP/AVPF, RTP/SAVP or RTP/SAVPF in the offer'),
  },
}

/** What an INVITE is refused with when this is why its best audio line is; the reasons nearest to success first. */
const NO_LINE_LEFT: readonly (readonly [RefusalReason, readonly LineRefusal[]])[] = [
  ['noCodec', ['noCodec']],
  ['noKeys', ['crypto', 'cryptoSuite', 'noCrypto']],
  ['dtls', ['dtls']],
  ['profile', ['profile']],
]

/** An INVITE or re-INVITE, read. */
export interface RecordingRequest {
  readonly offer: SessionDescription
  /** The lines to receive, in the order of the offer. */
  readonly plans: readonly MediaStreamPlan[]
  /** Why the other lines are not received, in the order of the offer; to be counted. */
  readonly refusedLines: readonly (LineRefusal | 'tooMany')[]
  readonly metadata: RequestMetadata | undefined
}

/** Metadata as it came in a message. */
export interface RequestMetadata {
  readonly raw: Uint8Array
  readonly snapshot: MetadataSnapshot | undefined
  /** Why there is no snapshot. */
  readonly reason?: string
  /** What `raw` is when it is no rs-metadata document: a header line of a client that has none. RFC 3420 */
  readonly mediaType?: 'message/sipfrag'
}

export interface InviteFacts {
  readonly contentType: string | undefined
  readonly body: Uint8Array
  readonly require: readonly string[]
  readonly contact: string | undefined
  /** Inside a dialog, or from a source whose profile forces it: no need to prove that it is SIPREC. */
  readonly knownRecording: boolean
  /** The From header as written: a phone that forks its media says there what others say in metadata. */
  readonly from?: string
}

/**
 * Reads what an INVITE asks to be recorded, by the rules of the SIPREC dialects: recording comes first. `noOffer`: it is a recording session,
 * but the offer is left to us; see `planDelayedOffer`.
 */
export function readRecordingRequest(invite: InviteFacts): Result<RecordingRequest, RefusalReason | 'noOffer'> {
  const split = splitBody(invite.contentType, invite.body)
  if (!split.ok && invite.body.length > 0) return rejected('body', split.reason)
  const parts = split.ok ? split.value : []
  const sdpPart = parts.find((part) => part.contentType === 'application/sdp')
  const metadataPart = parts.find((part) => isMetadataType(part.contentType))
  const isRecording =
    invite.knownRecording ||
    (invite.from !== undefined && readFromMetadata(invite.from) !== undefined) ||
    isRecordingRequest({
      require: invite.require,
      contact: invite.contact,
      hasMetadataPart: metadataPart !== undefined,
    })
  if (!isRecording) return rejected('notRecording')
  if (sdpPart === undefined) return rejected(isForeignBody(parts, metadataPart) ? 'contentType' : 'noOffer')
  const offer = parseSdp(sdpPart.body)
  if (!offer.ok) return rejected('sdp', offer.reason)
  if (!offer.value.media.some(({ type }) => type === 'audio')) return rejected('noAudio')
  const { plans, refusedLines } = planStreams(offer.value.media)
  if (plans.length === 0) return rejected(noLineLeft(refusedLines))
  return accepted({
    offer: offer.value,
    plans,
    refusedLines,
    metadata: metadataPart === undefined ? fromMetadata(invite.from) : readMetadataDocument(metadataPart.body),
  })
}

/** The metadata in a body that carries no offer: that of a BYE, say. */
export function readMetadataBody(contentType: string | undefined, body: Uint8Array): RecordingRequest['metadata'] {
  const split = splitBody(contentType, body)
  const part = split.ok ? split.value.find((candidate) => isMetadataType(candidate.contentType)) : undefined
  return part && readMetadataDocument(part.body)
}

/** The facts in From of a phone that forks its media, kept as the header line they were read from. RFC 3420 */
export function fromMetadata(from: string | undefined): RequestMetadata | undefined {
  const read = from === undefined ? undefined : readFromMetadata(from)
  if (read === undefined) return undefined
  const raw = new TextEncoder().encode(`From: ${from}\r\n`)
  return { raw, snapshot: read.snapshot, mediaType: 'message/sipfrag' }
}

/** Reads a metadata document again that was kept when it came; `mediaType` as {@link RequestMetadata} has it. */
export function readKeptMetadata(raw: Uint8Array, mediaType: string | undefined): RequestMetadata {
  if (mediaType === undefined) return readMetadataDocument(raw)
  const [, from] = /^From: (.*)\r\n$/s.exec(new TextDecoder().decode(raw)) ?? []
  return fromMetadata(from) ?? { raw, snapshot: undefined }
}

/**
 * The answer to each line of the offer (RFC 3264 6); `ports` are those of `plans`, in order.
 *
 * @param masterKeyFor our own key for the line with this index, whose SRC offered these; see {@link AnswerLine.masterKey}
 */
export function answerLines(
  request: RecordingRequest,
  ports: readonly number[],
  masterKeyFor: (index: number, offered: CryptoAttribute) => Uint8Array,
): AnswerLine[] {
  const planned = new Map(request.plans.map((plan, index) => [plan.streamId as string, { plan, port: ports[index] }]))
  return request.offer.media.map((media): AnswerLine => {
    const { plan, port = 0 } = planned.get(String(media.index)) ?? {}
    const judged = judgeLine(media)
    if (plan === undefined || port === 0 || media.port === 0 || !judged.ok) {
      return { port: 0, payloadTypes: [], direction: 'inactive' }
    }
    const { payloadTypes, crypto } = judged.value
    return {
      port,
      payloadTypes,
      direction: media.direction === 'inactive' || media.direction === 'recvonly' ? 'inactive' : 'recvonly',
      ...(plan.paused ? { record: 'paused' } : {}),
      ...(crypto === undefined ? {} : { masterKey: masterKeyFor(media.index, crypto) }),
    }
  })
}

/** The media streams of a description of the SRC, and why the other lines are not received. */
export function planStreams(media: readonly MediaDescription[]): Pick<RecordingRequest, 'plans' | 'refusedLines'> {
  const labels = media.map(({ label }) => label)
  const plans: MediaStreamPlan[] = []
  const refusedLines: (LineRefusal | 'tooMany')[] = []
  for (const line of media) {
    const plan = planStream(line, labels)
    if (!plan.ok) refusedLines.push(plan.reason)
    else if (plans.length < STREAMS_MAX) plans.push(plan.value)
    else refusedLines.push('tooMany')
  }
  return { plans, refusedLines }
}

/** What redundant audio says in its `a=fmtp` that it wraps, such as `0/5`; what it does not say is listed for itself. RFC 2198 5 */
function wrappedIn(redundant: readonly { readonly fmtp?: string }[]): readonly number[] {
  const named = redundant.flatMap(({ fmtp = '' }) => (/^\d+(\/\d+)*$/.test(fmtp.trim()) ? fmtp.trim().split('/') : []))
  return [...new Set(named.map(Number))].filter((payloadType) => payloadType < 128).slice(0, REDUNDANT_TYPES_MAX)
}

function planStream(
  media: MediaDescription,
  labels: readonly (string | undefined)[],
): Result<MediaStreamPlan, LineRefusal> {
  const judged = judgeLine(media)
  if (!judged.ok) return judged
  const { payloadTypes, crypto } = judged.value
  const codecs = new Map(media.codecs.map((codec) => [codec.payloadType, codec]))
  const redundant = media.codecs.filter(({ name }) => name === 'RED').slice(0, REDUNDANT_TYPES_MAX)
  return accepted({
    streamId: asStreamId(String(media.index)),
    streamLabel: media.label ?? String(media.index + 1),
    line: { label: media.label, index: media.index, labels },
    payloadTypes: new Map(
      [...payloadTypes, ...wrappedIn(redundant)].map((type) => [
        type,
        payloadFormatOf(codecs.get(type) ?? STATIC_PAYLOAD_TYPES.get(type)),
      ]),
    ),
    ...(redundant.length === 0 ? {} : { redundant: new Set(redundant.map(({ payloadType }) => payloadType)) }),
    held: isHeld(media),
    ...(media.recordPreference === 'off' || media.recordPreference === 'pause' ? { wish: media.recordPreference } : {}),
    // The SRC says so itself; a wish it has weighed already. RFC 7866 7.1.3
    paused: media.record === 'paused' || media.record === 'off',
    keys: crypto && srtpKeysOf(crypto),
    transport: mediaTransport(media),
  })
}

function noLineLeft(refusedLines: RecordingRequest['refusedLines']): RefusalReason {
  const found = NO_LINE_LEFT.find(([, causes]) =>
    refusedLines.some((refusal) => causes.some((cause) => cause === refusal)),
  )
  return found?.[0] ?? 'noCodec'
}

function readMetadataDocument(raw: Uint8Array): RequestMetadata {
  const parsed = parseMetadata(raw)
  return parsed.ok ? { raw, snapshot: parsed.value } : { raw, snapshot: undefined, reason: parsed.reason }
}

/** There is a body, and not one part of it is of a type we read. */
function isForeignBody(parts: readonly BodyPart[], metadataPart: BodyPart | undefined): boolean {
  return metadataPart === undefined && parts.some((part) => part.body.length > 0)
}
