import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { FolderStore } from '../../src/server/storage/folder-store.ts'
import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { MissingList } from '../../src/server/storage/replica/missing-list.ts'
import { ReplicatedStore } from '../../src/server/storage/replica/replicated-store.ts'
import { Replicator } from '../../src/server/storage/replica/replicator.ts'
import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import { nodeSpoolFiles } from '../../src/server/spool/spool-files.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type DaemonEnvironment,
  type RunningDaemon,
} from '../support/daemon.ts'
import { describeObjectStoreContract } from '../support/object-store-contract.ts'
import { allClosed, metric, readiness } from '../support/probes.ts'
import { FaultProxy } from '../support/s3/fault-proxy.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, sharedS3Server, type S3Server } from '../support/s3/s3-server.ts'
import { simulate } from '../support/simulated.ts'

/** A folder for the store, a bucket for its replica, and what happens when either is away. */
let server: S3Server
let proxy: FaultProxy
let folder: string
let dataDir: string
let environment: DaemonEnvironment
let daemon: RunningDaemon
let bucket: S3Store

beforeAll(async () => {
  server = await sharedS3Server()
  proxy = await FaultProxy.start(server.endpoint)
  folder = await mkdtemp(join(tmpdir(), 'earwitness-replica-'))
  const name = await makeBucket(server)
  bucket = new S3Store(s3Config(server, name))
  dataDir = await makeDataDir()
  environment = {
    EARWITNESS_RECORDING_CHUNK_SECONDS: '1',
    EARWITNESS_STORAGE_FOLDER_PATH: join(folder, 'recordings'),
    EARWITNESS_STORAGE_REPLICA_KIND: 's3',
    EARWITNESS_STORAGE_REPLICA_S3_ENDPOINT: proxy.endpoint,
    EARWITNESS_STORAGE_REPLICA_S3_BUCKET: name,
    EARWITNESS_STORAGE_REPLICA_S3_ACCESS_KEY_ID: server.accessKeyId,
    EARWITNESS_STORAGE_REPLICA_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
  }
  daemon = await startDaemon(dataDir, environment)
})

afterAll(async () => {
  await daemon.stop()
  bucket.close()
  await proxy.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true })
})

let stores: Promise<ReplicatedStore> | undefined
async function openBoth(): Promise<ReplicatedStore> {
  const primary = new FolderStore(join(folder, 'contract'))
  const replica = new S3Store(s3Config(server, await makeBucket(server)))
  await Promise.all([primary.check(), replica.check()])
  const missing = new MissingList({ folder: join(folder, 'missing'), files: nodeSpoolFiles, onError: () => {} })
  await missing.run()
  const observer = { stored: () => {}, failed: () => {}, unnoted: () => {} }
  const replicator = new Replicator({
    ...{ primary, replica, missing, durable: 'both', uploadsMax: 8, observer, nowUnixMs: Date.now },
  })
  return new ReplicatedStore({ primary, replica, replicator, onFallback: () => {} })
}
describeObjectStoreContract('a folder with a replica in a bucket', () => (stores ??= openBoth()))

/** Records one session of some seconds. */
async function record(): Promise<string> {
  const before = new Set((await closedRecordings(daemon, 0)).map(({ recordingId }) => recordingId))
  expect(await simulate(daemon, '--duration', '2s')).toMatchObject({ code: 0 })
  await allClosed(daemon)
  const closed = await closedRecordings(daemon, before.size + 1)
  return closed.find(({ recordingId }) => !before.has(recordingId))?.recordingId ?? ''
}

const missing = (): Promise<number> => metric(daemon, 'earwitness_replica_missing_objects')
const objectsOf = async (store: Pick<S3Store, 'list'>, recordingId: string) =>
  (await store.list(`${recordingPrefix('default', recordingId)}/`)).map(({ key, sizeBytes }) => ({ key, sizeBytes }))

async function replicated(recordingId: string): Promise<void> {
  await eventually('nothing missing', async () => ((await missing()) === 0 ? true : undefined))
  const stored = await objectsOf(new FolderStore(join(folder, 'recordings')), recordingId)
  expect(stored.length).toBeGreaterThan(3)
  expect(await objectsOf(bucket, recordingId)).toEqual(stored)
}

test('every object goes to both', async () => {
  await replicated(await record())
  expect(await metric(daemon, 'earwitness_replica_upload_seconds_count{outcome="stored"}')).toBeGreaterThan(3)
  const { stdout } = await daemon.command('doctor', '--json')
  const { findings } = JSON.parse(stdout) as { findings: { check: string; verdict: string }[] }
  expect(findings).toContainEqual(expect.objectContaining({ check: 'storage-replica', verdict: 'ok' }))
})

test('the replica is away: nothing waits for it, and it catches up by itself, also over a restart', async () => {
  proxy.fault = { kind: 'down' }
  const recordingId = await record()
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  expect(await missing()).toBeGreaterThan(3)
  expect(await metric(daemon, 'earwitness_replica_oldest_missing_timestamp_seconds')).toBeGreaterThan(1_700_000_000)
  expect(await metric(daemon, 'earwitness_upload_backlog_bytes')).toBe(0)
  const verdict = await readiness(daemon)
  expect(verdict).toMatchObject({ status: 200, ready: true, state: 'degraded' })
  expect(verdict.checks.filter(({ ok }) => !ok)).toMatchObject([{ name: 'storage-replica' }])
  expect(await objectsOf(bucket, recordingId)).toEqual([])
  await daemon.stop()
  daemon = await startDaemon(dataDir, environment)
  expect(daemon.log()).toContain('the replica lacks objects of an earlier run')
  proxy.fault = undefined
  await replicated(recordingId)
  await eventually('ready again', async () => ((await readiness(daemon)).state === 'ready' ? true : undefined))
  expect(daemon.log()).not.toContain(server.secretAccessKey)
})

test('what the store lacks, or has lost altogether, is read from the replica, which is said', async () => {
  const recordingId = await record()
  await replicated(recordingId)
  const recording = join(folder, 'recordings', recordingPrefix('default', recordingId))
  const [chunk = ''] = (await readdir(recording)).filter((name) => name.startsWith('chunk-'))
  await rm(join(recording, chunk))
  const lacking = await daemon.command('verify', recordingId)
  expect(lacking).toMatchObject({ code: 0 })
  expect(lacking.stderr).toContain('the store lacks what its replica has')
  await rename(join(folder, 'recordings'), join(folder, 'away'))
  const exported = await daemon.command('export', recordingId, '-o', join(folder, 'audio.ogg'))
  expect(exported).toMatchObject({ code: 0 })
  expect(exported.stderr).toContain('the store does not answer (storage-missing)')
  const today = new Date().toISOString().slice(0, 10)
  const reindexed = await daemon.command('reindex', '--dry-run', '--json', '--from', today)
  expect(JSON.parse(reindexed.stdout)).toMatchObject({ recordings: 3, missing: 0, different: 0 })
  await rename(join(folder, 'away'), join(folder, 'recordings'))
  await daemon.command('verify', recordingId)
  proxy.fault = { kind: 'answer', status: 403, code: 'InvalidAccessKeyId' }
  const unasked = await daemon.command('verify', recordingId)
  expect(unasked).toMatchObject({ code: 3 })
  expect(unasked.stderr).toContain('the replica does not answer (storage-credentials)')
  proxy.fault = undefined
})
