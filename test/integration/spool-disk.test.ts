import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { allClosed, metric, readiness, recordingsUnderWay } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'
import { fillDisk, limitFileSize, mountSmallDisk, unmount } from '../support/small-disk.ts'

/** The disk under the data folder fills up, or fails: running recording sessions go on, new ones are refused, and all of it is over by itself. */
const MIN_FREE_BYTES = 64 * 1024 * 1024
const SESSIONS = 2
/** Longer than any of this takes. */
const SPEECH_REPEATS = 30
const CHUNK_SECONDS = 300
const ENVIRONMENT = { EARWITNESS_RECORDING_CHUNK_SECONDS: String(CHUNK_SECONDS), EARWITNESS_SPOOL_MIN_FREE: '64MiB' }
const NO_FRAMES = 'the disk takes no frames: chunks are made shorter, so that audio is stored sooner'
const FRAMES_AGAIN = 'the disk takes frames again'
const NOTHING_NEW = 'the spool has no room, or its disk fails: no new recording session is taken'
const ROOM_AGAIN = 'the spool has room again'

let dataDir: string
let whyNoSmallDisk: string | undefined
let daemon: RunningDaemon
let src: RawSrc
let logBefore: number

beforeAll(async () => {
  dataDir = await makeDataDir()
  whyNoSmallDisk = await mountSmallDisk(dataDir, '320m')
  daemon = await startDaemon(dataDir, ENVIRONMENT)
  src = await RawSrc.open(daemon.sipUdpPort)
})

beforeEach(() => {
  logBefore = daemon.log().length
})

afterAll(async () => {
  try {
    src.close()
    await daemon.stop()
  } finally {
    await unmount(dataDir)
    await removeDataDir(dataDir)
  }
})

/** Log lines of this test that say one of these, in their order. */
function said(...sentences: readonly string[]): readonly string[] {
  const lines = daemon.log().slice(logBefore).split('\n')
  return lines.flatMap((line) => sentences.filter((sentence) => line.includes(`"${sentence}"`)))
}

async function untilSaid(sentence: string): Promise<void> {
  await eventually(sentence, async () => (said(sentence).length > 0 ? true : undefined))
}

async function speak(): Promise<readonly RawRecordingSession[]> {
  const sessions: RawRecordingSession[] = []
  const speech = (await shippedSpeech()).map((samples) => repeated(samples))
  for (let placed = 0; placed < SESSIONS; placed += 1) {
    const session = await RawRecordingSession.place(src)
    sessions.push(session)
    for (const [stream, samples] of speech.entries()) void session.speak(stream, samples)
  }
  return sessions
}

function repeated(samples: Int16Array): Int16Array {
  const all = new Int16Array(samples.length * SPEECH_REPEATS)
  for (let time = 0; time < SPEECH_REPEATS; time += 1) all.set(samples, time * samples.length)
  return all
}

async function refused(): Promise<void> {
  await eventually('the refusal of new recording sessions', async () =>
    (await readiness(daemon)).checks.find(({ name }) => name === 'spool')?.ok === false ? true : undefined,
  )
  expect((await readiness(daemon)).status).toBe(503)
  await expect(RawRecordingSession.place(src)).rejects.toThrow('503')
}

async function readyAgain(): Promise<void> {
  await eventually('ready again', async () => ((await readiness(daemon)).state === 'ready' ? true : undefined))
  await eventually('nothing that waits', async () =>
    (await metric(daemon, 'earwitness_upload_backlog_bytes')) === 0 ? true : undefined,
  )
}

/** All of the recordings are complete, to the last packet, and the database knows it. */
async function expectWhole(sessions: readonly RawRecordingSession[], recordingIds: readonly string[]): Promise<void> {
  for (const session of sessions) await session.hangUp()
  await allClosed(daemon)
  for (const recordingId of recordingIds) {
    const { state, incidents, streams } = await manifestOf(daemon, recordingId)
    expect({ state, incidents }).toEqual({ state: 'complete', incidents: [] })
    expect(streams.map(({ packets }) => packets.lost)).toEqual([0, 0])
    expect(await daemon.commandHere('verify', recordingId)).toMatchObject({ code: 0 })
  }
  const closed = await closedRecordings(daemon, recordingIds.length)
  const states = recordingIds.map((id) => closed.find(({ recordingId }) => recordingId === id)?.state)
  expect(states).toEqual(recordingIds.map(() => 'complete'))
}

test('a disk that fills up: first nothing new is taken, then frames wait and chunks are short; with room all is whole', async ({
  skip,
}) => {
  skip(
    whyNoSmallDisk !== undefined,
    `no small disk could be mounted: ${whyNoSmallDisk}; the next test limits files instead`,
  )
  const sessions = await speak()
  const recordingIds = await recordingsUnderWay(daemon, SESSIONS)
  const ballast = [join(dataDir, 'ballast-1'), join(dataDir, 'ballast-2')] as const
  const { bavail, bsize } = await statfs(dataDir)
  await writeFile(ballast[0], Buffer.alloc(bavail * bsize - MIN_FREE_BYTES / 2))
  await refused()
  expect(await metric(daemon, 'earwitness_spool_free_bytes')).toBeLessThan(MIN_FREE_BYTES)
  expect(await metric(daemon, 'earwitness_spool_failures_total')).toBe(0)
  await fillDisk(ballast[1])
  await untilSaid(NO_FRAMES)
  await eventually('sealed bytes that wait in memory', async () =>
    (await metric(daemon, 'earwitness_upload_backlog_bytes')) > 0 ? true : undefined,
  )
  expect(await metric(daemon, 'earwitness_spool_failures_total{kind="frames"}')).toBeGreaterThan(0)
  expect(await recordingsUnderWay(daemon, SESSIONS)).toEqual(recordingIds)
  for (const file of ballast) await rm(file)
  await untilSaid(FRAMES_AGAIN)
  await untilSaid(ROOM_AGAIN)
  expect(said(NO_FRAMES, NOTHING_NEW)).toEqual([NOTHING_NEW, NO_FRAMES])
  await readyAgain()
  const later = await RawRecordingSession.place(src)
  expect(await later.hangUp()).toBe(200)
  await expectWhole(sessions, recordingIds)
  // Nobody waited for its end when the disk took no frames.
  const [first, ...others] = (await manifestOf(daemon, recordingIds[0] ?? '')).chunks
  expect(first?.toSample).toBeLessThan((CHUNK_SECONDS - 1) * 48_000)
  expect(others).not.toEqual([])
})

test('a disk that fails although it says to have room: chunks are short at once, and nothing new is taken', async () => {
  const sessions = await speak()
  const recordingIds = await recordingsUnderWay(daemon, SESSIONS)
  await limitFileSize(daemon.process.pid ?? 0, '0')
  await untilSaid(NO_FRAMES)
  await refused()
  expect(said(NO_FRAMES, NOTHING_NEW)).toEqual([NO_FRAMES, NOTHING_NEW])
  expect(await metric(daemon, 'earwitness_spool_free_bytes')).toBeGreaterThan(MIN_FREE_BYTES)
  await eventually('sealed bytes that wait in memory', async () =>
    (await metric(daemon, 'earwitness_upload_backlog_bytes')) > 0 ? true : undefined,
  )
  expect(await recordingsUnderWay(daemon, SESSIONS)).toEqual(recordingIds)
  await limitFileSize(daemon.process.pid ?? 0, 'unlimited')
  await untilSaid(FRAMES_AGAIN)
  await untilSaid(ROOM_AGAIN)
  await readyAgain()
  await expectWhole(sessions, recordingIds)
})
