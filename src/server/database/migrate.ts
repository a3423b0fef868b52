import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ClientBase, QueryConfig } from 'pg'

import { EarwitnessError } from '../../errors.ts'

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sha256: string
  readonly sql: string
}

/** Any constant will do, as long as every release uses the same: two daemons must not migrate at once. */
const ADVISORY_LOCK_KEY = 4_718_211_905
/** A migration may rewrite a large table, and another daemon may be at it. */
const MIGRATION_WAIT_MS = 24 * 3_600_000
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/

const BOOKKEEPING = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`

/** The migrations that this release knows, by version. */
export function readMigrations(directory = join(import.meta.dirname, 'migrations')): readonly Migration[] {
  return readdirSync(directory)
    .toSorted()
    .flatMap((name) => {
      const version = FILE_NAME.exec(name)?.[1]
      if (version === undefined) return []
      const sql = readFileSync(join(directory, name), 'utf8')
      return [{ version: Number(version), name, sha256: createHash('sha256').update(sql).digest('hex'), sql }]
    })
}

/**
 * Brings the tables up to this release: each missing migration in a transaction of its own, all of them under one advisory
 * lock. Resolves to the number of migrations that it ran.
 *
 * Rejects with `database-newer` when a later release has been here, with `database-migration-changed` when a migration that
 * was applied is not the one in this release; the database is then left alone.
 */
export async function migrate(client: ClientBase, migrations: readonly Migration[]): Promise<number> {
  await patiently(client, 'SELECT pg_advisory_lock($1)', [ADVISORY_LOCK_KEY])
  try {
    await client.query('SET client_min_messages = warning')
    // A role without CREATE may not even ask for a table that is there.
    if (!(await hasBookkeeping(client))) await client.query(BOOKKEEPING)
    const missing = findMissing(migrations, await readApplied(client))
    for (const migration of missing) await apply(client, migration)
    return missing.length
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK_KEY])
  }
}

async function hasBookkeeping(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('schema_migrations') IS NOT NULL AS there`,
  )
  return rows[0]?.there === true
}

type AppliedMigration = Omit<Migration, 'sql'>

async function readApplied(client: ClientBase): Promise<readonly AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>(
    'SELECT version, name, sha256 FROM schema_migrations ORDER BY version',
  )
  return rows
}

/** Exported for its test. */
export function findMissing(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  const known = new Map(migrations.map((migration) => [migration.version, migration]))
  for (const { version, name, sha256 } of applied) {
    const ours = known.get(version)
    if (ours === undefined) {
      throw new EarwitnessError(
        'database-newer',
        `The database has migration ${name}, which this release does not know: a newer release has used it.`,
        'Start that newer release, or point database.url at another database.',
      )
    }
    if (ours.sha256 !== sha256) {
      throw new EarwitnessError(
        'database-migration-changed',
        `Migration ${ours.name} was applied in another form than this release has it.`,
        'Install an unmodified release; a migration that has been applied is never edited, a new one follows it.',
      )
    }
    known.delete(version)
  }
  return [...known.values()]
}

async function apply(client: ClientBase, migration: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await patiently(client, migration.sql)
    await client.query('INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)', [
      migration.version,
      migration.name,
      migration.sha256,
    ])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** Without values the driver sends the text as it is, and the server takes several statements. */
async function patiently(client: ClientBase, text: string, values?: unknown[]): Promise<void> {
  const query: QueryConfig & { readonly query_timeout: number } = { text, query_timeout: MIGRATION_WAIT_MS }
  await client.query(values === undefined ? query : { ...query, values })
}
