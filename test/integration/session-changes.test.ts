import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import {
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type DaemonEnvironment,
  type RunningDaemon,
} from '../support/daemon.ts'
import type { StatusReport } from '../../src/server/http/status-report.ts'
import { probeAudio } from '../support/ffmpeg.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchWindows, shippedSpeech } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'

const SAMPLES_PER_SECOND = 8_000
const MEDIA_TIMEOUT_SECONDS = 3

let daemon: RunningDaemon
let folder: string

/** A daemon for the tests of one group, and a folder for what they export. */
function withDaemon(environment: DaemonEnvironment): void {
  let dataDir: string

  beforeAll(async () => {
    dataDir = await makeDataDir()
    folder = await mkdtemp(join(tmpdir(), 'earwitness-export-'))
    daemon = await startDaemon(dataDir, environment)
  })

  afterAll(async () => {
    await daemon.stop()
    await removeDataDir(dataDir)
    await rm(folder, { recursive: true, force: true })
  })
}

async function expectVerified(recordingId: string): Promise<void> {
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
}

/** What `recordings show` tells of a recording, as soon as its end is in the database. */
async function shown(recordingId: string): Promise<{ readonly state: string; readonly incidents: readonly unknown[] }> {
  return eventually(`the end of ${recordingId}`, async () => {
    const { stdout } = await daemon.command('recordings', 'show', recordingId, '--json')
    const details = JSON.parse(stdout) as { state: string; incidents: unknown[] }
    return details.state === 'open' ? undefined : details
  })
}

function seconds(samples: Int16Array, from: number, to: number): Int16Array {
  return samples.subarray(from * SAMPLES_PER_SECOND, to * SAMPLES_PER_SECOND)
}

function likeness(sent: Int16Array, heard: Int16Array | undefined): number {
  return matchWindows(sent, heard ?? new Int16Array(0)).correlation
}

function isSilent(samples: Int16Array | undefined): boolean {
  return samples?.every((sample) => Math.abs(sample) <= 1) === true
}

describe('a recording session', () => {
  withDaemon({ EARWITNESS_RECORDING_MEDIA_TIMEOUT: `${MEDIA_TIMEOUT_SECONDS}s` })
  let src: RawSrc

  beforeEach(async () => {
    src = await RawSrc.open(daemon.sipUdpPort)
  })

  afterEach(() => src.close())

  /** Places a recording session with two media streams; its id too. */
  async function place(): Promise<readonly [RawRecordingSession, string]> {
    const session = await RawRecordingSession.place(src)
    const [live] = await liveRecordingSessions(daemon)
    return [session, live?.recordingId ?? '']
  }

  test('gets a third media stream by re-INVITE: the export is one file with three channels', async () => {
    const [caller, callee] = await shippedSpeech()
    const [session, recordingId] = await place()
    await Promise.all([session.speak(0, seconds(caller, 0, 2)), session.speak(1, seconds(callee, 0, 2))])
    await session.addStream()
    await session.speak(2, seconds(caller, 2, 4))
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)

    const { streams } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ streamLabel, channel }) => `${streamLabel} on ${channel}`)).toEqual([
      '1 on 0',
      '2 on 1',
      '3 on 2',
    ])
    // FFmpeg gives left, right, centre; in the file the centre stands between the two. RFC 7845 5.1.1.2
    const [left, right, centre] = await exportedChannels(daemon, recordingId, { folder })
    const file = join(folder, `${recordingId}-separate.ogg`)
    expect(await probeAudio(file)).toMatchObject({ codecName: 'opus', channels: 3 })
    expect(likeness(seconds(caller, 0, 2), left)).toBeGreaterThan(0.9)
    expect(likeness(seconds(callee, 0, 2), centre)).toBeGreaterThan(0.9)
    expect(likeness(seconds(caller, 2, 4), right?.subarray(-2 * SAMPLES_PER_SECOND))).toBeGreaterThan(0.9)
    expect(isSilent(right?.subarray(0, SAMPLES_PER_SECOND))).toBe(true)
    await expectVerified(recordingId)
  })

  test('whose SRC falls silent without BYE gets one after mediaTimeout', async () => {
    const [session, recordingId] = await place()
    const speech = await shippedSpeech()
    await Promise.all(speech.map(async (samples, stream) => session.speak(stream, seconds(samples, 0, 1))))
    session.fallSilent()
    expect((await src.received('BYE')).headers.first('Reason')).toContain('No media')
    await allClosed(daemon)
    const { endCause, state, streams, durationSamples } = await manifestOf(daemon, recordingId)
    expect({ endCause, state }).toEqual({ endCause: 'mediaTimeout', state: 'complete' })
    expect(durationSamples).toBeGreaterThan(MEDIA_TIMEOUT_SECONDS * 48_000)
    for (const { gaps } of streams) {
      expect(gaps.at(-1)).toMatchObject({ cause: 'noMedia', toSample: durationSamples })
    }
    await expectVerified(recordingId)
  })

  test('without one RTP packet leaves a record that says so', async () => {
    const recordingId = await simulatedRecording(daemon, '--duration', '1s', '--no-rtp')
    const incidents = [{ code: 'no-media', detail: 'No RTP packet arrived on any media stream.' }]
    expect(await shown(recordingId)).toMatchObject({ state: 'complete', incidents })
    expect(await manifestOf(daemon, recordingId)).toMatchObject({ chunks: [], durationSamples: 0, incidents })
    await expectVerified(recordingId)
    const exported = await daemon.command('export', recordingId, '-o', join(folder, 'silent.ogg'))
    expect(exported.code).toBe(1)
    expect(exported.stderr).toContain('This recording holds no audio.')
    expect(exported.stderr).toContain('no RTP packet arrived')
  })

  test('in which only one side is ever heard is noted as one-way', async () => {
    const before = await metric(daemon, 'earwitness_one_way_sessions_total')
    const [caller] = await shippedSpeech()
    const [session, recordingId] = await place()
    await session.speak(0, seconds(caller, 0, 2))
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    expect(await shown(recordingId)).toMatchObject({ state: 'complete', incidents: [{ code: 'one-way' }] })
    const { streams, durationSamples } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ packets }) => packets.received)).toEqual([100, 0])
    expect(streams[1]?.gaps).toEqual([{ cause: 'noMedia', fromSample: 0, toSample: durationSamples }])
    expect(await metric(daemon, 'earwitness_one_way_sessions_total')).toBe(before + 1)
    const [heard, silent] = await exportedChannels(daemon, recordingId, { folder })
    expect(likeness(seconds(caller, 0, 2), heard)).toBeGreaterThan(0.9)
    expect(isSilent(silent)).toBe(true)
    await expectVerified(recordingId)
  })
})

describe('layout mixed, and the other Opus engine', () => {
  withDaemon({ EARWITNESS_RECORDING_LAYOUT: 'mixed', EARWITNESS_MEDIA_OPUS_ENGINE: 'opusscript' })

  test('give one channel that holds both participants', async () => {
    const { workers } = (await (await fetch(new URL('/api/v1/status', daemon.http))).json()) as StatusReport
    expect(workers).toMatchObject([{ opusEngine: 'opusscript' }])
    const recordingId = await simulatedRecording(daemon, '--duration', '4s')
    const { layout, streams } = await manifestOf(daemon, recordingId)
    expect(layout).toBe('mixed')
    expect(streams.map(({ streamLabel, channel }) => `${streamLabel} on ${channel}`)).toEqual(['1 on 0', '2 on 0'])
    const [mixed, ...others] = await exportedChannels(daemon, recordingId, { folder })
    expect(others).toEqual([])
    const [caller, callee] = await shippedSpeech()
    const both = seconds(caller, 0, 4).map((sample, index) => (sample + (callee[index] ?? 0)) / 2)
    expect(likeness(both, mixed)).toBeGreaterThan(0.75)
    await expectVerified(recordingId)
  })
})
