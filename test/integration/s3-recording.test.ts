import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type DaemonEnvironment,
  type RunningDaemon,
} from '../support/daemon.ts'
import { allClosed, metric, readiness, recordingsUnderWay } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { exportedChannels, shippedSpeech } from '../support/recorded.ts'
import { FaultProxy } from '../support/s3/fault-proxy.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, sharedS3Server, type S3Server } from '../support/s3/s3-server.ts'
import { simulate } from '../support/simulated.ts'

/** The real daemon with a real S3 server, and what can happen between them while a call lasts. */
let server: S3Server
let proxy: FaultProxy
let secrets: string
let dataDir: string
let environment: DaemonEnvironment
let daemon: RunningDaemon
let bucket: S3Store

beforeAll(async () => {
  server = await sharedS3Server()
  proxy = await FaultProxy.start(server.endpoint)
  secrets = await mkdtemp(join(tmpdir(), 'earwitness-secrets-'))
  const name = await makeBucket(server)
  bucket = new S3Store(s3Config(server, name, { prefix: 'north/' }))
  await writeSecret(server.secretAccessKey)
  dataDir = await makeDataDir()
  environment = {
    EARWITNESS_RECORDING_CHUNK_SECONDS: '1',
    EARWITNESS_STORAGE_KIND: 's3',
    EARWITNESS_STORAGE_S3_ENDPOINT: proxy.endpoint,
    EARWITNESS_STORAGE_S3_BUCKET: name,
    EARWITNESS_STORAGE_S3_PREFIX: 'north/',
    EARWITNESS_STORAGE_S3_ACCESS_KEY_ID: server.accessKeyId,
    EARWITNESS_STORAGE_S3_SECRET_ACCESS_KEY: `file:${join(secrets, 'secret')}`,
  }
  daemon = await startDaemon(dataDir, environment)
})

afterAll(async () => {
  await daemon.stop()
  bucket.close()
  await proxy.stop()
  await removeDataDir(dataDir)
  await rm(secrets, { recursive: true })
})

const writeSecret = (text: string): Promise<void> => writeFile(join(secrets, 'secret'), `${text}\n`)

/** Places one recording session; resolves when so many of its chunks are in the bucket, while it still lasts. */
async function startRecording(chunks: number) {
  const ended = simulate(daemon, '--duration', '5s')
  return { recordingId: await recordingWithChunks(chunks), ended }
}

async function recordingWithChunks(count: number): Promise<string> {
  const [recordingId = ''] = await recordingsUnderWay(daemon, 1)
  await eventually('chunks in the bucket', async () =>
    (await bucket.list(`${recordingPrefix('default', recordingId)}/chunk-`)).length >= count ? true : undefined,
  )
  return recordingId
}

async function failingCode(code: string): Promise<void> {
  await eventually(code, async () =>
    (await metric(daemon, `earwitness_chunk_upload_seconds_count{outcome="${code}"}`)) > 0 ? true : undefined,
  )
}

async function expectWhole(recordingId: string): Promise<void> {
  await allClosed(daemon)
  const verified = await daemon.command('verify', recordingId)
  expect(verified).toMatchObject({ code: 0 })
  await eventually('ready again', async () => ((await readiness(daemon)).state === 'ready' ? true : undefined))
  expect(await metric(daemon, 'earwitness_upload_backlog_bytes')).toBe(0)
  expect(await metric(daemon, 'earwitness_oldest_unuploaded_chunk_timestamp_seconds')).toBe(0)
}

test('chunks are in the bucket while the call lasts; list, export and verify read from there', async () => {
  const { recordingId, ended } = await startRecording(2)
  expect(await ended).toMatchObject({ code: 0 })
  await expectWhole(recordingId)
  const [listed] = await closedRecordings(daemon, 1)
  expect(listed).toMatchObject({ recordingId, state: 'complete' })
  const channels = await exportedChannels(daemon, recordingId, { folder: secrets })
  expect(channels).toHaveLength(2)
  expect(channels[0]?.length).toBeGreaterThan(4 * 8_000)
  expect(daemon.log()).toContain('"kind":"honoured"')
  expect(daemon.log()).not.toContain(server.secretAccessKey)
  const { stdout } = await daemon.command('doctor', '--json')
  const { findings } = JSON.parse(stdout) as { findings: { check: string; verdict: string }[] }
  expect(findings.filter(({ check }) => check.startsWith('storage'))).toMatchObject([
    { check: 'storage', verdict: 'ok' },
  ])
})

test('the server goes away and comes back: what is sealed waits, and nothing is missing', async () => {
  const { recordingId, ended } = await startRecording(1)
  proxy.fault = { kind: 'down' }
  await failingCode('storage-unreachable')
  expect(await ended).toMatchObject({ code: 0 })
  await eventually('a backlog', async () =>
    (await metric(daemon, 'earwitness_upload_backlog_bytes')) > 0 ? true : undefined,
  )
  expect(await readiness(daemon)).toMatchObject({ status: 200, ready: true, state: 'degraded' })
  proxy.fault = undefined
  await expectWhole(recordingId)
})

test('the key is withdrawn, and a new one comes by SIGHUP: nothing is missing', async () => {
  const { recordingId, ended } = await startRecording(1)
  await writeSecret('withdrawn')
  daemon.process.kill('SIGHUP')
  await failingCode('storage-credentials')
  expect(await ended).toMatchObject({ code: 0 })
  await writeSecret(server.secretAccessKey)
  daemon.process.kill('SIGHUP')
  await expectWhole(recordingId)
})

test('killed in a call, and started again while the server is away: the recording is closed when it is back', async () => {
  const src = await RawSrc.open(daemon.sipUdpPort)
  const session = await RawRecordingSession.place(src)
  const spoken = (await shippedSpeech()).map((samples, stream) => session.speak(stream, samples))
  const recordingId = await recordingWithChunks(2)
  await daemon.stop('SIGKILL')
  session.fallSilent()
  await Promise.all(spoken)
  src.close()
  proxy.fault = { kind: 'answer', status: 503, code: 'SlowDown' }
  daemon = await startDaemon(dataDir, environment)
  expect(daemon.log()).toContain('recordings wait for it')
  proxy.fault = undefined
  const closed = await eventually('the interrupted recording', async () =>
    (await closedRecordings(daemon, 0)).find((recording) => recording.recordingId === recordingId),
  )
  expect(closed.state).toBe('interrupted')
  await expectWhole(recordingId)
})

test('a start with what cannot work ends with a sentence and a hint', async () => {
  const wrong = { ...environment, EARWITNESS_STORAGE_S3_BUCKET: 'not-there' }
  const other = await makeDataDir()
  await expect(startDaemon(other, wrong)).rejects.toThrow('storage-bucket-missing')
  await removeDataDir(other)
})
