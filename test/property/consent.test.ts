import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chooseRule } from '../../src/consent/choose-rule.ts'
import { CONSENT_FACTS_MAX, ConsentCase } from '../../src/consent/consent-case.ts'
import { evaluateConsent } from '../../src/consent/evaluate.ts'
import { type ConsentRule, MOMENTS, REQUIREMENTS, STRICTEST_RULE, strictestOf } from '../../src/consent/jurisdiction.ts'
import { type ConsentParty, type ConsentPolicy, needsOf } from '../../src/consent/policy.ts'
import {
  CONSENT_STATES,
  type ConsentAction,
  type ConsentFact,
  type ConsentOutput,
  type ConsentState,
} from '../../src/consent/words.ts'
import { facts, objections, others, rules, timed, type World, worlds } from '../support/any-consent.ts'
import { RULE_DATA } from '../unit/consent/support.ts'

const caseOf = (world: World): ConsentCase => new ConsentCase({ ...world, startedUs: 0 })

type Timed = readonly [atUs: number, fact: ConsentFact]
const OBJECTED_US = 10_000_000

/** Somebody has just objected, behind all of `before`. */
function objectedCase(world: World, before: readonly Timed[], objection: ConsentFact): ConsentCase {
  const consent = caseOf(world)
  for (const [atUs, fact] of before) consent.handleFact(Math.min(atUs, OBJECTED_US - 1), fact)
  consent.handleFact(OBJECTED_US, objection)
  return consent
}

/** Nothing is found in audio before it has been said: what was, would be in time or not as it is asked in between. */
function toldBehind([atUs, fact]: Timed): Timed {
  if (fact.type !== 'announcementHeard') return [atUs, fact]
  return [Math.max(atUs, Math.ceil(((fact.fromSample + fact.heardSamples) * 1_000) / 48)), fact]
}

/** What was said before that, and is told behind it. */
const saidBefore = (facts: fc.Arbitrary<ConsentFact>): fc.Arbitrary<readonly Timed[]> =>
  fc.array(fc.tuple(fc.integer({ min: 0, max: OBJECTED_US - 1 }), facts), { maxLength: 8 })

const SATISFIED: readonly ConsentState[] = ['agreed', 'notified', 'notRequired']

/** By key, API or voice; of a review it is not asked when it was. */
const isYes = (fact: ConsentFact): boolean => fact.type === 'answered' && fact.answer === 'yes'

const isNo = (fact: ConsentFact): boolean =>
  (fact.type === 'answered' || fact.type === 'reviewed') && fact.answer === 'no'

/** Who says yes with this fact, told from the fact alone. A spoken yes says nothing. */
function yesOf(fact: ConsentFact, all: readonly ConsentParty[]): readonly string[] {
  if (fact.type === 'reviewed')
    return fact.answer === 'yes'
      ? fact.participantId === undefined
        ? all.map(({ id }) => id)
        : [fact.participantId]
      : []
  if (fact.type !== 'answered' || fact.answer !== 'yes' || fact.by === 'speech') return []
  if (fact.participantId !== undefined) return [fact.participantId]
  const { streamId } = fact
  return all.filter((party) => streamId === undefined || party.streamIds.includes(streamId)).map(({ id }) => id)
}

describe('the state machine', () => {
  test('is never agreed without a yes by key, API or review of every party that must agree', () => {
    fc.assert(
      fc.property(worlds, timed, (world, events) => {
        const consent = caseOf(world)
        for (const [atUs, fact] of events) consent.handleFact(atUs, fact)
        consent.end(60_000_000)
        if (consent.state !== 'agreed') return
        const yes = new Set(events.flatMap(([, fact]) => yesOf(fact, world.parties)))
        const must = world.parties.filter((party) => party.own !== 'agreed')
        const needs = needsOf(world.policy, world.rule)
        const isOne = needs.require === 'agreement' && needs.parties === 'one'
        expect(yes.size).toBeGreaterThan(0)
        if (!isOne) expect(must.filter(({ id }) => !yes.has(id))).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  test('ends in one of the seven states, and never in "unknown" when something was asked for', () => {
    fc.assert(
      fc.property(worlds, timed, (world, events) => {
        const consent = caseOf(world)
        for (const [atUs, fact] of events) consent.handleFact(atUs, fact)
        consent.end(60_000_000)
        expect(CONSENT_STATES).toContain(consent.state)
        if (world.policy.require !== 'none') expect(consent.state).not.toBe('unknown')
        expect(consent.nextTimeoutUs).toBeUndefined()
        expect(consent.isHolding).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  test('takes no objection back by what was said before it and told after it', () => {
    fc.assert(
      fc.property(worlds, timed, objections, saidBefore(others.filter(isYes)), (world, before, objection, told) => {
        if (world.parties.length === 0) return
        const consent = objectedCase(world, before, objection)
        for (const [atUs, fact] of told) {
          consent.handleFact(atUs, fact)
          expect(['refused', 'withdrawn']).toContain(consent.state)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('says the same when all is said again, and when it is woken up more often', () => {
    fc.assert(
      fc.property(worlds, timed, fc.array(fc.integer({ min: 0, max: 60_000_000 })), (world, events, wakes) => {
        const inOrder = events.map(toldBehind).toSorted(([one], [other]) => one - other)
        const run = (extra: readonly number[]): readonly ConsentOutput[] => {
          const consent = caseOf(world)
          const outputs = [...consent.begin(0)]
          const pending = extra.toSorted((one, other) => one - other)
          for (const [atUs, fact] of inOrder) {
            while ((pending[0] ?? Number.POSITIVE_INFINITY) <= atUs)
              outputs.push(...consent.handleTimeout(pending.shift() ?? 0))
            outputs.push(...consent.handleFact(atUs, fact))
          }
          return [...outputs, ...consent.end(60_000_000)]
        }
        expect(run([])).toEqual(run([]))
        expect(run(wakes)).toEqual(run([]))
      }),
      { numRuns: 500 },
    )
  })

  test('makes no refusal of a withdrawal by what was said before it and told after it', () => {
    const withdrawals = objections.filter(({ type }) => type === 'withdrawn')
    fc.assert(
      fc.property(
        worlds,
        timed,
        withdrawals,
        saidBefore(objections.filter(isNo)),
        (world, before, withdrawal, told) => {
          if (world.parties.length === 0) return
          const consent = objectedCase(world, before, withdrawal)
          expect(consent.state).toBe('withdrawn')
          for (const [atUs, fact] of told) {
            expect(consent.handleFact(atUs, fact)).toEqual([])
            expect(consent.state).toBe('withdrawn')
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('takes a time that goes back for the last one, but for what has a time of its own', () => {
    fc.assert(
      fc.property(worlds, timed, (world, all) => {
        const isWithdrawn = all.some(([, { type }]) => type === 'withdrawn')
        const hasOwnTime = (fact: ConsentFact): boolean =>
          isYes(fact) ||
          fact.type === 'announcementPlayed' ||
          // What was destroyed may be asked for in the recording.
          (fact.type === 'announcementHeard' && world.policy.holdUntilConsent) ||
          (isWithdrawn && isNo(fact))
        const events = all.filter(([, fact]) => !hasOwnTime(fact))
        const [back, clamped] = [caseOf(world), caseOf(world)]
        let latest = 0
        for (const [atUs, fact] of events) {
          latest = Math.max(latest, atUs)
          expect(back.handleFact(atUs, fact)).toEqual(clamped.handleFact(latest, fact))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('takes what was played for no more, when it is told late, than when it was told as it was played', () => {
    fc.assert(
      fc.property(worlds, timed, ({ policy, ...call }, events) => {
        const inOrder = events.toSorted(([one], [other]) => one - other)
        const isPlayed = ([, { type }]: (typeof events)[number]): boolean => type === 'announcementPlayed'
        // What was destroyed starts afresh: there late notice is worth more.
        const run = (told: typeof events): ConsentCase => {
          const consent = caseOf({ ...call, policy: { ...policy, holdUntilConsent: false } })
          for (const [atUs, fact] of told) consent.handleFact(atUs, fact)
          consent.end(60_000_000)
          return consent
        }
        const late = run([...inOrder.filter((event) => !isPlayed(event)), ...inOrder.filter(isPlayed)])
        if (SATISFIED.includes(late.state)) expect(SATISFIED).toContain(run(inOrder).state)
      }),
      { numRuns: 1000 },
    )
  })

  const noObjections = fc.array(fc.tuple(fc.integer({ min: -10_000_000, max: 50_000_000 }), others), { maxLength: 25 })
  test('lets nothing that happens at or behind the deadline keep it from passing, however soon that is told', () => {
    fc.assert(
      fc.property(worlds, noObjections, fc.integer({ min: 0, max: 5_000_000 }), (world, events, lateUs) => {
        const inOrder = events.toSorted(([one], [other]) => one - other)
        const run = (toldUs: (atUs: number) => number) => {
          const consent = caseOf(world)
          const outputs = [...consent.begin(0)]
          for (const [atUs, fact] of inOrder) outputs.push(...consent.handleFact(atUs, fact, toldUs(atUs)))
          outputs.push(...consent.handleTimeout(59_000_000), ...consent.end(60_000_000))
          const isMissed = outputs.some((output) => output.kind === 'state' && output.state === 'missing')
          const actions = outputs.flatMap((output) => (output.kind === 'act' ? [output.action] : []))
          return { state: consent.state, isMissed, actions }
        }
        expect(run((atUs) => atUs - lateUs)).toEqual(run((atUs) => atUs))
      }),
      { numRuns: 2000 },
    )
  })

  test('keeps or discards what it held, once, and records nothing further after a discard', () => {
    fc.assert(
      fc.property(worlds, timed, (world, events) => {
        const consent = caseOf(world)
        const wasHeld = consent.isHolding
        const actions: ConsentAction[] = []
        let isRecording = true
        const take = (outputs: readonly ConsentOutput[]): void => {
          const now = outputs.flatMap((output) => (output.kind === 'act' ? [output.action] : []))
          // What would follow a discarded beginning has nobody's consent either, until there is some.
          let mustPause = false
          for (const action of now) {
            if (action === 'discard') mustPause = isRecording
            if (action === 'pause' || action === 'stop') [isRecording, mustPause] = [false, false]
            if (action === 'resume') isRecording = true
            if (action === 'resume') expect(mustPause).toBe(false)
          }
          expect(mustPause).toBe(false)
          actions.push(...now)
        }
        take(consent.begin(0))
        for (const [atUs, fact] of events) take(consent.handleFact(atUs, fact))
        isRecording = false
        take(consent.end(60_000_000))
        expect(actions.filter((action) => action === 'keep' || action === 'discard').length).toBe(wasHeld ? 1 : 0)
        const behind = actions.includes('shred') ? actions.slice(actions.indexOf('shred') + 1) : []
        expect(behind.every((action) => action === 'discard' || action === 'stop')).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  test('has room for so many facts, and an objection beyond them still counts', () => {
    const consent = caseOf({ policy: { ...POLICY_ALL, require: 'agreement' }, rule: STRICTEST_RULE, parties: TWO })
    for (const party of ['A', 'B'])
      consent.handleFact(0, { type: 'answered', answer: 'yes', by: 'api', participantId: party })
    for (let count = 2; count < CONSENT_FACTS_MAX + 10; count += 1)
      consent.handleFact(0, { type: 'declared', by: 'header', value: '' })
    expect(consent.factsDropped).toBe(10)
    expect(consent.state).toBe('agreed')
    consent.handleFact(0, { type: 'withdrawn', by: 'api', participantId: 'A' })
    expect(consent.state).toBe('withdrawn')
    consent.handleFact(0, { type: 'answered', answer: 'yes', by: 'api', participantId: 'A' })
    expect(consent.state).toBe('withdrawn')
  })
})

const TWO: readonly ConsentParty[] = [
  { id: 'A', role: 'caller', streamIds: ['a'], own: 'asked' },
  { id: 'B', role: 'callee', streamIds: ['b'], own: 'asked' },
]
const POLICY_ALL: ConsentPolicy = {
  require: 'byRule',
  deadlineMs: 20_000,
  onMissing: 'flag',
  onRefused: 'stop',
  onWithdrawn: 'stop',
  holdUntilConsent: false,
  heardShareMin: 1,
  mixedAnnouncement: 'ignored',
}

describe('the evaluator', () => {
  test('never permits more when the last facts are missing, as long as none of them is an objection', () => {
    fc.assert(
      fc.property(worlds, fc.array(others, { maxLength: 20 }), fc.nat(20), (world, all, cut) => {
        const ask = (some: readonly ConsentFact[]) =>
          evaluateConsent({
            parties: world.parties,
            needs: needsOf(world.policy, world.rule),
            policy: world.policy,
            facts: some.map((fact, atUs) => ({ fact, atUs, isLate: false })),
            startedAfresh: new Set(),
            isOverdue: true,
          })
        if (ask(all.slice(0, cut)).isSatisfied) expect(ask(all).isSatisfied).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('permits nothing while an objection stands', () => {
    fc.assert(
      fc.property(worlds, facts, objections, (world, before, objection) => {
        if (world.parties.length === 0) return
        const found = evaluateConsent({
          parties: world.parties,
          needs: needsOf(world.policy, world.rule),
          policy: world.policy,
          facts: [...before, objection].map((fact, atUs) => ({ fact, atUs, isLate: false })),
          startedAfresh: new Set(['A', 'B', 'C']),
          isOverdue: false,
        })
        expect(found.isSatisfied).toBe(false)
        expect(['refused', 'withdrawn']).toContain(found.state)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('rules together', () => {
  const level = (rule: ConsentRule) => ({
    require: REQUIREMENTS.indexOf(rule.require),
    when: MOMENTS.indexOf(rule.when),
  })

  test('are never weaker than any of them, in whichever order', () => {
    fc.assert(
      fc.property(fc.array(rules, { minLength: 1, maxLength: 6 }), (some) => {
        const joined = strictestOf(some)
        expect(strictestOf(some.toReversed())).toEqual(joined)
        expect(strictestOf([...some, joined])).toEqual(joined)
        for (const rule of some) {
          expect(level(joined).require).toBeGreaterThanOrEqual(level(rule).require)
          expect(level(joined).when).toBeGreaterThanOrEqual(level(rule).when)
          if (rule.parties === 'all') expect(joined.parties).toBe('all')
          if (rule.recordAnnouncement) expect(joined.recordAnnouncement).toBe(true)
          expect(joined.notice.filter((kind) => !rule.notice.includes(kind))).toEqual([])
        }
      }),
    )
  })
})

describe('the rule of a call', () => {
  const NUMBERS = [
    '+18135550100',
    '+12065550100',
    '+12125550100',
    '+18005550100',
    '+4930123456',
    '+81345678901',
    '+80012345678',
    '1001',
  ]
  const addresses = fc.oneof(
    fc.constantFrom(...NUMBERS),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc
      .array(fc.constantFrom(...'+0123456789 -().;=@<>"sip:tel*#'.split('')), { maxLength: 30 })
      .map((characters) => characters.join('')),
    fc.bigInt({ min: 1n, max: 999_999_999_999_999n }).map((digits) => `+${digits}`),
  )
  const ruleParties = fc.array(
    fc.record({ number: addresses, jurisdiction: fc.constantFrom('us-ny', 'de', 'nowhere') }, { requiredKeys: [] }),
    { minLength: 1, maxLength: 4 },
  )
  const sources = fc.record(
    { country: fc.constantFrom('US', 'DE', 'XX', ''), jurisdiction: fc.constantFrom('de', 'us-ny', 'nowhere') },
    { requiredKeys: [] },
  )

  test('is found for whatever stands where a number should, and keeps no digit of it', () => {
    fc.assert(
      fc.property(ruleParties, sources, (some, source) => {
        const chosen = chooseRule({ parties: some, source }, RULE_DATA)
        expect(chosen.candidates.length).toBeGreaterThan(0)
        expect(chosen.explanation.length).toBeGreaterThan(1)
        expect(chosen.candidates.filter(({ becauseWithoutNumber }) => /[0-9]/u.test(becauseWithoutNumber))).toEqual([])
        for (const { rule } of chosen.candidates) expect(strictestOf([rule, chosen.rule])).toEqual(chosen.rule)
      }),
      { numRuns: 2000 },
    )
  })

  test('never becomes weaker because somebody joins, or the source names a jurisdiction', () => {
    fc.assert(
      fc.property(ruleParties, ruleParties, sources, (some, more, source) => {
        const { rule } = chooseRule({ parties: some, source: {} }, RULE_DATA)
        const { country: _country, ...named } = source
        const joined = chooseRule({ parties: [...some, ...more], source: named }, RULE_DATA).rule
        expect(strictestOf([rule, joined])).toEqual(joined)
      }),
      { numRuns: 1000 },
    )
  })
})
