import { afterAll, beforeAll, expect, test } from 'vitest'

import {
  closedRecordings,
  DEFAULT_ALERTS,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { EventReader, type ReadEvent } from '../support/event-reader.ts'
import { tone } from '../support/audio.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf } from '../support/recorded.ts'

/** What can be seen of a recording session while it lasts, on the real daemon. */
let daemon: RunningDaemon
let src: RawSrc
let events: EventReader

beforeAll(async () => {
  // Half a minute of silence is too long for a test.
  daemon = await startDaemon(await makeDataDir(), { ...DEFAULT_ALERTS, EARWITNESS_ALERTS_SILENT: '4s' })
  src = await RawSrc.open(daemon.sipUdpPort)
  events = await EventReader.open(daemon.http, { query: '?levels=all' })
})

afterAll(async () => {
  await events.close()
  src.close()
  await daemon.stop()
  await removeDataDir(daemon.dataDir)
})

interface LiveStreams {
  readonly recordingSessions: readonly {
    readonly rsId: string
    readonly streams: readonly {
      readonly streamId: string
      readonly levelDbov?: number
      readonly flags?: readonly string[]
    }[]
  }[]
}

function levelOf(event: ReadEvent, streamId: string): number {
  const { recordingSessions } = event.data as unknown as LiveStreams
  return recordingSessions[0]?.streams.find((stream) => stream.streamId === streamId)?.levelDbov ?? Number.NaN
}

async function metric(name: string, label = ''): Promise<number> {
  const text = await (await fetch(daemon.metrics)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(`earwitness_${name}`) && line.includes(label))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('a recording session is told of from its first moment to its last, with levels, and a side that is missing', async () => {
  const recordingSession = await RawRecordingSession.place(src)
  const opened = await events.next('answered', ({ data }) => data['state'] === 'answered')
  const { recordingId } = opened.data as { recordingId: string }
  const loud = tone({ frequency: 1_000, sampleRate: 8_000, samples: 60 * 8_000, amplitude: 0.1 })
  const speaking = recordingSession.speak(0, loud)
  await events.next('recording', ({ data }) => data['state'] === 'recording')

  // A sine at a tenth of full scale: -20 dB, and 3 dB less for its shape. A window in which packets were late has less.
  const isRight = (event: ReadEvent): boolean => Math.abs(levelOf(event, '0') - -23) < 1
  const heard = await events.next('its level', (event) => event.name === 'levels' && isRight(event))
  expect(levelOf(heard, '1')).toBe(-127)

  const flagged = await events.next('one-way', ({ data }) => data['flag'] === 'oneWay')
  expect(flagged.data).toMatchObject({ recordingId, streamId: '1', streamLabel: '2', raised: true, src: 'other' })
  // Of audio time, however long the machine took to come to it.
  expect(flagged.data['atSample']).toBeLessThan(5 * 48_000)
  await events.next('its incident', ({ name, data }) => name === 'incident' && data['code'] === 'one-way')
  await events.next('no packet at all', ({ data }) => data['flag'] === 'zeroPackets')
  expect(await metric('one_way_sessions_total')).toBe(1)
  expect(await metric('zero_packet_streams_total')).toBe(1)
  await eventually('the gauge', async () => ((await metric('flagged_streams')) === 2 ? true : undefined))
  const live = (await (await fetch(`${daemon.http}/api/v1/recording-sessions`)).json()) as LiveStreams
  expect(live.recordingSessions[0]?.streams).toMatchObject([
    { streamId: '0', flags: [] },
    { streamId: '1', levelDbov: -127, flags: ['oneWay', 'zeroPackets'] },
  ])

  void recordingSession.speak(1, loud)
  await events.next('both sides', ({ data }) => data['flag'] === 'oneWay' && data['raised'] === false)
  await recordingSession.hangUp()
  await speaking
  const closed = await events.next('closed', ({ data }) => data['state'] === 'closed')
  expect(closed.data).toMatchObject({ recordingId, outcome: 'bye' })
  await closedRecordings(daemon, 1)
  const manifest = await manifestOf(daemon, recordingId)
  expect(manifest.incidents.map(({ code }) => code).slice(0, 2)).toEqual(['one-way', 'zero-packets'])
  expect(await metric('one_way_sessions_total')).toBe(1)
  await eventually('the gauge is back', async () => ((await metric('flagged_streams')) === 0 ? true : undefined))
  await peaksAreThere(recordingId)
  // Ids, labels and our words only.
  expect(JSON.stringify(events.seen)).not.toMatch(/sip:|tel:|@/)
})

test('a side of which nothing is heard, and then nothing comes any more, is told of while it lasts', async () => {
  const recordingSession = await RawRecordingSession.place(src)
  const live = (await (await fetch(`${daemon.http}/api/v1/recording-sessions`)).json()) as LiveStreams
  const rsId = live.recordingSessions[0]?.rsId
  const flag = (name: string, isRaised: boolean): Promise<ReadEvent> =>
    events.next(`${name} ${isRaised}`, ({ data }) => {
      return data['rsId'] === rsId && data['streamId'] === '1' && data['flag'] === name && data['raised'] === isRaised
    })
  const incident = (code: string): Promise<ReadEvent> =>
    events.next(`its incident ${code}`, ({ name, data }) => {
      return name === 'incident' && data['rsId'] === rsId && data['code'] === code
    })
  const loud = tone({ frequency: 1_000, sampleRate: 8_000, samples: 60 * 8_000, amplitude: 0.1 })
  const speaking = recordingSession.speak(0, loud)
  const muted = recordingSession.speak(1, new Int16Array(6 * 8_000))

  await flag('silent', true)
  await incident('stream-silent')
  await muted
  await flag('stopped', true)
  await incident('rtp-stopped')
  await flag('silent', false)
  await eventually('its gauge', async () =>
    (await metric('flagged_streams', 'flag="stopped"')) === 1 ? true : undefined,
  )
  void recordingSession.speak(1, loud)
  await flag('stopped', false)
  expect(await recordingSession.hangUp()).toBe(200)
  await speaking
  await events.next('closed', ({ data }) => data['rsId'] === rsId && data['state'] === 'closed')
  await eventually('no flag', async () => ((await metric('flagged_streams')) === 0 ? true : undefined))
})

/** Sealed by the API, opened with the vault's key by the CLI. */
async function peaksAreThere(recordingId: string): Promise<void> {
  const response = await fetch(`${daemon.http}/api/v1/recordings/${recordingId}/peaks`)
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/vnd.earwitness.peaks+age'])
  const sealed = Buffer.from(await response.arrayBuffer())
  expect(sealed.toString('latin1')).toMatch(/^age-encryption\.org\/v1\n/)
  const printed = await daemon.command('recordings', 'peaks', recordingId)
  const waveform = JSON.parse(printed.stdout) as { channels: number; length: number; data: readonly number[] }
  expect(waveform).toMatchObject({ version: 2, channels: 2, sample_rate: 48_000, samples_per_pixel: 2_400, bits: 8 })
  expect(waveform.data).toHaveLength(waveform.length * 4)
  // A tenth of full scale; nothing yet on the other side.
  expect(waveform.data.slice(80, 84)).toEqual([-13, 13, 0, 0])
  expect((await daemon.command('verify', recordingId)).code).toBe(0)
  const none = await fetch(`${daemon.http}/api/v1/recordings/nobody/peaks`)
  expect(await none.json()).toMatchObject({ status: 404, code: 'peaks-not-found' })
}
