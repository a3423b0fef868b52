/**
 * `npm run outage-matrix:database -- --seconds 60 --cps 2`: the whole recorder under recording sessions of five seconds, while its Postgres is down, killed again
 * and again, read-only, and without disk, each for so long. Beside those there are a few long ones: from before the outage into its middle, from its middle to behind its end, and over all
 * of it. Asked of each: did the recorder say so (readiness, outbox), did every session end well, how much waited, was anything refused, how much memory did it take, and after the outage,
 * without a hand: does every recording verify, is every row there, once, and what the signed manifests say (`reindex --dry-run`). Exit 1 otherwise. `--only 'disk full'`: one of them;
 * `--only down --seconds 150`: a database that is away for minutes.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { Pool } from 'pg'

import { commandOptions } from '../support/command-options.ts'
import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'
import { prepareRoles } from '../support/database-roles.ts'
import { fillDiskOf } from '../support/full-server-disk.ts'
import { startExternalPostgres, urlAs } from '../support/postgres.ts'
import { allClosed, metric, readiness, recordingsUnderWay, storedRecordings } from '../support/probes.ts'
import { simulate } from '../support/simulated.ts'
import { memoryKb } from './lib/process-usage.ts'

const BETWEEN_KILLS_MS = 3_000
const SAMPLE_MS = 500
const RECOVERY_TRIES_MAX = 10
/** How long the long ones go on after the outage. */
const BEHIND_SECONDS = 8

const values = commandOptions('outage-matrix:database', {
  seconds: { type: 'string', default: '60' },
  cps: { type: 'string', default: '2' },
  long: { type: 'string', default: '2' },
  only: { type: 'string' },
})
const seconds = Number(values.seconds)
const calls = Math.round(seconds * Number(values.cps))
const long = Number(values.long)
const sessions = calls + 3 * long
const verified = new Set<string>()

/** Begins an outage and gives what ends it. */
type Outage = () => Promise<() => Promise<void>>

interface Seen {
  readonly outage: string
  readonly awaySeconds: number
  readonly sessions: number
  readonly completed: number
  readonly wasTold: boolean
  readonly waitedKb: number
  /** Rows that the outbox did not take, or the database never will. */
  readonly refused: number
  readonly memoryMb: number
  /** From the end of the outage to an empty outbox. */
  readonly recoveredMs: number
  /** Recordings whose rows are what the store says of them, and others. */
  readonly same: number
  readonly wrong: number
  /** Recordings that `verify` finds something wrong with. */
  readonly unverified: number
}

const postgres = await startExternalPostgres()
await prepareRoles(postgres)
const pool = new Pool({ connectionString: postgres.url })
pool.on('error', () => {})
const dataDir = await makeDataDir()
const daemon = await startDaemon(dataDir, { EARWITNESS_DATABASE_URL: urlAs(postgres, 'recorder') })
try {
  const seen: Seen[] = []
  const matrix: readonly (readonly [string, Outage])[] = [
    ['none', async () => async () => {}],
    ['down', down],
    ['killed again and again', killed],
    ['read-only', readOnly],
    ['disk full', diskFull],
  ]
  const asked = matrix.filter(([name]) => values.only === undefined || name === values.only)
  for (const [name, outage] of asked) seen.push(await observe(name, outage, seen.length * sessions))
  console.table(seen)
  const faults = seen.filter(
    ({ outage, completed, wasTold, refused, wrong, unverified }) =>
      completed < sessions || refused + wrong + unverified > 0 || (outage !== 'none' && !wasTold),
  )
  if (faults.length > 0) process.exitCode = 1
} finally {
  await daemon.stop()
  await pool.end()
  await postgres.remove()
  await removeDataDir(dataDir)
}

async function observe(outage: string, begin: Outage, recordedBefore: number): Promise<Seen> {
  const refusedBefore = await refusedRows()
  // They are under way before it begins.
  const longOnes = [placed(long, seconds + BEHIND_SECONDS), placed(long, seconds / 2)]
  await recordingsUnderWay(daemon, 2 * long)
  const short = placed(calls, 5)
  let isOver = false
  void short.then(() => {
    isOver = true
  })
  const end = await begin()
  const startedMs = performance.now()
  console.log(`${outage}: begun, with ${2 * long} recording sessions under way`)
  let [wasTold, waitedBytes, memory] = [false, 0, 0]
  while (!isOver) {
    if (longOnes.length === 2 && performance.now() - startedMs > seconds * 500) {
      longOnes.push(placed(long, seconds / 2 + BEHIND_SECONDS))
    }
    const { checks } = await readiness(daemon)
    wasTold ||= checks.some(({ name, ok }) => name === 'database' && !ok)
    waitedBytes = Math.max(waitedBytes, await metric(daemon, 'earwitness_database_outbox_bytes'))
    memory = Math.max(memory, await memoryKb([daemon.process.pid ?? 0]))
    await sleep(SAMPLE_MS)
  }
  const awayMs = performance.now() - startedMs
  console.log(
    `${outage}: ends after ${Math.round(awayMs / 1_000)} s, with ${Math.round(waitedBytes / 1_024)} KiB waiting`,
  )
  await end()
  const recoveredMs = await emptied()
  console.log(`${outage}: all of it is in the database after ${recoveredMs} ms`)
  const completed = (await Promise.all([short, ...longOnes])).reduce((sum, count) => sum + count, 0)
  await allClosed(daemon)
  await emptied()
  const { same, wrong } = await compared(recordedBefore + sessions)
  return {
    ...{ outage, awaySeconds: Math.round(awayMs / 1_000), sessions, completed, wasTold },
    waitedKb: Math.round(waitedBytes / 1_024),
    refused: (await refusedRows()) - refusedBefore,
    memoryMb: Math.round(memory / 1_024),
    recoveredMs,
    ...{ same: same - recordedBefore, wrong, unverified: await unverified() },
  }
}

/** Recording sessions of so many seconds each; resolves to how many ended well. */
async function placed(count: number, durationSeconds: number): Promise<number> {
  const duration = `${Math.max(1, Math.round(durationSeconds))}s`
  const { stdout } = await simulate(
    daemon,
    '--calls',
    String(count),
    '--cps',
    values.cps,
    '--duration',
    duration,
    '--json',
  )
  return (JSON.parse(stdout) as { readonly completed: number }).completed
}

/** Resolves when nothing waits for the database any more, to how long that took. */
async function emptied(): Promise<number> {
  const startedMs = performance.now()
  while ((await metric(daemon, 'earwitness_database_outbox_bytes')) > 0) await sleep(100)
  return Math.round(performance.now() - startedMs)
}

async function refusedRows(): Promise<number> {
  return (
    (await metric(daemon, 'earwitness_database_outbox_refused_total')) +
    (await metric(daemon, 'earwitness_database_outbox_rejected_total'))
  )
}

/** How many of the recordings that were not looked at before do not verify. */
async function unverified(): Promise<number> {
  let count = 0
  for (const recordingId of await storedRecordings(daemon)) {
    if (verified.has(recordingId)) continue
    verified.add(recordingId)
    if ((await daemon.commandHere('verify', recordingId)).code !== 0) count += 1
  }
  return count
}

/** Whether index and store say the same. */
async function compared(expected: number): Promise<{ readonly same: number; readonly wrong: number }> {
  for (let tried = 1; ; tried += 1) {
    const { stdout } = await daemon.commandHere('reindex', '--dry-run', '--json')
    const { same, missing, different, refused, indexOnly } = JSON.parse(stdout) as Record<string, number>
    const wrong = (missing ?? 0) + (different ?? 0) + (refused ?? 0) + (indexOnly ?? 0)
    // The last of them may still be on its way from the manifest to the row.
    if ((wrong === 0 && same === expected) || tried === RECOVERY_TRIES_MAX) return { same: same ?? 0, wrong }
    await sleep(SAMPLE_MS)
  }
}

async function down(): Promise<() => Promise<void>> {
  await postgres.stop()
  return () => postgres.start()
}

async function killed(): Promise<() => Promise<void>> {
  const over = new AbortController()
  const killing = (async () => {
    while (!over.signal.aborted) {
      await postgres.kill()
      await sleep(BETWEEN_KILLS_MS)
      await postgres.start()
      await sleep(BETWEEN_KILLS_MS, undefined, { signal: over.signal }).catch(() => {})
    }
  })()
  return async () => {
    over.abort()
    await killing
  }
}

async function readOnly(): Promise<() => Promise<void>> {
  const set = async (command: string): Promise<void> => {
    const client = await pool.connect()
    await client.query('SET default_transaction_read_only = off')
    await client.query(`ALTER SYSTEM ${command}`)
    await client.query('SELECT pg_reload_conf()')
    client.release(true)
  }
  await set('SET default_transaction_read_only = on')
  return () => set('RESET default_transaction_read_only')
}

async function diskFull(): Promise<() => Promise<void>> {
  // Every session adds and changes rows here, so that the pages it has are soon full.
  const disk = await fillDiskOf(pool, 'recordings')
  return async () => {
    await disk.end()
    await disk.remove()
  }
}
