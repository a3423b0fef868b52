import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import { acquireDataLock, COMMAND_WAIT_MS, dataInUse, readDataLock, type DataLock } from '../data-lock.ts'
import { clusterDirectory, EMBEDDED_DATABASE } from './cluster.ts'
import { createPool, embeddedTarget, urlTarget } from './connection.ts'
import { createDatabase, type Database } from './database.ts'
import { EmbeddedPostgres } from './embedded-postgres.ts'
import type { DatabaseLog } from './log.ts'
import { findPostmaster } from './postmaster.ts'

export type { Database } from './database.ts'

export interface OpenDatabaseOptions {
  /** Any Postgres server; without it the embedded one. */
  readonly url?: string | undefined
  readonly dataDir: string
  readonly log: DatabaseLog
  /**
   * The daemon's lock on `dataDir`: with it the embedded server is started and supervised. Without it (a command) the
   * daemon's server is joined, or, when there is no daemon, started until `stop`.
   */
  readonly lock?: DataLock | undefined
  /**
   * `continue` opens a database whose server is away; the outbox then keeps the records until it is back. Only for `url`:
   * an embedded server that does not start is always an error. Default `fail`.
   */
  readonly whenUnreachable?: 'fail' | 'continue'
}

/**
 * Somebody can mend these at the server while the recorder runs; recording does not wait for it. A wrong password, a database
 * that is not there and what is wrong with the URL are mended in our configuration, which needs a start all the same.
 */
const STARTED_WITHOUT: ReadonlySet<string> = new Set([
  'database-unreachable',
  'database-certificate',
  'database-certificate-name',
  'database-client-certificate',
  'database-no-tls',
  'database-privileges',
  'database-read-only',
])

const JOIN_WAIT_MS = 20_000
const JOIN_POLL_MS = 50

/** Opens the database of this installation, with its tables in the form of this release. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const { url, log, whenUnreachable = 'fail' } = options
  if (url === undefined) return openEmbedded(options)
  const database = createDatabase({ target: urlTarget(url), log })
  try {
    await database.prepare()
  } catch (error) {
    const away = error instanceof EarwitnessError && STARTED_WITHOUT.has(error.code)
    if (!away || whenUnreachable === 'fail') {
      await database.stop()
      throw error
    }
    log.warn({ code: error.code }, 'the database is away; records are kept on disk until it is back')
  }
  return database
}

async function openEmbedded(options: OpenDatabaseOptions): Promise<Database> {
  if (options.lock !== undefined) return startEmbedded(options, undefined)
  const { dataDir } = options
  for (let waitedMs = 0; ; waitedMs += JOIN_POLL_MS) {
    const holder = readDataLock(dataDir)
    if (holder === undefined || holder.purpose === 'command') {
      const lock = await acquireForCommand(dataDir)
      if (lock !== undefined) return startEmbedded(options, lock)
      continue
    }
    const postmaster = findOwnPostmaster(dataDir)
    if (postmaster?.isReady === true) {
      const target = embeddedTarget(postmaster.socketDir, postmaster.port)
      return prepared(createDatabase({ target, log: options.log }))
    }
    if (waitedMs >= JOIN_WAIT_MS) throw dataInUse(dataDir, holder)
    await sleep(JOIN_POLL_MS)
  }
}

/** undefined when a daemon was faster: it can be joined. */
async function acquireForCommand(dataDir: string): Promise<DataLock | undefined> {
  try {
    return await acquireDataLock({ dataDir, purpose: 'command', waitMs: COMMAND_WAIT_MS })
  } catch (error) {
    if (readDataLock(dataDir)?.purpose === 'serve') return undefined
    throw error
  }
}

function findOwnPostmaster(dataDir: string): ReturnType<typeof findPostmaster> {
  try {
    return findPostmaster(clusterDirectory(dataDir))
  } catch (cause) {
    throw new EarwitnessError(
      'embedded-postgres-owner',
      `The embedded database in ${dataDir} belongs to another user.`,
      'Run this command as root or as the user who runs the daemon.',
      { cause },
    )
  }
}

async function startEmbedded(options: OpenDatabaseOptions, ownLock: DataLock | undefined): Promise<Database> {
  const { dataDir, log } = options
  const server = new EmbeddedPostgres({ dataDir, log, supervise: options.lock !== undefined })
  const close = async (): Promise<void> => {
    await server.stop()
    ownLock?.release()
  }
  try {
    await server.run()
    await createMissingDatabase(server.socketDir, log)
  } catch (error) {
    await close()
    throw error
  }
  return prepared(createDatabase({ target: embeddedTarget(server.socketDir), log, server, close }))
}

/** A fresh cluster has only the database `postgres`; ours is made beside it. */
async function createMissingDatabase(socketDir: string, log: DatabaseLog): Promise<void> {
  const pool = createPool(embeddedTarget(socketDir, undefined, 'postgres'), log)
  try {
    const found = await pool.query('SELECT 1 FROM pg_database WHERE datname = $1', [EMBEDDED_DATABASE])
    if (found.rowCount === 0) await pool.query(`CREATE DATABASE ${EMBEDDED_DATABASE} TEMPLATE template0`)
  } finally {
    await pool.end()
  }
}

async function prepared(database: Database): Promise<Database> {
  try {
    await database.prepare()
    return database
  } catch (error) {
    await database.stop()
    throw error
  }
}
