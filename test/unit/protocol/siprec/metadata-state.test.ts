import { beforeEach, describe, expect, test } from 'vitest'
import { bytesOf, valueOf } from './vectors.ts'
import { KNOWN_PARTICIPANTS_MAX, MetadataState } from '../../../../src/protocol/siprec/metadata-state.ts'
import type { AppliedSnapshot } from '../../../../src/protocol/siprec/metadata-state.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

let state: MetadataState
beforeEach(() => {
  state = new MetadataState()
})

function apply(dataMode: 'complete' | 'partial', ...xml: readonly string[]): AppliedSnapshot {
  const text = `<recording><datamode>${dataMode}</datamode>${xml.join('')}</recording>`
  return state.apply(valueOf(parseMetadata(bytesOf(text))))
}

const participant = (id: string): string =>
  `<participant participant_id="${id}"><nameID aor="sip:${id}@example.com"/></participant>`
const stream = (id: string, label: string): string =>
  `<stream stream_id="${id}" session_id="cs"><label>${label}</label></stream>`
const sends = (id: string, ...streams: readonly string[]): string =>
  `<participantstreamassoc participant_id="${id}">${streams.map((each) => `<send>${each}</send>`).join('')}</participantstreamassoc>`
const joins = (id: string, cs = 'cs'): string =>
  `<participantsessionassoc participant_id="${id}" session_id="${cs}"><associate-time>2026-11-23T10:00:00Z</associate-time></participantsessionassoc>`
const leaves = (id: string, cs = 'cs'): string =>
  `<participantsessionassoc participant_id="${id}" session_id="${cs}"><disassociate-time>2026-11-23T10:01:00Z</disassociate-time></participantsessionassoc>`

const heard = (label: string, index: number, labels?: readonly string[]): string[] =>
  state.participantsFor(label, index, labels).map(({ participantId }) => participantId)
const present = (): string[] =>
  state.participants.filter((each) => each.present).map(({ participantId }) => participantId)

const TWO = [
  ...[participant('ann'), participant('bob'), joins('ann'), joins('bob')],
  ...[stream('s1', '1'), stream('s2', '2'), sends('ann', 's1'), sends('bob', 's2')],
]

describe('who is heard on an m-line', () => {
  test('is found by label, wherever the m-line stands', () => {
    apply('complete', ...TWO)
    expect([heard('2', 0), heard('1', 1)]).toEqual([['bob'], ['ann']])
    expect(state.attributionFor({ label: '2', index: 0 }).basis).toBe('label')
  })

  test('is found by order when no label matches', () => {
    apply('complete', ...TWO)
    expect([heard('5', 0), heard('6', 1), heard('7', 2)]).toEqual([['ann'], ['bob'], []])
    expect(state.attributionFor({ label: '5', index: 0 }).basis).toBe('order')
  })

  test('by order is never the stream that another m-line has by label', () => {
    apply('complete', ...TWO)
    expect([heard('9', 0, ['9', '1']), heard('1', 1, ['9', '1'])]).toEqual([['bob'], ['ann']])
  })

  test('may be several, when the SRC mixes', () => {
    apply('complete', participant('ann'), participant('bob'), stream('s', '1'), sends('ann', 's'), sends('bob', 's'))
    expect(heard('1', 0)).toEqual(['ann', 'bob'])
  })

  test('is unknown when there is no metadata, or when nothing fits', () => {
    expect(state.attributionFor({ label: '1', index: 0 })).toEqual({ basis: 'unknown', participants: [] })
    apply('complete', participant('ann'), stream('s1', '1'), stream('s2', '2'), sends('ann', 's1'))
    expect(state.attributionFor({ label: '2', index: 1 }).basis).toBe('unknown')
  })

  test('is found by order when streams are only mentioned, and when nobody is said to send anything', () => {
    apply('complete', participant('ann'), participant('bob'), sends('ann', 'x'), sends('bob', 'y'))
    expect([heard('0', 0), heard('1', 1)]).toEqual([['ann'], ['bob']])
    state = new MetadataState()
    apply('complete', participant('ann'), participant('bob'))
    expect([heard('0', 0, ['0', '1']), heard('1', 1, ['0', '1'])]).toEqual([['ann'], ['bob']])
    expect(heard('0', 0, ['0'])).toEqual([]) // two people on one line: which one speaks cannot be told
  })
})

describe('the life of a recording session', () => {
  test('hold: the participant who sends nothing for now is still the one on that line', () => {
    apply('complete', ...TWO)
    apply('partial', sends('bob'))
    expect(heard('2', 1)).toEqual(['bob'])
    apply('complete', participant('ann'), participant('bob'), stream('s1', '1'), stream('s2', '2'), sends('ann', 's1'))
    expect(heard('2', 1)).toEqual(['bob'])
  })

  test('transfer with complete snapshots: the new participant is on the line, the old one is not forgotten', () => {
    apply('complete', ...TWO)
    const change = apply(
      'complete',
      ...[participant('ann'), participant('carol'), stream('s1', '1'), stream('s3', '2')],
      ...[sends('ann', 's1'), sends('carol', 's3')],
    )
    expect(change).toMatchObject({ joined: ['carol'], left: ['bob'] })
    expect(heard('2', 1)).toEqual(['carol'])
    expect(state.participants.map(({ participantId }) => participantId)).toEqual(['ann', 'bob', 'carol'])
    const everyone = state.everyParticipantFor({ label: '2', index: 1 }).participants
    expect(everyone.map(({ participantId }) => participantId).toSorted()).toEqual(['bob', 'carol'])
  })

  test('transfer with a partial snapshot and a wrong session id', () => {
    apply('complete', ...TWO)
    apply('partial', leaves('bob', 'wrong'), participant('carol'), joins('carol', 'wrong'), sends('carol', 's2'))
    expect(present()).toEqual(['ann', 'carol'])
    expect(heard('2', 1)).toEqual(['carol'])
  })

  test('a participant in two communication sessions leaves when both are left', () => {
    apply('complete', participant('ann'), joins('ann', 'cs1'), joins('ann', 'cs2'))
    apply('partial', leaves('ann', 'cs1'))
    expect(present()).toEqual(['ann'])
    apply('partial', leaves('ann', 'cs2'))
    expect(present()).toEqual([])
    apply('partial', joins('ann', 'cs3'))
    expect(present()).toEqual(['ann'])
  })

  test('a disassociated stream is no longer sent by the one who sent it', () => {
    apply('complete', ...TWO)
    apply(
      'partial',
      '<participantstreamassoc participant_id="bob"><send>s2</send><disassociate-time>2026-11-23T10:01:00Z</disassociate-time></participantstreamassoc>',
      sends('ann', 's1', 's2'),
    )
    expect(heard('2', 1)).toEqual(['ann'])
  })

  test('the end: when all have been disassociated, everyone is still named on their line', () => {
    apply('complete', ...TWO)
    const change = apply(
      'partial',
      leaves('ann'),
      leaves('bob'),
      '<session session_id="cs"><stop-time>2026-11-23T10:01:00Z</stop-time></session>',
    )
    expect(change.left).toEqual(['ann', 'bob'])
    expect([present(), heard('1', 0), heard('2', 1)]).toEqual([[], ['ann'], ['bob']])
    expect(state.communicationSessions[0]?.stopTime?.text).toBe('2026-11-23T10:01:00Z')
    apply('complete')
    expect([heard('1', 0), state.participants.length]).toEqual([['ann'], 2])
  })

  test('a first snapshot that comes with the end still tells who sent what', () => {
    apply('complete', ...TWO, leaves('ann'), leaves('bob'))
    expect([present(), heard('1', 0), heard('2', 1)]).toEqual([[], ['ann'], ['bob']])
  })

  test('a partial snapshot adds to what is known, and a complete one replaces it', () => {
    apply('complete', ...TWO)
    apply('partial', stream('s3', '3'))
    expect(state.mediaStreams.map(({ streamId }) => streamId)).toEqual(['s1', 's2', 's3'])
    apply('complete', stream('s9', '9'))
    expect(state.mediaStreams.map(({ streamId }) => streamId)).toEqual(['s9'])
  })

  test('a corrected name replaces the old one, and a bare mention does not erase it', () => {
    apply('complete', ...TWO)
    apply('partial', '<participant participant_id="bob"><nameID aor="sip:robert@example.com"/></participant>')
    apply('partial', '<participant participant_id="bob"/>')
    expect(state.participants[1]?.aors).toEqual([{ aor: 'sip:robert@example.com' }])
  })
})

test('participants beyond the limit are left out and counted', () => {
  const batch = (from: number): string[] => Array.from({ length: 400 }, (_, index) => participant(`p${from + index}`))
  apply('partial', ...batch(0))
  apply('partial', ...batch(400))
  expect(apply('partial', ...batch(800)).droppedCount).toBe(200)
  expect(state.participants).toHaveLength(KNOWN_PARTICIPANTS_MAX)
})
