import { expect, it } from 'vitest'

import type { ConsentPolicy } from '../../../../src/consent/policy.ts'
import {
  CONSENT_EVENT_LENGTH_MAX,
  type ConsentEvent,
  type ConsentEventBody,
  type RuleAsks,
} from '../../../../src/evidence/consent-event.ts'
import { consentReport } from '../../../../src/evidence/consent-report.ts'
import type { ManifestBody } from '../../../../src/evidence/manifest.ts'
import { chooseRule } from '../../../../src/consent/choose-rule.ts'
import { findConsentEventFault } from '../../../../src/evidence/consent-event-shape.ts'
import { JOINED_MAX, eventOfRule, rulePeople } from '../../../../src/server/consent/consent-events.ts'
import { checkRule } from '../../../../src/server/consent/rule-check.ts'
import { PROMPT } from '../../../vectors/evidence/sample-consent.ts'
import { RECORDING_ID } from '../../../vectors/evidence/sample-recording.ts'

const POLICY: ConsentPolicy = {
  ...{ require: 'notice', deadlineMs: 20_000, onMissing: 'flag', onRefused: 'flag', onWithdrawn: 'flag' },
  ...{ holdUntilConsent: false, heardShareMin: 1, mixedAnnouncement: 'ignored' },
}
const STARTED = Date.parse('2026-11-30T10:00:00.000Z')
const MANIFEST = {
  startedAt: new Date(STARTED).toISOString(),
  participants: [{ participantId: 'A' }, { participantId: 'B' }],
  streams: [
    { streamId: '0', participantIds: ['A'] },
    { streamId: '1', participantIds: ['B'] },
  ],
} as unknown as ManifestBody
const ASKS: RuleAsks = {
  ...{ require: 'agreement', parties: 'all', when: 'atStart', notice: ['announcement'], recordAnnouncement: false },
}
const rule = (asks: Partial<RuleAsks> = {}, exempt?: readonly string[], more: object = {}): ConsentEventBody => ({
  ...{ type: 'ruleChosen', rule: 'some', jurisdictions: [], explanation: [], asks: { ...ASKS, ...asks } },
  ...(exempt === undefined ? {} : { exempt }),
  ...more,
})
const yes = (participantId: string): ConsentEventBody => ({
  type: 'answered',
  answer: 'yes',
  by: 'dtmf',
  participantId,
})
const spoken: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'speech', participantId: 'B' }
const reviewed: ConsentEventBody = { type: 'reviewed', answer: 'yes', participantId: 'B' }
const heard = (streamId: string, fromSample: number): ConsentEventBody => ({
  ...{ type: 'announcementHeard', prompt: PROMPT, streamId, fromSample, heardSamples: 96_000 },
  ...{ share: 1, confidence: 1, verdict: 'heardInFull' },
})
const NOTICE = { require: 'notice', parties: 'all' } as const
const JOINED = { joined: [{ id: 'A', joinedAtSample: 48_000 }] }
const DISCARD: ConsentEventBody = { type: 'enforced', action: 'discard' }
/** After the deadline. */
const LATE = 21 * 48_000

const eventsOf = (bodies: readonly ConsentEventBody[]): readonly ConsentEvent[] =>
  bodies.map((body, number) => ({
    ...{ recordingId: '', format: 'earwitness-consent-event/1', clock: { status: 'unknown' } },
    ...{ ...body, number, at: new Date(STARTED + number * 1_000).toISOString() },
  })) as never

it.each<readonly [string, string, readonly ConsentEventBody[]]>([
  ['both said yes where all must', 'met', [rule(), yes('A'), yes('B')]],
  ['one did not', 'deviates', [rule(), yes('A')]],
  ['one did so aloud, and nobody listened', 'deviates', [rule(), yes('A'), spoken]],
  ['somebody listened', 'met', [rule(), yes('A'), spoken, reviewed]],
  ["one is the operator's own, by his word", 'met', [rule({}, ['B']), yes('A')]],
  ['one is enough', 'met', [rule({ parties: 'one' }), yes('A')]],
  ['nobody was told, where notice is asked for', 'deviates', [rule(NOTICE)]],
  ["each side was told by the other's stream", 'met', [rule(NOTICE), heard('0', 0), heard('1', 0)]],
  ['one side was told', 'deviates', [rule(NOTICE), heard('0', 0)]],
  ['they were told too late', 'deviates', [rule(NOTICE), heard('0', 21 * 48_000), heard('1', 21 * 48_000)]],
  [
    'all agreed and the announcement is not in it, which is asked for',
    'deviates',
    [rule({ recordAnnouncement: true }), yes('A'), yes('B')],
  ],
  [
    'that which is in it was destroyed',
    'deviates',
    [rule({ recordAnnouncement: true }), heard('0', 0), { type: 'enforced', action: 'discard' }, yes('A'), yes('B')],
  ],
  [
    'that which is in it was found when its beginning had been destroyed',
    'deviates',
    [rule({ recordAnnouncement: true }), DISCARD, heard('0', 0), yes('A'), yes('B')],
  ],
  [
    'that which is in it began after what was destroyed',
    'met',
    [rule({ recordAnnouncement: true }), DISCARD, yes('A'), yes('B'), heard('0', 96_000)],
  ],
  ['nothing is asked for', 'met', [rule({ require: 'none', parties: 'one' })]],
  ['a later rule asks for less', 'met', [rule(), rule({ parties: 'one' }), yes('A')]],
  [
    'one of them joined when the announcement was over',
    'deviates',
    [rule(NOTICE), rule(NOTICE, [], JOINED), heard('0', 0), heard('1', 0)],
  ],
  ['one of them joined before it', 'met', [rule(NOTICE, [], JOINED), heard('0', 0), heard('1', 48_000)]],
  [
    'it is not listed who joined later',
    'unknown',
    [rule(NOTICE, [], { unlistedJoined: 1 }), heard('0', 0), heard('1', 0)],
  ],
  ['it is not listed, and all agreed', 'met', [rule({}, [], { unlistedJoined: 1 }), yes('A'), yes('B')]],
  [
    "a yes of nobody in particular, where the operator's own might have said it too",
    'deviates',
    [
      rule({ ...NOTICE, notice: ['contract'] }, ['A'], { informed: ['A'] }),
      { type: 'answered', answer: 'yes', by: 'api' },
    ],
  ],
  [
    'a yes of nobody in particular, where only one is asked',
    'met',
    [rule({ ...NOTICE, notice: ['contract'] }, ['A']), { type: 'answered', answer: 'yes', by: 'api' }],
  ],
  [
    'they were told late, of what came after a beginning that was destroyed',
    'met',
    [rule(NOTICE), DISCARD, heard('0', LATE), heard('1', LATE)],
  ],
  [
    'they were told late, and all was destroyed at the end',
    'deviates',
    [rule(NOTICE), heard('0', LATE), heard('1', LATE), { type: 'decided', state: 'missing', because: [] }, DISCARD],
  ],
  [
    'one of them joined after a beginning that was destroyed, and was told late',
    'deviates',
    [rule(NOTICE), DISCARD, rule(NOTICE, [], JOINED), heard('0', LATE + 48_000), heard('1', LATE + 48_000)],
  ],
  ['there is no rule', 'unknown', [yes('A'), yes('B')]],
  [
    'the rule is of an earlier release, in words',
    'unknown',
    [{ type: 'ruleChosen', rule: 'us-fl', jurisdictions: [], explanation: [] }, yes('A'), yes('B')],
  ],
])('%s: %s', (_what, outcome, bodies) => {
  const events = eventsOf(bodies)
  const check = checkRule(events, MANIFEST, POLICY)
  expect(check.outcome).toBe(outcome)
  expect(check.explanation.length === 0).toBe(outcome === 'met')
})

it('an announcement that was played after the deadline is none', () => {
  const played: ConsentEventBody = {
    ...{ type: 'announcementPlayed', prompt: PROMPT, mode: 'adapter', totalMs: 4_000, participantId: 'A' },
    ...{ heardToEnd: 'yes', endCause: 'played' },
  }
  // A second each.
  const later = Array.from({ length: 21 }, (): ConsentEventBody => ({ type: 'declared', by: 'metadata' }))
  const asked = rule({ require: 'notice', parties: 'one' })
  expect(checkRule(eventsOf([asked, played]), MANIFEST, POLICY).outcome).toBe('met')
  expect(checkRule(eventsOf([asked, ...later, played]), MANIFEST, POLICY).outcome).toBe('deviates')
})

it('is told by a report, of the decision that holds alone', () => {
  const ruleCheck = { outcome: 'deviates', rule: 0, explanation: ['one of two parties has not agreed'] } as const
  const [decided, later] = eventsOf([
    { type: 'decided', state: 'agreed', because: [0], ruleCheck },
    { type: 'decided', state: 'missing', because: [] },
  ]).map((event) => ({ event, sha256: 'a'.repeat(64), isLate: true }))
  const report = consentReport({ state: 'agreed', events: [decided!], unlisted: 0 })
  expect(report.conclusion).toContain('DEVIATES FROM the rule that was chosen (no. 0), which asks for more: one of two')
  expect(report.events[0]?.[2]).toContain('DEVIATES')
  expect(consentReport({ state: 'missing', events: [decided!, later!], unlisted: 0 }).conclusion).not.toContain(
    'DEVIATES',
  )
})

it('rests on an event that fits, however many joined later', () => {
  const chosen = chooseRule({ parties: [], source: {} }, { packs: new Map(), regions: new Map() })
  const parties = Array.from({ length: 200 }, (_, index) => {
    const id = `${index}`.padStart(64, 'x')
    return { id, role: 'other', streamIds: [], own: 'informed', joinedAtSample: index === 0 ? 0 : 2 ** 40 } as const
  })
  const people = rulePeople(chosen, [...parties, { ...parties[1]!, id: 'y'.repeat(65) }])
  expect([people.joined?.length, people.unlistedJoined]).toEqual([JOINED_MAX, 200 - JOINED_MAX])
  expect(people.joined?.[0]).toEqual({ id: parties[1]!.id, joinedAtSample: 2 ** 40 })
  expect(people.informed?.length).toBeLessThan(parties.length)
  const [event] = eventsOf([eventOfRule(chosen, people)])
  expect(JSON.stringify(event).length).toBeLessThan(CONSENT_EVENT_LENGTH_MAX / 2)
  expect(findConsentEventFault({ ...event, recordingId: RECORDING_ID })).toBeUndefined()
  expect(rulePeople(chosen, [{ ...parties[0]!, own: 'asked' }])).toEqual({})
})
