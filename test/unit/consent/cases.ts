import { ConsentCase } from '../../../src/consent/consent-case.ts'
import { type ConsentRule, NOTICES } from '../../../src/consent/jurisdiction.ts'
import type { ConsentParty, ConsentPolicy } from '../../../src/consent/policy.ts'
import type { ConsentAction, ConsentFact, ConsentOutput, ConsentState } from '../../../src/consent/words.ts'

export const PROMPT = { promptId: 'notice', sha256: 'a'.repeat(64), language: 'en' }
export const SECOND_US = 1_000_000

export const POLICY: ConsentPolicy = {
  require: 'agreement',
  deadlineMs: 20_000,
  onMissing: 'flag',
  onRefused: 'stop',
  onWithdrawn: 'stop',
  holdUntilConsent: false,
  heardShareMin: 1,
  mixedAnnouncement: 'ignored',
}

export const NO_RULE: ConsentRule = {
  require: 'none',
  parties: 'one',
  when: 'during',
  notice: NOTICES,
  recordAnnouncement: false,
}

export const PARTIES: readonly ConsentParty[] = [
  { id: 'A', role: 'caller', streamIds: ['a'], own: 'asked' },
  { id: 'B', role: 'callee', streamIds: ['b'], own: 'asked' },
]

export const played = (heardToEnd: 'yes' | 'no' | 'unknown' = 'yes', participantId?: string): ConsentFact => ({
  type: 'announcementPlayed',
  prompt: PROMPT,
  mode: 'answer',
  playedMs: 5000,
  totalMs: 5000,
  heardToEnd,
  endCause: 'played',
  ...(participantId === undefined ? {} : { participantId }),
})

/** It lasts a second, unless said otherwise: facts that are a second apart do not overlap. */
export const heard = (
  streamId: string,
  options: {
    verdict?: 'heardInFull' | 'heardInPart' | 'uncertain'
    share?: number
    fromMs?: number
    lastsMs?: number
  } = {},
): ConsentFact => ({
  type: 'announcementHeard',
  prompt: PROMPT,
  streamId,
  fromSample: (options.fromMs ?? 1000) * 48,
  heardSamples: (options.lastsMs ?? 1000) * 48,
  share: options.share ?? 1,
  confidence: 0.99,
  verdict: options.verdict ?? 'heardInFull',
})

export const keys = (answer: 'yes' | 'no' | 'none', streamId?: string): ConsentFact => ({
  type: 'answered',
  answer,
  by: 'dtmf',
  ...(streamId === undefined ? {} : { streamId }),
})

export const spoken = (answer: 'yes' | 'no', streamId: string): ConsentFact => ({
  type: 'answered',
  answer,
  by: 'speech',
  streamId,
})

export const api = (answer: 'yes' | 'no', participantId?: string): ConsentFact => ({
  type: 'answered',
  answer,
  by: 'api',
  ...(participantId === undefined ? {} : { participantId }),
})

export const reviewed = (answer: 'yes' | 'no', participantId?: string): ConsentFact => ({
  type: 'reviewed',
  answer,
  ...(participantId === undefined ? {} : { participantId }),
})

export const withdrawn = (participantId?: string): ConsentFact => ({
  type: 'withdrawn',
  by: participantId === undefined ? 'reInvite' : 'api',
  ...(participantId === undefined ? {} : { participantId }),
})

export const DECLARED: ConsentFact = { type: 'declared', by: 'header', value: 'consent=yes' }

export interface Event {
  readonly atMs: number
  readonly fact: ConsentFact
}

export interface Life {
  readonly state: ConsentState
  readonly actions: readonly ConsentAction[]
  readonly states: readonly ConsentState[]
  readonly explanation: string
}

/** What a recording of 60 seconds lives through. */
export function live(
  events: readonly Event[],
  options: {
    policy?: Partial<ConsentPolicy>
    rule?: ConsentRule
    parties?: readonly ConsentParty[]
    endMs?: number
  } = {},
): Life {
  const consent = new ConsentCase({
    policy: { ...POLICY, ...options.policy },
    rule: options.rule ?? NO_RULE,
    parties: options.parties ?? PARTIES,
    startedUs: 0,
  })
  const outputs: ConsentOutput[] = [...consent.begin(0)]
  const endMs = options.endMs ?? 60_000
  for (const { atMs, fact } of events.filter((event) => event.atMs <= endMs)) {
    outputs.push(...consent.handleFact(atMs * 1000, fact))
  }
  outputs.push(...consent.end(endMs * 1000))
  for (const { atMs, fact } of events.filter((event) => event.atMs > endMs)) {
    outputs.push(...consent.handleFact(atMs * 1000, fact))
  }
  return {
    state: consent.state,
    actions: outputs.flatMap((output) => (output.kind === 'act' ? [output.action] : [])),
    states: outputs.flatMap((output) => (output.kind === 'state' ? [output.state] : [])),
    explanation: consent.explanation,
  }
}

/** Facts one after the other, a second apart, from one second on. */
export const early = (...facts: readonly ConsentFact[]): readonly Event[] =>
  facts.map((fact, index) => ({ atMs: 1000 * (index + 1), fact }))

/** Likewise from half a minute on: after the deadline. */
export const late = (...facts: readonly ConsentFact[]): readonly Event[] =>
  facts.map((fact, index) => ({ atMs: 30_000 + 1000 * index, fact }))
