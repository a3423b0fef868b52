import type { ConsentRule } from './jurisdiction.ts'

/** What a source asks for, and what happens when it does not come. */
export interface ConsentPolicy {
  /** `byRule`: what the chosen rule asks for. `none`: nothing, and the state is `unknown` unless facts say more. */
  readonly require: 'none' | 'notice' | 'agreement' | 'byRule'
  /** From the start of the recording, or from when something came to be missing. */
  readonly deadlineMs: number
  readonly onMissing: 'flag' | 'pause' | 'discard' | 'stop' | 'notify'
  readonly onRefused: OnObjection
  readonly onWithdrawn: OnObjection
  /** What is recorded before consent is sealed under a key of its own, which is destroyed when consent does not come. */
  readonly holdUntilConsent: boolean
  /** From which share of it an announcement that was heard in part counts as notice, 0 to 1; 1: never. */
  readonly heardShareMin: number
  /** Whether an announcement in a stream that several parties share counts as heard by those very parties. */
  readonly mixedAnnouncement: 'ignored' | 'heardByAll'
  /** False: a yes by the API counts for nothing; a no and a review count always. True by default. */
  readonly apiAnswers?: boolean | undefined
}

/** What was held is destroyed by a no whatever is chosen here. */
export type OnObjection = 'stop' | 'pause' | 'shred' | 'flag'

/**
 * Somebody in the recording, present or gone. Whoever was ever in it stays in the list; a stream that no known
 * participant sends is a party of its own, since somebody speaks there.
 */
export interface ConsentParty {
  /** Of the participant, or of the stream; never a name or a number. */
  readonly id: string
  readonly role: 'caller' | 'callee' | 'other'
  /** The media streams that carry this party's voice. */
  readonly streamIds: readonly string[]
  /**
   * What the operator declares of his own people: `informed` know by contract or in writing, and need not be told where
   * that counts as notice; `agreed` must neither be told nor asked.
   */
  readonly own: 'asked' | 'informed' | 'agreed'
  /** 48 kHz position on the recording's timeline; 0 by default. Announcements before it told this party nothing. */
  readonly joinedAtSample?: number | undefined
}

/** What must be there, when policy and rule have been put together. */
export interface ConsentNeeds extends ConsentRule {
  /** False when nobody asked whether anything is needed. */
  readonly isStated: boolean
}

/** A policy that asks for notice itself takes the operator's word for his own people. */
const KNOWN_NEEDS = {
  parties: 'all',
  when: 'before',
  notice: ['announcement', 'written', 'contract'],
  recordAnnouncement: false,
} as const

/** What `policy` makes of `rule`. A policy that names its requirement means it, whatever the rule says. */
export function needsOf(policy: ConsentPolicy, rule: ConsentRule): ConsentNeeds {
  if (policy.require === 'byRule') return { ...rule, isStated: true }
  return { ...KNOWN_NEEDS, require: policy.require, isStated: policy.require !== 'none' }
}
