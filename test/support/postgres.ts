import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Client } from 'pg'

import { acquireDataLock } from '../../src/server/data-lock.ts'
import type { Database } from '../../src/server/database/database.ts'
import { findEmbeddedBinaries } from '../../src/server/database/embedded-binaries.ts'
import type { DatabaseLog } from '../../src/server/database/log.ts'
import { openDatabase, type OpenDatabaseOptions } from '../../src/server/database/open-database.ts'
import { chooseOwner, programEnv } from '../../src/server/database/unprivileged.ts'
import { freeTcpPort } from './free-ports.ts'

const POLL_MS = 20
const START_WAIT_MS = 60_000
const PASSWORD = 'not-a-secret'

/** Whom a server runs as; empty when the tests are not run by root. */
interface Identity {
  readonly uid?: number
  readonly gid?: number
}

/** A second real Postgres, on TCP with a password: what `database.url` points to in production. */
export interface ExternalPostgres {
  readonly url: string
  readonly port: number
  /** Begins again on the same port with the same data; resolves when it takes connections. */
  start(): Promise<void>
  stop(): Promise<void>
  /** As a crash would. */
  kill(): Promise<void>
  /** Stops it and removes its data. */
  remove(): Promise<void>
}

/** What the server proves itself with; who logs in as `certified` over TLS proves it by a certificate of the CA, of that name. */
export interface ServerTls {
  readonly certificatePem: string
  readonly keyPem: string
  readonly caPem: string
}

/**
 * Starts one in a folder of its own. Debian's, when it is installed, because that is what sites run; else the one of the
 * npm package.
 */
export async function startExternalPostgres(tls?: ServerTls): Promise<ExternalPostgres> {
  const identity: Identity = chooseOwner(undefined) ?? {}
  const root = mkdtempSync(join(tmpdir(), 'earwitness-pg-'))
  chmodSync(root, 0o755)
  const cluster = join(root, 'data')
  const passwordFile = join(root, 'password')
  mkdirSync(cluster, { mode: 0o700 })
  writeFileSync(passwordFile, `${PASSWORD}\n`)
  if (identity.uid !== undefined && identity.gid !== undefined) chownSync(cluster, identity.uid, identity.gid)
  const { initdb, postgres } = findServer()
  const made = spawnSync(
    initdb,
    [
      '-D',
      cluster,
      '-U',
      'earwitness',
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ],
    { ...identity, cwd: '/', env: programEnv(), encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const port = await freeTcpPort()
  const url = `postgres://earwitness:${PASSWORD}@127.0.0.1:${port}/earwitness`
  if (tls !== undefined) {
    writeOwned(join(cluster, 'server.crt'), tls.certificatePem, identity)
    writeOwned(join(cluster, 'server.key'), tls.keyPem, identity)
    writeOwned(join(cluster, 'ca.crt'), tls.caPem, identity)
    const access = join(cluster, 'pg_hba.conf')
    writeFileSync(access, `hostssl all certified 127.0.0.1/32 cert\n${readFileSync(access, 'utf8')}`)
  }
  const settings = tls === undefined ? [] : ['-c', 'ssl=on', '-c', 'ssl_ca_file=ca.crt']
  const server = new ExternalServer({ postgres, cluster, port, identity, settings })
  await server.start()
  await createDatabaseOnce(port)
  return {
    url,
    port,
    start: () => server.start(),
    stop: () => server.end('SIGINT'),
    kill: () => server.end('SIGKILL'),
    async remove() {
      await server.end('SIGINT')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** The same database for another of the users who share the one password. */
export function urlAs({ url }: Pick<ExternalPostgres, 'url'>, user: string): string {
  return url.replace('//earwitness:', `//${user}:`)
}

class ExternalServer {
  readonly #options: {
    readonly postgres: string
    readonly cluster: string
    readonly port: number
    readonly identity: Identity
    readonly settings: readonly string[]
  }
  #child: ChildProcess | undefined

  constructor(options: {
    readonly postgres: string
    readonly cluster: string
    readonly port: number
    readonly identity: Identity
    readonly settings: readonly string[]
  }) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { postgres, cluster, port, identity, settings } = this.#options
    const place = ['-D', cluster, '-h', '127.0.0.1', '-p', String(port), '-k', cluster]
    const args = [...place, '-c', 'shared_buffers=32MB', ...settings]
    for (let waitedMs = 0; waitedMs < START_WAIT_MS; waitedMs += POLL_MS) {
      // After a kill the server processes left over hold the shared memory for a moment, and a start fails.
      if (this.#child === undefined || this.#child.exitCode !== null) {
        this.#child = spawn(postgres, args, { ...identity, cwd: '/', stdio: 'ignore', env: programEnv() })
      }
      if (await answers(port)) return
      await sleep(POLL_MS)
    }
    throw new Error('the external Postgres does not start')
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await gone
  }
}

function writeOwned(file: string, text: string, { uid, gid }: Identity): void {
  writeFileSync(file, text, { mode: 0o600 })
  if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid)
}

function findServer(): { readonly initdb: string; readonly postgres: string } {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : []
  const bin = versions.map((version) => join(debian, version, 'bin')).find((path) => existsSync(join(path, 'initdb')))
  return bin === undefined ? findEmbeddedBinaries() : { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
}

async function answers(port: number, database = 'postgres'): Promise<boolean> {
  const client = new Client({ host: '127.0.0.1', port, user: 'earwitness', password: PASSWORD, database })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function createDatabaseOnce(port: number): Promise<void> {
  const client = new Client({ host: '127.0.0.1', port, user: 'earwitness', password: PASSWORD, database: 'postgres' })
  await client.connect()
  await client.query('CREATE DATABASE earwitness TEMPLATE template0')
  await client.end()
}

/** One database opened as the daemon opens it, and what can happen to its server. */
export interface TestedDatabase {
  readonly database: Database
  readonly dataDir: string
  /** What was logged, as JSON lines. */
  readonly logged: readonly string[]
  readonly log: DatabaseLog
  /** What opens the same database once more. */
  readonly options: OpenDatabaseOptions
  /** kill -9 of the server; somebody or something starts it again. */
  kill(): Promise<void>
  /** The server goes, and stays away until `comeBack`. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
  remove(): Promise<void>
}

/** The same suite runs on the embedded server and on one behind `database.url`. */
export const DATABASES: readonly { readonly name: string; readonly start: () => Promise<TestedDatabase> }[] = [
  { name: 'the embedded Postgres', start: startEmbedded },
  { name: 'a Postgres behind database.url', start: startBehindUrl },
]

async function startEmbedded(): Promise<TestedDatabase> {
  const { dataDir, log, logged, removeDataDir } = makeDataDir()
  const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
  const options = { dataDir, log, lock }
  const database = await openDatabase(options)
  const needed = join(dataDir, 'postgres', 'pg_hba.conf')
  const kill = async (): Promise<void> => {
    const pid = database.embedded?.pid
    if (pid === undefined) throw new Error('no embedded server runs')
    process.kill(pid, 'SIGKILL')
    while (database.embedded?.pid === pid) await sleep(POLL_MS)
  }
  return {
    database,
    dataDir,
    log,
    logged,
    options,
    kill,
    async goAway() {
      // Without this file the supervisor tries in vain.
      renameSync(needed, `${needed}.away`)
      await kill()
    },
    async comeBack() {
      renameSync(`${needed}.away`, needed)
    },
    async remove() {
      await database.stop()
      lock.release()
      removeDataDir()
    },
  }
}

async function startBehindUrl(): Promise<TestedDatabase> {
  const { dataDir, log, logged, removeDataDir } = makeDataDir()
  const server = await startExternalPostgres()
  const options = { dataDir, log, url: server.url }
  const database = await openDatabase(options)
  return {
    database,
    dataDir,
    log,
    logged,
    options,
    async kill() {
      await server.kill()
      await server.start()
    },
    goAway: () => server.stop(),
    comeBack: () => server.start(),
    async remove() {
      await database.stop()
      await server.remove()
      removeDataDir()
    },
  }
}

export function makeDataDir(): {
  readonly dataDir: string
  readonly log: DatabaseLog
  readonly logged: readonly string[]
  readonly removeDataDir: () => void
} {
  const root = mkdtempSync(join(tmpdir(), 'earwitness-db-'))
  chmodSync(root, 0o755)
  const logged: string[] = []
  const note =
    (level: string) =>
    (fields: object, message: string): void => {
      logged.push(JSON.stringify({ level, ...fields, message }))
    }
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  const removeDataDir = (): void => rmSync(root, { recursive: true, force: true })
  return { dataDir: join(root, 'data'), log, logged, removeDataDir }
}
