import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openDatabase } from '../../src/server/database/open-database.ts'
import { Outbox } from '../../src/server/database/outbox.ts'
import type { Finding } from '../../src/server/doctor/finding.ts'
import { runCommandHere } from '../support/daemon.ts'
import { asUser, prepareRoles } from '../support/database-roles.ts'
import { makeDataDir, startExternalPostgres, urlAs, type ExternalPostgres } from '../support/postgres.ts'
import {
  chunkRecord,
  closedRecord,
  exampleId,
  openedRecord,
  snapshotRecord,
} from '../unit/server/database/example-records.ts'

/**
 * The roles of config/postgres/roles.sql: what they may not do. That they may do enough is shown where the whole recorder and
 * `reindex` work under them, in `reindex.test.ts`.
 */

let postgres: ExternalPostgres
let tables: readonly string[]
const { dataDir, log, removeDataDir } = makeDataDir()

/** For each the SQLSTATE with which the server refuses it, or the number of rows. */
async function answersTo(
  user: string,
  statements: readonly string[],
): Promise<readonly (readonly [string, unknown])[]> {
  return asUser(urlAs(postgres, user), async (client) => {
    const answers: (readonly [string, unknown])[] = []
    for (const sql of statements) {
      const answer = await client.query(sql).then(
        ({ rowCount }) => rowCount,
        (error: unknown) => String(Reflect.get(Object(error), 'code')),
      )
      answers.push([sql, answer])
    }
    return answers
  })
}

async function answerTo(user: string, sql: string): Promise<unknown> {
  const [answer] = await answersTo(user, [sql])
  return answer?.[1]
}

const refused = (statements: readonly string[]) => statements.map((sql) => [sql, '42501'])

beforeAll(async () => {
  postgres = await startExternalPostgres()
  await prepareRoles(postgres)
  const { rows } = await asUser(postgres.url, (client) =>
    client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
    ),
  )
  tables = rows.map(({ name }) => name)
  expect(tables.length).toBeGreaterThan(14)
  const database = await openDatabase({ url: urlAs(postgres, 'recorder'), dataDir, log })
  const outbox = new Outbox({ database, dataDir, log })
  await outbox.run()
  const id = exampleId()
  for (const record of [openedRecord(id), snapshotRecord(id), chunkRecord(id, 0), closedRecord(id)]) outbox.add(record)
  expect(await outbox.drain(60_000)).toBe(true)
  expect(outbox.counters).toMatchObject({ applied: 4, rejected: 0, databaseRetries: 0 })
  await outbox.stop()
  await database.stop()
})

afterAll(async () => {
  await postgres.remove()
  removeDataDir()
})

describe('The role of the recorder', () => {
  test('deletes nothing, empties nothing, drops nothing, makes nothing', async () => {
    const statements = [
      ...tables.flatMap((table) => [
        `DELETE FROM ${table}`,
        `TRUNCATE ${table} CASCADE`,
        `DROP TABLE ${table} CASCADE`,
      ]),
      'CREATE TABLE mine (one integer)',
      'CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$',
      'ALTER TABLE chunks DISABLE TRIGGER ALL',
      'DROP SCHEMA public CASCADE',
    ]
    expect(await answersTo('recorder', statements)).toEqual(refused(statements))
  })

  test('changes nothing of what was told once, and takes no key from a row', async () => {
    const statements = [
      ...['chunks SET sha256 = sha256', 'gaps SET cause = cause', 'incidents SET detail = detail'],
      ...['metadata_snapshots SET sha256 = sha256', 'media_streams SET packets_lost = 0'],
      ...['correlation_ids SET value = value', 'aors SET aor = aor', 'metadata_extensions SET text = text'],
      ...['recordings SET started_at = started_at', 'recordings SET object_prefix = object_prefix'],
      ...['attributions SET participant_id = participant_id', 'schema_migrations SET name = name'],
      ...tables
        .filter((table) => table !== 'schema_migrations')
        .map((table) => `${table} SET recording_id = recording_id`),
    ].map((change) => `UPDATE ${change}`)
    expect(await answersTo('recorder', statements)).toEqual(refused(statements))
    expect(await answerTo('recorder', 'SELECT FROM chunks')).toBe(1)
  })

  test('makes the months to come by the one function for it, which does nothing else', async () => {
    expect(await answerTo('recorder', `SELECT make_month_partitions('2026-05-01')`)).toBe(1)
    expect(await answerTo('recorder', `SELECT make_month_partitions('1999-05-01')`)).toBe('22023')
    expect(await answerTo('auditor', `SELECT make_month_partitions('2026-06-01')`)).toBe('42501')
    // A table of one's own in front of the real one is the known way to misuse a function of another.
    const statements = ['CREATE TEMP TABLE chunks (recording_id uuid)', `SELECT make_month_partitions('2026-06-01')`]
    expect((await answersTo('recorder', statements)).map(([, answer]) => answer)).toEqual([null, 1])
    const made = `SELECT FROM pg_class WHERE relname = 'chunks_2026_06' AND relnamespace = 'public'::regnamespace`
    expect(await answerTo('owner', made)).toBe(1)
  })

  test('may not bring the tables up to a new release; a recorder begins all the same, a command says who may', async () => {
    const rename = (from: string, to: string) =>
      asUser(urlAs(postgres, 'owner'), (client) => client.query(`ALTER TABLE ${from} RENAME TO ${to}`))
    await rename('schema_migrations', 'elsewhere')
    const options = { url: urlAs(postgres, 'recorder'), dataDir: '', log }
    await expect(openDatabase(options)).rejects.toMatchObject({
      code: 'database-privileges',
      hint: expect.stringContaining('earwitness migrate') as unknown,
    })
    const database = await openDatabase({ ...options, whenUnreachable: 'continue' })
    await rename('elsewhere', 'schema_migrations')
    await database.prepare()
    await database.stop()
  })
})

test('the role of a reader reads everything and writes nothing', async () => {
  const reads = tables.map((table) => `SELECT FROM ${table}`)
  for (const [sql, answer] of await answersTo('auditor', reads)) expect([sql, typeof answer]).toEqual([sql, 'number'])
  const env = { EARWITNESS_DATABASE_URL: urlAs(postgres, 'auditor'), EARWITNESS_DATA_DIR: dataDir }
  const { code, stdout } = await runCommandHere(['recordings', 'list', '--json'], env)
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { recordings: [{ state: 'complete' }] }])
  const writes = tables.flatMap((table) => [`DELETE FROM ${table}`, `INSERT INTO ${table} DEFAULT VALUES`])
  expect(await answersTo('auditor', writes)).toEqual(refused(writes))
})

test('`migrate` is what the owner runs, and roles.sql may be run again', async () => {
  const env = { EARWITNESS_DATABASE_URL: urlAs(postgres, 'owner'), EARWITNESS_DATA_DIR: dataDir }
  const { code, stdout } = await runCommandHere(['migrate', '--json'], env)
  expect(code).toBe(0)
  const { migrations } = JSON.parse(stdout) as { readonly migrations: readonly { readonly name: string }[] }
  expect(migrations[0]?.name).toBe('0001-recordings.sql')
  await prepareRoles(postgres)
  expect(await answerTo('recorder', 'SELECT FROM recordings')).toBe(1)
})

test('doctor says what the user of database.url could destroy', async () => {
  const verdicts = async (user: string) => {
    const env = { EARWITNESS_DATABASE_URL: urlAs(postgres, user), EARWITNESS_DATA_DIR: dataDir }
    const { findings } = JSON.parse((await runCommandHere(['doctor', '--json'], env)).stdout) as {
      readonly findings: readonly Finding[]
    }
    return findings.filter(({ check }) => check.startsWith('database')).map(({ check, verdict }) => [check, verdict])
  }
  expect(await verdicts('recorder')).toEqual([
    ['database', 'ok'],
    ['database-role', 'ok'],
  ])
  expect(await verdicts('owner')).toEqual([
    ['database', 'ok'],
    ['database-role', 'warn'],
  ])
})
