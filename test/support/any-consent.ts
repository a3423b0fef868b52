import fc from 'fast-check'
import { type ConsentRule, MOMENTS, NOTICES, REQUIREMENTS } from '../../src/consent/jurisdiction.ts'
import type { ConsentParty, ConsentPolicy } from '../../src/consent/policy.ts'
import type { ConsentFact } from '../../src/consent/words.ts'
import { PROMPT } from '../unit/consent/cases.ts'

/** Whatever may happen about consent, in whichever world. */

const ids = fc.constantFrom('A', 'B', 'C', 'nobody')
const streams = fc.constantFrom('a', 'b', 'c', 'mixed', 'none')
const answer = fc.constantFrom('yes', 'no', 'none' as const)

export const objections: fc.Arbitrary<ConsentFact> = fc.oneof(
  fc.record(
    {
      type: fc.constant('withdrawn' as const),
      by: fc.constantFrom('dtmf', 'api', 'reInvite' as const),
      participantId: ids,
    },
    { requiredKeys: ['type', 'by'] },
  ),
  fc.record(
    {
      type: fc.constant('answered' as const),
      answer: fc.constant('no' as const),
      by: fc.constantFrom('dtmf', 'speech', 'api' as const),
      streamId: streams,
    },
    { requiredKeys: ['type', 'answer', 'by'] },
  ),
  fc.record(
    { type: fc.constant('reviewed' as const), answer: fc.constant('no' as const), participantId: ids },
    { requiredKeys: ['type', 'answer'] },
  ),
) as fc.Arbitrary<ConsentFact>

export const others: fc.Arbitrary<ConsentFact> = fc.oneof(
  fc.record(
    {
      type: fc.constant('answered' as const),
      answer: answer.filter((one) => one !== 'no'),
      by: fc.constantFrom('dtmf', 'speech', 'api' as const),
      streamId: streams,
      participantId: ids,
    },
    { requiredKeys: ['type', 'answer', 'by'] },
  ),
  fc.record(
    { type: fc.constant('reviewed' as const), answer: fc.constant('yes' as const), participantId: ids },
    { requiredKeys: ['type', 'answer'] },
  ),
  fc.record(
    {
      type: fc.constant('announcementPlayed' as const),
      prompt: fc.constant(PROMPT),
      mode: fc.constantFrom('answer', 'early', 'refer', 'adapter' as const),
      playedMs: fc.constant(1000),
      totalMs: fc.constant(1000),
      heardToEnd: fc.constantFrom('yes', 'no', 'unknown' as const),
      endCause: fc.constantFrom('played', 'hangUp' as const),
      participantId: ids,
    },
    { requiredKeys: ['type', 'prompt', 'mode', 'playedMs', 'totalMs', 'heardToEnd', 'endCause'] },
  ),
  fc.record({
    type: fc.constant('announcementHeard' as const),
    prompt: fc.constant(PROMPT),
    streamId: streams,
    fromSample: fc.integer({ min: 0, max: 60 * 48_000 }),
    heardSamples: fc.constant(48_000),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    confidence: fc.constant(1),
    verdict: fc.constantFrom('heardInFull', 'heardInPart', 'uncertain' as const),
  }),
  fc.constant({ type: 'declared', by: 'metadata', value: 'consent' } as const),
) as fc.Arbitrary<ConsentFact>

export const facts = fc.array(fc.oneof({ weight: 4, arbitrary: others }, { weight: 1, arbitrary: objections }), {
  maxLength: 25,
})

export const rules: fc.Arbitrary<ConsentRule> = fc.record({
  require: fc.constantFrom(...REQUIREMENTS),
  parties: fc.constantFrom('one', 'all' as const),
  when: fc.constantFrom(...MOMENTS),
  notice: fc.subarray([...NOTICES], { minLength: 1 }),
  recordAnnouncement: fc.boolean(),
})

const own = fc.constantFrom('asked', 'asked', 'informed', 'agreed' as const)
export const parties: fc.Arbitrary<readonly ConsentParty[]> = fc
  .tuple(own, own, own, fc.boolean(), fc.integer({ min: 0, max: 3 }))
  .map(([a, b, c, mixed, count]) => {
    const all: ConsentParty[] = [
      { id: 'A', role: 'caller', streamIds: mixed ? ['a', 'mixed'] : ['a'], own: a },
      { id: 'B', role: 'callee', streamIds: mixed ? ['b', 'mixed'] : ['b'], own: b },
      { id: 'C', role: 'other', streamIds: ['c'], own: c, joinedAtSample: 48_000 },
    ]
    return all.slice(0, count)
  })

const policies: fc.Arbitrary<ConsentPolicy> = fc.record({
  require: fc.constantFrom('none', 'notice', 'agreement', 'byRule' as const),
  deadlineMs: fc.constant(20_000),
  onMissing: fc.constantFrom('flag', 'pause', 'discard', 'stop', 'notify' as const),
  onRefused: fc.constantFrom('stop', 'pause', 'shred', 'flag' as const),
  onWithdrawn: fc.constantFrom('stop', 'pause', 'shred', 'flag' as const),
  holdUntilConsent: fc.boolean(),
  heardShareMin: fc.constantFrom(1, 0.8),
  mixedAnnouncement: fc.constantFrom('ignored', 'heardByAll' as const),
})

export const worlds = fc.record({ policy: policies, rule: rules, parties })
export interface World {
  readonly policy: ConsentPolicy
  readonly rule: ConsentRule
  readonly parties: readonly ConsentParty[]
}
export const timed = fc.array(
  fc.tuple(fc.integer({ min: -10_000_000, max: 50_000_000 }), fc.oneof(others, objections)),
  {
    maxLength: 25,
  },
)
