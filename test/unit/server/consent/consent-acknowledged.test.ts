import { expect, it } from 'vitest'

import type { ConsentPolicy } from '../../../../src/consent/policy.ts'
import type { ConsentFact } from '../../../../src/consent/words.ts'
import { ConsentDesk } from '../../../../src/server/consent/consent-desk.ts'
import { liveRecording } from '../recording/live-recordings.ts'

const POLICY: ConsentPolicy = {
  ...{ require: 'agreement', deadlineMs: 20_000, onMissing: 'pause', onRefused: 'shred', onWithdrawn: 'shred' },
  ...{ holdUntilConsent: false, heardShareMin: 1, mixedAnnouncement: 'ignored' },
}
const WITHDRAWN: ConsentFact = { type: 'withdrawn', by: 'api' }

/** A desk whose events are in the journal when the test says so. */
function desk(policy = POLICY) {
  const recording = liveRecording()
  const events: { readonly type: string; readonly kept: (isKept: boolean) => void }[] = []
  const refused = new Set<string>()
  const unsigned = new Set<string>()
  const settled: string[] = []
  const nothing = (): void => {}
  const consentDesk = new ConsentDesk({
    settings: {
      ...{ sources: new Map(), byDefault: { policy, own: [], listening: {} as never }, shred: async () => {} },
      ...{ announced: async () => [], data: { packs: new Map(), regions: new Map() } },
      keep: (_recording, { body: { type } }) => {
        if (refused.has(type)) throw new TypeError('The consent event is too long.')
        const { promise, resolve } = Promise.withResolvers<boolean>()
        events.push({ type, kept: resolve })
        return { number: events.length - 1, kept: promise, isSigned: Promise.resolve(!unsigned.has(type)) }
      },
    },
    actions: {
      ...{ setPaused: nothing, stop: nothing, note: nothing, notify: nothing, over: nothing },
      settleHeld: (_recording, outcome) => void settled.push(outcome),
    },
    nowUs: () => recording.facts.openedUs,
  })
  consentDesk.opened(recording)
  const say = (fact: ConsentFact): Promise<boolean> => {
    const at = new Date(recording.facts.openedAtUnixMs).toISOString()
    return consentDesk.handleFact(recording, { at, fact }) ?? Promise.reject(new Error('nothing is decided about it'))
  }
  return { events, refused, unsigned, settled, say }
}

it('is acknowledged when the fact and all that was decided on it are in the journal, and not before', async () => {
  const { events, say } = desk()
  let isAcknowledged = false
  const said = say(WITHDRAWN).then((isKept) => (isAcknowledged = isKept))
  expect(events.map(({ type }) => type).slice(-4)).toEqual(['withdrawn', 'decided', 'enforced', 'enforced'])
  for (const { kept } of events.slice(0, -1)) kept(true)
  await new Promise(setImmediate)
  expect(isAcknowledged).toBe(false)
  events.at(-1)?.kept(true)
  expect(await said).toBe(true)
})

it('is not acknowledged when the disk did not take the last of its events', async () => {
  const { events, say } = desk()
  const said = say(WITHDRAWN)
  for (const event of events) event.kept(event !== events.at(-1))
  expect(await said).toBe(false)
})

it.each([-4, -3])(
  'is acknowledged when a line that the disk did not take was written with the next one (%i)',
  async (index) => {
    const { events, say } = desk()
    const said = say(WITHDRAWN)
    for (const event of events) event.kept(event !== events.at(index))
    expect(await said).toBe(true)
  },
)

it('is not acknowledged when its signature failed, whatever was written behind it', async () => {
  const { events, unsigned, say } = desk()
  unsigned.add('withdrawn')
  const said = say(WITHDRAWN)
  for (const event of events) event.kept(event.type !== 'withdrawn')
  expect(await said).toBe(false)
})

it.each([WITHDRAWN, { type: 'answered', answer: 'yes', by: 'api', participantId: 'A' } as const])(
  'is not acknowledged when it cannot be signed',
  async (fact) => {
    const { events, refused, say } = desk()
    refused.add(fact.type)
    const said = say(fact)
    for (const { kept } of events) kept(true)
    expect(await said).toBe(false)
  },
)

it.each([
  ['with its own line', true, false, ['kept']],
  ['with the next one', false, true, ['kept']],
  ['not at all', false, false, []],
])('what a decision allows is done when the journal has it %s', async (_how, decided, enforced, expected) => {
  const { events, settled } = desk({ ...POLICY, require: 'none', holdUntilConsent: true })
  expect(events.map(({ type }) => type)).toEqual(['ruleChosen', 'decided', 'enforced'])
  events[1]?.kept(decided)
  events[2]?.kept(enforced)
  await new Promise(setImmediate)
  expect(settled).toEqual(expected)
})
