import { expect, test } from 'vitest'
import { type ConsentRule, STRICTEST_RULE } from '../../../src/consent/jurisdiction.ts'
import type { ConsentPolicy } from '../../../src/consent/policy.ts'
import type { ConsentAction, ConsentState } from '../../../src/consent/words.ts'
import {
  api,
  DECLARED,
  early,
  heard,
  keys,
  late,
  live,
  NO_RULE,
  played,
  reviewed,
  spoken,
  withdrawn,
  type Event,
} from './cases.ts'

/**
 * Rule × evidence × policy → state and actions: all combinations. What is expected comes from a statement of the rules
 * of its own, below, which knows of each piece of evidence only what it is worth.
 */

/** What the facts of an evidence are worth once they are all there. */
interface Worth {
  readonly toldBoth: boolean
  /** By an announcement that is in the recording. */
  readonly toldBothInRecording: boolean
  /** An announcement, whoever heard it, is in the recording to its end. */
  readonly hasAnnouncement?: boolean
  readonly saidYesBoth: boolean
  readonly objection?: 'refused' | 'withdrawn'
  /** Both had said yes before the objection. */
  readonly objectionAfterYes?: boolean
  readonly isLate?: boolean
}

interface Evidence {
  readonly events: readonly Event[]
  readonly worth: Worth
}

const NOTHING: Worth = { toldBoth: false, toldBothInRecording: false, saidYesBoth: false }
const TOLD: Worth = { ...NOTHING, toldBoth: true, toldBothInRecording: true, hasAnnouncement: true }
/** Who says yes knows, and need not have been told by an announcement. */
const YES: Worth = { ...TOLD, hasAnnouncement: false, saidYesBoth: true }

const EVIDENCE: Readonly<Record<string, Evidence>> = {
  'nothing at all': { events: [], worth: NOTHING },
  'what the SRC declares': { events: early(DECLARED), worth: NOTHING },
  'no answer': { events: early(keys('none', 'a'), keys('none', 'b')), worth: NOTHING },
  'heard in both streams': { events: early(heard('a'), heard('b')), worth: TOLD },
  "heard in the callee's stream only": { events: early(heard('b')), worth: NOTHING },
  'heard in part': { events: early(heard('a', { verdict: 'heardInPart', share: 0.9 }), heard('b')), worth: NOTHING },
  'heard, not for certain': { events: early(heard('a', { verdict: 'uncertain' }), heard('b')), worth: NOTHING },
  'heard in a stream of nobody': { events: early(heard('x'), heard('y')), worth: NOTHING },
  'played to the caller only': { events: early(played()), worth: NOTHING },
  'played to the caller, heard by the callee': {
    events: early(played(), heard('a')),
    worth: { ...TOLD, toldBothInRecording: false },
  },
  'played and cut off, heard by the callee': { events: early(played('no'), heard('a')), worth: NOTHING },
  'played, unknown how far, heard by the callee': { events: early(played('unknown'), heard('a')), worth: NOTHING },
  'played to both': {
    events: early(played('yes', 'A'), played('yes', 'B')),
    worth: { ...TOLD, toldBothInRecording: false },
  },
  'keys of both': { events: early(keys('yes', 'a'), keys('yes', 'b')), worth: YES },
  'keys at the announcer, then keys': { events: early(keys('yes'), keys('yes', 'b')), worth: YES },
  'keys of both, and an announcement in the recording': {
    events: early(heard('b'), keys('yes', 'a'), keys('yes', 'b')),
    worth: { ...YES, hasAnnouncement: true },
  },
  'keys of both, and an announcement in a stream of nobody': {
    events: early(heard('x'), keys('yes', 'a'), keys('yes', 'b')),
    worth: { ...YES, hasAnnouncement: true },
  },
  'keys of both, and an announcement that was played before': {
    events: early(played(), keys('yes', 'a'), keys('yes', 'b')),
    worth: YES,
  },
  'keys of both, and a part of an announcement': {
    events: early(heard('b', { verdict: 'heardInPart', share: 0.9 }), keys('yes', 'a'), keys('yes', 'b')),
    worth: YES,
  },
  'keys of one': { events: early(keys('yes', 'a')), worth: NOTHING },
  'keys of one and of nobody': { events: early(keys('yes', 'a'), keys('yes', 'x')), worth: NOTHING },
  'the word of the API for both': { events: early(api('yes', 'A'), api('yes', 'B')), worth: YES },
  'the word of the API for nobody in particular': { events: early(api('yes')), worth: NOTHING },
  'spoken by both': { events: early(spoken('yes', 'a'), spoken('yes', 'b')), worth: NOTHING },
  'spoken by both, one reviewed': {
    events: early(spoken('yes', 'a'), spoken('yes', 'b'), reviewed('yes', 'A')),
    worth: NOTHING,
  },
  'spoken by both, both reviewed': {
    events: early(spoken('yes', 'a'), spoken('yes', 'b'), reviewed('yes', 'A'), reviewed('yes')),
    worth: YES,
  },
  'a no by keys': { events: early(heard('a'), heard('b'), keys('no', 'a')), worth: { ...TOLD, objection: 'refused' } },
  'a no of nobody known': { events: early(keys('no', 'x')), worth: { ...NOTHING, objection: 'refused' } },
  'a spoken no': { events: early(keys('yes', 'b'), spoken('no', 'a')), worth: { ...NOTHING, objection: 'refused' } },
  'a review that hears a no': {
    events: early(spoken('yes', 'a'), reviewed('no', 'A')),
    worth: { ...NOTHING, objection: 'refused' },
  },
  'no, then yes of both': {
    events: early(keys('no', 'a'), heard('b'), keys('yes', 'b'), keys('yes', 'a')),
    worth: { ...YES, hasAnnouncement: true, objection: 'refused' },
  },
  'both yes, one withdraws': {
    events: early(keys('yes', 'a'), keys('yes', 'b'), withdrawn('A')),
    worth: { ...YES, objection: 'withdrawn', objectionAfterYes: true },
  },
  'both yes, all is withdrawn, one yes again': {
    events: early(keys('yes', 'a'), keys('yes', 'b'), withdrawn(), keys('yes', 'a')),
    worth: { ...YES, objection: 'withdrawn', objectionAfterYes: true },
  },
  'keys of both, late': { events: late(keys('yes', 'a'), keys('yes', 'b')), worth: { ...YES, isLate: true } },
  'heard in both streams, late': {
    events: late(heard('a', { fromMs: 25_000 }), heard('b', { fromMs: 25_000 })),
    worth: { ...TOLD, isLate: true },
  },
}

/** The evidence in which the objection does not stand to the end. */
const RAISED_AGAIN = new Set(['no, then yes of both'])

interface Need {
  readonly require: ConsentPolicy['require']
  readonly rule: ConsentRule
  readonly level: 'none' | 'notice' | 'agreement'
  readonly isStated: boolean
  readonly mustBeRecorded: boolean
}

const NOTICE_RULE: ConsentRule = { ...STRICTEST_RULE, require: 'notice', recordAnnouncement: false }
const NEEDS: Readonly<Record<string, Need>> = {
  none: { require: 'none', rule: STRICTEST_RULE, level: 'none', isStated: false, mustBeRecorded: false },
  notice: { require: 'notice', rule: NO_RULE, level: 'notice', isStated: true, mustBeRecorded: false },
  agreement: { require: 'agreement', rule: NO_RULE, level: 'agreement', isStated: true, mustBeRecorded: false },
  'by a rule that asks nothing': {
    require: 'byRule',
    rule: NO_RULE,
    level: 'none',
    isStated: true,
    mustBeRecorded: false,
  },
  'by a rule of notice': {
    require: 'byRule',
    rule: NOTICE_RULE,
    level: 'notice',
    isStated: true,
    mustBeRecorded: false,
  },
  'by a rule of recorded notice': {
    require: 'byRule',
    rule: { ...NOTICE_RULE, recordAnnouncement: true },
    level: 'notice',
    isStated: true,
    mustBeRecorded: true,
  },
  'by the strictest rule': {
    require: 'byRule',
    rule: STRICTEST_RULE,
    level: 'agreement',
    isStated: true,
    mustBeRecorded: true,
  },
}

type Objected = ConsentPolicy['onRefused']
const ON_MISSING = ['flag', 'pause', 'discard', 'stop', 'notify'] as const
const ON_OBJECTION = ['stop', 'pause', 'shred', 'flag'] as const

function isTold(worth: Worth, need: Need): boolean {
  return need.mustBeRecorded ? worth.toldBothInRecording : worth.toldBoth
}

/** Both said yes, and where the rule wants agreement and a recorded announcement there is one. */
function isAgreed(worth: Worth, need: Need): boolean {
  const lacksAnnouncement = need.level === 'agreement' && need.mustBeRecorded && worth.hasAnnouncement !== true
  return worth.saidYesBoth && !lacksAnnouncement
}

function isEnough(worth: Worth, need: Need): boolean {
  return isAgreed(worth, need) || need.level === 'none' || (need.level === 'notice' && isTold(worth, need))
}

/** Late notice does not tell of what was recorded and kept until then. */
const lateNoticeHelps = (need: Need, policy: Pick<ConsentPolicy, 'onMissing' | 'holdUntilConsent'>): boolean =>
  need.rule.when === 'during' && need.require === 'byRule'
    ? true
    : policy.holdUntilConsent && ['discard', 'stop'].includes(policy.onMissing)

function expectedState(name: string, need: Need, policy: ConsentPolicy): ConsentState {
  const { worth } = EVIDENCE[name]!
  if (worth.objection !== undefined && !RAISED_AGAIN.has(name)) return worth.objection
  if (isAgreed(worth, need)) return 'agreed'
  const told =
    isTold(worth, need) &&
    (worth.isLate !== true || (need.level === 'none' ? need.isStated : lateNoticeHelps(need, policy)))
  if (need.level === 'agreement') return 'missing'
  if (told) return 'notified'
  if (need.level === 'notice') return 'missing'
  return need.isStated ? 'notRequired' : 'unknown'
}

function expectedActions(name: string, need: Need, policy: ConsentPolicy): readonly ConsentAction[] {
  const { worth } = EVIDENCE[name]!
  const isHeld = policy.holdUntilConsent
  const raised = RAISED_AGAIN.has(name)
  if (worth.objection !== undefined) {
    // Told in full before the no: what was held is kept already.
    const wasEnough =
      need.level === 'none' ||
      (worth.objectionAfterYes === true && isAgreed(worth, need)) ||
      (!raised && isEnough({ ...worth, saidYesBoth: false }, need))
    const held: ConsentAction[] = isHeld ? [wasEnough ? 'keep' : 'discard'] : []
    const action: Objected = worth.objection === 'refused' ? policy.onRefused : policy.onWithdrawn
    const done: Readonly<Record<Objected, readonly ConsentAction[]>> = {
      stop: ['stop'],
      shred: ['shred', 'stop'],
      pause: ['pause'],
      flag: held.includes('discard') ? ['pause', 'flag'] : ['flag'],
    }
    if (action === 'shred')
      return [...held.filter((each) => each === 'keep'), 'shred', ...held.filter((each) => each !== 'keep'), 'stop']
    const paused = done[action].includes('pause')
    return [...held, ...done[action], ...(raised && paused ? (['resume'] as const) : [])]
  }
  if (worth.isLate !== true && isEnough(worth, need)) return isHeld ? ['keep'] : []
  if (need.level === 'none') return isHeld ? ['keep'] : []
  const { onMissing } = policy
  const destroys = isHeld && (onMissing === 'discard' || onMissing === 'stop')
  const actions: ConsentAction[] = [
    ...(destroys ? (['discard'] as const) : []),
    onMissing === 'discard' ? 'pause' : onMissing,
  ]
  const comes =
    isAgreed(worth, need) || (need.level === 'notice' && isTold(worth, need) && lateNoticeHelps(need, policy))
  const comesLate = worth.isLate === true && comes
  if (isHeld && !destroys) {
    const keeps = comesLate || onMissing === 'flag' || onMissing === 'notify'
    actions.push(keeps ? 'keep' : 'discard')
  }
  if (comesLate && (onMissing === 'pause' || onMissing === 'discard')) actions.push('resume')
  return actions
}

const CASES = Object.keys(EVIDENCE).flatMap((name) => Object.keys(NEEDS).map((need) => [name, need] as const))

test.each(CASES)('%s, required: %s', (name, needName) => {
  const need = NEEDS[needName]!
  for (const onMissing of ON_MISSING) {
    for (const onObjection of ON_OBJECTION) {
      for (const holdUntilConsent of [false, true]) {
        const policy = {
          onMissing,
          onRefused: onObjection,
          onWithdrawn: onObjection,
          holdUntilConsent,
          require: need.require,
        }
        const lived = live(EVIDENCE[name]!.events, { policy, rule: need.rule })
        const whole = { ...policy, deadlineMs: 20_000, heardShareMin: 1, mixedAnnouncement: 'ignored' } as const
        const expected = { state: expectedState(name, need, whole), actions: expectedActions(name, need, whole) }
        expect({ state: lived.state, actions: lived.actions }, JSON.stringify(policy)).toEqual(expected)
      }
    }
  }
})

test('the matrix is as large as it is said to be', () => {
  expect(CASES.length * ON_MISSING.length * ON_OBJECTION.length * 2).toBe(9_800)
})
