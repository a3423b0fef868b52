import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { ApiServer } from '../../src/server/http/api-server.ts'
import { EVENT_SUBSCRIBERS_MAX, EventHub } from '../../src/server/http/event-hub.ts'
import { httpUrl } from '../../src/server/http/listen.ts'
import { eventually } from '../support/daemon.ts'
import { NO_AUDIO } from '../support/no-events.ts'
import { EventReader } from '../support/event-reader.ts'

const ABOUT = { rsId: 'r', recordingId: 'id', src: 'sbc', at: '2026-11-23T09:00:00.000Z' }
const stream = (streamId: string, levelDbov: number) => ({ streamId, streamLabel: streamId, levelDbov })
const LEVELS = [
  { rsId: 'r', streams: [stream('0', -20), stream('1', -127)] },
  { rsId: 's', streams: [stream('0', -30)] },
]

let hub: EventHub
let api: ApiServer
let url: string
let cut: number
let readers: EventReader[]
let sockets: Socket[]

beforeEach(async () => {
  ;[readers, sockets, cut] = [[], [], 0]
  hub = new EventHub({ run: 'a1', nowUnixMs: Date.now })
  api = new ApiServer({
    listen: { address: '127.0.0.1', port: 0 },
    status: () => {
      throw new Error('nobody asks')
    },
    recordingSessions: async () => [],
    announce: async () => ({ ok: false, reason: 'off' }),
    operate: () => ({ ok: false, reason: 'unknown' }),
    noteConsent: async () => ({ ok: false, reason: 'unknown' }),
    sayLater: () => Promise.reject(new Error('nobody asks')),
    events: {
      hub,
      askLevels: async () => LEVELS,
      nowUnixMs: Date.now,
      onCut: () => {
        cut += 1
      },
    },
    audio: NO_AUDIO,
    readObject: async () => undefined,
    reportError: () => {},
  })
  url = httpUrl(await api.run())
})

afterEach(async () => {
  await Promise.all(readers.map((reader) => reader.close()))
  for (const socket of sockets) socket.destroy()
  await api.stop()
})

async function read(options?: Parameters<typeof EventReader.open>[1]): Promise<EventReader> {
  const reader = await EventReader.open(url, options)
  readers.push(reader)
  return reader
}

function pause(): void {
  hub.publish('pause', { ...ABOUT, paused: true, by: 'api' })
}

describe('GET /api/v1/events', () => {
  test('is an event stream with the headers of every answer', async () => {
    const response = await fetch(`${url}/api/v1/events`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin')
    const first = await response.body?.getReader().read()
    expect(Buffer.from((first?.value ?? []) as Uint8Array).toString()).toBe('retry: 3000\n\n')
  })

  test('tells what happens, and goes on where a reader was', async () => {
    const reader = await read()
    pause()
    const { id, data } = await reader.next('the pause', ({ name }) => name === 'pause')
    expect(data).toEqual({ ...ABOUT, paused: true, by: 'api' })
    await reader.close()
    pause()
    const again = await read({ lastEventId: id ?? '' })
    await again.next('what was missed', ({ name }) => name === 'pause')
    expect(again.seen.map((event) => event.id)).toEqual(['a1-2'])
  })

  test('tells levels to those who ask for them alone', async () => {
    const [all, one, none] = [
      await read({ query: '?levels=all' }),
      await read({ query: '?levels=s&levels=x' }),
      await read(),
    ]
    const told = await all.next('levels', ({ name }) => name === 'levels')
    expect(told).toMatchObject({ id: undefined, data: { recordingSessions: LEVELS } })
    const some = await one.next('levels', ({ name }) => name === 'levels')
    expect(some.data).toMatchObject({ recordingSessions: [LEVELS[1]] })
    expect(none.seen).toEqual([])
  })

  test('does not take more recording sessions to ask for than it should', async () => {
    const many = Array.from({ length: 17 }, (_, index) => `levels=${index}`).join('&')
    const response = await fetch(`${url}/api/v1/events?${many}`)
    expect(response.status).toBe(400)
  })

  test('has room for so many readers; one that leaves makes room', async () => {
    for (let index = 0; index < EVENT_SUBSCRIBERS_MAX; index++) await read()
    const refused = await fetch(`${url}/api/v1/events`)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await refused.json()).toMatchObject({ code: 'event-subscribers-too-many' })
    await readers[0]?.close()
    await eventually('room', async () => (hub.isFull ? undefined : true))
    await read()
  })

  test('cuts off a reader that does not read, and no other', async () => {
    const reader = await read()
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    sockets.push(socket)
    socket.write('GET /api/v1/events HTTP/1.1\r\nhost: recorder\r\n\r\n')
    await once(socket, 'readable')
    socket.pause()
    let told = 0
    for (; cut === 0 && told < 20_000; told += 1) {
      hub.publish('incident', { ...ABOUT, code: 'one-way', detail: 'x'.repeat(4_000) })
      // Its words have to reach the kernel, which takes some of them for one that does not read.
      if (told % 10 === 0) await new Promise(setImmediate)
    }
    expect(cut).toBe(1)
    await eventually('it is gone', async () => (hub.subscribers === 1 ? true : undefined))
    await eventually('the other one has it all', async () => (reader.seen.length === told ? true : undefined))
  })

  test('ends when the recorder stops', async () => {
    const reader = await read()
    await api.stop()
    await reader.over
    expect(reader.seen).toEqual([])
  })
})
