import { mapped, type Result } from '../result.ts'
import { findConsentEventFault, type ConsentStateName, type RULE_CHECKS } from './consent-event-shape.ts'
import type { PersonalMember } from './consent-personal.ts'
import {
  decodeDocument,
  readDocument,
  signDocument,
  type DocumentKind,
  type DocumentRejectReason,
} from './signed-document.ts'
import type { SigningKey, VerifyKey } from './signer-keys.ts'

/** What the parties of a recording were told and what they answered, signed. The meaning of every member is in `FORMAT.md` 4.3. */

const CONSENT_EVENT_FORMAT = 'earwitness-consent-event/1'
/** Longest consent event, as JWS. */
export const CONSENT_EVENT_LENGTH_MAX = 16_384

const CONSENT_EVENT: DocumentKind = {
  ...{ what: 'consent event', format: CONSENT_EVENT_FORMAT, type: 'earwitness-consent-event+jws' },
  ...{ lengthMax: CONSENT_EVENT_LENGTH_MAX, findFault: findConsentEventFault },
}

/** Consent events of one recording; those beyond are counted. */
export const CONSENT_EVENTS_MAX = 1_000

/** Which announcement it was. */
export interface PromptEntry {
  readonly promptId: string
  readonly version?: string
  /** Hex, of the WAV file. */
  readonly sha256: string
  /** BCP 47. */
  readonly language?: string
}

/** What a rule asks for. */
export interface RuleAsks {
  readonly require: 'none' | 'notice' | 'agreement'
  readonly parties: 'one' | 'all'
  readonly when: 'during' | 'atStart' | 'before'
  readonly notice: readonly ('announcement' | 'tone' | 'written' | 'contract')[]
  readonly recordAnnouncement: boolean
}

/** What a decision is beside the rule that was chosen. */
export interface RuleCheck {
  readonly outcome: (typeof RULE_CHECKS)[number]
  /** Number of the event that says the rule; absent where there is none. */
  readonly rule?: number
  /** What is lacking, or why nobody can tell. */
  readonly explanation: readonly string[]
}

interface ByParty {
  readonly participantId?: string
}

/** What happened, without its place among the events of its recording. Positions are 48 kHz samples of the recording timeline. */
export type ConsentEventBody = {
  readonly atSample?: number
  /** What names people: salted hashes, and the values themselves sealed with the recording. See `sealPersonal`. */
  readonly personal?: PersonalMember
} & (
  | (ByParty & {
      readonly type: 'announcementPlayed'
      readonly prompt: PromptEntry
      readonly mode: 'answer' | 'early' | 'refer' | 'adapter'
      /** Left out where nobody counted. */
      readonly playedMs?: number
      readonly totalMs: number
      readonly heardToEnd: 'yes' | 'no' | 'unknown'
      readonly endCause: 'played' | 'hangUp' | 'cancelled' | 'noAck' | 'failed' | 'unknown'
    })
  | {
      readonly type: 'announcementHeard'
      readonly prompt: PromptEntry
      readonly streamId: string
      readonly fromSample: number
      readonly heardSamples: number
      /** How much of it, 0 to 1. */
      readonly share: number
      readonly confidence: number
      readonly verdict: 'heardInFull' | 'heardInPart' | 'uncertain'
    }
  | (ByParty & {
      readonly type: 'answered'
      readonly answer: 'yes' | 'no' | 'none'
      readonly by: 'dtmf' | 'speech' | 'api'
      readonly streamId?: string
    })
  /** A person listened to a spoken answer. */
  | (ByParty & { readonly type: 'reviewed'; readonly answer: 'yes' | 'no' })
  | (ByParty & {
      readonly type: 'withdrawn'
      /** `person`: somebody wrote it down after the call. */
      readonly by: 'dtmf' | 'api' | 'reInvite' | 'person'
      readonly streamId?: string
    })
  /** What an SRC asserts; its words are personal data, and so in `personal` alone. */
  | { readonly type: 'declared'; readonly by: 'metadata' | 'header' }
  | {
      readonly type: 'ruleChosen'
      readonly rule: string
      readonly jurisdictions: readonly string[]
      readonly explanation: readonly string[]
      /** The law, with its date. */
      readonly reference?: string
      /** The same as `rule`, to reckon with. */
      readonly asks?: RuleAsks
      /** Ids of parties that need be neither told nor asked, by the operator's word. */
      readonly exempt?: readonly string[]
      /** Ids of parties of whom the operator says that they know, by contract or in writing. */
      readonly informed?: readonly string[]
      /** Parties that were not there from the beginning, by the 48 kHz position at which they came. */
      readonly joined?: readonly { readonly id: string; readonly joinedAtSample: number }[]
      /** Those of them that are not listed. */
      readonly unlistedJoined?: number
    }
  | {
      readonly type: 'decided'
      readonly state: ConsentStateName
      /** Numbers of earlier events of this recording. */
      readonly because: readonly number[]
      readonly explanation?: readonly string[]
      /** Of a person's decision. */
      readonly ruleCheck?: RuleCheck
    }
  | { readonly type: 'enforced'; readonly action: string; readonly fromSample?: number; readonly toSample?: number }
)

export type ConsentEventType = ConsentEventBody['type']

/** Where an event stands among those of its recording. */
export interface ConsentEventPlace {
  readonly recordingId: string
  /** Counts from 0 without a hole. */
  readonly number: number
  /** When it happened; RFC 3339 in UTC with milliseconds. */
  readonly at: string
  readonly clock: { readonly status: 'synchronized' | 'unsynchronized' | 'unknown'; readonly source?: string }
  /** Hex SHA-256 of the event before, as JWS; absent for the first. */
  readonly previousSha256?: string
  /** Hex SHA-256 of `manifest.jws`, when that was signed before: the manifest does not name this event. */
  readonly manifestSha256?: string
}

export type ConsentEvent = ConsentEventPlace & { readonly format: typeof CONSENT_EVENT_FORMAT } & ConsentEventBody

/**
 * Signs an event at its place.
 *
 * Throws as {@link signDocument}.
 */
export function signConsentEvent(
  body: ConsentEventBody,
  place: ConsentEventPlace,
  signer: SigningKey,
): Promise<string> {
  return signDocument({ ...body, ...place }, CONSENT_EVENT, signer)
}

/** Reads an event *without* checking who signed it. */
export function decodeConsentEvent(
  jws: string,
): Result<{ readonly keyId: string; readonly event: ConsentEvent }, DocumentRejectReason> {
  return mapped(decodeDocument<ConsentEvent>(jws, CONSENT_EVENT), ({ keyId, body: event }) => ({ keyId, event }))
}

/** Reads an event and checks its signature against the keys that are trusted. Never throws. */
export async function readConsentEvent(
  jws: string,
  keys: readonly VerifyKey[],
): Promise<Result<ConsentEvent, DocumentRejectReason>> {
  return mapped(await readDocument<ConsentEvent>(jws, CONSENT_EVENT, keys), ({ body }) => body)
}
