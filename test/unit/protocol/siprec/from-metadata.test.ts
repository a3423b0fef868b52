import { describe, expect, test } from 'vitest'
import { readVector, textOf } from './vectors.ts'
import { readFromMetadata } from '../../../../src/protocol/siprec/from-metadata.ts'
import { MetadataState } from '../../../../src/protocol/siprec/metadata-state.ts'

const { from } = readVector('cisco-phone')

function heardOf(value: string): readonly string[] {
  const state = new MetadataState()
  state.apply(readFromMetadata(value)!.snapshot)
  return state.participantsFor(undefined, 0, [undefined]).map(({ aors }) => aors[0]?.aor ?? '')
}

describe('the From of a Cisco phone that forks its media', () => {
  test('says who is heard in each of its two dialogs', () => {
    expect(heardOf(from)).toEqual(['198101'])
    expect(heardOf(from.replace('x-nearend;', 'x-farend;'))).toEqual(['15550172'])
  })

  test('names both sides, their devices and the communication session', () => {
    const { raw, snapshot } = readFromMetadata(from)!
    expect(snapshot.participants.map(({ aors }) => aors)).toEqual([
      [{ aor: '198101', name: 'SEP000000000001' }],
      [{ aor: '15550172', name: 'SEP000000000002' }],
    ])
    expect(snapshot.communicationSessions).toEqual([
      { csId: '27298698', sipSessionIds: ['696dd5d3f7755c6abdc438e93d01febf'] },
    ])
    expect(snapshot.extensions).toContainEqual(
      expect.objectContaining({ path: 'From/x-nearendclusterid', text: 'Lab-East' }),
    )
    expect(textOf(raw)).toBe(from)
  })

  test('of an older release has the near end as its user, and blanks between parameters', () => {
    expect(
      heardOf('<sip:2000@ucm1;x-nearend;x-refci=27757093;x-nearenddevice=deviceB; x-farendrefci=1>;tag=t'),
    ).toEqual(['2000'])
  })

  test('and every other From says nothing', () => {
    for (const other of [
      '',
      '<sip:2000@ucm1>;tag=1',
      '<sip:2000@ucm1;x-nearend>',
      '<sip:2000@ucm1;x-refci=1>',
      ';'.repeat(9_000),
    ]) {
      expect(readFromMetadata(other)).toBeUndefined()
    }
  })
})
