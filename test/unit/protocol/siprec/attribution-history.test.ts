import { beforeEach, describe, expect, test } from 'vitest'
import { bytesOf, valueOf } from './vectors.ts'
import {
  ATTRIBUTION_INTERVALS_MAX,
  AttributionHistory,
  type AttributedLine,
} from '../../../../src/protocol/siprec/attribution-history.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

const at = (time: string): Date => new Date(`2026-11-23T${time}Z`)
const lines = (...labels: readonly string[]): readonly AttributedLine[] =>
  labels.map((label, index) => ({ streamId: String(index), line: { label, index, labels } }))

let history: AttributionHistory
beforeEach(() => {
  history = new AttributionHistory(lines('1', '2'))
})

function apply(time: string, dataMode: 'complete' | 'partial', ...xml: readonly string[]): void {
  const text = `<recording><datamode>${dataMode}</datamode>${xml.join('')}</recording>`
  history.apply(valueOf(parseMetadata(bytesOf(text))), at(time))
}

const participant = (id: string): string => `<participant participant_id="${id}"/>`
const stream = (id: string, label: string): string => `<stream stream_id="${id}"><label>${label}</label></stream>`
const sends = (id: string, streamId: string, times = ''): string =>
  `<participantstreamassoc participant_id="${id}"><send>${streamId}</send>${times}</participantstreamassoc>`
const joins = (id: string, time: string): string =>
  `<participantsessionassoc participant_id="${id}" session_id="cs"><associate-time>${time}</associate-time></participantsessionassoc>`
const leaves = (id: string, time: string): string =>
  `<participantsessionassoc participant_id="${id}" session_id="cs"><disassociate-time>${time}</disassociate-time></participantsessionassoc>`

/** `line participant from-to`, with `!` at a time that the SRC said. */
const told = (): readonly string[] =>
  history.intervals.map(({ streamId, participantId, from, to }) => {
    const show = (instant: typeof to): string =>
      instant === undefined ? '' : `${instant.at.slice(11, 19)}${instant.clock === 'src' ? '!' : ''}`
    return `${streamId} ${participantId} ${show(from)}-${show(to)}`
  })

const TWO = [participant('ann'), participant('bob'), stream('s1', '1'), stream('s2', '2')]

describe('who was on which line', () => {
  test('begins when the SRC says so, and ends when it says so', () => {
    apply('10:00:02', 'complete', ...TWO, joins('ann', '2026-11-23T09:59:59Z'), sends('ann', 's1'), sends('bob', 's2'))
    apply('10:05:00', 'partial', leaves('ann', '2026-11-23T10:04:58Z'), leaves('bob', '2026-11-23T10:04:59Z'))
    expect(told()).toEqual(['0 ann 09:59:59!-10:04:58!', '1 bob 10:00:02-10:04:59!'])
  })

  test('by the association with the stream before that with the communication session', () => {
    const times = '<associate-time>2026-11-23T10:00:01Z</associate-time>'
    apply('10:00:02', 'complete', ...TWO, joins('ann', '2026-11-23T09:00:00Z'), sends('ann', 's1', times))
    expect(told()[0]).toBe('0 ann 10:00:01!-')
  })

  test('by our clock where the time of the SRC cannot be meant: 1970, tomorrow, no zone and hours away, no time at all', () => {
    for (const [index, time] of [
      '1970-05-15T00:41:05Z',
      '2026-11-24T10:00:00Z',
      '2026-11-23T05:00:00',
      'soon',
    ].entries()) {
      history = new AttributionHistory(lines('1', '2'))
      apply('10:00:02', 'complete', ...TWO, joins('ann', time), sends('ann', 's1'))
      expect(told()[0], String(index)).toBe('0 ann 10:00:02-')
    }
    history = new AttributionHistory(lines('1', '2'))
    apply('10:00:02', 'complete', ...TWO, joins('ann', '2026-11-23T10:00:00'), sends('ann', 's1'))
    expect(told()[0]).toBe('0 ann 10:00:00!-')
  })

  test('goes on through hold, and through a snapshot that says the same again', () => {
    const all = [...TWO, sends('ann', 's1'), sends('bob', 's2')]
    apply('10:00:00', 'complete', ...all)
    apply('10:01:00', 'partial', '<participantstreamassoc participant_id="bob"/>')
    apply('10:02:00', 'complete', ...all)
    expect(told()).toEqual(['0 ann 10:00:00-', '1 bob 10:00:00-'])
  })

  test('passes from one to another in a transfer', () => {
    apply('10:00:00', 'complete', ...TWO, sends('ann', 's1'), sends('bob', 's2'))
    apply('10:01:00', 'partial', leaves('bob', '2026-11-23T10:00:59Z'), participant('carol'), sends('carol', 's2'))
    expect(told()).toEqual(['0 ann 10:00:00-', '1 bob 10:00:00-10:00:59!', '1 carol 10:01:00-'])
  })

  test('may be several at a time, and one may come back', () => {
    apply('10:00:00', 'complete', ...TWO, sends('ann', 's1'), sends('bob', 's1'))
    apply('10:01:00', 'complete', participant('bob'), stream('s1', '1'), sends('bob', 's1'))
    apply('10:02:00', 'complete', ...TWO, sends('ann', 's1'), sends('bob', 's1'))
    expect(told()).toEqual(['0 ann 10:00:00-10:01:00', '0 bob 10:00:00-', '0 ann 10:02:00-'])
  })

  test('changes with the m-lines of a new offer', () => {
    apply('10:00:00', 'complete', ...TWO, sends('ann', 's1'), sends('bob', 's2'))
    history.setLines(lines('2'), at('10:01:00'))
    expect(told()).toEqual(['0 ann 10:00:00-10:01:00', '1 bob 10:00:00-10:01:00', '0 bob 10:01:00-'])
  })

  test('never ends before it began', () => {
    apply('10:00:00', 'complete', ...TWO, sends('ann', 's1'))
    apply('10:01:00', 'partial', leaves('ann', '2026-11-23T08:00:00Z'))
    expect(told()[0]).toBe('0 ann 10:00:00-10:01:00')
  })
})

test('what has changed is given once', () => {
  apply('10:00:00', 'complete', ...TWO, sends('ann', 's1'), sends('bob', 's2'))
  expect(history.takeChanged().map(({ ordinal }) => ordinal)).toEqual([0, 1])
  expect(history.takeChanged()).toEqual([])
  apply('10:01:00', 'partial', leaves('bob', '2026-11-23T10:01:00Z'))
  expect(history.takeChanged().map(({ ordinal, to }) => [ordinal, to?.clock])).toEqual([[1, 'src']])
})

test('intervals beyond the limit are left out and counted', () => {
  for (let index = 0; index < ATTRIBUTION_INTERVALS_MAX + 10; index += 1) {
    const id = index % 2 === 0 ? 'ann' : 'bob'
    apply('10:00:00', 'complete', participant(id), stream('s1', '1'), sends(id, 's1'))
  }
  expect(history.intervals).toHaveLength(ATTRIBUTION_INTERVALS_MAX)
  expect(history.droppedCount).toBe(10)
})
