import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { SimulationReport } from '../../src/cli/simulate/outcome.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { TRAILING_TOLERANCE_US } from '../../src/recorder/recording-writer.ts'
import {
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type CommandResult,
  type RunningDaemon,
} from '../support/daemon.ts'
import { metric, liveRecordingSessions, readiness, recordingsUnderWay, storedChunks } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'
import { simulate } from '../support/simulated.ts'

/** Longer than anything here is waited for, so that only the second SIGTERM can have ended the wait. */
const DRAIN_TIMEOUT = '100s'
const ANY_OFFER = { contentType: 'application/sdp', body: 'v=0\r\n' }

/** The chunks follow each other without a hole from the first packet to the BYE. */
function expectWholeTimeline(manifest: ManifestBody): void {
  const { chunks, durationSamples, streams, originAt = '', endedAt } = manifest
  expect(chunks.map(({ fromSample }) => fromSample)).toEqual([
    0,
    ...chunks.slice(0, -1).map(({ toSample }) => toSample),
  ])
  expect(chunks.at(-1)?.toSample).toBe(durationSamples)
  const lastedMs = Date.parse(endedAt) - Date.parse(originAt)
  expect(durationSamples / 48).toBeGreaterThanOrEqual(lastedMs - TRAILING_TOLERANCE_US / 1_000)
  for (const { ledger } of streams) {
    const gaps = Object.values(ledger.gapSamples).reduce((sum, samples) => sum + samples, 0)
    expect(ledger.audioSamples + gaps).toBe(durationSamples)
  }
}

describe('SIGTERM while two recording sessions last, and a long drainTimeout', () => {
  let dataDir: string
  let daemon: RunningDaemon
  let src: RawSrc
  let sessions: Promise<CommandResult>
  let recordingIds: readonly string[]

  beforeAll(async () => {
    dataDir = await makeDataDir()
    daemon = await startDaemon(dataDir, {
      EARWITNESS_RECORDING_CHUNK_SECONDS: '1',
      EARWITNESS_DRAIN_TIMEOUT: DRAIN_TIMEOUT,
    })
    src = await RawSrc.open(daemon.sipUdpPort)
    sessions = simulate(daemon, '--calls', '2', '--duration', '2m', '--json')
    recordingIds = await recordingsUnderWay(daemon, 2)
    expect((await src.ask('OPTIONS')).status).toBe(200)
    expect((await readiness(daemon)).status).toBe(200)
    daemon.process.kill('SIGTERM')
    await eventually('not ready', async () => ((await readiness(daemon)).status === 503 ? true : undefined))
  })

  afterAll(async () => {
    src.close()
    await daemon.stop()
    await removeDataDir(dataDir)
  })

  test.each(['INVITE', 'OPTIONS'])('%s gets 503 with Retry-After, as /readyz says', async (method) => {
    const answer = await src.ask(method, method === 'INVITE' ? ANY_OFFER : {})
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.first('Retry-After'))).toBeGreaterThan(0)
    expect(await readiness(daemon)).toMatchObject({ status: 503, ready: false, state: 'draining' })
  })

  test('what is being recorded goes on', async () => {
    for (const recordingId of recordingIds) {
      const before = await storedChunks(daemon, recordingId, 1)
      await storedChunks(daemon, recordingId, before.length + 1)
    }
    expect(await liveRecordingSessions(daemon)).toHaveLength(2)
    expect(await metric(daemon, 'earwitness_recording_sessions{')).toBe(2)
  })

  test('a second SIGTERM shortens the wait: both peers get BYE, and the daemon exits with 0', async () => {
    await eventually('the end of the wait', async () => {
      const live = await liveRecordingSessions(daemon).catch(() => [])
      if (live.every(({ state }) => state === 'closing')) return true
      // Again and again: one that follows the first too closely counts as the same.
      daemon.process.kill('SIGTERM')
      return undefined
    })
    expect(await daemon.ended).toBe(0)
    const { code, stdout } = await sessions
    expect(code).toBe(4)
    const report = JSON.parse(stdout) as SimulationReport
    expect(report).toMatchObject({ placed: 2, answered: 2, failures: { recorderBye: 2 } })
  })

  test('both recordings are complete, whole to the BYE, and verify', async () => {
    for (const recordingId of recordingIds) {
      const manifest = await manifestOf(daemon, recordingId)
      expect(manifest).toMatchObject({ state: 'complete', endCause: 'drain', incidents: [] })
      expectWholeTimeline(manifest)
      expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
    }
  })

  test('the database knows them as complete, with all their chunks', async () => {
    const shown = await daemon.command('recordings', 'show', recordingIds[0] ?? '', '--json')
    const { chunks } = await manifestOf(daemon, recordingIds[0] ?? '')
    const details = JSON.parse(shown.stdout) as { state: string; endCause: string; chunks: { sha256: string }[] }
    expect(details).toMatchObject({ state: 'complete', endCause: 'drain' })
    expect(details.chunks.map(({ sha256 }) => sha256)).toEqual(chunks.map(({ sha256 }) => sha256))
  })
})

test('one SIGTERM is enough: BYE comes by itself after drainTimeout, and says why', async () => {
  const dataDir = await makeDataDir()
  const daemon = await startDaemon(dataDir, { EARWITNESS_DRAIN_TIMEOUT: '1s', EARWITNESS_RECORDING_CHUNK_SECONDS: '1' })
  const src = await RawSrc.open(daemon.sipUdpPort)
  try {
    const session = await RawRecordingSession.place(src)
    const speech = await shippedSpeech()
    const spoken = speech.map((samples, stream) => session.speak(stream, samples))
    const [recordingId = ''] = await recordingsUnderWay(daemon, 1)
    await storedChunks(daemon, recordingId, 1)
    daemon.process.kill('SIGTERM')
    const bye = await src.received('BYE')
    session.fallSilent()
    expect(bye.headers.first('Reason')).toContain('Recorder is shutting down')
    expect(await daemon.ended).toBe(0)
    await Promise.all(spoken)
    const manifest = await manifestOf(daemon, recordingId)
    expect(manifest).toMatchObject({ state: 'complete', endCause: 'drain' })
    expectWholeTimeline(manifest)
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  } finally {
    src.close()
    await daemon.stop()
    await removeDataDir(dataDir)
  }
})
