import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import { runCommandHere, type CommandResult } from '../support/daemon.ts'
import { FaultProxy } from '../support/s3/fault-proxy.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, s3Client, sharedS3Server, type S3Server } from '../support/s3/s3-server.ts'
import { nodeWithRecording } from '../support/tampering/recording.ts'
import { RECORDING_ID } from '../vectors/evidence/sample-recording.ts'

/** Holds and destruction in buckets with versions and Object Lock, and a replica in another: what a real server keeps, and what it lets go. */

const PREFIX = recordingPrefix('default', RECORDING_ID)
const KEY = `${PREFIX}/key.age`
const WHY = ['--reason', 'case 4711', '--by', 'Ada']

let server: S3Server
let client: S3Client
let proxy: FaultProxy

beforeAll(async () => {
  server = await sharedS3Server()
  client = s3Client(server)
  proxy = await FaultProxy.start(server.endpoint)
})
afterAll(async () => {
  client.destroy()
  await proxy.stop()
})

interface Node {
  readonly store: string
  readonly replica: string
  readonly run: (...args: readonly string[]) => Promise<CommandResult>
}

/** A node whose recording lies in two fresh buckets, the replica behind a proxy. */
async function node(options: { readonly objectLock: boolean }): Promise<Node> {
  const { dataDir, folder } = await nodeWithRecording()
  const [store, replica] = [await makeBucket(server, options), await makeBucket(server, options)]
  for (const bucket of [store, replica]) {
    const opened = new S3Store(s3Config(server, bucket))
    for (const name of await readdir(folder)) await opened.put(`${PREFIX}/${name}`, await readFile(join(folder, name)))
    opened.close()
  }
  const of = (name: string, endpoint: string, bucket: string): Record<string, string> => ({
    [`EARWITNESS_STORAGE_${name}KIND`]: 's3',
    [`EARWITNESS_STORAGE_${name}S3_ENDPOINT`]: endpoint,
    [`EARWITNESS_STORAGE_${name}S3_BUCKET`]: bucket,
    [`EARWITNESS_STORAGE_${name}S3_ACCESS_KEY_ID`]: server.accessKeyId,
    [`EARWITNESS_STORAGE_${name}S3_SECRET_ACCESS_KEY`]: server.secretAccessKey,
  })
  const env = {
    EARWITNESS_DATA_DIR: dataDir,
    ...of('', server.endpoint, store),
    ...of('REPLICA_', proxy.endpoint, replica),
  }
  return { store, replica, run: (...args) => runCommandHere(args, env) }
}

/** Versions and delete markers of everything, or of one key. */
async function versions(bucket: string, prefix = PREFIX): Promise<readonly { Key: string; VersionId: string }[]> {
  const page = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix }))
  return [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key = '', VersionId = '' }) => ({
    Key,
    VersionId,
  }))
}

async function isKept(bucket: string, { Key, VersionId }: { Key: string; VersionId: string }): Promise<boolean> {
  const outcome = await client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId })).catch(() => 'refused')
  return outcome === 'refused'
}

test('every version and delete marker of the key goes, in store and replica', async () => {
  const { store, replica, run } = await node({ objectLock: true })
  // Somebody stored it again, hid it, and stored it once more.
  await client.send(new PutObjectCommand({ Bucket: store, Key: KEY, Body: 'another' }))
  await client.send(new DeleteObjectCommand({ Bucket: store, Key: KEY }))
  await client.send(new PutObjectCommand({ Bucket: store, Key: KEY, Body: 'and another' }))
  await client.send(new DeleteObjectCommand({ Bucket: replica, Key: KEY }))
  expect(await versions(store, KEY)).toHaveLength(4)
  expect(await versions(replica, KEY)).toHaveLength(2)
  const result = await run('shred', RECORDING_ID, ...WHY, '--yes')
  expect(result).toMatchObject({ code: 0 })
  expect(result.stdout).toContain('Destroyed in the store: key.age (4 versions).')
  expect(result.stdout).toContain('Destroyed in the replica: key.age (2 versions).')
  for (const bucket of [store, replica]) expect(await versions(bucket, KEY)).toEqual([])
  const verified = await run('verify', RECORDING_ID)
  expect(verified.stdout).toMatch(/^SHREDDED: /)
  expect(verified.code).toBe(0)
})

test('a hold is set on every object of both buckets, and taken off', async () => {
  const { store, replica, run } = await node({ objectLock: true })
  const added = await run('hold', 'add', RECORDING_ID, ...WHY, '--json')
  expect(added).toMatchObject({ code: 0 })
  const objects = (await versions(store)).length
  expect(JSON.parse(added.stdout)).toMatchObject({
    storeHolds: [
      { place: 'store', outcome: 'set', copies: objects },
      { place: 'replica', outcome: 'set', copies: objects },
    ],
  })
  for (const bucket of [store, replica]) {
    for (const version of await versions(bucket)) expect(await isKept(bucket, version), version.Key).toBe(true)
  }
  expect((await run('shred', RECORDING_ID, ...WHY, '--yes')).stderr).toContain('recording-held')
  expect(await run('hold', 'release', RECORDING_ID, ...WHY)).toMatchObject({ code: 0 })
  expect(await run('shred', RECORDING_ID, ...WHY, '--yes', '--chunks')).toMatchObject({ code: 0 })
  for (const bucket of [store, replica]) {
    const left = (await versions(bucket)).map(({ Key }) => Key.slice(PREFIX.length + 1).replace(/\d+/, 'N'))
    expect([...new Set(left)].toSorted()).toEqual(['consent-N.jws', 'custody-N.jws', 'manifest.jws'])
  }
})

test('what the bucket keeps by force is not destroyed, nothing is begun, and it is said why', async () => {
  const { store, run } = await node({ objectLock: true })
  const [{ VersionId } = { VersionId: '' }] = await versions(store, KEY)
  const about = { Bucket: store, Key: KEY, VersionId }
  const before = await versions(store)
  const refused = async (...options: readonly string[]): Promise<string> => {
    const { code, stderr } = await run('shred', RECORDING_ID, ...WHY, '--yes', ...options)
    expect(code).toBe(1)
    expect(stderr).toContain('shred-locked')
    expect(await versions(store)).toEqual(before)
    return stderr
  }
  await client.send(new PutObjectLegalHoldCommand({ ...about, LegalHold: { Status: 'ON' } }))
  expect(await refused('--bypass-governance')).toContain('legal hold')
  await client.send(new PutObjectLegalHoldCommand({ ...about, LegalHold: { Status: 'OFF' } }))
  const RetainUntilDate = new Date(Date.now() + 3_600_000)
  await client.send(new PutObjectRetentionCommand({ ...about, Retention: { Mode: 'GOVERNANCE', RetainUntilDate } }))
  expect(await refused()).toContain('governance')
  await client.send(
    new PutObjectRetentionCommand({
      ...about,
      BypassGovernanceRetention: true,
      Retention: { Mode: 'COMPLIANCE', RetainUntilDate },
    }),
  )
  expect(await refused('--bypass-governance')).toContain('compliance')
})

test('what is kept in mode governance goes for those who may', async () => {
  const { store, replica, run } = await node({ objectLock: true })
  for (const bucket of [store, replica]) {
    const [{ VersionId } = { VersionId: '' }] = await versions(bucket, KEY)
    const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + 3_600_000) } as const
    await client.send(new PutObjectRetentionCommand({ Bucket: bucket, Key: KEY, VersionId, Retention }))
  }
  expect(await run('shred', RECORDING_ID, ...WHY, '--yes', '--bypass-governance')).toMatchObject({ code: 0 })
  for (const bucket of [store, replica]) expect(await versions(bucket, KEY)).toEqual([])
})

test('a replica that is away: partly done, said, and finished by the same command', async () => {
  const { replica, store, run } = await node({ objectLock: false })
  proxy.fault = { kind: 'down' }
  const partly = await run('shred', RECORDING_ID, ...WHY, '--yes', '--json')
  expect(partly.code).toBe(4)
  const report = JSON.parse(partly.stdout) as { state: string; troubles: { place: string; code: string }[] }
  expect(report.state).toBe('partly')
  expect([...new Set(report.troubles.map(({ place }) => place))]).toEqual(['replica'])
  expect(await versions(store, KEY)).toEqual([])
  proxy.fault = undefined
  expect((await run('verify', RECORDING_ID)).code).toBe(3)
  expect(await versions(replica, KEY)).toHaveLength(1)
  expect(await run('shred', RECORDING_ID, ...WHY, '--yes')).toMatchObject({ code: 0 })
  expect(await versions(replica, KEY)).toEqual([])
  expect(await run('verify', RECORDING_ID)).toMatchObject({ code: 0 })
})

test('a bucket without Object Lock holds nothing by force, and that is said', async () => {
  const { run } = await node({ objectLock: false })
  const added = await run('hold', 'add', RECORDING_ID, ...WHY)
  expect(added).toMatchObject({ code: 0 })
  expect(added.stdout).toContain('note: the store has no legal holds of its own')
})
