import { expect, test } from 'vitest'

import { readIndexFacts, writeIndexFacts, type IndexFacts } from '../../../src/evidence/index-facts.ts'

const FACTS: IndexFacts = {
  sipCallId: 'a84b4c76@sbc.example.com',
  dialect: 'netsapiens',
  correlationIds: [{ kind: 'ucid', value: '00001062071351848269' }],
  attributions: [
    {
      ...{ ordinal: 0, streamId: '0', participantId: 'caller', basis: 'label' },
      from: { at: '2026-11-23T09:00:00.000Z', clock: 'src' },
      to: { at: '2026-11-23T09:01:00.000Z', clock: 'recorder' },
    },
    {
      ...{ ordinal: 1, streamId: '1', participantId: 'callee', basis: 'order' },
      from: { at: '2026-11-23T09:00:00.000Z', clock: 'recorder' },
    },
  ],
}

const read = (text: string) => readIndexFacts(new TextEncoder().encode(text))

test('what was written is read again', () => {
  expect(readIndexFacts(writeIndexFacts(FACTS))).toEqual({
    ok: true,
    value: { format: 'earwitness-index/1', ...FACTS },
  })
})

test('the form does not depend on what else is known of an id or an interval', () => {
  const more = { ...FACTS, correlationIds: FACTS.correlationIds.map((id) => ({ ...id, seen: 3 })) }
  expect(writeIndexFacts(more)).toEqual(writeIndexFacts(FACTS))
})

test('text that is no text in Unicode is kept as far as it is', () => {
  expect(readIndexFacts(writeIndexFacts({ ...FACTS, sipCallId: 'a\ud800b' }))).toMatchObject({
    value: { sipCallId: 'a\ufffdb' },
  })
})

test('members that are not known are passed over', () => {
  const later = JSON.stringify({ format: 'earwitness-index/1', ...FACTS, mood: 'good' })
  expect(read(later)).toMatchObject({ ok: true })
})

test.each([
  ['{', 'notJson', undefined],
  ['null', 'format', undefined],
  ['{"format":"earwitness-index/2"}', 'format', undefined],
  ['{"format":"earwitness-index/1"}', 'shape', 'sipCallId'],
  [JSON.stringify({ format: 'earwitness-index/1', ...FACTS, attributions: [{}] }), 'shape', 'attributions[0].ordinal'],
])('%s is refused', (text, reason, detail) => {
  expect(read(text)).toEqual({ ok: false, reason, ...(detail === undefined ? {} : { detail }) })
})
