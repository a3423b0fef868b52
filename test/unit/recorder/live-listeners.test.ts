import { beforeEach, describe, expect, test } from 'vitest'

import { LISTENERS_PER_RECORDING_MAX, LiveListeners } from '../../../src/recorder/live-listeners.ts'
import { INCIDENTS_MAX } from '../../../src/recorder/incident-list.ts'
import { readOggOpus } from '../../../src/media/ogg-opus.ts'
import { tone } from '../../support/audio.ts'
import { EncoderStock, packetsOf, planOf, RecordingRig } from '../../support/recording-rig.ts'

const HEADERS = Uint8Array.of(0x4f, 0x67, 0x67, 0x53, 0, 2, 1)
const PAGE = Uint8Array.of(0x4f, 0x67, 0x67, 0x53, 0, 0, 7)

let noted: string[]
let room: number
let listeners: LiveListeners
let heard: Map<number, Uint8Array[]>

beforeEach(() => {
  noted = []
  room = INCIDENTS_MAX
  heard = new Map()
  listeners = new LiveListeners({
    note: ({ code, detail }, us) => void noted.push(`${code} ${us} ${detail}`),
    get room() {
      return room
    },
  })
})

function listen(listenerId: number, nowUs = 0): string {
  const pages: Uint8Array[] = []
  heard.set(listenerId, pages)
  const added = listeners.add({ listenerId, from: '192.0.2.7', write: (bytes) => void pages.push(bytes) }, nowUs)
  return added.ok ? 'accepted' : added.reason
}

describe('listeners', () => {
  test('hear the headers of the present link, then every page, in bytes of their own', () => {
    listeners.take(HEADERS)
    listeners.take(PAGE)
    listen(1)
    listeners.take(PAGE)
    expect(heard.get(1)).toEqual([HEADERS, PAGE])
    heard.get(1)?.[1]?.fill(0)
    expect(PAGE[0]).toBe(0x4f)
  })

  test('hear the headers although the pages are wiped once they are sealed', () => {
    const lent = Uint8Array.from(HEADERS)
    listeners.take(lent)
    lent.fill(0)
    listen(1)
    expect(heard.get(1)).toEqual([HEADERS])
  })

  test('hear a new link begin, and one who comes later begins with that', () => {
    listen(1)
    listeners.take(HEADERS)
    const next = Uint8Array.from([...HEADERS, 9])
    listeners.take(next)
    listen(2)
    expect(heard.get(1)).toEqual([HEADERS, next])
    expect(heard.get(2)).toEqual([next])
  })

  test('are noted when they come and when they go, once', () => {
    listen(1, 10)
    listeners.remove(1, 20)
    listeners.remove(1, 30)
    expect(noted).toEqual([
      'listened 10 Somebody began to listen to the recording from 192.0.2.7.',
      'listened-end 20 Who listened from 192.0.2.7 no longer did.',
    ])
    listeners.take(PAGE)
    expect(heard.get(1)).toEqual([])
  })

  test('are noted before they hear anything', () => {
    listeners.take(HEADERS)
    const write = (): void => void noted.push('heard')
    listeners.add({ listenerId: 1, from: '::1', write }, 0)
    expect(noted.at(-1)).toBe('heard')
  })

  test('are so many at most', () => {
    for (let id = 0; id < LISTENERS_PER_RECORDING_MAX; id++) expect(listen(id)).toBe('accepted')
    expect(listen(99)).toBe('tooMany')
    listeners.remove(0, 0)
    expect(listen(99)).toBe('accepted')
  })

  test('do not hear what could not be noted', () => {
    room = 3
    expect(listen(1)).toBe('accepted')
    room = 2
    expect(listen(2)).toBe('notNotable')
    expect(noted).toHaveLength(1)
  })

  test('end with the recording, and come no more', () => {
    listen(1)
    listeners.end(50)
    expect(noted.at(-1)).toMatch(/^listened-end 50 /)
    expect(listen(2)).toBe('over')
  })
})

test('what a listener hears is what is sealed, byte for byte, to the last page', async () => {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(4), plans: [planOf(0), planOf(1)] })
  const arrivals = [0, 1].flatMap((index) =>
    packetsOf({
      plan: planOf(index),
      samples: tone({ frequency: 300 + index * 500, sampleRate: 8_000, samples: 56_000 }),
    }),
  )
  const pages: Uint8Array[] = []
  const { listeners: ofRecording } = rig.recordingSession
  ofRecording.add({ listenerId: 1, from: '127.0.0.1', write: (bytes) => void pages.push(bytes) }, 0)
  rig.run(arrivals, 7_000_000)
  const manifest = rig.end(7_000_000)
  expect(Buffer.concat(pages).equals(Buffer.concat(await rig.opened('chunk')))).toBe(true)
  expect(readOggOpus(Buffer.concat(pages)).ok).toBe(true)
  expect(manifest.incidents.map(({ code }) => code)).toEqual(['listened', 'listened-end'])
})
