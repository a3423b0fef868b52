import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import { EMBEDDED_PORT, prepareCluster, type Cluster } from './cluster.ts'
import { findEmbeddedBinaries } from './embedded-binaries.ts'
import type { DatabaseLog } from './log.ts'
import { readPostmasterFile, stopOrphan, STOP_WAIT_MS } from './postmaster.ts'
import { launchArguments, programEnv } from './unprivileged.ts'

/** After a crash the server first replays its log; it is not given up while it lives. */
const START_WAIT_MS = 120_000
const READY_POLL_MS = 10
const RESTART_FIRST_MS = 100
const RESTART_LAST_MS = 10_000
/** A server that lived this long was sound: the next restart is immediate again. */
const SOUND_AFTER_MS = 60_000
const LINES_KEPT = 5

/** Small, because a recorder writes little: a few rows a second. Durable, because it is evidence. */
const SETTINGS: readonly string[] = [
  'listen_addresses=',
  `port=${EMBEDDED_PORT}`,
  'unix_socket_permissions=0700',
  'cluster_name=earwitness',
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
  'max_connections=24',
  'shared_buffers=32MB',
  'maintenance_work_mem=32MB',
  'huge_pages=off',
  'io_method=sync',
  'jit=off',
  'min_wal_size=32MB',
  'max_wal_size=256MB',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_logical_replication_workers=0',
  'max_parallel_workers_per_gather=0',
  'max_parallel_maintenance_workers=0',
  'autovacuum_max_workers=1',
  'timezone=UTC',
  'log_timezone=UTC',
  // No statement, parameter or value may reach the log: they hold names and numbers. An ERROR's text quotes values, so
  // errors are left to the client that made them; DETAIL lines quote values and statements, so there are none.
  'logging_collector=off',
  'log_destination=stderr',
  'log_line_prefix=',
  'log_min_messages=log',
  'log_error_verbosity=terse',
  'log_min_error_statement=panic',
  'log_statement=none',
  'log_min_duration_statement=-1',
  'log_min_duration_sample=-1',
  'log_parameter_max_length=0',
  'log_parameter_max_length_on_error=0',
  'log_autovacuum_min_duration=-1',
  'log_checkpoints=off',
]

export interface EmbeddedPostgresOptions {
  readonly dataDir: string
  readonly log: DatabaseLog
  /** Start it again when it dies. A command that runs it for a moment does not. */
  readonly supervise: boolean
  readonly restartFirstMs?: number
}

interface RunningServer {
  /** Settles when the server is gone, with how it ended. */
  readonly exited: Promise<string>
}

/**
 * The project's own Postgres: a real server on a Unix socket under `dataDir`, started and, for the daemon, kept running.
 *
 * The caller holds the data lock from before `run` until after `stop`.
 */
export class EmbeddedPostgres {
  readonly #options: EmbeddedPostgresOptions
  readonly #lines: string[] = []
  readonly #stopped = new AbortController()
  #cluster: Cluster | undefined
  #child: ChildProcess | undefined
  #supervision: Promise<void> | undefined
  #restarts = 0

  constructor(options: EmbeddedPostgresOptions) {
    this.#options = options
  }

  /** How often the server died and was started again. */
  get restarts(): number {
    return this.#restarts
  }

  get socketDir(): string {
    return this.#cluster?.socketDir ?? ''
  }

  /** Process id of the postmaster while one runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when the server takes connections. Rejects with an EarwitnessError `embedded-postgres-…`. */
  async run(): Promise<void> {
    const { dataDir, log, supervise } = this.#options
    this.#cluster = await prepareCluster(dataDir, findEmbeddedBinaries())
    if (await stopOrphan(this.#cluster.directory)) log.warn({}, 'stopped the database of a daemon that was killed')
    const running = await this.#start(this.#cluster)
    if (supervise) this.#supervision = this.#superviseFrom(this.#cluster, running)
  }

  /** Fast shutdown: what is committed is on disk, connections are closed. Resolves when the server is gone. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    const child = this.#child
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await this.#shutDown(child)
    await this.#supervision
  }

  async #superviseFrom(cluster: Cluster, first: RunningServer): Promise<void> {
    const { log, restartFirstMs = RESTART_FIRST_MS } = this.#options
    let running: RunningServer | undefined = first
    let delayMs = restartFirstMs
    let startedUnixMs = Date.now()
    while (!this.#stopped.signal.aborted) {
      if (running !== undefined) {
        const how = await running.exited
        if (this.#stopped.signal.aborted) return
        this.#restarts += 1
        if (Date.now() - startedUnixMs > SOUND_AFTER_MS) delayMs = restartFirstMs
        log.error({ how, restarts: this.#restarts }, 'the embedded database died and is started again')
      }
      await sleep(delayMs, undefined, { signal: this.#stopped.signal }).catch(() => {})
      if (this.#stopped.signal.aborted) return
      delayMs = Math.min(delayMs * 2, RESTART_LAST_MS)
      startedUnixMs = Date.now()
      running = await this.#start(cluster).catch((error: unknown) => {
        log.error(
          { code: error instanceof EarwitnessError ? error.code : 'unknown' },
          'the embedded database does not start',
        )
        return undefined
      })
    }
  }

  /** Resolves once the server is ready. */
  async #start(cluster: Cluster): Promise<RunningServer> {
    const child = this.#spawn(cluster)
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('close', (code, signal) => resolve(signal ?? `exit ${code}`))
    })
    let end: string | undefined
    void exited.then((how) => {
      end = how
      if (this.#child === child) this.#child = undefined
    })
    for (let waitedMs = 0; end === undefined && waitedMs < START_WAIT_MS; waitedMs += READY_POLL_MS) {
      const postmaster = readPostmasterFile(cluster.directory)
      if (postmaster?.isReady === true && postmaster.pid === child.pid) return { exited }
      await sleep(READY_POLL_MS)
    }
    if (end === undefined) await this.#shutDown(child)
    throw this.#startError(cluster, end ?? 'too slow')
  }

  #spawn(cluster: Cluster): ChildProcess {
    const { file, args, identity } = launchArguments(cluster.launcher, findEmbeddedBinaries().postgres, [
      '-D',
      cluster.directory,
      '-k',
      cluster.socketDir,
      ...SETTINGS.flatMap((setting) => ['-c', setting]),
    ])
    // Detached: Ctrl-C on the terminal must reach the daemon alone, which stops the database after it has written the rest.
    const child = spawn(file, args, {
      ...identity,
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: programEnv(),
    })
    this.#child = child
    this.#lines.length = 0
    createInterface({ input: child.stderr }).on('line', (line) => this.#handleLine(line))
    return child
  }

  #handleLine(line: string): void {
    const { log } = this.#options
    this.#lines.push(line)
    if (this.#lines.length > LINES_KEPT) this.#lines.shift()
    const isLoud = /^(?:FATAL|PANIC): /.test(line) && !this.#stopped.signal.aborted
    if (isLoud) log.warn({ postgres: line }, 'message of the embedded database')
    else log.debug({ postgres: line }, 'message of the embedded database')
  }

  async #shutDown(child: ChildProcess): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      child.once('close', () => resolve())
      child.once('error', () => resolve())
    })
    child.kill('SIGINT')
    const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_WAIT_MS)
    await gone
    clearTimeout(timer)
  }

  #startError(cluster: Cluster, how: string): EarwitnessError {
    const said = this.#lines.join(' ')
    if (said.includes('incompatible with server')) {
      return new EarwitnessError(
        'embedded-postgres-version',
        `The embedded database in ${cluster.directory} was made by another major version of Postgres.`,
        'Start the Earwitness release that made it, or move the folder away; the recordings themselves are not in it.',
      )
    }
    return new EarwitnessError(
      'embedded-postgres-start',
      `The embedded database in ${cluster.directory} does not start (${how}): ${said}`,
      'Check the free space and the rights of dataDir, or set database.url to a Postgres server of your own.',
    )
  }
}
