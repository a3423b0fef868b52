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

describe('who is heard on an m-line is also found', () => {
  test('by a label in another case, when no label is the same', () => {
    apply(
      'complete',
      participant('ann'),
      participant('bob'),
      stream('s1', 'Agent'),
      stream('s2', 'agent'),
      sends('ann', 's1'),
      sends('bob', 's2'),
    )
    expect([heard('Agent', 0), heard('agent', 1)]).toEqual([['ann'], ['bob']])
    state = new MetadataState()
    apply('complete', participant('ann'), stream('s1', 'AGENT'), sends('ann', 's1'))
    expect(heard('agent', 3, ['a', 'b', 'c', 'agent'])).toEqual(['ann'])
  })

  test('when several m-lines have one label: each in its turn, the rest in order', () => {
    apply('complete', ...TWO.slice(0, 4), stream('s1', '1'), stream('s2', '1'), sends('ann', 's1'), sends('bob', 's2'))
    expect([heard('1', 0, ['1', '1']), heard('1', 1, ['1', '1'])]).toEqual([['ann'], ['bob']])
    state = new MetadataState()
    apply('complete', ...TWO)
    expect([heard('1', 0, ['1', '1']), heard('1', 1, ['1', '1'])]).toEqual([['ann'], ['bob']])
  })

  test('when associations name the label instead of the stream', () => {
    apply('complete', ...TWO.slice(0, 4), stream('x', '1'), stream('y', '2'), sends('ann', '2'), sends('bob', '1'))
    expect([heard('1', 0), heard('2', 1)]).toEqual([['bob'], ['ann']])
  })

  test('when it is only said who receives: the one who does not hear a stream sends it', () => {
    const receives = (id: string, streamId: string): string =>
      `<participantstreamassoc participant_id="${id}"><recv>${streamId}</recv></participantstreamassoc>`
    apply(
      'complete',
      participant('ann'),
      participant('bob'),
      stream('s1', '1'),
      stream('s2', '2'),
      receives('ann', 's1'),
      receives('bob', 's2'),
    )
    expect([heard('1', 0, ['1', '2']), heard('2', 1, ['1', '2'])]).toEqual([['bob'], ['ann']])
  })

  test('when one line and one participant are left over', () => {
    apply(
      'complete',
      participant('ann'),
      participant('dummy'),
      stream('s1', '10'),
      stream('', '20'),
      sends('ann', 's1'),
    )
    expect([heard('10', 0, ['10', '20']), heard('20', 1, ['10', '20'])]).toEqual([['ann'], ['dummy']])
    // One m-line and two people: nothing is left over.
    expect(heard('20', 0, ['20'])).toEqual([])
  })

  test('on three and more lines, in any order', () => {
    const people = ['ann', 'bob', 'carol', 'dan']
    apply(
      'complete',
      ...people.flatMap((id, index) => [participant(id), stream(`s${index}`, `${index}`), sends(id, `s${index}`)]),
    )
    const labels = ['2', '0', '3', '1']
    expect(labels.map((label, index) => heard(label, index, labels))).toEqual([['carol'], ['ann'], ['dan'], ['bob']])
    const strange = ['x', '2', 'y', '1']
    expect(strange.map((label, index) => heard(label, index, strange))).toEqual([['ann'], ['carol'], ['dan'], ['bob']])
  })
})

describe('a complete snapshot is wanted', () => {
  test('when the first one is partial, until a complete one comes', () => {
    expect(apply('partial', ...TWO).needsComplete).toBe('partialFirst')
    expect(apply('partial', leaves('ann')).needsComplete).toBe('partialFirst')
    expect(heard('2', 1)).toEqual(['bob']) // what could be applied has been
    expect(apply('complete', ...TWO).needsComplete).toBeUndefined()
    expect(apply('partial', leaves('ann')).needsComplete).toBeUndefined()
  })

  test('when a partial one speaks of a participant whom nothing has described, once', () => {
    apply('complete', ...TWO)
    expect(apply('partial', leaves('zoe')).needsComplete).toBe('unknownIds')
    expect(apply('partial', joins('zoe')).needsComplete).toBeUndefined()
    expect(apply('partial', sends('yan', 's1')).needsComplete).toBe('unknownIds')
    expect(apply('partial', participant('xi'), joins('xi'), sends('xi', 's1')).needsComplete).toBeUndefined()
  })

  test('when a partial one speaks of a stream that nothing has described', () => {
    apply('complete', ...TWO)
    expect(apply('partial', sends('ann', 's9')).needsComplete).toBe('unknownIds')
    expect(apply('partial', stream('s8', '8'), sends('ann', 's8')).needsComplete).toBeUndefined()
  })

  test('but not for a wrong session id, nor from a client that never describes streams', () => {
    apply('complete', ...TWO)
    expect(apply('partial', leaves('ann', 'wrong')).needsComplete).toBeUndefined()
    state = new MetadataState()
    apply('complete', participant('ann'), sends('ann', 'a'))
    expect(apply('partial', sends('ann', 'b')).needsComplete).toBeUndefined()
  })
})

test('several communication sessions are recorded in one recording session, each with its times', () => {
  const assoc = (cs: string, time: string): string =>
    `<csRecordingAssoc session_id="${cs}"><associate-time>${time}</associate-time></csRecordingAssoc>`
  apply('complete', '<session session_id="cs1"/>', assoc('cs1', '2026-11-23T10:00:00Z'))
  apply(
    'partial',
    '<session session_id="cs2"/>',
    assoc('cs2', '2026-11-23T10:05:00Z'),
    '<sessionrecordingassoc session_id="cs1"><disassociate-time>2026-11-23T10:04:00Z</disassociate-time></sessionrecordingassoc>',
  )
  const times = state.sessionRecordings.map(({ csId, associateTime, disassociateTime }) => [
    csId,
    associateTime?.text,
    disassociateTime?.text,
  ])
  expect(times).toEqual([
    ['cs1', '2026-11-23T10:00:00Z', '2026-11-23T10:04:00Z'],
    ['cs2', '2026-11-23T10:05:00Z', undefined],
  ])
  expect(state.communicationSessions.map(({ csId }) => csId)).toEqual(['cs1', 'cs2'])
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
