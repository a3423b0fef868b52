import { expect, it } from 'vitest'

import type { ConsentEvent, ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import { laterEvents, type LaterWish } from '../../../src/evidence/later-consent.ts'

const YES = { type: 'answered', answer: 'yes', by: 'dtmf', participantId: 'A' } as const
const NO = { ...YES, answer: 'no' } as const
const SPOKEN = { type: 'answered', answer: 'yes', by: 'speech', participantId: 'A' } as const
const HEARD = { type: 'reviewed', answer: 'yes' } as const
const WITHDRAWN = { type: 'withdrawn', by: 'api', participantId: 'A' } as const
const decided = (
  state: 'agreed' | 'missing' | 'refused' | 'withdrawn',
  ...because: readonly number[]
): ConsentEventBody => ({
  ...{ type: 'decided', state, because },
})
const review = (answer: 'yes' | 'no', participantId?: string): LaterWish => ({
  ...{ kind: 'review', answer },
  ...(participantId === undefined ? {} : { participantId }),
})
const withdraw: LaterWish = { kind: 'withdraw' }
const decide = (state: 'agreed' | 'notified' | 'missing'): LaterWish => ({ kind: 'decide', state })

/** What is written, in short; or why nothing is. */
function written(bodies: readonly ConsentEventBody[], wish: LaterWish): string {
  const about = { recordingId: '', at: '', clock: { status: 'unknown' }, format: 'earwitness-consent-event/1' } as const
  const events = bodies.map((body, number): ConsentEvent => ({ ...body, ...about, number }))
  const later = laterEvents(events, wish, () => undefined)
  if (!later.ok) return later.reason
  return later.value
    .map((body) => (body.type === 'decided' ? `${body.state} because ${body.because.join()}` : body.type))
    .join(', ')
}

it.each<readonly [string, readonly ConsentEventBody[], LaterWish, string]>([
  ['a reviewed yes decides nothing', [SPOKEN], review('yes'), 'reviewed'],
  ['a reviewed no refuses, because of itself', [SPOKEN], review('no'), 'reviewed, refused because 1'],
  ['a reviewed no takes no withdrawal back', [SPOKEN, WITHDRAWN], review('no'), 'reviewed'],
  ['what nobody answered cannot be listened to', [], review('yes'), 'unanswered'],
  ['a review is written once', [SPOKEN, HEARD], review('yes'), 'alreadySo'],
  ['also behind what was decided on it', [SPOKEN, HEARD, decided('agreed', 1)], review('yes'), 'alreadySo'],
  ['a review of another party is another', [SPOKEN, HEARD], review('yes', 'A'), 'reviewed'],
  ['and of another answer', [SPOKEN, HEARD], review('no'), 'reviewed, refused because 2'],
  ['and one after an answer', [SPOKEN, HEARD, SPOKEN], review('yes'), 'reviewed'],
  ['a withdrawal decides, because of itself', [YES], withdraw, 'withdrawn, withdrawn because 1'],
  ['a withdrawal is written once', [{ type: 'withdrawn', by: 'person' }], withdraw, 'alreadySo'],
  ['that of another party is another', [WITHDRAWN], withdraw, 'withdrawn, withdrawn because 1'],
  [
    'and one after a yes',
    [{ type: 'withdrawn', by: 'person' }, YES, decided('agreed', 1)],
    withdraw,
    'withdrawn, withdrawn because 3',
  ],
  ['agreement rests on what supports it', [SPOKEN, YES, HEARD], decide('agreed'), 'agreed because 1,2'],
  ['a spoken yes does not', [SPOKEN], decide('agreed'), 'unsupported'],
  [
    'nor what came before a withdrawal',
    [YES, WITHDRAWN, { ...YES, participantId: 'A' }],
    decide('agreed'),
    'agreed because 2',
  ],
  ['a standing no forbids it', [NO, { ...YES, participantId: 'B' }], decide('agreed'), 'objected'],
  ['and notice', [YES, NO], decide('notified'), 'objected'],
  ['it is decided once', [YES, decided('agreed', 0)], decide('agreed'), 'alreadySo'],
  ['missing needs nothing', [], decide('missing'), 'missing because '],
  ['and takes an agreement back', [YES, decided('agreed', 0)], decide('missing'), 'missing because '],
  ['who refused has said more', [NO], decide('missing'), 'alreadySo'],
  ['and who withdrew', [YES, WITHDRAWN], decide('missing'), 'alreadySo'],
])('%s', (_what, events, wish, expected) => {
  expect(written(events, wish)).toBe(expected)
})
