import { rmSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { beforeAll, expect, test } from 'vitest'

import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import { runCommandHere, type CommandResult } from '../support/daemon.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, sharedS3Server, type S3Server } from '../support/s3/s3-server.ts'
import { nodeWithRecording } from '../support/tampering/recording.ts'
import { RECORDING_ID } from '../vectors/evidence/sample-recording.ts'

/** What a folder has, brought to a new bucket of a real S3 server, and back. */

const PREFIX = recordingPrefix('default', RECORDING_ID)

let server: S3Server
beforeAll(async () => {
  server = await sharedS3Server()
})

async function node(decided: 'held' | 'nothing') {
  const { dataDir, folder } = await nodeWithRecording({ decided })
  const bucket = await makeBucket(server, { objectLock: true })
  const env = {
    EARWITNESS_DATA_DIR: dataDir,
    EARWITNESS_STORAGE_REPLICA_KIND: 's3',
    EARWITNESS_STORAGE_REPLICA_S3_ENDPOINT: server.endpoint,
    EARWITNESS_STORAGE_REPLICA_S3_BUCKET: bucket,
    EARWITNESS_STORAGE_REPLICA_S3_ACCESS_KEY_ID: server.accessKeyId,
    EARWITNESS_STORAGE_REPLICA_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
  }
  const store = new S3Store(s3Config(server, bucket))
  const run = (...args: readonly string[]): Promise<CommandResult> => runCommandHere(args, env)
  return { dataDir, folder, store, run }
}

test('what is on legal hold is on that of the bucket too, and another run finds everything there', async () => {
  const { folder, store, run } = await node('held')
  const first = await run('replicate', '--json')
  expect(first).toMatchObject({ code: 0 })
  expect(JSON.parse(first.stdout)).toMatchObject({ recordings: 1, held: 1, differing: 0, problems: [] })
  const copies = await store.copies(`${PREFIX}/`)
  expect(copies.map(({ key }) => key.slice(PREFIX.length + 1)).toSorted()).toEqual((await readdir(folder)).toSorted())
  for (const copy of copies) expect(await store.lockOf(copy)).toMatchObject({ reason: 'legalHold' })
  const again = await run('replicate', '--json')
  expect(JSON.parse(again.stdout)).toMatchObject({ copied: 0, differing: 0 })
  store.close()
})

test('a store that was lost gets it back, and what was destroyed meanwhile does not come with it', async () => {
  const { dataDir, folder, store, run } = await node('nothing')
  expect(await run('replicate')).toMatchObject({ code: 0 })
  const manifest = await readFile(join(folder, 'manifest.jws'))
  rmSync(join(dataDir, 'recordings'), { recursive: true })
  expect(await run('replicate', '--to', 'store')).toMatchObject({ code: 0 })
  expect(await readFile(join(folder, 'manifest.jws'))).toEqual(manifest)
  expect(await run('verify', RECORDING_ID)).toMatchObject({ code: 0 })
  const key = await readFile(join(folder, 'key.age'))
  expect(await run('shred', RECORDING_ID, '--reason', 'case 4711', '--yes')).toMatchObject({ code: 0 })
  // As a bucket that was put back from a backup would have it.
  await store.put(`${PREFIX}/key.age`, key)
  const withheld = await run('replicate', '--to', 'store', '--json')
  expect(JSON.parse(withheld.stdout)).toMatchObject({ copied: 0, withheld: 1 })
  expect(await readdir(folder)).not.toContain('key.age')
  store.close()
})
