import type { ConsentEventType } from './consent-event.ts'
import { integer, list, members, oneOf, optional, sha256, text, time, truth, uuid, type Check } from './shape-checks.ts'

/** What may be said of the consent to a recording. FORMAT.md 4.3 */
export const CONSENT_STATES = [
  'agreed',
  'notified',
  'notRequired',
  'missing',
  'refused',
  'withdrawn',
  'unknown',
] as const
export type ConsentStateName = (typeof CONSENT_STATES)[number]

/** What a person decided, beside the rule that was chosen: as it asks, against it, or nobody can tell. */
export const RULE_CHECKS = ['met', 'deviates', 'unknown'] as const

const share: Check = (value, path) => (typeof value === 'number' && value >= 0 && value <= 1 ? undefined : path)
/** Names of members, each with its salted hash. */
const hashes: Check = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return path
  for (const [name, hash] of Object.entries(value)) {
    const fault = sha256(hash, `${path}.${name}`)
    if (fault !== undefined) return fault
  }
  return undefined
}

const checkPlace = members({
  recordingId: uuid,
  number: integer,
  at: time,
  clock: members({ status: oneOf('synchronized', 'unsynchronized', 'unknown'), source: optional(text) }),
  previousSha256: optional(sha256),
  manifestSha256: optional(sha256),
  type: text,
  atSample: optional(integer),
  personal: optional(members({ hashes, sealed: text })),
})

const prompt = members({ promptId: text, version: optional(text), sha256, language: optional(text) })

const asks = members({
  ...{ require: oneOf('none', 'notice', 'agreement'), parties: oneOf('one', 'all') },
  ...{ when: oneOf('during', 'atStart', 'before'), notice: list(oneOf('announcement', 'tone', 'written', 'contract')) },
  recordAnnouncement: truth,
})

const CHECKS: Readonly<Record<ConsentEventType, Check>> = {
  announcementPlayed: members({
    prompt,
    mode: oneOf('answer', 'early', 'refer', 'adapter'),
    playedMs: optional(integer),
    totalMs: integer,
    heardToEnd: oneOf('yes', 'no', 'unknown'),
    endCause: oneOf('played', 'hangUp', 'cancelled', 'noAck', 'failed', 'unknown'),
    participantId: optional(text),
  }),
  announcementHeard: members({
    ...{ prompt, streamId: text, fromSample: integer, heardSamples: integer, share, confidence: share },
    verdict: oneOf('heardInFull', 'heardInPart', 'uncertain'),
  }),
  answered: members({
    answer: oneOf('yes', 'no', 'none'),
    by: oneOf('dtmf', 'speech', 'api'),
    streamId: optional(text),
    participantId: optional(text),
  }),
  reviewed: members({ answer: oneOf('yes', 'no'), participantId: optional(text) }),
  withdrawn: members({
    by: oneOf('dtmf', 'api', 'reInvite', 'person'),
    streamId: optional(text),
    participantId: optional(text),
  }),
  declared: members({ by: oneOf('metadata', 'header') }),
  ruleChosen: members({
    ...{ rule: text, jurisdictions: list(text), explanation: list(text), reference: optional(text) },
    asks: optional(asks),
    ...{ exempt: optional(list(text)), informed: optional(list(text)) },
    joined: optional(list(members({ id: text, joinedAtSample: integer }))),
    unlistedJoined: optional(integer),
  }),
  decided: members({
    ...{ state: oneOf(...CONSENT_STATES), because: list(integer), explanation: optional(list(text)) },
    ruleCheck: optional(members({ outcome: oneOf(...RULE_CHECKS), rule: optional(integer), explanation: list(text) })),
  }),
  enforced: members({ action: text, fromSample: optional(integer), toSample: optional(integer) }),
}

/** Where an event is not of format 1, or undefined. Members that are not known are passed over; types are not. */
export function findConsentEventFault(value: unknown): string | undefined {
  const fault = checkPlace(value, '')
  if (fault !== undefined) return fault
  const type: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'type') : undefined
  return typeof type === 'string' && Object.hasOwn(CHECKS, type) ? CHECKS[type as ConsentEventType](value, '') : 'type'
}

export const CONSENT_EVENT_TYPES: readonly string[] = Object.keys(CHECKS)
