import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Client } from 'pg'

import { openDatabase } from '../../src/server/database/open-database.ts'
import { makeDataDir, urlAs, type ExternalPostgres } from './postgres.ts'

const ROLES = readFileSync(join(import.meta.dirname, '../../config/postgres/roles.sql'), 'utf8')

/** Runs `work` as a user of the server. */
export async function asUser<Value>(url: string, work: (client: Client) => Promise<Value>): Promise<Value> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/**
 * The tables of this release, made by an owner who is no superuser, the roles of `config/postgres/roles.sql`, and their users
 * `recorder` and `auditor`: all there already is as well.
 */
export async function prepareRoles(postgres: ExternalPostgres): Promise<void> {
  await asUser(postgres.url, (client) =>
    client.query(`DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'owner') THEN
        CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'not-a-secret';
        ALTER DATABASE earwitness OWNER TO owner;
      END IF;
      ALTER SCHEMA public OWNER TO pg_database_owner;
    END $$`),
  )
  const { log, removeDataDir } = makeDataDir()
  const database = await openDatabase({ url: urlAs(postgres, 'owner'), dataDir: '', log })
  await database.stop()
  removeDataDir()
  await asUser(urlAs(postgres, 'owner'), async (client) => {
    await client.query(ROLES)
    for (const [user, role] of [
      ['recorder', 'earwitness_daemon'],
      ['auditor', 'earwitness_reader'],
    ]) {
      await client.query(`DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${user}') THEN
          CREATE ROLE ${user} LOGIN PASSWORD 'not-a-secret' IN ROLE ${role};
        END IF;
      END $$`)
    }
  })
}
