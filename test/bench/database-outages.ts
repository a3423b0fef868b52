/**
 * `npm run outage-matrix:database -- --seconds 60 --cps 2`: the whole recorder under recording sessions of five seconds, while its Postgres is down, killed again
 * and again, read-only, and without disk, each for so long. Beside those there are a few long ones: from before the outage into its middle, from its middle to behind its end, and over all
 * of it. Asked of each: did the recorder say so (readiness, outbox), did every session end well, how much waited, was anything refused, how much memory did it take, and after the outage,
 * without a hand: does every recording verify, is every row there, once, and what the signed manifests say (`reindex --dry-run`). Exit 1 otherwise. `--only 'disk full'`: one of them;
 * `--only down --seconds 150`: a database that is away for minutes.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { Pool } from 'pg'

import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'
import { prepareRoles } from '../support/database-roles.ts'
import { fillDiskOf } from '../support/full-server-disk.ts'
import { startExternalPostgres, urlAs } from '../support/postgres.ts'
import { metric, readiness, storedRecordings } from '../support/probes.ts'
import { countUnverified, keepUp, outageOptions, sessionsOf, type Outage, type OutageSeen } from './lib/outage-load.ts'

const BETWEEN_KILLS_MS = 3_000
const COMPARE_AGAIN_MS = 500
const RECOVERY_TRIES_MAX = 10

const { load, only } = outageOptions('outage-matrix:database')
const sessions = sessionsOf(load)
const verified = new Set<string>()

interface Seen extends OutageSeen {
  readonly outage: string
  readonly wasTold: boolean
  readonly waitedKb: number
  /** Rows that the outbox did not take, or the database never will. */
  readonly refused: number
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
  const asked = matrix.filter(([name]) => only === undefined || name === only)
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
  let [wasTold, waitedBytes] = [false, 0]
  const seen = await keepUp(daemon, load, {
    ...{ name: outage, begin },
    look: async () => {
      const { checks } = await readiness(daemon)
      wasTold ||= checks.some(({ name, ok }) => name === 'database' && !ok)
      waitedBytes = Math.max(waitedBytes, await metric(daemon, 'earwitness_database_outbox_bytes'))
    },
    isRecovered: async () => (await metric(daemon, 'earwitness_database_outbox_bytes')) === 0,
  })
  const { same, wrong } = await compared(recordedBefore + sessions)
  const fresh = (await storedRecordings(daemon)).filter((recordingId) => !verified.has(recordingId))
  for (const recordingId of fresh) verified.add(recordingId)
  return {
    ...{ outage, ...seen, wasTold, waitedKb: Math.round(waitedBytes / 1_024) },
    refused: (await refusedRows()) - refusedBefore,
    ...{ same: same - recordedBefore, wrong, unverified: await countUnverified(daemon, fresh) },
  }
}

async function refusedRows(): Promise<number> {
  return (
    (await metric(daemon, 'earwitness_database_outbox_refused_total')) +
    (await metric(daemon, 'earwitness_database_outbox_rejected_total'))
  )
}

/** Whether index and store say the same. */
async function compared(expected: number): Promise<{ readonly same: number; readonly wrong: number }> {
  for (let tried = 1; ; tried += 1) {
    const { stdout } = await daemon.commandHere('reindex', '--dry-run', '--json')
    const { same, missing, different, refused, indexOnly } = JSON.parse(stdout) as Record<string, number>
    const wrong = (missing ?? 0) + (different ?? 0) + (refused ?? 0) + (indexOnly ?? 0)
    // The last of them may still be on its way from the manifest to the row.
    if ((wrong === 0 && same === expected) || tried === RECOVERY_TRIES_MAX) return { same: same ?? 0, wrong }
    await sleep(COMPARE_AGAIN_MS)
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
