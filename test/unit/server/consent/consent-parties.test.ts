import { describe, expect, it } from 'vitest'

import type { AttributionInterval } from '../../../../src/protocol/siprec/attribution-history.ts'
import type { KnownParticipant } from '../../../../src/protocol/siprec/metadata-state.ts'
import type { OwnPeople } from '../../../../src/config/config.ts'
import { ConsentParties } from '../../../../src/server/consent/consent-parties.ts'

const AGENTS: OwnPeople = {
  includes: (aor) => aor.includes('@agents.example'),
  consent: 'agreed',
  jurisdiction: 'us-ny',
}

function history(people: Readonly<Record<string, string>>, lines: Readonly<Record<string, string>>) {
  const participants = Object.entries(people).map(([participantId, aor]) => {
    return { participantId, aors: aor === '' ? [] : [{ aor }], csIds: [], present: true } satisfies KnownParticipant
  })
  const from = { at: '2026-11-29T12:00:00.000Z', clock: 'recorder' } as const
  const intervals = Object.entries(lines).map(([streamId, participantId], ordinal): AttributionInterval => {
    return { ordinal, streamId, participantId, basis: 'label', from, to: undefined }
  })
  return { state: { participants }, intervals } as unknown as Parameters<ConsentParties['update']>[0]
}

describe('who takes part in a recording', () => {
  it('participants with their media streams, and their numbers for the rule', () => {
    const { parties, ruleParties } = new ConsentParties([]).update(
      history({ p1: 'sip:+18135550100@example.com', p2: 'tel:+4930123456' }, { s1: 'p1', s2: 'p2' }),
      ['s1', 's2'],
      0,
    )
    expect(parties).toEqual([
      { id: 'p1', role: 'other', streamIds: ['s1'], own: 'asked', joinedAtSample: 0 },
      { id: 'p2', role: 'other', streamIds: ['s2'], own: 'asked', joinedAtSample: 0 },
    ])
    expect(ruleParties.map(({ number }) => number)).toEqual(['sip:+18135550100@example.com', 'tel:+4930123456'])
  })

  it('the only one who is not his own is the one an announcer talked to', () => {
    const people = history({ p1: 'sip:+18135550100@example.com', p2: 'sip:ann@agents.example' }, { s1: 'p1', s2: 'p2' })
    const { parties, ruleParties } = new ConsentParties([AGENTS]).update(people, ['s1', 's2'], 0)
    expect(parties.map(({ role, own }) => [role, own])).toEqual([
      ['caller', 'asked'],
      ['other', 'agreed'],
    ])
    expect(ruleParties[1]).toEqual({ number: 'sip:ann@agents.example', jurisdiction: 'us-ny' })
  })

  it('a media stream of nobody known is a party of its own, until somebody is known on it', () => {
    const people = new ConsentParties([])
    expect(people.update(history({}, {}), ['s1', 's2'], 0).parties.map(({ id }) => id)).toEqual(['s1', 's2'])
    const named = people.update(history({ p1: '' }, { s1: 'p1' }), ['s1', 's2'], 96_000).parties
    expect(named.map(({ id, joinedAtSample }) => [id, joinedAtSample])).toEqual([
      ['p1', 96_000],
      ['s2', 0],
    ])
  })

  it('whoever joins later joined then, however often it is asked', () => {
    const people = new ConsentParties([])
    people.update(history({ p1: 'sip:a@b' }, { s1: 'p1' }), ['s1'], 0)
    const both = history({ p1: 'sip:a@b', p2: 'sip:c@d' }, { s1: 'p1', s2: 'p2' })
    people.update(both, ['s1', 's2'], 480_000)
    const { parties } = people.update(both, ['s1', 's2'], 960_000)
    expect(parties.map(({ joinedAtSample }) => joinedAtSample)).toEqual([0, 480_000])
  })
})
