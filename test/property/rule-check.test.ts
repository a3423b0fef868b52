import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chooseRule } from '../../src/consent/choose-rule.ts'
import { ConsentCase } from '../../src/consent/consent-case.ts'
import type { ConsentParty } from '../../src/consent/policy.ts'
import { CONSENT_STATES, type ConsentFact, type ConsentOutput, type ConsentState } from '../../src/consent/words.ts'
import type { ConsentEvent, ConsentEventBody, RuleCheck } from '../../src/evidence/consent-event.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { eventOfFact, eventOfRule, eventOfState, rulePeople } from '../../src/server/consent/consent-events.ts'
import { checkRule } from '../../src/server/consent/rule-check.ts'
import { objections, others, type World, worlds } from '../support/any-consent.ts'
import { RULE_DATA } from '../unit/consent/support.ts'

const CHOSEN = chooseRule({ parties: [], source: {} }, RULE_DATA)
const STARTED = Date.parse('2026-11-30T10:00:00.000Z')
const DEADLINE_US = 20_000_000
const SATISFIED: readonly ConsentState[] = ['agreed', 'notified', 'notRequired']

const joins = fc.tuple(
  fc.constantFrom(0, 0, 480_000, 1_440_000),
  fc.constantFrom(0, 0, 480_000, 1_440_000),
  fc.constantFrom(0, 0, 480_000, 1_440_000),
)
/** As the desk has them: rules are met by what they ask for, and the only stranger is who an announcer talks to. */
const calls: fc.Arbitrary<World> = fc.tuple(worlds, joins).map(([{ policy, rule, parties }, at]) => {
  const isAlone = parties.filter(({ own }) => own === 'asked').length === 1
  const people = parties.map((party, index): ConsentParty => {
    const role = party.own === 'asked' && isAlone ? 'caller' : 'other'
    return { ...party, role, joinedAtSample: at[index] ?? 0 }
  })
  return { policy: { ...policy, require: 'byRule' }, rule, parties: people }
})
const timed = (maxUs: number): fc.Arbitrary<readonly (readonly [number, ConsentFact])[]> =>
  fc.array(fc.tuple(fc.integer({ min: 0, max: maxUs }), fc.oneof({ weight: 4, arbitrary: others }, objections)), {
    maxLength: 12,
  })

/** What was decided while the recording ran, and what a check afterwards makes of its events. */
function both(
  { policy, rule, parties }: World,
  facts: readonly (readonly [number, ConsentFact])[],
): { readonly live: ConsentState; readonly check: RuleCheck } {
  const events: ConsentEvent[] = []
  const note = (us: number, body: ConsentEventBody): void => {
    const at = new Date(STARTED + us / 1_000).toISOString()
    events.push({ ...body, number: events.length, at } as unknown as ConsentEvent)
  }
  const carryOut = (us: number, outputs: readonly ConsentOutput[]): void => {
    for (const output of outputs)
      note(
        us,
        output.kind === 'state' ? eventOfState(output.state, [], '') : { type: 'enforced', action: output.action },
      )
  }
  const presentAt = (us: number): readonly ConsentParty[] =>
    parties.filter(({ joinedAtSample = 0 }) => joinedAtSample / 48_000 <= us / 1_000_000)
  const chosen = { ...CHOSEN, rule }
  const noteRule = (us: number): void => note(us, eventOfRule(chosen, rulePeople(chosen, presentAt(us))))
  noteRule(0)
  const consent = new ConsentCase({ policy, rule, parties: presentAt(0), startedUs: 0 })
  carryOut(0, consent.begin(0))
  const joined = [...new Set(parties.map(({ joinedAtSample = 0 }) => (joinedAtSample / 48_000) * 1_000_000))]
  const steps = [...joined.filter((us) => us > 0).map((us) => [us, undefined] as const), ...facts].toSorted(
    ([one], [other]) => one - other,
  )
  for (const [us, fact] of steps) {
    if (fact !== undefined) note(us, eventOfFact(fact).body)
    else noteRule(us)
    carryOut(us, fact === undefined ? consent.setCall(us, presentAt(us), rule) : consent.handleFact(us, fact))
  }
  carryOut(60_000_000, consent.end(60_000_000))
  const streamIds = [...new Set(parties.flatMap((party) => party.streamIds))]
  const manifest = {
    startedAt: new Date(STARTED).toISOString(),
    participants: parties.map(({ id }) => ({ participantId: id })),
    streams: streamIds.map((streamId) => ({
      streamId,
      participantIds: parties.filter((party) => party.streamIds.includes(streamId)).map(({ id }) => id),
    })),
  } as unknown as ManifestBody
  return { live: consent.state, check: checkRule(events, manifest, policy) }
}

test('what is compared with the rule afterwards is met only where it was while the recording ran', () => {
  const seen = new Set<ConsentState>()
  fc.assert(
    fc.property(calls, timed(50_000_000), (world, facts) => {
      const { live, check } = both(world, facts)
      if (check.outcome === 'met') expect(SATISFIED).toContain(live)
      seen.add(live)
    }),
    { numRuns: 5000 },
  )
  // All that can be, so that the above has had its chance to fail.
  expect([...seen].toSorted()).toEqual(CONSENT_STATES.filter((state) => state !== 'unknown').toSorted())
})

test('and it is met wherever it was then, when all was said in time', () => {
  fc.assert(
    fc.property(calls, timed(DEADLINE_US - 1), (world, facts) => {
      const inTime = world.parties.map((party) => ({
        ...party,
        joinedAtSample: Math.min(party.joinedAtSample ?? 0, 480_000),
      }))
      const { live, check } = both(
        { ...world, policy: { ...world.policy, onMissing: 'flag', holdUntilConsent: false }, parties: inTime },
        facts,
      )
      expect([check.outcome, live]).toEqual([SATISFIED.includes(live) ? 'met' : 'deviates', live])
    }),
    { numRuns: 3000 },
  )
})
