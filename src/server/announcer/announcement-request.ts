import { choosePrompts } from '../../consent/announcement/choose-prompts.ts'
import type { AnnouncementPlan } from '../../consent/announcement/announcement.ts'
import type { AnnouncementsConfig } from '../../config/config.ts'
import type { PromptCodec } from '../../media/prompt-audio.ts'
import { parseNameAddr } from '../../protocol/sip/name-addr.ts'
import { readAnnouncementUri } from '../../protocol/sip/announcement-uri.ts'
import { allowTarget, type TargetPattern } from '../../protocol/sip/target-pattern.ts'
import { parseSipUri } from '../../protocol/sip/uri.ts'
import { conversationLine, type ConversationLine } from '../../protocol/sdp/conversation-line.ts'
import { parseSdp } from '../../protocol/sdp/parse.ts'
import type { SessionDescription } from '../../protocol/sdp/session-description.ts'
import { headerCorrelation } from '../../protocol/siprec/correlation.ts'
import { type CorrelationId, readCorrelationValue } from '../../protocol/siprec/correlation-values.ts'
import { splitBody } from '../../protocol/siprec/multipart.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import type { OfferRequest } from '../signalling/port.ts'
import type { Prompt } from './prompt-library.ts'

/** What prompts can be sent in. */
export const PROMPT_CODECS: ReadonlySet<PromptCodec> = new Set(['PCMU', 'PCMA', 'G722', 'OPUS'])

/** What a call to the announcer asks for, as far as it can be had. */
export interface AnnouncementRequest {
  readonly plan: AnnouncementPlan
  readonly prompts: readonly Prompt[]
  /** Where the call goes on; undefined in answer mode. */
  readonly target: string | undefined
  readonly description: SessionDescription
  readonly line: ConversationLine<PromptCodec>
  /** What names the call, for its recording to be found by. */
  readonly ids: readonly CorrelationId[]
}

/** Why a call to the announcer is refused; each is a metric label. */
export type AnnouncementRefusal =
  | 'source'
  | 'full'
  | 'draining'
  | 'ports'
  | 'uri'
  | 'prompt'
  | 'noTarget'
  | 'target'
  | 'noOffer'
  | 'noCodec'

/**
 * Reads what an INVITE to the announcer wants.
 *
 * The dialled number is what the request names, else the user of its target, else that of To; the caller is the user of From. The jurisdiction is what
 * the request names. The header `X-Earwitness-Target` does as well as the parameter `target`.
 */
export function readAnnouncementRequest(
  offer: OfferRequest,
  settings: {
    readonly announcements: AnnouncementsConfig
    readonly targets: readonly TargetPattern[]
    readonly prompts: readonly Prompt[]
  },
): Result<AnnouncementRequest, AnnouncementRefusal> {
  const { announcements } = settings
  const asked = readAnnouncementUri(offer.requestUri)
  if (!asked.ok) return rejected('uri')
  const uri = asked.value
  const mode = uri.mode ?? announcements.mode
  const target = targetOf(mode, uri.target ?? offer.header('x-earwitness-target'), settings.targets)
  if (!target.ok) return target
  const dialled = uri.dialled ?? userOf(target.value) ?? userIn(offer.to)
  const { language, jurisdiction, promptIds } = uri
  const prompts = choosePrompts(
    { promptIds, language, jurisdiction, dialled, caller: userIn(offer.from) },
    { rules: announcements.rules, usual: announcements, index: settings.prompts },
  )
  if (!prompts.ok || prompts.value.length === 0) return rejected('prompt')
  const spoken = readOffer(offer)
  if (!spoken.ok) return spoken
  return accepted({
    ...spoken.value,
    plan: planOf(mode, prompts.value, announcements),
    prompts: prompts.value,
    target: target.value,
    ids: idsOf(offer, uri.sipCallId),
  })
}

/** The description of an offer, and the line of it on which we speak. It may be one part of several: of SIP-I, or with a location. RFC 5621 */
export function readOffer(
  offer: OfferRequest,
): Result<Pick<AnnouncementRequest, 'description' | 'line'>, 'noOffer' | 'noCodec'> {
  const parts = splitBody(offer.header('content-type'), offer.body)
  const sdp = parts.ok ? parts.value.find(({ contentType }) => contentType === 'application/sdp') : undefined
  const description = sdp === undefined ? undefined : parseSdp(sdp.body)
  if (description?.ok !== true) return rejected('noOffer')
  const line = conversationLine(description.value, PROMPT_CODECS)
  return line === undefined ? rejected('noCodec') : accepted({ description: description.value, line })
}

function planOf(
  mode: AnnouncementPlan['mode'],
  prompts: readonly Prompt[],
  { answer }: AnnouncementsConfig,
): AnnouncementPlan {
  const { windowMs, ...keys } = answer
  return {
    mode,
    prompts: prompts.map(({ ref, totalMs, asks }) => ({ ref, totalMs, asks })),
    answer: { ...keys, windowUs: windowMs * 1_000 },
  }
}

function targetOf(
  mode: AnnouncementPlan['mode'],
  target: string | undefined,
  patterns: readonly TargetPattern[],
): Result<string | undefined, 'noTarget' | 'target'> {
  if (mode === 'answer') return accepted(undefined)
  if (target === undefined) return rejected('noTarget')
  const allowed = allowTarget(target.trim(), patterns)
  return allowed.ok ? allowed : rejected('target')
}

function idsOf(offer: OfferRequest, named: string | undefined): readonly CorrelationId[] {
  const sipCallIds = [offer.sipCallId, ...(named === undefined ? [] : [named])]
  return [...sipCallIds.flatMap((text) => readCorrelationValue('sipCallId', 'text', text)), ...headerCorrelation(offer)]
}

function userOf(uri: string | undefined): string | undefined {
  const parsed = uri === undefined ? undefined : parseSipUri(uri)
  return parsed?.ok === true ? parsed.value.user : undefined
}

function userIn(nameAddr: string): string | undefined {
  const parsed = parseNameAddr(nameAddr)
  return parsed.ok ? userOf(parsed.value.uri) : undefined
}
