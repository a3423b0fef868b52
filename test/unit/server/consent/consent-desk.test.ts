import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import type { SourceConsentConfig } from '../../../../src/config/config.ts'
import type { RuleData } from '../../../../src/consent/choose-rule.ts'
import { CONSENT_FACTS_MAX } from '../../../../src/consent/consent-case.ts'
import type { ConsentPolicy } from '../../../../src/consent/policy.ts'
import type { ConsentFact, ConsentFactAt } from '../../../../src/consent/words.ts'
import { findConsentEventFault } from '../../../../src/evidence/consent-event-shape.ts'
import { consentState } from '../../../../src/evidence/consent-state.ts'
import type { ConsentEventBody } from '../../../../src/evidence/consent-event.ts'
import { asStreamId } from '../../../../src/ids.ts'
import { ConsentDesk, HEARD_LATE_US } from '../../../../src/server/consent/consent-desk.ts'
import { REASONS_PER_KIND_MAX } from '../../../../src/server/consent/consent-reasons.ts'
import { wallClock, type LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { liveRecording } from '../recording/live-recordings.ts'

const NO_DATA: RuleData = { packs: new Map(), regions: new Map() }
const DEADLINE_MS = 20_000
const PROMPT = { promptId: 'notice', sha256: 'a'.repeat(64) }

const POLICY: ConsentPolicy = {
  ...{ require: 'agreement', deadlineMs: DEADLINE_MS, onMissing: 'pause', onRefused: 'stop', onWithdrawn: 'stop' },
  ...{ holdUntilConsent: false, heardShareMin: 1, mixedAnnouncement: 'ignored' },
}

/** Media streams, each on an open line of its own. */
function describedLines(...streamIds: readonly string[]): LiveRecording['described'] {
  const plans = streamIds.map((streamId, index) => ({ streamId, line: { index } }))
  return { media: plans.map(() => ({ port: 40_000 })) as never, plans: plans as never, ports: new Map() }
}

/** A desk with one recording of two nameless parties, on `s1` and `s2`. */
class DeskRig {
  readonly recording: LiveRecording = liveRecording()
  readonly events: { readonly body: ConsentEventBody; readonly at: string }[] = []
  readonly done: string[] = []
  announced: readonly ConsentFactAt[] = []
  /** What was announced is different now. */
  changed = (): void => {}
  /** Whether events come to stand in the journal. */
  kept: Promise<boolean> = Promise.resolve(true)
  isFull = false
  refuses = (_body: ConsentEventBody): boolean => false
  nowUs = this.recording.facts.openedUs
  readonly desk: ConsentDesk

  constructor(policy: Partial<ConsentPolicy> = {}) {
    this.recording.described = describedLines('s1', 's2')
    const source: SourceConsentConfig = { policy: { ...POLICY, ...policy }, own: [] }
    this.desk = new ConsentDesk({
      settings: {
        sources: new Map([['sbc', source]]),
        byDefault: { policy: { ...POLICY, require: 'none' }, own: [] },
        shred: async () => void this.done.push('shred'),
        announced: async (_recording, changed) => {
          this.changed = changed
          return this.announced
        },
        data: NO_DATA,
        keep: (_recording, note) => {
          if (this.refuses(note.body)) throw new TypeError('The consent event is too long.')
          if (this.isFull) return undefined
          this.events.push(note)
          return { number: this.events.length - 1, kept: this.kept, isSigned: Promise.resolve(true) }
        },
      },
      actions: {
        setPaused: (_recording, isPaused) => this.done.push(isPaused ? 'pause' : 'resume'),
        stop: () => this.done.push('stop'),
        settleHeld: (_recording, outcome, cause) => this.done.push(`held ${outcome} ${cause}`),
        note: (_recording, { code }) => this.done.push(code),
        notify: (_recording, state) => this.done.push(`notify ${state}`),
        over: (_recording, state) => this.done.push(`over ${state}`),
      },
      nowUs: () => this.nowUs,
    })
  }

  pass(ms: number): void {
    this.nowUs += ms * 1_000
    vi.advanceTimersByTime(ms)
  }

  say(fact: ConsentFact, agoMs = 0): boolean {
    const at = wallClock(this.recording, this.nowUs - agoMs * 1_000).toISOString()
    return this.desk.handleFact(this.recording, { at, fact }) !== undefined
  }

  answer(answer: 'yes' | 'no', streamId: string, agoMs = 0): void {
    this.say({ type: 'answered', answer, by: 'dtmf', streamId }, agoMs)
  }

  get types(): readonly string[] {
    return this.events.map(({ body }) => (body.type === 'decided' ? body.state : body.type))
  }

  get lastDecision(): (ConsentEventBody & { readonly type: 'decided' }) | undefined {
    return this.events.map(({ body }) => body).findLast((body) => body.type === 'decided')
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a recording that needs the agreement of all', () => {
  it('says once that more was said than is weighed, and an objection still counts', () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    const sayMuch = (times: number): void => {
      for (let count = 0; count < times; count += 1) rig.say({ type: 'declared', by: 'header', value: '' })
    }
    sayMuch(CONSENT_FACTS_MAX)
    expect(rig.done).toEqual([])
    sayMuch(2)
    expect(rig.done).toEqual(['consent-facts-unweighed'])
    rig.answer('no', 's1')
    expect(rig.done).toContain('stop')
  })

  it('names what its decision follows from, however much else was said since', () => {
    const rig = new DeskRig({ require: 'byRule' })
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    for (let count = 0; count < 200; count += 1) rig.say({ type: 'answered', answer: 'none', by: 'dtmf' })
    rig.say({
      ...{ type: 'announcementHeard', prompt: PROMPT, streamId: 's1', fromSample: 0, heardSamples: 48_000 },
      ...{ share: 1, confidence: 1, verdict: 'heardInFull' },
    })
    expect(rig.recording.consentState).toBe('agreed')
    const events = rig.events.map(({ body }, number) => ({ ...body, number }))
    expect(consentState(events)).toBe('agreed')
    expect(rig.lastDecision?.because.length).toBeLessThanOrEqual(3 * REASONS_PER_KIND_MAX)
  })

  it('is agreed when all have said yes, and every event says so in its shape and order', async () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    expect(rig.recording.consentState).toBe('unknown')
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    expect(rig.recording.consentState).toBe('agreed')
    rig.pass(10 * DEADLINE_MS)
    await rig.desk.ended(rig.recording)
    expect(rig.types.filter((type) => type !== 'unknown')).toEqual(['ruleChosen', 'answered', 'answered', 'agreed'])
    expect(rig.done).toEqual(['over agreed'])
    for (const [number, { body, at }] of rig.events.entries()) {
      const { recordingId } = rig.recording.facts
      expect(
        findConsentEventFault({
          ...body,
          recordingId,
          number,
          at,
          clock: { status: 'unknown' },
          format: 'earwitness-consent-event/1',
        }),
      ).toBeUndefined()
    }
  })

  it('a decision names the events it rests on, and no other decision', () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    const { lastDecision } = rig
    // What comes later, before it is signed, changes nothing in it.
    rig.answer('yes', 's1')
    const because = lastDecision?.because ?? []
    expect(because.map((number) => rig.events[number]?.body.type)).toEqual(['ruleChosen', 'answered', 'answered'])
  })

  it('is paused at the deadline, so much later as it takes to hear', () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.pass(DEADLINE_MS + HEARD_LATE_US / 1_000 - 1)
    expect(rig.done).toEqual([])
    rig.pass(1)
    expect(rig.done).toEqual(['consent-missing', 'pause'])
    expect(rig.recording.consentState).toBe('missing')
  })

  it('what was said before the deadline counts although it is told behind it', () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    rig.pass(DEADLINE_MS + 1_000)
    rig.answer('yes', 's2', 1_200)
    expect(rig.recording.consentState).toBe('agreed')
    rig.pass(DEADLINE_MS)
    expect(rig.done).toEqual([])
  })

  /** One party has said yes before the deadline, and of the other the API says so right behind it. */
  function toldRightBehindTheDeadline(): DeskRig {
    const rig = new DeskRig({ holdUntilConsent: true, onMissing: 'discard' })
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    rig.pass(DEADLINE_MS + 300)
    rig.say({ type: 'answered', answer: 'yes', by: 'api', participantId: 's2' })
    return rig
  }

  it('what was said before the deadline counts although somebody else was told of behind it, at once', async () => {
    const rig = toldRightBehindTheDeadline()
    rig.pass(700)
    rig.answer('yes', 's2', 1_200)
    await vi.advanceTimersByTimeAsync(DEADLINE_MS)
    expect(rig.done).toEqual(['held kept agreed'])
  })

  it('what is said after the deadline is late, although the deadline has yet to pass', async () => {
    const rig = toldRightBehindTheDeadline()
    expect(rig.recording.consentState).toBe('unknown')
    rig.pass(HEARD_LATE_US / 1_000 - 300)
    await vi.advanceTimersByTimeAsync(1)
    expect([...new Set(rig.done)]).toEqual(['consent-missing', 'held destroyed missing', 'pause', 'resume'])
    expect(rig.recording.consentState).toBe('agreed')
    const states = rig.types.filter((type) => ['missing', 'agreed'].includes(type))
    expect(states).toEqual(['missing', 'agreed'])
  })

  it('a no after the deadline counts at once, also when the deadline has yet to pass', () => {
    const rig = new DeskRig({ onRefused: 'pause' })
    rig.desk.opened(rig.recording)
    for (const streamId of ['s1', 's2']) rig.answer('yes', streamId, -100)
    rig.pass(DEADLINE_MS + 300)
    rig.say({ type: 'answered', answer: 'no', by: 'api', participantId: 's2' })
    expect(rig.done).toEqual(['consent-refused', 'pause'])
  })

  it('a fact of a clock that ran ahead happened when it was told at the latest, and passes no deadline', async () => {
    const rig = new DeskRig()
    rig.announced = [
      {
        at: wallClock(rig.recording, rig.nowUs + 3_600_000_000).toISOString(),
        fact: { type: 'declared', by: 'header', value: '' },
      },
    ]
    rig.desk.opened(rig.recording)
    await vi.advanceTimersByTimeAsync(1)
    expect(rig.types).toEqual(['ruleChosen', 'unknown', 'declared'])
    expect(rig.done).toEqual([])
  })

  it('goes on when they agree later, but not before the decision stands in the journal', async () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.pass(2 * DEADLINE_MS)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    rig.kept = promise
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    await Promise.resolve()
    expect(rig.done).toEqual(['consent-missing', 'pause'])
    resolve(true)
    await promise
    await Promise.resolve()
    expect(rig.done).toEqual(['consent-missing', 'pause', 'resume'])
  })

  it('does not go on when the decision could not be kept', async () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.pass(2 * DEADLINE_MS)
    rig.kept = Promise.resolve(false)
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    await vi.runAllTimersAsync()
    expect(rig.done).toEqual(['consent-missing', 'pause'])
  })

  it('does not go on by a decision that could not be signed', async () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.pass(2 * DEADLINE_MS)
    rig.refuses = ({ type }) => type === 'decided'
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    await vi.advanceTimersByTimeAsync(1)
    expect(rig.recording.consentState).toBe('agreed')
    expect(rig.done.filter((done) => done !== 'consent-not-kept')).toEqual(['consent-missing', 'pause'])
  })

  it('a yes that has no place any more decides nothing; a no does', async () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.isFull = true
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    expect(rig.recording.consentState).toBe('unknown')
    rig.answer('no', 's1')
    expect(rig.recording.consentState).toBe('refused')
    expect(rig.done).toContain('stop')
  })

  it('stays paused when consent is taken back while its decision is on its way to the disk', async () => {
    const rig = new DeskRig({ onWithdrawn: 'pause' })
    rig.desk.opened(rig.recording)
    rig.pass(2 * DEADLINE_MS)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    rig.kept = promise
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    rig.say({ type: 'withdrawn', by: 'api' })
    resolve(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(rig.done).not.toContain('resume')
  })

  it('stops at a no, and at a withdrawal, at once', async () => {
    for (const fact of [
      { type: 'answered', answer: 'no', by: 'dtmf', streamId: 's2' },
      { type: 'withdrawn', by: 'api' },
    ] as const) {
      const rig = new DeskRig()
      rig.kept = new Promise(() => {})
      rig.desk.opened(rig.recording)
      rig.say(fact)
      const state = fact.type === 'withdrawn' ? 'withdrawn' : 'refused'
      expect(rig.done).toEqual([`consent-${state}`, 'stop'])
      await rig.desk.ended(rig.recording)
      expect(rig.done.at(-1)).toBe(`over ${state}`)
    }
  })

  it('that ends before its deadline is missing what did not come', async () => {
    const rig = new DeskRig({ onMissing: 'notify' })
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    await rig.desk.ended(rig.recording)
    expect(rig.done).toEqual(['consent-missing', 'notify missing', 'over missing'])
    rig.pass(2 * DEADLINE_MS)
    expect(rig.done).toHaveLength(3)
  })
})

describe('a recording whose dialog is over', () => {
  const over = (policy: Partial<ConsentPolicy>): DeskRig => {
    const rig = new DeskRig(policy)
    rig.desk.opened(rig.recording)
    rig.pass(DEADLINE_MS - 1_000)
    rig.recording.state = 'closing'
    return rig
  }
  const enforced = ({ events }: DeskRig): readonly string[] =>
    events.flatMap(({ body }) => (body.type === 'enforced' ? [body.action] : []))

  it.each(['pause', 'stop'] as const)(
    'is not signed to have come to a %s by a deadline after that',
    async (onMissing) => {
      for (const waitsMs of [1_400, 3_000]) {
        const rig = over({ onMissing })
        rig.pass(waitsMs)
        await rig.desk.ended(rig.recording)
        expect(rig.types.at(-1)).toBe('missing')
        expect(enforced(rig)).toEqual([])
        expect(rig.done.at(-1)).toBe('over missing')
      }
    },
  )

  it('nor by a no that is heard after that; what was held is destroyed', () => {
    const rig = over({ holdUntilConsent: true, onRefused: 'stop' })
    rig.answer('no', 's1', 1_000)
    expect(enforced(rig)).toEqual(['discard'])
    const shredded = over({ onRefused: 'shred' })
    shredded.answer('no', 's1', 1_000)
    expect(enforced(shredded)).toEqual(['shred'])
  })
})

describe('what is asked of a desk', () => {
  it('facts from before the recording count', async () => {
    const rig = new DeskRig({ require: 'notice' })
    const fact = {
      type: 'announcementPlayed',
      ...({ prompt: PROMPT, mode: 'answer', playedMs: 4_000, totalMs: 4_000 } as const),
      ...({ heardToEnd: 'yes', endCause: 'played', participantId: 's1' } as const),
    } as const
    rig.announced = [{ at: '2026-11-29T11:59:00.000Z', fact }]
    rig.desk.opened(rig.recording)
    await Promise.resolve()
    await Promise.resolve()
    const played = rig.events.find(({ body }) => body.type === 'announcementPlayed')
    expect(played?.at).toBe('2026-11-29T11:59:00.000Z')
    // Metadata tell more ids, and with them of one more; none is taken twice.
    rig.announced = [...rig.announced, { at: '2026-11-29T11:59:30.000Z', fact }]
    rig.desk.peopleChanged(rig.recording)
    rig.desk.peopleChanged(rig.recording)
    await Promise.resolve()
    await Promise.resolve()
    expect(rig.types.filter((type) => type === 'announcementPlayed')).toHaveLength(2)
  })

  it('an announcement whose listener reports late counts as heard, without more metadata', async () => {
    const rig = new DeskRig({ require: 'notice' })
    const played = (heardToEnd: 'yes' | 'unknown') => ({
      at: '2026-11-29T11:59:00.000Z',
      fact: {
        type: 'announcementPlayed',
        ...({ prompt: PROMPT, mode: 'answer', playedMs: 4_000, totalMs: 4_000 } as const),
        ...({ endCause: 'played', participantId: 's1' } as const),
        heardToEnd,
      } as const,
    })
    const answer = { at: '2026-11-29T11:59:05.000Z', fact: { type: 'answered', answer: 'yes', by: 'dtmf' } } as const
    rig.announced = [played('unknown'), answer]
    rig.desk.opened(rig.recording)
    await vi.advanceTimersByTimeAsync(1)
    rig.announced = [played('yes'), answer]
    rig.changed()
    await vi.advanceTimersByTimeAsync(1)
    const facts = rig.events.flatMap(({ body }) => (body.type === 'announcementPlayed' ? [body.heardToEnd] : []))
    expect(facts).toEqual(['unknown', 'yes'])
    expect(rig.types.filter((type) => type === 'answered')).toHaveLength(1)
  })

  it('a source that asks for nothing has a case once something was announced', async () => {
    const rig = new DeskRig({ require: 'none' })
    const fact = { type: 'declared', by: 'header', value: 'yes' } as const
    rig.announced = [{ at: '2026-11-29T11:59:00.000Z', fact }]
    rig.desk.opened(rig.recording)
    await Promise.resolve()
    await Promise.resolve()
    expect(rig.types).toEqual(['ruleChosen', 'unknown', 'declared'])
    await rig.desk.ended(rig.recording)
    expect(rig.done).toEqual(['over unknown'])
  })

  it('an announcement that the metadata of the BYE leads to still counts', async () => {
    const rig = new DeskRig({ onMissing: 'notify' })
    rig.desk.opened(rig.recording)
    const fact = { type: 'declared', by: 'metadata', value: 'told' } as const
    rig.announced = [{ at: '2026-11-29T11:59:00.000Z', fact }]
    rig.desk.peopleChanged(rig.recording)
    rig.recording.state = 'closing'
    await rig.desk.ended(rig.recording)
    expect(rig.types).toContain('declared')
    expect(rig.types.indexOf('declared')).toBeLessThan(rig.types.indexOf('missing'))
  })

  it('is noted when it cannot be answered', async () => {
    const rig = new DeskRig()
    Object.defineProperty(rig, 'announced', { get: () => Promise.reject(new Error('the disk')) })
    rig.desk.opened(rig.recording)
    await vi.advanceTimersByTimeAsync(1)
    expect(rig.done).toContain('consent-not-looked-up')
  })

  it('a source that asks for nothing has no case, no events and no state', async () => {
    const rig = new DeskRig()
    const other = { ...rig.recording, facts: { ...rig.recording.facts, src: 'other' } }
    rig.desk.opened(other)
    const fact = { type: 'withdrawn', by: 'api' } as const
    expect(rig.desk.handleFact(other, { at: '2026-11-29T12:00:00.000Z', fact })).toBeUndefined()
    await rig.desk.ended(other)
    expect([rig.events, rig.done, other.consentState]).toEqual([[], [], undefined])
  })

  it('nor has it before it exists; what later metadata lead to begins one', async () => {
    const rig = new DeskRig()
    const other = { ...rig.recording, facts: { ...rig.recording.facts, src: 'other' } }
    const fact = { type: 'answered', answer: 'yes', by: 'dtmf' } as const
    rig.announced = [{ at: '2026-11-29T11:59:00.000Z', fact }]
    rig.desk.peopleChanged(other)
    await vi.advanceTimersByTimeAsync(1)
    expect(rig.events).toEqual([])
    rig.announced = []
    rig.desk.opened(other)
    await vi.advanceTimersByTimeAsync(1)
    rig.announced = [{ at: '2026-11-29T11:59:00.000Z', fact }]
    rig.desk.peopleChanged(other)
    await vi.advanceTimersByTimeAsync(1)
    expect(rig.types).toContain('answered')
    await rig.desk.ended(other)
  })

  it.each([
    ['with the INVITE', 0, [{ id: 's3', joinedAtSample: 96_000 }]],
    ['a second later', 1_000, [{ id: 's3', joinedAtSample: 48_000 }]],
    ['with who joins', 2_000, undefined],
    ['after that', undefined, undefined],
  ] as const)(
    'who joins later is written with the rule, and from when on, where audio begins %s',
    (_when, afterMs, who) => {
      const rig = new DeskRig()
      rig.desk.opened(rig.recording)
      if (afterMs !== undefined) rig.recording.originUs = rig.recording.facts.openedUs + afterMs * 1_000
      rig.pass(2_000)
      rig.recording.described = describedLines('s1', 's2', 's3')
      rig.desk.peopleChanged(rig.recording)
      rig.pass(2_000)
      rig.desk.peopleChanged(rig.recording)
      const joined = rig.events.flatMap(({ body }) => (body.type === 'ruleChosen' ? [body.joined] : []))
      expect(joined.at(-1)).toEqual(who)
    },
  )

  it('nobody is asked on a line that the SRC refuses, unless something comes on it all the same', () => {
    const rig = new DeskRig()
    const { plans, media, ports } = describedLines('s1', 's2', 's3') ?? expect.fail()
    rig.recording.described = { plans, media: media.with(2, { port: 0 } as never), ports }
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    expect(rig.recording.consentState).toBe('agreed')
    rig.recording.receivedOn.add(asStreamId('s3'))
    rig.desk.peopleChanged(rig.recording)
    expect(rig.recording.consentState).toBe('unknown')
  })

  it('what an SRC says of consent is kept away from what is readable', () => {
    const rig = new DeskRig()
    rig.desk.opened(rig.recording)
    rig.say({ type: 'declared', by: 'header', value: 'yes, says Ann' })
    const event = rig.events.find(({ body }) => body.type === 'declared') as { body: object; personal?: object }
    expect(JSON.stringify(event.body)).not.toContain('Ann')
    expect(event.personal).toEqual({ value: 'yes, says Ann' })
  })
})

describe('audio that is held until consent', () => {
  const rigged = (policy: Partial<ConsentPolicy> = {}): DeskRig => new DeskRig({ holdUntilConsent: true, ...policy })

  it('is kept once the agreement of all stands in the journal', async () => {
    const rig = rigged()
    expect(rig.desk.holds('sbc')).toBe(true)
    rig.desk.opened(rig.recording)
    rig.answer('yes', 's1')
    rig.answer('yes', 's2')
    expect(rig.done).toEqual([])
    await vi.runAllTimersAsync()
    expect(rig.done).toEqual(['held kept agreed'])
  })

  it('is destroyed at once when somebody says no, and when nobody says anything in time', () => {
    const refused = rigged()
    refused.desk.opened(refused.recording)
    refused.answer('no', 's1')
    expect(refused.done).toContain('held destroyed refused')
    const missing = rigged({ onMissing: 'discard' })
    missing.desk.opened(missing.recording)
    missing.pass(2 * DEADLINE_MS)
    expect(missing.done.filter((done) => !done.startsWith('consent-'))).toEqual(['held destroyed missing', 'pause'])
  })

  it('is destroyed up to where that is carried out: an announcement that began there is not in the recording', () => {
    const rig = rigged({ require: 'byRule', onMissing: 'discard' })
    rig.desk.opened(rig.recording)
    rig.pass(DEADLINE_MS + HEARD_LATE_US / 1_000)
    expect(rig.done).toContain('held destroyed missing')
    rig.pass(2_000)
    const heard: ConsentFact = {
      ...{ type: 'announcementHeard', prompt: PROMPT, streamId: 's1', fromSample: 0, heardSamples: 48_000 },
      ...{ share: 1, confidence: 1, verdict: 'heardInFull' },
    }
    rig.say(heard, 1_200)
    for (const streamId of ['s1', 's2']) rig.answer('yes', streamId)
    expect(rig.recording.consentState).toBe('missing')
    rig.pass(2_000)
    rig.say(heard, 1_000)
    expect(rig.recording.consentState).toBe('agreed')
  })

  it('a manifest waits for what was allowed at the end', async () => {
    const rig = rigged({ onMissing: 'flag' })
    rig.desk.opened(rig.recording)
    await rig.desk.ended(rig.recording)
    expect(rig.done).toEqual(['consent-missing', 'over missing', 'held kept missing'])
  })

  it('is not held where nothing is needed', () => {
    expect(rigged({ require: 'none' }).desk.holds('sbc')).toBe(false)
  })
})
