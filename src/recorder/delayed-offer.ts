import { asStreamId } from '../ids.ts'
import { payloadFormatOf } from '../protocol/rtp/payload-format.ts'
import { OFFERED_CODECS } from '../protocol/sdp/offer.ts'
import { parseSdp } from '../protocol/sdp/parse.ts'
import type { MediaDescription } from '../protocol/sdp/session-description.ts'
import { isRecordingRequest } from '../protocol/siprec/detect.ts'
import { splitBody } from '../protocol/siprec/multipart.ts'
import { accepted, rejected, type Result } from '../result.ts'
import {
  fromMetadata,
  planStreams,
  readMetadataBody,
  STREAMS_MAX,
  type InviteFacts,
  type RecordingRequest,
} from './recording-request.ts'
import type { MediaStreamPlan } from './recording-types.ts'

/** An INVITE without SDP: we offer, and the ACK brings the answer. RFC 3261 13.2.1 */
export interface DelayedOffer {
  /** The lines to offer, in order. The SRC has not said yet whether it sends on them: until it does, nothing is awaited (`held`). */
  readonly plans: readonly MediaStreamPlan[]
  readonly metadata: RecordingRequest['metadata']
}

/** How many lines are offered when no metadata names the media streams, and why. */
export const DEFAULT_LINES = {
  phoneForking: { count: 1, why: 'each side of the communication session is a dialog of its own' },
  siprec: {
    count: 2,
    why: 'two participants; a line too many is refused by the SRC, with one too few somebody would go unheard',
  },
  forced: { count: 1, why: 'nothing says that it is SIPREC, so it is a phone or gateway that knows one stream' },
} as const

/** Plans the offer for an INVITE that `readRecordingRequest` found to be a recording session without SDP. */
export function planDelayedOffer(invite: InviteFacts): DelayedOffer {
  const metadata = readMetadataBody(invite.contentType, invite.body) ?? fromMetadata(invite.from)
  const labels = metadata?.mediaType === undefined ? labelsIn(metadata) : []
  const lines = labels.length > 0 ? labels : defaultLabels(invite, metadata)
  const payloadTypes = new Map(OFFERED_CODECS.map((codec) => [codec.payloadType, payloadFormatOf(codec)]))
  return {
    plans: lines.map((label, index) => ({
      streamId: asStreamId(String(index)),
      streamLabel: label ?? String(index + 1),
      line: { label, index, labels: lines },
      payloadTypes,
      held: true,
      paused: false,
      keys: undefined,
    })),
    metadata,
  }
}

/** What the SRC made of an offer of ours. */
export interface AgreedMedia {
  /** The lines of the answer, each with the label that we gave it. */
  readonly media: readonly MediaDescription[]
  readonly plans: readonly MediaStreamPlan[]
  readonly refusedLines: RecordingRequest['refusedLines']
}

export type AnswerRejectReason = 'noSdp' | 'sdp' | 'noLine'

/**
 * Reads the answer to an offer of ours: the body of an ACK, or of a 2xx to our re-INVITE.
 *
 * A line that the SRC refuses stays what it was and is awaited no more; one that it leaves out counts as refused.
 *
 * @param offered what stood on each line of the offer
 */
export function readAnswer(
  contentType: string | undefined,
  body: Uint8Array,
  offered: readonly Pick<MediaDescription, 'label'>[],
): Result<AgreedMedia, AnswerRejectReason> {
  const split = splitBody(contentType, body)
  const part = split.ok ? split.value.find((candidate) => candidate.contentType === 'application/sdp') : undefined
  if (part === undefined) return rejected('noSdp')
  const answer = parseSdp(part.body)
  if (!answer.ok) return rejected('sdp', answer.reason)
  const media = answer.value.media
    .slice(0, offered.length)
    .map((line, index) => ({ ...line, label: offered[index]?.label ?? line.label }))
  const { plans: answered, refusedLines } = planStreams(media)
  const plans = answered.map((plan) => ({ ...plan, isAnswer: true as const }))
  const isTaken = (plan: MediaStreamPlan): boolean => media[plan.line.index]?.port !== 0
  return plans.some(isTaken) ? accepted({ media, plans, refusedLines }) : rejected('noLine')
}

/** Keeps the streams that an answer refuses by port 0: they are held, not gone. */
export function withRefused(
  { media, plans }: Pick<AgreedMedia, 'media' | 'plans'>,
  before: readonly MediaStreamPlan[],
): readonly MediaStreamPlan[] {
  const planned = new Set(plans.map(({ streamId }) => streamId))
  const refused = before.filter(({ streamId, line }) => !planned.has(streamId) && (media[line.index]?.port ?? 0) === 0)
  return [...plans, ...refused.map((plan) => ({ ...plan, held: true }))].toSorted(
    (left, right) => left.line.index - right.line.index,
  )
}

function labelsIn(metadata: RecordingRequest['metadata']): readonly (string | undefined)[] {
  const labels: (string | undefined)[] = []
  for (const { label } of metadata?.snapshot?.mediaStreams ?? []) {
    const isRepeated = label !== undefined && labels.includes(label)
    if (!isRepeated && labels.length < STREAMS_MAX) labels.push(label)
  }
  return labels
}

function defaultLabels(invite: InviteFacts, metadata: RecordingRequest['metadata']): readonly (string | undefined)[] {
  if (metadata?.mediaType !== undefined) return unlabelled(DEFAULT_LINES.phoneForking.count)
  const { require, contact } = invite
  if (!isRecordingRequest({ require, contact, hasMetadataPart: metadata !== undefined })) {
    return unlabelled(DEFAULT_LINES.forced.count)
  }
  return Array.from({ length: DEFAULT_LINES.siprec.count }, (_, index) => String(index + 1))
}

function unlabelled(count: number): readonly undefined[] {
  return Array.from({ length: count }, () => undefined)
}
