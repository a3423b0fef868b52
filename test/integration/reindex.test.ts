import { existsSync } from 'node:fs'
import { copyFile, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import {
  eventually,
  makeDataDir,
  removeDataDir,
  runCommandHere,
  startDaemon,
  type CommandResult,
  type RunningDaemon,
} from '../support/daemon.ts'
import { prepareRoles } from '../support/database-roles.ts'
import { g729Payloads } from '../support/kept-codecs.ts'
import { PayloadSession } from '../support/payload-session.ts'
import { startExternalPostgres, urlAs, type ExternalPostgres } from '../support/postgres.ts'
import { RawSrc } from '../support/raw-src.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, sharedS3Server } from '../support/s3/s3-server.ts'
import {
  leaves,
  METADATA_TYPE,
  placeTransferred,
  TRANSFER_GROUP,
  transferMetadata,
} from '../support/transferred-call.ts'

/** The index is dropped and made again out of the object store alone: row for row, answer for answer. */

const UUI = '00FA080001183F5093914D;encoding=hex'
const RECORDINGS = 6
/** Two daemons, one after the other, on a machine that may be busy. */
const SET_UP_WAIT_MS = 300_000

let postgres: ExternalPostgres
let client: Client
let dataDir: string
let daemon: RunningDaemon
let ids: readonly string[]
let before: { readonly tables: Tables; readonly answers: readonly CommandResult[] }

type Tables = Readonly<Record<string, readonly string[]>>

beforeAll(async () => {
  postgres = await startExternalPostgres()
  client = new Client({ connectionString: postgres.url })
  await client.connect()
  await prepareRoles(postgres)
  dataDir = await makeDataDir()
  // The recorder, and `reindex` too, under the role that can delete nothing: it is enough for everything that happens here.
  const environment = { EARWITNESS_DATABASE_URL: urlAs(postgres, 'recorder') }
  daemon = await startDaemon(dataDir, environment)
  const src = await RawSrc.open(daemon.sipUdpPort)
  await recordStory(src)
  await recordKept(src)
  const recorder = `sip:127.0.0.1:${daemon.sipUdpPort}`
  const simulated = ['simulate', '--to', recorder, '--calls', '2', '--duration', '1s', '--hold', '300ms@300ms']
  expect(await daemon.commandHere(...simulated)).toMatchObject({ code: 0 })
  await listed('complete', RECORDINGS - 1)
  // Nobody is left to finish this one.
  await placeTransferred(src, transferMetadata(3, 'user4', '+15550174'), [['User-to-User', UUI]])
  const [crashing = ''] = await listed('open', 1)
  await snapshotStored(crashing)
  src.close()
  await daemon.stop('SIGKILL')
  daemon = await startDaemon(dataDir, environment)
  await listed('interrupted', 1)
  ids = await listed('%', RECORDINGS)
  // What was decided about one of them is restored too, with who and why.
  expect(await daemon.commandHere('hold', 'add', ids[0] ?? '', '--reason', 'case 4711')).toMatchObject({ code: 0 })
  await daemon.stop()
  before = { tables: await dump(), answers: await answers() }
}, SET_UP_WAIT_MS)

afterAll(async () => {
  await client.end()
  await postgres.remove()
  await removeDataDir(dataDir)
})

/** Ids of recordings in this state, the newest first, once there are so many. */
async function listed(state: string, count: number): Promise<readonly string[]> {
  return eventually(`${count} recordings that are ${state}`, async () => {
    const { rows } = await client.query<{ id: string }>(
      'SELECT recording_id AS id FROM recordings WHERE state LIKE $1 ORDER BY 1 DESC',
      [state],
    )
    return rows.length >= count ? rows.map(({ id }) => id) : undefined
  })
}

/** The row may be there before the object, and what a crash keeps from the store is in no manifest. */
async function snapshotStored(id: string): Promise<void> {
  const { rows } = await client.query<{ prefix: string }>(
    'SELECT object_prefix AS prefix FROM recordings WHERE recording_id = $1',
    [id],
  )
  const file = join(dataDir, 'recordings', rows[0]?.prefix ?? '', 'metadata-000.age')
  await eventually('the metadata of the recording that will crash', async () => (existsSync(file) ? true : undefined))
}

/** A transfer: two dialogs of one group, partial and unreadable metadata, ids in headers, vendor data. */
async function recordStory(src: RawSrc): Promise<void> {
  const first = await placeTransferred(src, transferMetadata(1, 'user2', '+15550172'), [
    ['User-Agent', 'NetSapiens SiPBx 1-1205c'],
    ['User-to-User', UUI],
  ])
  await src.ask('UPDATE', { ...first, ...METADATA_TYPE, sequenceNumber: 2, body: leaves('user2') })
  await src.ask('UPDATE', { ...first, ...METADATA_TYPE, sequenceNumber: 3, body: '<recording><unclosed' })
  await src.ask('BYE', { ...first, ...METADATA_TYPE, sequenceNumber: 4, body: leaves('caller') })
  const second = await placeTransferred(src, transferMetadata(2, 'user3', '+15550173'))
  await src.ask('BYE', { ...second, sequenceNumber: 2 })
}

/** A codec that is not decoded: its packets are kept, and some are lost. */
async function recordKept(src: RawSrc): Promise<void> {
  const session = await PayloadSession.place(src, [['18', 'a=rtpmap:18 G729/8000'], ['0']])
  const packets = g729Payloads()
    .slice(0, 50)
    .map((bytes, index) => ({ payloadType: 18, bytes, ticks: 160, durationMs: 20, isLost: index % 10 === 5 }))
  await session.send(0, packets)
  await session.hangUp()
}

/** All rows of all tables as text, in order, but for what the store cannot know: see the README of `src/server/reindex`. */
async function dump(): Promise<Tables> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
       AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_migrations' ORDER BY 1`,
  )
  const tables: Record<string, readonly string[]> = {}
  for (const { name } of rows) {
    const found = await client.query<{ row: string }>(
      `SELECT (to_jsonb(one) - 'stored_at' - 'at_sample')::text AS row FROM "${name}" AS one ORDER BY 1`,
    )
    tables[name] = found.rows.map(({ row }) => row)
  }
  return tables
}

/** Every search, every recording, every verification. */
async function answers(): Promise<readonly CommandResult[]> {
  const filters = [
    ...[[], ['--participant', 'ada'], ['--participant', '+15550172'], ['--text', 'user3'], ['--state', 'interrupted']],
    ...[
      ['--text', '+1555'],
      ['--linked', TRANSFER_GROUP],
      ['--linked', '00FA080001183F5093914D'],
      ['--src', 'other'],
    ],
  ]
  const found: CommandResult[] = []
  for (const filter of filters) found.push(await daemon.commandHere('recordings', 'list', '--json', ...filter))
  for (const id of ids) {
    const shown = await daemon.commandHere('recordings', 'show', id, '--json')
    found.push({ ...shown, stdout: JSON.stringify(comparable(JSON.parse(shown.stdout))) })
    found.push(await daemon.commandHere('verify', id, '--identity', identityFile(), '--json'))
  }
  return found
}

/** Without what the store cannot know; equals stand in any order. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => JSON.stringify(comparable(item))).toSorted()
  if (typeof value !== 'object' || value === null) return value
  const known = Object.entries(value).filter(([name]) => name !== 'atSample' && name !== 'storedAt')
  return Object.fromEntries(known.map(([name, member]) => [name, comparable(member)]))
}

/** What a recorder with a bucket would have put there: the same names, the same bytes. */
async function copyObjects(folder: string, bucket: S3Store): Promise<void> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  // A recorder that was killed may have left an object that has no name yet.
  const named = found.filter((one) => one.isFile() && !one.parentPath.endsWith('.incoming'))
  for (const entry of named) {
    const file = join(entry.parentPath, entry.name)
    await bucket.put(relative(folder, file), await readFile(file))
  }
}

const identityFile = (): string => join(dataDir, 'keys', 'vault.agekey')

async function dropAll(): Promise<void> {
  await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  await prepareRoles(postgres)
}

async function reindexed(...options: readonly string[]): Promise<CommandResult & { readonly summary: object }> {
  const result = await daemon.commandHere('reindex', '--json', ...options)
  return { ...result, summary: result.stdout === '' ? {} : (JSON.parse(result.stdout) as object) }
}

describe('The index made again out of the object store', () => {
  test('what is there to restore is worth the test', () => {
    const { tables, answers: told } = before
    // All of them: a table that the scenario leaves empty would prove nothing. Of consent, `consent-events` proves it: no source asks for it here.
    expect(Object.keys(tables).filter((table) => tables[table]!.length === 0)).toEqual(['consent_events'])
    expect(Object.keys(tables).length).toBeGreaterThan(14)
    expect(told.map(({ code }) => code).filter((code) => code !== 0)).toEqual([])
    expect(tables['recordings']!.filter((row) => row.includes('"interrupted"'))).toHaveLength(1)
  })

  test('a database that is whole is told to be, and stays as it is', async () => {
    expect(await reindexed('--dry-run')).toMatchObject({
      code: 0,
      summary: { recordings: RECORDINGS, same: RECORDINGS },
    })
    expect(await reindexed()).toMatchObject({ code: 0, summary: { same: RECORDINGS, missing: 0, different: 0 } })
    expect(await dump()).toEqual(before.tables)
  })

  test('after the database was dropped every row comes back, and every answer is as before', async () => {
    await dropAll()
    expect(await reindexed('--dry-run')).toMatchObject({ code: 4, summary: { missing: RECORDINGS, problems: [] } })
    expect((await dump())['recordings']).toEqual([])
    expect(await reindexed()).toMatchObject({ code: 0, summary: { missing: RECORDINGS, refused: 0, problems: [] } })
    expect(await dump()).toEqual(before.tables)
    expect(await answers()).toEqual(before.answers)
  })

  test('out of a bucket the same comes back, row for row', async () => {
    const server = await sharedS3Server()
    const name = await makeBucket(server)
    const bucket = new S3Store(s3Config(server, name, { prefix: 'north/' }))
    await copyObjects(join(dataDir, 'recordings'), bucket)
    bucket.close()
    await dropAll()
    const { code, stdout } = await runCommandHere(['reindex', '--json'], {
      EARWITNESS_DATA_DIR: dataDir,
      EARWITNESS_DATABASE_URL: urlAs(postgres, 'recorder'),
      EARWITNESS_STORAGE_KIND: 's3',
      EARWITNESS_STORAGE_S3_ENDPOINT: server.endpoint,
      EARWITNESS_STORAGE_S3_BUCKET: name,
      EARWITNESS_STORAGE_S3_PREFIX: 'north/',
      EARWITNESS_STORAGE_S3_ACCESS_KEY_ID: server.accessKeyId,
      EARWITNESS_STORAGE_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
    })
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { missing: RECORDINGS, refused: 0, problems: [] }])
    expect(await dump()).toEqual(before.tables)
  })

  test('a half-filled database is completed', async () => {
    await client.query(`DELETE FROM recordings WHERE recording_id IN ($1, $2)`, [ids[0], ids[3]])
    await client.query('DELETE FROM chunks')
    await client.query('DELETE FROM gaps')
    await client.query(`UPDATE recordings SET state = 'open', ended_at = NULL WHERE recording_id = $1`, [ids[1]])
    expect(await reindexed('--dry-run')).toMatchObject({ code: 4, summary: { missing: 2 } })
    expect(await reindexed()).toMatchObject({ code: 0, summary: { missing: 2, refused: 0 } })
    expect(await dump()).toEqual(before.tables)
  })

  test('without a vault key the rest comes back, and the key adds what is sealed', async () => {
    await dropAll()
    await rename(identityFile(), `${identityFile()}.away`)
    const sealed = await reindexed()
    await rename(`${identityFile()}.away`, identityFile())
    expect(sealed).toMatchObject({ code: 4, summary: { missing: RECORDINGS, isSealed: true, problems: [] } })
    expect(sealed.stderr).toContain('--identity')
    const tables = await dump()
    expect(tables['chunks']).toEqual(before.tables['chunks'])
    expect(tables['aors']).toEqual([])
    expect(await reindexed()).toMatchObject({ code: 0, summary: { different: RECORDINGS } })
    expect(await dump()).toEqual(before.tables)
  })

  test('what is not to be believed is named and left out', async () => {
    const folders = before.tables['recordings']!.map(
      (row) => JSON.parse(row) as { object_prefix: string; recording_id: string },
    )
    const [foreign, changed] = folders.map(({ object_prefix }) => join(dataDir, 'recordings', object_prefix))
    const manifest = join(foreign!, 'manifest.jws')
    await copyFile(manifest, `${dataDir}/manifest`)
    await copyFile(join(changed!, 'manifest.jws'), manifest)
    const indexFile = join(changed!, 'index.age')
    const kept = await readFile(indexFile)
    await writeFile(indexFile, kept.with(kept.length - 1, (kept.at(-1) ?? 0) ^ 1))
    await dropAll()
    const { code, summary } = await reindexed()
    await copyFile(`${dataDir}/manifest`, manifest)
    await writeFile(indexFile, kept)
    expect([code, summary]).toMatchObject([
      3,
      {
        ...{ missing: RECORDINGS - 1, refused: 1 },
        problems: expect.arrayContaining([
          { recordingId: folders[0]!.recording_id, code: 'manifest-foreign', name: 'manifest.jws' },
          { recordingId: folders[1]!.recording_id, code: 'object-changed', name: 'index.age' },
        ]) as unknown,
      },
    ])
    expect(await reindexed()).toMatchObject({ code: 0, summary: { missing: 1, different: 1 } })
    expect(await dump()).toEqual(before.tables)
  })
})
