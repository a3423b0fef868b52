import { describe, expect, test } from 'vitest'

import { EVENT_HISTORY_MAX, EVENT_SUBSCRIBERS_MAX, EventHub, eventText } from '../../../../src/server/http/event-hub.ts'

const ABOUT = { rsId: 'r', recordingId: 'id', src: 'sbc', at: '2026-11-23T09:00:00.000Z' }
const NOW = Date.UTC(2026, 10, 23, 9)

function hubOf(run = 'a1') {
  const hub = new EventHub({ run, nowUnixMs: () => NOW })
  const publish = (count: number): void => {
    for (let index = 0; index < count; index++) hub.publish('pause', { ...ABOUT, paused: true, by: 'api' })
  }
  return { hub, publish }
}

function readerOf(hub: EventHub, lastEventId?: string) {
  const texts: string[] = []
  const leave = hub.subscribe({ write: (text) => texts.push(text) }, lastEventId)
  const ids = (): (string | undefined)[] => texts.map((text) => /^id: (.*)$/m.exec(text)?.[1])
  return { texts, ids, leave }
}

const MISSED = eventText('missed', { at: '2026-11-23T09:00:00.000Z' })

describe('the event hub', () => {
  test('tells every reader the same words, with an id', () => {
    const { hub, publish } = hubOf()
    const [one, other] = [readerOf(hub), readerOf(hub)]
    publish(1)
    const data = '{"rsId":"r","recordingId":"id","src":"sbc","at":"2026-11-23T09:00:00.000Z","paused":true,"by":"api"}'
    expect(one.texts).toEqual([`id: a1-1\nevent: pause\ndata: ${data}\n\n`])
    expect(other.texts).toEqual(one.texts)
  })

  test('tells nothing to one that has left, and nothing of before to one that is new', () => {
    const { hub, publish } = hubOf()
    const first = readerOf(hub)
    publish(1)
    first.leave()
    publish(1)
    expect(first.ids()).toEqual(['a1-1'])
    expect(readerOf(hub).texts).toEqual([])
    expect(hub.subscribers).toBe(1)
  })

  test('goes on where a reader was, without a word when nothing happened since', () => {
    const { hub, publish } = hubOf()
    publish(3)
    expect(readerOf(hub, 'a1-1').ids()).toEqual(['a1-2', 'a1-3'])
    expect(readerOf(hub, 'a1-3').texts).toEqual([])
    expect(readerOf(hub, 'a1-0').ids()).toEqual(['a1-1', 'a1-2', 'a1-3'])
  })

  test('keeps so many events, and says when some were missed', () => {
    const { hub, publish } = hubOf()
    publish(EVENT_HISTORY_MAX + 2)
    const late = readerOf(hub, 'a1-1')
    expect(late.texts[0]).toBe(MISSED)
    expect(late.ids().slice(1, 3)).toEqual(['a1-3', 'a1-4'])
    expect(late.texts).toHaveLength(EVENT_HISTORY_MAX + 1)
    expect(readerOf(hub, 'a1-2').texts).toHaveLength(EVENT_HISTORY_MAX)
  })

  test.each(['b2-1', 'a1-9', 'a1-', 'a1', '', 'a1-1e1', 'a1-99999999999999999999'])(
    'does not know the id %j, and says so',
    (lastEventId) => {
      const { hub, publish } = hubOf()
      publish(2)
      expect(readerOf(hub, lastEventId).texts).toEqual([MISSED])
    },
  )

  test('is full with so many readers', () => {
    const { hub } = hubOf()
    const readers = Array.from({ length: EVENT_SUBSCRIBERS_MAX - 1 }, () => readerOf(hub))
    expect(hub.isFull).toBe(false)
    readerOf(hub)
    expect(hub.isFull).toBe(true)
    readers[0]?.leave()
    expect(hub.isFull).toBe(false)
  })
})
