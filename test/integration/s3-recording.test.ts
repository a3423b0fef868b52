import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { DeleteObjectCommand, HeadObjectCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'

import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import { watchStalls } from '../support/crash.ts'
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
import { FaultProxy, type Fault } from '../support/s3/fault-proxy.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, s3Client, sharedS3Server, type S3Server } from '../support/s3/s3-server.ts'
import { simulate } from '../support/simulated.ts'

/** The real daemon with a real S3 server, and what can happen between them while a call lasts. */
let server: S3Server
let proxy: FaultProxy
let secrets: string
let dataDir: string
let environment: DaemonEnvironment
let daemon: RunningDaemon
let bucket: S3Store
let bucketName: string

const CHUNK_SECONDS = 1
const PACKET_MS = 20
/** Of a recording. */
const SAMPLES_PER_MS = 48
/** Far longer than the outages take. */
const CALL_SECONDS_MAX = 110
/** The others are in `s3-faults`, without calls. */
const OUTAGES: readonly (readonly [code: string, fault: Fault])[] = [
  ['storage-unreachable', { kind: 'down' }],
  ['storage-timeout', { kind: 'slow', delayMs: 2_500 }],
  ['storage-credentials', { kind: 'answer', status: 403, code: 'SignatureDoesNotMatch' }],
]

beforeAll(async () => {
  server = await sharedS3Server()
  proxy = await FaultProxy.start(server.endpoint)
  secrets = await mkdtemp(join(tmpdir(), 'earwitness-secrets-'))
  bucketName = await makeBucket(server)
  bucket = new S3Store(s3Config(server, bucketName, { prefix: 'north/' }))
  await writeSecret(server.secretAccessKey)
  dataDir = await makeDataDir()
  environment = {
    EARWITNESS_RECORDING_CHUNK_SECONDS: String(CHUNK_SECONDS),
    EARWITNESS_STORAGE_KIND: 's3',
    EARWITNESS_STORAGE_S3_REQUEST_TIMEOUT: '2s',
    EARWITNESS_STORAGE_S3_ENDPOINT: proxy.endpoint,
    EARWITNESS_STORAGE_S3_BUCKET: bucketName,
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

async function storedManifest(recordingId: string): Promise<ManifestBody> {
  const jws = await bucket.get(`${recordingPrefix('default', recordingId)}/manifest.jws`)
  return JSON.parse(
    Buffer.from(
      Buffer.from(jws ?? [])
        .toString()
        .split('.')[1] ?? '',
      'base64url',
    ).toString(),
  ) as ManifestBody
}

/** When the server took an object, Unix milliseconds. */
async function storedAt(key: string): Promise<number> {
  const client = s3Client(server)
  const { LastModified } = await client.send(new HeadObjectCommand({ Bucket: bucketName, Key: `north/${key}` }))
  client.destroy()
  return LastModified?.getTime() ?? Number.NaN
}

/** A call with speech on both lines until it is ended; gives the packets of one line then. */
async function startCall(): Promise<{ readonly end: () => Promise<number> }> {
  const src = await RawSrc.open(daemon.sipUdpPort)
  const session = await RawRecordingSession.place(src)
  const spoken = (await shippedSpeech()).map((samples, stream) => {
    const long = new Int16Array(CALL_SECONDS_MAX * 8_000)
    for (let at = 0; at < long.length; at += samples.length) long.set(samples.subarray(0, long.length - at), at)
    return session.speak(stream, long)
  })
  const end = async (): Promise<number> => {
    const sent = Math.min(...session.packetsSent)
    await session.hangUp()
    await Promise.all(spoken)
    src.close()
    return sent
  }
  return { end }
}

async function expectWhole(recordingId: string): Promise<void> {
  await allClosed(daemon)
  const verified = await daemon.commandHere('verify', recordingId)
  expect(verified).toMatchObject({ code: 0 })
  await eventually('ready again', async () => ((await readiness(daemon)).state === 'ready' ? true : undefined))
  // Gauges are set once a second.
  for (const gauge of ['earwitness_upload_backlog_bytes', 'earwitness_oldest_unuploaded_chunk_timestamp_seconds']) {
    await eventually(`${gauge} 0`, async () => ((await metric(daemon, gauge)) === 0 ? true : undefined))
  }
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

test('audio is in the bucket at most a chunk and five seconds after it was spoken', async () => {
  const stall = watchStalls()
  const src = await RawSrc.open(daemon.sipUdpPort)
  const session = await RawRecordingSession.place(src)
  const spokenFromMs = Date.now()
  const spoken = (await shippedSpeech()).map((samples, stream) => session.speak(stream, samples))
  const recordingId = await recordingWithChunks(3)
  await session.hangUp()
  await Promise.all(spoken)
  src.close()
  await expectWhole(recordingId)
  const { chunks } = await storedManifest(recordingId)
  expect(chunks.length).toBeGreaterThanOrEqual(3)
  const limitMs = 1_000 * (CHUNK_SECONDS + 5) + stall()
  for (const { name, fromSample } of chunks) {
    const storedAtMs = await storedAt(`${recordingPrefix('default', recordingId)}/${name}`)
    expect(storedAtMs - (spokenFromMs + fromSample / SAMPLES_PER_MS)).toBeLessThan(limitMs)
  }
})

test('four live calls through outages, one after the other: nothing is missing, and nothing fills the memory', async () => {
  const calls = await Promise.all(Array.from({ length: 4 }, startCall))
  const recordingIds = await recordingsUnderWay(daemon, calls.length)
  for (const [code, fault] of OUTAGES) {
    const before = await metric(daemon, `earwitness_chunk_upload_seconds_count{outcome="${code}"}`)
    proxy.fault = fault
    await eventually(code, async () =>
      (await metric(daemon, `earwitness_chunk_upload_seconds_count{outcome="${code}"}`)) > before ? true : undefined,
    )
    await eventually('objects in the spool', async () =>
      (await readdir(join(dataDir, 'spool', 'objects'))).length > 0 ? true : undefined,
    )
    await eventually('the age of what waits', async () =>
      (await metric(daemon, 'earwitness_oldest_unuploaded_chunk_timestamp_seconds')) > 0 ? true : undefined,
    )
    expect(await metric(daemon, 'earwitness_upload_backlog_bytes')).toBeLessThan(4 * 1024 * 1024)
  }
  proxy.fault = undefined
  const sent = await Promise.all(calls.map((call) => call.end()))
  for (const recordingId of recordingIds) {
    await expectWhole(recordingId)
    const { chunks } = await storedManifest(recordingId)
    const ends = chunks.map(({ toSample }) => toSample)
    expect(chunks.map(({ fromSample }) => fromSample)).toEqual([0, ...ends.slice(0, -1)])
    expect(ends.at(-1)).toBeGreaterThanOrEqual((Math.min(...sent) - 1) * PACKET_MS * SAMPLES_PER_MS)
  }
  expect(await readdir(join(dataDir, 'spool', 'objects'))).toEqual([])
})

test('a chunk that somebody deleted: verify says when, and which version the bucket still has', async () => {
  const [recorded] = await closedRecordings(daemon, 1)
  const { recordingId = '' } = recorded ?? {}
  const Key = `north/${recordingPrefix('default', recordingId)}/chunk-000001.age`
  const client = s3Client(server)
  const VersioningConfiguration = { Status: 'Enabled' as const }
  await client.send(new PutBucketVersioningCommand({ Bucket: bucketName, VersioningConfiguration }))
  await client.send(new DeleteObjectCommand({ Bucket: bucketName, Key }))
  client.destroy()
  const verified = await daemon.commandHere('verify', recordingId)
  expect(verified.code).toBe(3)
  expect(verified.stdout).toMatch(/chunk-000001\.age was deleted at 20\S+Z; the bucket still has version null\./u)
  const { stdout } = await daemon.commandHere('verify', recordingId, '--json')
  expect(JSON.parse(stdout)).toMatchObject({ deleted: [{ name: 'chunk-000001.age', versionIds: ['null'] }] })
})

test('a start with what cannot work ends with a sentence and a hint', async () => {
  const wrong = { ...environment, EARWITNESS_STORAGE_S3_BUCKET: 'not-there' }
  const other = await makeDataDir()
  await expect(startDaemon(other, wrong)).rejects.toThrow('storage-bucket-missing')
  await removeDataDir(other)
})
