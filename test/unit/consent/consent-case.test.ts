import { describe, expect, test } from 'vitest'
import { ConsentCase } from '../../../src/consent/consent-case.ts'
import { type ConsentRule, STRICTEST_RULE } from '../../../src/consent/jurisdiction.ts'
import type { ConsentParty, ConsentPolicy } from '../../../src/consent/policy.ts'
import type { ConsentFact } from '../../../src/consent/words.ts'
import {
  api,
  early,
  heard,
  keys,
  late,
  live,
  NO_RULE,
  PARTIES,
  played,
  POLICY,
  reviewed,
  SECOND_US,
  spoken,
  withdrawn,
} from './cases.ts'

const NOTICE: ConsentPolicy = { ...POLICY, require: 'notice' }
const THIRD: ConsentParty = { id: 'C', role: 'other', streamIds: ['c'], own: 'asked', joinedAtSample: 30 * 48_000 }
const caseWith = (policy = POLICY): ConsentCase =>
  new ConsentCase({ policy, rule: STRICTEST_RULE, parties: PARTIES, startedUs: 0 })

describe('who hears what', () => {
  const stateOf = (parties: readonly ConsentParty[], ...facts: readonly ConsentFact[]) =>
    live(early(...facts), { policy: { require: 'notice' }, parties }).state

  test("an announcement in the callee's stream tells the caller, and not the callee", () => {
    const { state, explanation } = live(early(heard('b')), { policy: { require: 'notice' } })
    expect(state).toBe('missing')
    expect(explanation).toBe('1 of 2 parties were not told')
  })

  test("the operator's own need not be told", () => {
    const own = [PARTIES[0]!, { ...PARTIES[1]!, own: 'informed' }] as const
    expect(stateOf(own, heard('b'))).toBe('notified')
    expect(stateOf(own, heard('a'))).toBe('missing')
    expect(stateOf(own, played())).toBe('notified')
  })

  test("the operator's own are told by contract only where the rule takes that for notice", () => {
    const own = [PARTIES[0]!, { ...PARTIES[1]!, own: 'informed' as const }]
    const by = (notice: ConsentRule['notice']) => ({
      parties: own,
      policy: { require: 'byRule' as const },
      rule: { ...STRICTEST_RULE, require: 'notice' as const, recordAnnouncement: false, notice },
    })
    expect(live(early(played()), by(['announcement', 'contract'])).state).toBe('notified')
    expect(live(early(played()), by(['announcement', 'written'])).state).toBe('notified')
    const untold = live(early(played()), by(['announcement', 'tone']))
    expect(untold.state).toBe('missing')
    expect(untold.explanation).toBe(
      "1 of 2 parties were not told; the rule does not take what the operator's own people know by contract or in writing for notice",
    )
    expect(live(early(played(), heard('a')), by(['announcement'])).state).toBe('notified')
    const all = PARTIES.map((party) => ({ ...party, own: 'informed' as const }))
    expect(live([], { ...by(['announcement']), parties: all }).state).toBe('missing')
  })

  test("a call of the operator's own people needs nothing, and does not claim that anybody said yes", () => {
    const own = PARTIES.map((party) => ({ ...party, own: 'agreed' as const }))
    expect(live([], { parties: own }).state).toBe('notRequired')
    expect(live([], { parties: own, policy: { require: 'notice' } }).state).toBe('notRequired')
    expect(live(early(withdrawn()), { parties: own }).state).toBe('withdrawn')
  })

  test("a yes of the operator's own people takes nothing away, whatever the rule wants in the recording", () => {
    const parties = PARTIES.map((party) => ({ ...party, own: 'agreed' as const }))
    const rule = { ...STRICTEST_RULE, parties: 'one' as const, recordAnnouncement: true }
    for (const facts of [[], [reviewed('yes', 'A')]]) {
      expect(live(early(...facts), { policy: { require: 'byRule' }, rule, parties }).state).toBe('notRequired')
    }
  })

  test('employees who are only informed must still agree', () => {
    const own = [PARTIES[0]!, { ...PARTIES[1]!, own: 'informed' as const }]
    expect(live(early(keys('yes', 'a')), { parties: own }).state).toBe('missing')
    const agreed = [PARTIES[0]!, { ...PARTIES[1]!, own: 'agreed' as const }]
    expect(live(early(keys('yes', 'a')), { parties: agreed }).state).toBe('agreed')
  })

  test('a stream that both share tells neither, unless the policy says that both hear it', () => {
    const mixed = PARTIES.map((party) => ({ ...party, streamIds: ['m'] }))
    expect(stateOf(mixed, heard('m'))).toBe('missing')
    const policy = { require: 'notice', mixedAnnouncement: 'heardByAll' } as const
    expect(live(early(heard('m')), { parties: mixed, policy }).state).toBe('notified')
    expect(live(early(keys('yes', 'm'), keys('yes', 'm')), { parties: mixed }).state).toBe('missing')
    expect(live(early(keys('no', 'm')), { parties: mixed }).state).toBe('refused')
  })

  test('a recording of one party alone leaves out somebody', () => {
    const alone = live(early(heard('b'), keys('yes', 'a')), { parties: [PARTIES[0]!] })
    expect(alone.state).toBe('missing')
    expect(alone.explanation).toContain('who takes part is not known')
  })

  test('a part counts from the share that the policy names', () => {
    const part = heard('a', { verdict: 'heardInPart', share: 0.9 })
    const policy = { require: 'notice', heardShareMin: 0.85 } as const
    expect(live(early(part, heard('b')), { policy }).state).toBe('notified')
    expect(live(early(heard('a', { verdict: 'heardInPart', share: 0.8 }), heard('b')), { policy }).state).toBe(
      'missing',
    )
    expect(live(early(heard('a', { verdict: 'uncertain', share: 1 }), heard('b')), { policy }).state).toBe('missing')
  })

  test('agreement to a recorded announcement wants the announcement in the recording', () => {
    const policy = { require: 'byRule' } as const
    const yes = [keys('yes', 'a'), keys('yes', 'b')]
    const without = live(early(played(), ...yes), { policy, rule: STRICTEST_RULE })
    expect(without.state).toBe('missing')
    expect(without.explanation).toMatch(/^no announcement is in the recording; .*the rule wants it in the recording$/u)
    expect(live(early(heard('b'), ...yes), { policy, rule: STRICTEST_RULE }).state).toBe('agreed')
    expect(live(early(...yes, heard('b')), { policy, rule: STRICTEST_RULE }).state).toBe('agreed')
  })

  test('an announcement in a beginning that was destroyed is no longer in the recording', () => {
    const policy = { require: 'byRule', holdUntilConsent: true, onMissing: 'discard' } as const
    const events = [...early(heard('b')), ...late(keys('yes', 'a'), keys('yes', 'b'))]
    expect(live(events, { policy, rule: STRICTEST_RULE }).state).toBe('missing')
    const again = [...events, ...late(heard('b', { fromMs: 35_000 }))]
    expect(live(again, { policy, rule: STRICTEST_RULE }).state).toBe('agreed')
  })

  test.each([
    ['a no', 7, api('no', 'A'), 2_000],
    ['the deadline', 20, undefined, 15_500],
  ] as const)(
    'one that is found after %s destroyed it is not in the recording either',
    (_what, seconds, no, fromMs) => {
      const hold = { require: 'byRule', holdUntilConsent: true, onMissing: 'discard', onRefused: 'flag' } as const
      const consent = caseWith({ ...POLICY, ...hold })
      const nowUs = seconds * SECOND_US
      const outputs = no === undefined ? consent.handleTimeout(nowUs) : consent.handleFact(nowUs, no)
      expect(outputs).toContainEqual({ kind: 'act', action: 'discard' })
      consent.handleDiscarded(nowUs + 1.5 * SECOND_US)
      const prompt = heard('b', { fromMs, lastsMs: 5_000 })
      consent.handleFact((fromMs + 5_000) * 1_000, prompt)
      for (const party of ['A', 'B']) consent.handleFact(26 * SECOND_US, api('yes', party))
      expect(consent.explanation).toContain('an announcement was destroyed with the beginning')
      expect(consent.state).not.toBe('agreed')
      // It was carried out a second and a half after it was due: what began meanwhile is gone too.
      consent.handleFact(nowUs + 6 * SECOND_US, heard('b', { lastsMs: 5_000 }))
      expect(consent.state).not.toBe('agreed')
      consent.handleFact(35 * SECOND_US, heard('b', { fromMs: 30_000 }))
      expect(consent.state).toBe('agreed')
    },
  )

  test('an announcer plays to the only caller', () => {
    const two = PARTIES.map((party) => ({ ...party, role: 'caller' as const }))
    expect(stateOf(two, played(), heard('a'), heard('b'))).toBe('notified')
    expect(stateOf(two, played(), heard('b'))).toBe('missing')
  })
})

describe('an answer', () => {
  test('of a person who listened settles a spoken one, also after the end', () => {
    const events = [...early(spoken('yes', 'a'), keys('yes', 'b')), { atMs: 90_000, fact: reviewed('yes', 'A') }]
    expect(live(events)).toMatchObject({ state: 'agreed', states: ['unknown', 'missing', 'agreed'], actions: ['flag'] })
  })

  test('says what it waits for', () => {
    expect(live(early(spoken('yes', 'a'), keys('yes', 'b'))).explanation).toBe(
      '1 of 2 parties have not agreed; a spoken yes counts once a person has listened to it',
    )
  })

  test('of the API without a name counts where only one can be meant', () => {
    const own = [PARTIES[0]!, { ...PARTIES[1]!, own: 'agreed' as const }]
    expect(live(early(api('yes')), { parties: own }).state).toBe('agreed')
    expect(live(early(api('yes'))).state).toBe('missing')
    expect(live(early(api('no'))).state).toBe('refused')
  })

  test('of the API counts only where the policy lets it', () => {
    const policy = { apiAnswers: false }
    const both = live(early(api('yes', 'A'), api('yes', 'B')), { policy })
    expect(both).toMatchObject({ state: 'missing' })
    expect(both.explanation).toContain('a yes by the API does not count here')
    expect(live(early(api('no', 'A')), { policy }).state).toBe('refused')
    expect(live(early(reviewed('yes', 'A'), reviewed('yes', 'B')), { policy }).state).toBe('agreed')
  })

  test('that withdraws by keys is of who sends the stream', () => {
    const before = [keys('yes', 'a'), keys('yes', 'b')]
    const byKeys: ConsentFact = { type: 'withdrawn', by: 'dtmf', streamId: 'a' }
    expect(live(early(...before, byKeys)).state).toBe('withdrawn')
    expect(live(early(...before, byKeys, keys('yes', 'a'))).state).toBe('agreed')
    expect(live(early(...before, { ...byKeys, streamId: 'x' }, keys('yes', 'a'))).state).toBe('withdrawn')
  })

  test('that was no is raised by a yes of the same party, and by nobody else', () => {
    expect(live(early(keys('no', 'a'), keys('yes', 'b'), spoken('yes', 'a'))).state).toBe('refused')
    expect(live(early(keys('no', 'a'), keys('yes', 'b'), reviewed('yes', 'A'))).state).toBe('agreed')
    expect(live(early(keys('no', 'a'), heard('a'), heard('b'))).state).toBe('refused')
  })

  test('in general is raised when all have said yes again', () => {
    const before = [keys('yes', 'a'), keys('yes', 'b'), withdrawn()]
    expect(live(early(...before, keys('yes', 'a'))).state).toBe('withdrawn')
    expect(live(early(...before, keys('yes', 'a'), keys('yes', 'b'))).state).toBe('agreed')
  })

  test.each([
    ['a withdrawal', withdrawn('A'), 'withdrawn'],
    ['a withdrawal by nobody in particular', withdrawn(), 'withdrawn'],
    ['a no', api('no', 'A'), 'refused'],
  ] as const)(
    'that was yes does not take back %s that came after it, though it is heard behind it',
    (_what, no, state) => {
      const consent = caseWith()
      consent.handleFact(SECOND_US, keys('yes', 'b'))
      consent.handleFact(3 * SECOND_US, no)
      expect(consent.state).toBe(state)
      for (const streamId of ['a', 'b']) expect(consent.handleFact(2 * SECOND_US, keys('yes', streamId))).toEqual([])
      expect(consent.state).toBe(state)
      for (const streamId of ['a', 'b']) consent.handleFact(3 * SECOND_US, keys('yes', streamId))
      expect(consent.state).toBe('agreed')
    },
  )

  test('that was yes, and heard behind an objection of somebody else, counts', () => {
    const consent = caseWith()
    consent.handleFact(3 * SECOND_US, withdrawn('B'))
    consent.handleFact(2 * SECOND_US, keys('yes', 'a'))
    consent.handleFact(4 * SECOND_US, keys('yes', 'b'))
    expect(consent.state).toBe('agreed')
  })

  test.each([
    ['of the same party', withdrawn('A'), keys('no', 'a')],
    ['of nobody in particular', withdrawn('A'), keys('no', 'x')],
    ['of nobody in particular, of a withdrawal by nobody in particular,', withdrawn(), keys('no', 'x')],
  ] as const)(
    'that was no %s makes no refusal of a withdrawal that came after it, though it is heard behind it',
    (...row) => {
      const [, withdrawal, no] = row
      const policy = { ...POLICY, onRefused: 'stop', onWithdrawn: 'pause' } as const
      const consent = caseWith(policy)
      consent.handleFact(3 * SECOND_US, withdrawal)
      expect(consent.handleFact(2 * SECOND_US, no)).toEqual([])
      expect(consent.state).toBe('withdrawn')
      // One that came after it is an answer of its own.
      if (no.type === 'answered' && no.streamId === 'a') {
        expect(consent.handleFact(4 * SECOND_US, no)).toMatchObject([{ state: 'refused' }, { action: 'stop' }])
      }
      for (const party of ['A', 'B']) consent.handleFact(5 * SECOND_US, api('yes', party))
      expect(consent.state).toBe('agreed')
    },
  )

  test('that was no and was told behind a yes counts, whenever it was given', () => {
    const consent = caseWith()
    for (const atUs of [3, 4]) consent.handleFact(atUs * SECOND_US, atUs === 3 ? withdrawn('A') : api('yes', 'A'))
    consent.handleFact(2 * SECOND_US, keys('no', 'a'))
    expect(consent.state).toBe('refused')
  })

  test('of a person who listened counts whenever it was given', () => {
    const consent = caseWith()
    consent.handleFact(SECOND_US, keys('yes', 'b'))
    consent.handleFact(3 * SECOND_US, keys('no', 'a'))
    consent.handleFact(2 * SECOND_US, reviewed('yes', 'A'))
    expect(consent.state).toBe('agreed')
  })

  test('may come before the participants are known', () => {
    const consent = new ConsentCase({ policy: POLICY, rule: NO_RULE, parties: [], startedUs: 0 })
    consent.handleFact(1, keys('yes'))
    consent.handleFact(2, api('yes', 'B'))
    expect(consent.state).toBe('unknown')
    expect(consent.setCall(3, PARTIES, NO_RULE)).toEqual([
      { kind: 'state', state: 'agreed', explanation: '2 of 2 parties said yes, all who must' },
    ])
  })
})

describe('time', () => {
  test('the deadline counts from the start, and is gone once what is needed is there', () => {
    const consent = caseWith()
    expect(consent.nextTimeoutUs).toBe(20 * SECOND_US)
    expect(consent.begin(0)).toMatchObject([{ kind: 'state', state: 'unknown' }])
    expect(consent.handleTimeout(20 * SECOND_US - 1)).toEqual([])
    expect(consent.handleTimeout(20 * SECOND_US)).toMatchObject([{ state: 'missing' }, { action: 'flag' }])
    expect(consent.nextTimeoutUs).toBeUndefined()
    const prompt = caseWith()
    prompt.handleFact(1, keys('yes', 'a'))
    prompt.handleFact(2, keys('yes', 'b'))
    expect(prompt.nextTimeoutUs).toBeUndefined()
    expect(prompt.handleTimeout(30 * SECOND_US)).toEqual([])
  })

  test('an announcement that began in time counts although it was found after the deadline', () => {
    const consent = caseWith({ ...NOTICE, onMissing: 'pause' })
    consent.handleFact(0, heard('a', { fromMs: 15_000 }))
    expect(consent.handleTimeout(20 * SECOND_US)).toMatchObject([{ state: 'missing' }, { action: 'pause' }])
    expect(consent.handleFact(21 * SECOND_US, heard('b', { fromMs: 16_000 }))).toMatchObject([
      { state: 'notified' },
      { action: 'resume' },
    ])
  })

  test.each([5, 25])('what was played before the recording counts, found %i seconds after its beginning', (seconds) => {
    const rule = { ...NO_RULE, require: 'notice', parties: 'one', when: 'atStart' } as const
    const policy = { ...POLICY, require: 'byRule', onMissing: 'pause' } as const
    const consent = new ConsentCase({ policy, rule, parties: PARTIES, startedUs: 0 })
    consent.handleTimeout(seconds * SECOND_US)
    expect(consent.handleFact(-30 * SECOND_US, played('yes', 'A'))).toMatchObject([
      { state: 'notified' },
      ...(seconds > 20 ? [{ action: 'resume' }] : []),
    ])
  })

  test('what was played after the deadline comes too late, however soon it is told', () => {
    const rule = { ...NO_RULE, require: 'notice', parties: 'one', when: 'atStart' } as const
    const policy = { ...POLICY, require: 'byRule' } as const
    const consent = new ConsentCase({ policy, rule, parties: PARTIES, startedUs: 0 })
    expect(consent.handleFact(20 * SECOND_US, played('yes', 'A'), 19 * SECOND_US)).toMatchObject([{ state: 'unknown' }])
    expect(consent.handleTimeout(20 * SECOND_US)).toMatchObject([{ state: 'missing' }, { action: 'flag' }])
    expect(consent.state).toBe('missing')
    expect(consent.explanation).toContain('an announcement came after the deadline')
  })

  test('who joins later has a deadline of their own, and an announcement before told them nothing', () => {
    const consent = caseWith(NOTICE)
    consent.handleFact(1, heard('a'))
    consent.handleFact(2, heard('b'))
    expect(consent.state).toBe('notified')
    expect(consent.setCall(30 * SECOND_US, [...PARTIES, THIRD], NO_RULE)).toMatchObject([{ state: 'unknown' }])
    expect(consent.nextTimeoutUs).toBe(50 * SECOND_US)
    expect(consent.handleTimeout(50 * SECOND_US)).toMatchObject([{ state: 'missing' }, { action: 'flag' }])
    expect(consent.handleFact(51 * SECOND_US, heard('a', { fromMs: 40_000 }))).toMatchObject([{ state: 'notified' }])
  })

  test('a rule that becomes stricter counts from then on', () => {
    const consent = new ConsentCase({
      policy: { ...POLICY, require: 'byRule' },
      rule: NO_RULE,
      parties: PARTIES,
      startedUs: 0,
    })
    expect(consent.state).toBe('notRequired')
    expect(consent.nextTimeoutUs).toBeUndefined()
    consent.setCall(5 * SECOND_US, PARTIES, STRICTEST_RULE)
    expect(consent.nextTimeoutUs).toBe(25 * SECOND_US)
    expect(consent.isHolding).toBe(false)
  })

  test('an objection that is raised leaves the rest its deadline', () => {
    const consent = caseWith({ ...POLICY, onRefused: 'pause' })
    expect(consent.handleFact(SECOND_US, keys('no', 'a'))).toMatchObject([{ state: 'refused' }, { action: 'pause' }])
    expect(consent.nextTimeoutUs).toBeUndefined()
    consent.handleFact(2 * SECOND_US, keys('yes', 'a'))
    expect(consent.nextTimeoutUs).toBe(22 * SECOND_US)
    expect(consent.handleFact(3 * SECOND_US, keys('yes', 'b'))).toMatchObject([
      { state: 'agreed' },
      { action: 'resume' },
    ])
  })

  test('a call that ends before its deadline ends as missing', () => {
    expect(live([], { endMs: 3000, policy: { onMissing: 'notify' } })).toMatchObject({
      state: 'missing',
      actions: ['notify'],
    })
    expect(live([], { endMs: 3000, policy: { onMissing: 'pause', holdUntilConsent: true } }).actions).toEqual([
      'discard',
    ])
  })
})

describe('what was held', () => {
  const hold = { holdUntilConsent: true } as const

  test('is kept, flagged, when a review may still come, and destroyed when the review hears a no', () => {
    const yes = [...early(spoken('yes', 'a'), keys('yes', 'b')), { atMs: 90_000, fact: reviewed('yes', 'A') }]
    expect(live(yes, { policy: hold })).toMatchObject({ state: 'agreed', actions: ['flag', 'keep'] })
    const no = [...early(spoken('yes', 'a'), keys('yes', 'b')), { atMs: 90_000, fact: reviewed('no', 'A') }]
    expect(live(no, { policy: hold })).toMatchObject({ state: 'refused', actions: ['flag', 'keep', 'discard'] })
  })

  test('is destroyed by a late withdrawal only if the policy shreds', () => {
    const events = [...early(keys('yes', 'a'), keys('yes', 'b')), { atMs: 90_000, fact: withdrawn('A') }]
    expect(live(events, { policy: { ...hold, onWithdrawn: 'stop' } }).actions).toEqual(['keep'])
    expect(live(events, { policy: { ...hold, onWithdrawn: 'shred' } }).actions).toEqual(['keep', 'shred'])
  })

  test('is kept at once where nothing is needed', () => {
    const policy = { ...hold, require: 'byRule' } as const
    const consent = new ConsentCase({ policy: { ...POLICY, ...policy }, rule: NO_RULE, parties: PARTIES, startedUs: 0 })
    expect(consent.isHolding).toBe(true)
    expect(consent.begin(0)).toMatchObject([{ state: 'notRequired' }, { action: 'keep' }])
    expect(consent.isHolding).toBe(false)
    expect(live([], { policy, rule: NO_RULE }).actions).toEqual(['keep'])
  })

  test('once destroyed, late notice is in time for what follows', () => {
    const consent = caseWith({ ...NOTICE, ...hold, onMissing: 'discard' })
    expect(consent.isHolding).toBe(true)
    expect(consent.handleTimeout(20 * SECOND_US)).toMatchObject([
      { state: 'missing' },
      { action: 'discard' },
      { action: 'pause' },
    ])
    consent.handleFact(25 * SECOND_US, heard('a', { fromMs: 24_000 }))
    expect(consent.handleFact(26 * SECOND_US, heard('b', { fromMs: 25_000 }))).toMatchObject([
      { state: 'notified' },
      { action: 'resume' },
    ])
    expect(consent.isHolding).toBe(false)
  })

  test('late notice is late for who joins after the beginning was destroyed: nothing of theirs was', () => {
    const consent = caseWith({ ...NOTICE, ...hold, onMissing: 'discard' })
    consent.handleTimeout(20 * SECOND_US)
    consent.handleFact(25 * SECOND_US, heard('a', { fromMs: 24_000 }))
    consent.handleFact(26 * SECOND_US, heard('b', { fromMs: 25_000 }))
    expect(consent.state).toBe('notified')
    consent.setCall(30 * SECOND_US, [...PARTIES, THIRD], NO_RULE)
    consent.handleTimeout(50 * SECOND_US)
    consent.handleFact(60 * SECOND_US, heard('a', { fromMs: 55_000 }))
    expect(consent.state).toBe('missing')
    expect(consent.explanation).toContain('an announcement came after the deadline')
  })

  test('a shredded recording gets no further orders', () => {
    const events = early(withdrawn(), keys('yes', 'a'), keys('yes', 'b'), keys('no', 'a'))
    expect(live(events, { policy: { ...hold, onWithdrawn: 'shred' } }).actions).toEqual(['shred', 'discard', 'stop'])
  })
})
