import type { Pool } from 'pg'

import { createPool, type ConnectionTarget } from './connection.ts'
import type { DatabaseLog } from './log.ts'
import { migrate, readMigrations } from './migrate.ts'
import { describeOpenError } from './server-errors.ts'
import { withClient } from './transaction.ts'

export interface Database {
  readonly pool: Pool
  /** Which server, for people; free of secrets. */
  readonly description: string
  /** The server that runs inside this process's care, if one does. */
  readonly embedded?: { readonly restarts: number; readonly pid: number | undefined } | undefined
  /**
   * Resolves when the server answers and its tables are those of this release; cheap once it has. Rejects with an
   * EarwitnessError `database-…`.
   */
  prepare(): Promise<void>
  /** Closes the connections, and the embedded server if this process runs it. */
  stop(): Promise<void>
}

/** A database whose server is asked nothing yet. `close` runs after its connections are closed. */
export function createDatabase(options: {
  readonly target: ConnectionTarget
  readonly log: DatabaseLog
  readonly server?: Database['embedded']
  readonly close?: () => Promise<void>
}): Database {
  const { target, log, server, close } = options
  const pool = createPool(target, log)
  let preparing: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  return {
    pool,
    description: target.description,
    embedded: server,
    prepare() {
      preparing ??= bringUpToDate(pool, log).catch((error: unknown) => {
        preparing = undefined
        throw describeOpenError(error, target.description)
      })
      return preparing
    },
    stop() {
      stopping ??= pool.end().then(() => close?.())
      return stopping
    },
  }
}

async function bringUpToDate(pool: Pool, log: DatabaseLog): Promise<void> {
  const migrations = readMigrations()
  const count = await withClient(pool, (client) => migrate(client, migrations))
  if (count > 0) log.info({ migrations: count }, 'the tables of the database were brought up to date')
}
