import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import { CONSENT_STATES } from '../../../src/evidence/consent-event-shape.ts'
import { consentState, hasOpenObjection } from '../../../src/evidence/consent-state.ts'
import { AGREED } from '../../vectors/evidence/sample-consent.ts'

function stateOf(...bodies: readonly (ConsentEventBody | undefined)[]) {
  return consentState(bodies.flatMap((body, number) => (body === undefined ? [] : [{ ...body, number }])))
}

const [rule, played, heard, answered] = AGREED
const spoken: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'speech' }
const spokenNo: ConsentEventBody = { ...spoken, answer: 'no' }
const refused: ConsentEventBody = { type: 'answered', answer: 'no', by: 'dtmf' }
const withdrawn: ConsentEventBody = { type: 'withdrawn', by: 'dtmf' }
const decided = (state: (typeof CONSENT_STATES)[number], ...because: readonly number[]): ConsentEventBody => ({
  ...{ type: 'decided', state, because },
})

describe('the consent state of a recording', () => {
  it.each([
    ['is not known without events', [], 'unknown'],
    ['is not known by an answer alone', [answered], 'unknown'],
    ['is what was decided on an answer', [answered, decided('agreed', 0)], 'agreed'],
    [
      'is what was decided on a reviewed answer',
      [spoken, { type: 'reviewed', answer: 'yes' }, decided('agreed', 0, 1)],
      'agreed',
    ],
    ['is not agreed by a spoken yes alone', [spoken, decided('agreed', 0)], 'unknown'],
    ['is not agreed by a prompt', [played, decided('agreed', 0)], 'unknown'],
    ['is not agreed by what an SRC declares', [{ type: 'declared', by: 'header' }, decided('agreed', 0)], 'unknown'],
    ['is not agreed by an answer that came later', [decided('agreed', 1), answered], 'unknown'],
    ['is not agreed by an answer that is not there', [decided('agreed', 7)], 'unknown'],
    ['is not agreed by nothing', [decided('agreed')], 'unknown'],
    ['is notified by a prompt that was played', [played, decided('notified', 0)], 'notified'],
    ['is notified by a prompt that was heard', [heard, decided('notified', 0)], 'notified'],
    [
      'is notified by a prompt heard in part',
      [{ ...heard, verdict: 'heardInPart' }, decided('notified', 0)],
      'notified',
    ],
    ['is notified by an answer', [answered, decided('notified', 0)], 'notified'],
    [
      'is not notified by a prompt that was perhaps heard',
      [{ ...heard, verdict: 'uncertain' }, decided('notified', 0)],
      'unknown',
    ],
    [
      'is not notified by a prompt that was hung up on',
      [{ ...played, heardToEnd: 'no' }, decided('notified', 0)],
      'unknown',
    ],
    [
      'is not notified by a prompt of which nobody knows whether it was heard',
      [{ ...played, heardToEnd: 'unknown' }, decided('notified', 0)],
      'unknown',
    ],
    ['is not required by a rule', [rule, decided('notRequired', 0)], 'notRequired'],
    ['is not "not required" by nothing', [decided('notRequired')], 'unknown'],
    ['is missing by decision', [decided('missing')], 'missing'],
    ['is withdrawn at once', [answered, decided('agreed', 0), withdrawn], 'withdrawn'],
    ['is withdrawn, though the old answer is decided on again', [answered, withdrawn, decided('agreed', 0)], 'unknown'],
    ['is agreed by another answer after a withdrawal', [withdrawn, answered, decided('agreed', 1)], 'agreed'],
    ['is refused at once', [answered, decided('agreed', 0), refused], 'refused'],
    ['is refused by a spoken no, which nobody has to review', [answered, decided('agreed', 0), spokenNo], 'refused'],
    ['stays withdrawn when somebody says no', [withdrawn, decided('withdrawn', 0), refused], 'withdrawn'],
    ['is not required after a withdrawal by nothing new', [rule, withdrawn, decided('notRequired', 0, 1)], 'unknown'],
    [
      'is not required after a withdrawal and another yes',
      [rule, withdrawn, answered, decided('notRequired', 0, 1, 2)],
      'notRequired',
    ],
    [
      'is not "not required" by a yes after a withdrawal without a rule',
      [withdrawn, answered, decided('notRequired', 0, 1)],
      'unknown',
    ],
    ['is refused by a review', [spoken, { type: 'reviewed', answer: 'no' }], 'refused'],
  ] as [string, ConsentEventBody[], string][])('%s', (_what, bodies, state) => {
    expect(stateOf(...bodies)).toBe(state)
  })

  const anyBody = fc.constantFrom(
    ...[...AGREED, spoken, spokenNo, refused, withdrawn, ...CONSENT_STATES.map((state) => decided(state, 0, 1, 2, 3))],
  )

  it('is never agreed unless somebody said yes, or a person confirmed it', () => {
    fc.assert(
      fc.property(fc.array(anyBody, { maxLength: 8 }), (bodies) => {
        const hasAgreement = bodies.some(
          (body) => body.type === 'answered' && body.answer === 'yes' && body.by !== 'speech',
        )
        return stateOf(...bodies) !== 'agreed' || hasAgreement
      }),
    )
  })

  it('is never more than before when the last events of a crash are missing, unless a decision is among those that are left', () => {
    fc.assert(
      fc.property(fc.array(anyBody, { minLength: 1, maxLength: 8 }), fc.nat(7), (bodies, cut) => {
        const left = bodies.slice(0, cut)
        const lastDecision = left.findLast(({ type }) => type === 'decided')
        const state = stateOf(...left)
        const permissive = ['agreed', 'notified', 'notRequired'].includes(state)
        return !permissive || (lastDecision?.type === 'decided' && lastDecision.state === state)
      }),
    )
  })
})

const YES = { type: 'answered', answer: 'yes', by: 'dtmf' } as const
const partyOfStream = (streamId: string): string | undefined => (streamId === '1' ? 'A' : undefined)
/** A second apart, unless their time is given. */
const numbered = (bodies: readonly (ConsentEventBody & { readonly at?: string })[]) =>
  bodies.map((body, number) => ({ at: second(number), ...body, number }))
const second = (count: number): string => new Date(Date.UTC(2026, 10, 29) + count * 1_000).toISOString()
const NO = { ...YES, answer: 'no' } as const

it.each<readonly [string, readonly (ConsentEventBody & { readonly at?: string })[], boolean]>([
  ['nobody objected', [YES], false],
  ['a no', [YES, { ...NO, participantId: 'A' }], true],
  [
    'and a yes of the same party',
    [
      { ...NO, participantId: 'A' },
      { ...YES, participantId: 'A' },
    ],
    false,
  ],
  [
    'and a yes of another',
    [
      { ...NO, participantId: 'A' },
      { ...YES, participantId: 'B' },
    ],
    true,
  ],
  [
    'and a yes of the same stream',
    [
      { ...NO, streamId: '1' },
      { ...YES, streamId: '1' },
    ],
    false,
  ],
  [
    'and a yes of another stream',
    [
      { ...NO, streamId: '1' },
      { ...YES, streamId: '2' },
    ],
    true,
  ],
  [
    'and a yes before it',
    [
      { ...YES, participantId: 'A' },
      { ...NO, participantId: 'A' },
    ],
    true,
  ],
  [
    'of one of two, who alone said yes again',
    [
      { ...NO, participantId: 'A' },
      { ...NO, participantId: 'B' },
      { ...YES, participantId: 'A' },
    ],
    true,
  ],
  [
    'and a person who heard a yes of whoever was asked',
    [
      { ...NO, participantId: 'A' },
      { type: 'reviewed', answer: 'yes' },
    ],
    false,
  ],
  [
    'a withdrawal by nobody in particular, and a yes of one',
    [
      { type: 'withdrawn', by: 'api' },
      { ...YES, participantId: 'A' },
    ],
    true,
  ],
  [
    'and a spoken yes that nobody has listened to',
    [
      { ...NO, streamId: '1' },
      { ...YES, by: 'speech', streamId: '1' },
    ],
    true,
  ],
  [
    'by a key, and a yes of whose stream it was',
    [
      { ...NO, streamId: '1' },
      { type: 'reviewed', answer: 'yes', participantId: 'A' },
    ],
    false,
  ],
  [
    'by a key in a stream of several, and a yes of one of them',
    [
      { ...NO, streamId: '2' },
      { ...YES, participantId: 'A' },
    ],
    true,
  ],
  ['by the callee, and the caller said yes to an announcer', [{ ...NO, streamId: '1' }, YES], true],
  [
    'by the callee, and an operator was told yes by somebody',
    [
      { ...NO, streamId: '1' },
      { ...YES, by: 'api' },
    ],
    true,
  ],
  ['by the caller at an announcer, who then pressed yes there', [NO, YES], false],
  [
    'and a yes of the same party, said before it and heard behind it',
    [NO, { ...YES, at: '2026-11-28T23:59:59.999Z' }],
    true,
  ],
  ['and a yes of the same party in the same millisecond', [NO, { ...YES, at: '2026-11-29T00:00:00.000Z' }], false],
  ['and a review, whenever it was', [NO, { type: 'reviewed', answer: 'yes', at: '2026-11-28T00:00:00.000Z' }], false],
])('an objection stands: %s', (_what, bodies, expected) => {
  expect(hasOpenObjection(numbered(bodies), partyOfStream)).toBe(expected)
})
