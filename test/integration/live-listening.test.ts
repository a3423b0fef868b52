import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { connect } from 'node:net'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { matchAudio, noise } from '../support/audio.ts'
import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { decodeAudio } from '../support/ffmpeg.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf } from '../support/recorded.ts'

/** Listening to a recording while it is made, on the real daemon. */
const RATE = 8_000
const voices = [1, 2].map((seed) => noise({ seed, samples: 60 * RATE, amplitude: 0.2 }))

let folder: string
let daemon: RunningDaemon
let src: RawSrc
let recordingSession: RawRecordingSession
let speaking: Promise<unknown>

async function start(extra: Readonly<Record<string, string>>): Promise<void> {
  daemon = await startDaemon(await makeDataDir(), extra)
  src = await RawSrc.open(daemon.sipUdpPort)
}

async function stop(): Promise<void> {
  src.close()
  await daemon.stop()
  await removeDataDir(daemon.dataDir)
}

/** A recording session in which both speak; its ids. */
async function place(): Promise<{ readonly rsId: string; readonly recordingId: string }> {
  recordingSession = await RawRecordingSession.place(src)
  speaking = Promise.all(voices.map((samples, stream) => recordingSession.speak(stream, samples)))
  return eventually('it is recorded', async () =>
    (await liveRecordingSessions(daemon)).find(({ state }) => state === 'recording'),
  )
}

async function hangUp(): Promise<void> {
  await recordingSession.hangUp()
  await speaking
  await allClosed(daemon)
}

const audioOf = (rsId: string): string => `${daemon.http}/api/v1/recording-sessions/${rsId}/audio`

/** Reads until so many bytes are there, or the stream ends; into `file`. */
async function save(response: Response, file: string, bytesMin: number, onFirst = (): void => {}): Promise<void> {
  const out = createWriteStream(file)
  const body = response.body?.getReader()
  for (let bytes = 0; bytes < bytesMin;) {
    const chunk = await body?.read()
    if (chunk?.value === undefined) break
    bytes += chunk.value.length
    onFirst()
    out.write(chunk.value)
  }
  out.end()
  await once(out, 'finish')
}

describe('with liveListening', () => {
  beforeAll(async () => {
    folder = await makeDataDir()
    await start({ EARWITNESS_LIVE_LISTENING: 'true', EARWITNESS_RECORDING_OPUS_BITRATE: '64000' })
  })
  afterAll(async () => {
    await stop()
    await removeDataDir(folder)
  })
  afterEach(hangUp)

  test('a voice is heard on its channel while it speaks, and who heard it is in the manifest', async () => {
    const { rsId, recordingId } = await place()
    const aborter = new AbortController()
    const response = await fetch(audioOf(rsId), { signal: aborter.signal })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'audio/ogg; codecs=opus'])
    expect(response.headers.get('cache-control')).toBe('no-store')
    const file = join(folder, 'heard.ogg')
    // Three seconds of two channels at 64 kbit/s.
    await save(response, file, 48_000)
    expect((await liveRecordingSessions(daemon)).map(({ state }) => state)).toEqual(['recording'])
    expect(await metric(daemon, 'earwitness_live_listening_total{outcome="accepted"}')).toBe(1)
    await eventually('it is counted', async () =>
      (await metric(daemon, 'earwitness_live_listeners')) === 1 ? true : undefined,
    )
    aborter.abort()
    await eventually('it is over', async () =>
      (await metric(daemon, 'earwitness_live_listeners')) === 0 ? true : undefined,
    )
    await hangUp()
    // Afterwards only: it takes this process so long that it would stop speaking.
    const heard = await decodeAudio(file, RATE)
    expect(heard).toHaveLength(2)
    const second = (channel: number) => (heard[channel] ?? new Int16Array(0)).subarray(RATE, 2 * RATE)
    for (const [channel, samples] of voices.entries()) {
      const options = { lagMax: 50 * RATE, overlapMin: RATE - 1 }
      const { correlation } = matchAudio(second(channel), samples.subarray(0, 40 * RATE), options)
      expect(correlation).toBeGreaterThan(0.9)
    }
    const { incidents } = await manifestOf(daemon, recordingId)
    expect(incidents.map(({ code }) => code)).toEqual(['listened', 'listened-end'])
    expect(incidents[0]?.detail).toContain('127.0.0.1')
    // Who begins before the first sample has no place on the timeline yet.
    expect(incidents[1]?.atSample).toBeGreaterThan(incidents[0]?.atSample ?? 0)
    expect(daemon.log()).toContain('somebody listens to the recording')
    expect((await daemon.command('verify', recordingId)).code).toBe(0)
  })

  test('a stream that joins begins a new link, and the end of the recording ends the response', async () => {
    const { rsId } = await place()
    const response = await fetch(audioOf(rsId))
    const file = join(folder, 'joined.ogg')
    let saved = Promise.resolve()
    await new Promise<void>((resolve) => {
      saved = save(response, file, Infinity, resolve)
    })
    await recordingSession.addStream()
    await recordingSession.speak(2, noise({ seed: 3, samples: RATE, amplitude: 0.2 }))
    await hangUp()
    await saved
    const links = (await readFile(file)).toString('latin1').split('OpusHead').length - 1
    expect(links).toBe(2)
    expect((await decodeAudio(file, RATE)).length).toBeGreaterThan(0)
  })

  test('more listeners than are served are refused, and so are pages of other sites', async () => {
    const { rsId } = await place()
    const responses: Response[] = []
    for (let index = 0; index < 4; index++) responses.push(await fetch(audioOf(rsId)))
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const refused = await fetch(audioOf(rsId))
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'listeners-too-many' }])
    const foreign = await fetch(audioOf(rsId), { headers: { 'sec-fetch-site': 'cross-site' } })
    expect(await foreign.json()).toMatchObject({ status: 403, code: 'cross-site' })
    const unknown = await fetch(audioOf('nobody'))
    expect(await unknown.json()).toMatchObject({ status: 404, code: 'recording-session-not-found' })
    await Promise.all(responses.map(async ({ body }) => body?.cancel()))
  })

  test('a listener that is gone without a word is one no more', async () => {
    const { rsId } = await place()
    const socket = connect(Number(new URL(daemon.http).port), '127.0.0.1')
    socket.write(`GET /api/v1/recording-sessions/${rsId}/audio HTTP/1.1\r\nhost: recorder\r\n\r\n`)
    await once(socket, 'readable')
    socket.destroy()
    await eventually('it is over', async () =>
      (await metric(daemon, 'earwitness_live_listeners')) === 0 ? true : undefined,
    )
  })
})

describe('without liveListening, which is the default', () => {
  beforeAll(async () => {
    await start({})
  })
  afterAll(stop)

  test('nobody listens, and is told how that could be changed', async () => {
    const { rsId, recordingId } = await place()
    const response = await fetch(audioOf(rsId))
    expect([response.status, response.headers.get('content-type')]).toMatchObject([
      403,
      expect.stringContaining('application/problem+json') as string,
    ])
    expect(await response.json()).toMatchObject({
      code: 'live-listening-off',
      hint: expect.stringContaining('liveListening') as string,
    })
    expect(await metric(daemon, 'earwitness_live_listening_total{outcome="off"}')).toBe(1)
    await hangUp()
    expect((await manifestOf(daemon, recordingId)).incidents).toEqual([])
  })
})
