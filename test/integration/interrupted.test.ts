import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { recordingsUnderWay, storedChunks } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchWindows, SAMPLES_PER_MS, shippedSpeech } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'

/** The daemon is killed in the middle of a recording session and started again on the same data folder. */
const CHUNKS_MIN = 2
const ENVIRONMENT = { EARWITNESS_RECORDING_CHUNK_SECONDS: '1' }

let dataDir: string
let folder: string
let daemon: RunningDaemon
let recordingId: string
let chunksBefore: readonly string[]

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-interrupted-'))
  const first = await startDaemon(dataDir, ENVIRONMENT)
  const src = await RawSrc.open(first.sipUdpPort)
  const session = await RawRecordingSession.place(src)
  const spoken = (await shippedSpeech()).map((samples, stream) => session.speak(stream, samples))
  recordingId = (await recordingsUnderWay(first, 1))[0] ?? ''
  chunksBefore = await storedChunks(first, recordingId, CHUNKS_MIN)
  await first.stop('SIGKILL')
  session.fallSilent()
  await Promise.all(spoken)
  src.close()
  daemon = await startDaemon(dataDir, ENVIRONMENT)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

test('the recording is closed as interrupted, and the incident says what happened', async () => {
  expect(await closedRecordings(daemon, 1)).toMatchObject([{ recordingId, state: 'interrupted' }])
  const { stdout } = await daemon.command('recordings', 'show', recordingId, '--json')
  expect(JSON.parse(stdout)).toMatchObject({ state: 'interrupted', incidents: [{ code: 'interrupted' }] })
})

test('its manifest names every chunk that was stored, without a hole between them', async () => {
  const { chunks, state, durationSamples } = await manifestOf(daemon, recordingId)
  expect(state).toBe('interrupted')
  expect(chunks.length).toBeGreaterThanOrEqual(chunksBefore.length)
  expect(chunks.map(({ name }) => name)).toEqual(await storedChunks(daemon, recordingId, 0))
  expect(chunks.map(({ fromSample }) => fromSample)).toEqual([
    0,
    ...chunks.slice(0, -1).map(({ toSample }) => toSample),
  ])
  expect(chunks.at(-1)?.toSample).toBe(durationSamples)
})

test('verify says yes, and that the recording was interrupted', async () => {
  const verified = await daemon.command('verify', recordingId)
  expect(verified).toMatchObject({ code: 0 })
  expect(verified.stdout).toMatch(/interrupted/i)
})

test('the export plays what was stored', async () => {
  const { durationSamples } = await manifestOf(daemon, recordingId)
  const channels = await exportedChannels(daemon, recordingId, { folder })
  const durationMs = durationSamples / 48
  for (const [channel, speech] of (await shippedSpeech()).entries()) {
    const heard = channels[channel] ?? new Int16Array(0)
    expect(Math.abs(heard.length / SAMPLES_PER_MS - durationMs)).toBeLessThanOrEqual(40)
    expect(matchWindows(speech.subarray(0, heard.length), heard).correlation).toBeGreaterThan(0.9)
  }
})

test('nothing is left in the journal of open recordings, and the next start finds nothing to do', async () => {
  expect(await readdir(join(dataDir, 'open'))).toEqual([])
  expect(await daemon.stop()).toBe(0)
  daemon = await startDaemon(dataDir, ENVIRONMENT)
  expect(daemon.log()).not.toContain('interrupted')
})

test('the daemon records again', async () => {
  const next = await simulatedRecording(daemon, '--duration', '1s')
  expect(await manifestOf(daemon, next)).toMatchObject({ state: 'complete' })
  expect(await daemon.command('verify', next)).toMatchObject({ code: 0 })
})
