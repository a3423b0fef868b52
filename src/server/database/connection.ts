import { Pool, type PoolConfig } from 'pg'

import { EarwitnessError } from '../../errors.ts'
import { EMBEDDED_DATABASE, EMBEDDED_PORT, EMBEDDED_ROLE } from './cluster.ts'
import type { DatabaseLog } from './log.ts'
import { settleTls } from './url-tls.ts'

/** The outbox uses one, the API and the commands share the rest. */
export const POOL_CONNECTIONS_MAX = 6
const CONNECT_WAIT_MS = 5_000
/** On our side of the connection: a server that hangs without closing it would never answer. */
const QUERY_WAIT_MS = 30_000

export interface ConnectionTarget {
  readonly config: PoolConfig
  /** Names the server without user or password, for people. */
  readonly description: string
}

export function embeddedTarget(
  socketDir: string,
  port = EMBEDDED_PORT,
  database = EMBEDDED_DATABASE,
): ConnectionTarget {
  return {
    config: { host: socketDir, port, user: EMBEDDED_ROLE, database },
    description: socketDir,
  }
}

/** Rejects what is not a URL of a Postgres server, with `database-url`. The message never repeats the URL. */
export function urlTarget(url: string): ConnectionTarget {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['postgres:', 'postgresql:'].includes(parsed.protocol)) {
    throw badUrl('database.url is not a URL of a Postgres server.')
  }
  const wrong = settleTls(parsed.searchParams)
  if (wrong !== undefined) throw badUrl(wrong)
  const host = parsed.hostname === '' ? (parsed.searchParams.get('host') ?? 'localhost') : parsed.hostname
  return {
    config: { connectionString: parsed.href },
    description: `${decodeURIComponent(host)}:${parsed.port === '' ? '5432' : parsed.port}${parsed.pathname}`,
  }
}

function badUrl(sentence: string): EarwitnessError {
  return new EarwitnessError(
    'database-url',
    sentence,
    'Write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with ?sslmode=disable, require, verify-ca or verify-full, and &sslrootcert=CA.pem where the CA is your own.',
  )
}

/** Opens no connection yet. A connection that breaks while idle is replaced at the next use. */
export function createPool(target: ConnectionTarget, log: DatabaseLog): Pool {
  const pool = new Pool({
    ...target.config,
    max: POOL_CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_WAIT_MS,
    query_timeout: QUERY_WAIT_MS,
    keepAlive: true,
    application_name: 'earwitness',
  })
  pool.on('error', () => log.debug({}, 'an idle connection to the database was closed'))
  return pool
}
