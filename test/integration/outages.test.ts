import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type CommandResult,
  type RunningDaemon,
} from '../support/daemon.ts'
import { startExternalPostgres, type ExternalPostgres } from '../support/postgres.ts'
import { allClosed, metric, readiness, recordingsUnderWay, storedChunks, storedRecordings } from '../support/probes.ts'
import { manifestOf } from '../support/recorded.ts'
import { simulate } from '../support/simulated.ts'
import { fillDisk, mountSmallDisk, unmount } from '../support/small-disk.ts'

/** What the recorder stands on goes away in the middle of a recording session, and comes back: nothing may be lost. */
const ENVIRONMENT = { EARWITNESS_RECORDING_CHUNK_SECONDS: '1' }

interface UnderWay {
  readonly recordingId: string
  /** Resolves when the SRC has hung up. */
  readonly ended: Promise<CommandResult>
}

/** Places a recording session of some seconds; resolves when its first chunk is stored. */
async function startRecording(daemon: RunningDaemon): Promise<UnderWay> {
  const ended = simulate(daemon, '--duration', '4s')
  const [recordingId = ''] = await recordingsUnderWay(daemon, 1)
  await storedChunks(daemon, recordingId, 1)
  return { recordingId, ended }
}

/** Waits until the database has a row for every object that the manifest names. */
async function expectAllRows(daemon: RunningDaemon, recordingId: string): Promise<void> {
  await eventually('the end of the recording in the database', async () =>
    (await closedRecordings(daemon, 0)).some((recording) => recording.recordingId === recordingId) ? true : undefined,
  )
  const { chunks, snapshots, streams } = await manifestOf(daemon, recordingId)
  const { stdout } = await daemon.command('recordings', 'show', recordingId, '--json')
  const shown = JSON.parse(stdout) as Record<'chunks' | 'snapshots' | 'mediaStreams' | 'participants', unknown[]>
  expect(shown).toMatchObject({ state: 'complete', endCause: 'bye' })
  expect(shown.chunks).toMatchObject(chunks.map(({ chunkSeq, sha256 }) => ({ chunkSeq, sha256 })))
  expect(shown.snapshots).toMatchObject(snapshots.map(({ seq, sha256 }) => ({ seq, sha256 })))
  expect(shown.mediaStreams).toHaveLength(streams.length)
  expect(shown.participants).toHaveLength(2)
}

/** `/readyz` says that recording goes on, and that something is wrong with `check`. */
async function expectDegraded(daemon: RunningDaemon, check: string): Promise<void> {
  const verdict = await eventually(`${check} noticed`, async () => {
    const now = await readiness(daemon)
    return now.checks.find(({ name }) => name === check)?.ok === false ? now : undefined
  })
  expect(verdict).toMatchObject({ status: 200, ready: true, state: 'degraded' })
}

/** The metrics are refreshed once a second. */
async function expectBacklog(daemon: RunningDaemon): Promise<void> {
  await eventually('a backlog of sealed bytes', async () =>
    (await metric(daemon, 'earwitness_upload_backlog_bytes')) > 0 ? true : undefined,
  )
}

async function expectReadyAgain(daemon: RunningDaemon): Promise<void> {
  await eventually('ready again', async () => ((await readiness(daemon)).state === 'ready' ? true : undefined))
}

describe('with a Postgres behind database.url, and a disk of 256 KiB', () => {
  let postgres: ExternalPostgres
  let dataDir: string
  let objects: string
  let whyNoSmallDisk: string | undefined
  let daemon: RunningDaemon

  beforeAll(async () => {
    postgres = await startExternalPostgres()
    dataDir = await makeDataDir()
    objects = join(dataDir, 'recordings')
    await mkdir(objects)
    whyNoSmallDisk = await mountSmallDisk(objects, '256k')
    daemon = await startDaemon(dataDir, { ...ENVIRONMENT, EARWITNESS_DATABASE_URL: postgres.url })
  })

  afterAll(async () => {
    try {
      await daemon.stop()
    } finally {
      await unmount(objects)
      await postgres.remove()
      await removeDataDir(dataDir)
    }
  })

  test('the database goes away: recordings that end, begin and end, or begin meanwhile are complete, whoever asks is told, and the rows come later', async () => {
    const { recordingId, ended } = await startRecording(daemon)
    await postgres.stop()
    const meanwhile = simulate(daemon, '--duration', '1s')
    await expectDegraded(daemon, 'database')
    const asked = await daemon.command('recordings', 'list')
    expect(asked).toMatchObject({ code: 1, stdout: '' })
    expect(asked.stderr).toContain('database-unreachable')
    for (const each of [ended, meanwhile]) expect(await each).toMatchObject({ code: 0 })
    expect(await metric(daemon, 'earwitness_database_outbox_bytes')).toBeGreaterThan(0)
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
    const longer = simulate(daemon, '--duration', '3s')
    await recordingsUnderWay(daemon, 1)
    await postgres.start()
    expect(await longer).toMatchObject({ code: 0 })
    await allClosed(daemon)
    const recorded = await storedRecordings(daemon)
    expect(recorded).toHaveLength(3)
    for (const each of recorded) await expectAllRows(daemon, each)
    for (const what of ['refused', 'rejected']) {
      expect(await metric(daemon, `earwitness_database_outbox_${what}_total`)).toBe(0)
    }
    await expectReadyAgain(daemon)
  })

  test('the disk is full: the recording session goes on, and is whole as soon as there is space', async ({ skip }) => {
    skip(whyNoSmallDisk !== undefined, `no small disk could be mounted: ${whyNoSmallDisk}`)
    const { recordingId, ended } = await startRecording(daemon)
    const ballast = join(objects, 'ballast')
    await fillDisk(ballast)
    await expectDegraded(daemon, 'storage-writes')
    const refusals = 'earwitness_chunk_upload_seconds_count{outcome="storage-full"}'
    expect(await metric(daemon, refusals)).toBeGreaterThan(0)
    expect(await ended).toMatchObject({ code: 0 })
    await expectBacklog(daemon)
    await rm(ballast)
    await allClosed(daemon)
    const { chunks, incidents, state } = await manifestOf(daemon, recordingId)
    expect(state).toBe('complete')
    expect(incidents).toEqual([])
    expect(chunks.length).toBeGreaterThanOrEqual(3)
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
    await expectAllRows(daemon, recordingId)
    await expectReadyAgain(daemon)
  })
})

describe('on the embedded defaults', () => {
  let dataDir: string
  let daemon: RunningDaemon
  let objects: string

  beforeAll(async () => {
    dataDir = await makeDataDir()
    objects = join(dataDir, 'recordings')
    daemon = await startDaemon(dataDir, ENVIRONMENT)
  })

  afterAll(async () => {
    await daemon.stop()
    await removeDataDir(dataDir)
  })

  test('the embedded Postgres is killed: it is started again, and all rows are there', async () => {
    const { recordingId, ended } = await startRecording(daemon)
    const killed = await postmasterPid(dataDir)
    process.kill(killed, 'SIGKILL')
    expect(await ended).toMatchObject({ code: 0 })
    await expectAllRows(daemon, recordingId)
    expect(await postmasterPid(dataDir)).not.toBe(killed)
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })

  test('the volume of the object folder goes away: sealed chunks wait in memory, and no folder is made in its place', async () => {
    const { recordingId, ended } = await startRecording(daemon)
    await rename(objects, `${objects}.unmounted`)
    await expectDegraded(daemon, 'storage-writes')
    expect(await ended).toMatchObject({ code: 0 })
    await expectBacklog(daemon)
    await expect(readFile(objects)).rejects.toMatchObject({ code: 'ENOENT' })
    await rename(`${objects}.unmounted`, objects)
    await allClosed(daemon)
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
    await expectAllRows(daemon, recordingId)
    await expectReadyAgain(daemon)
  })
})

async function postmasterPid(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
}
