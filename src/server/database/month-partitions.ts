import { setTimeout as sleep } from 'node:timers/promises'

import type { Pool } from 'pg'

import type { Database } from './database.ts'
import type { DatabaseLog } from './log.ts'
import { errorFields } from './server-errors.ts'

/** Months that are there before they begin: a recorder may be away for so long, and another one without rights to make any. */
const MONTHS_AHEAD = 2
const KEEP_EVERY_MS = 6 * 3_600_000
const TRY_AGAIN_MS = 5 * 60_000
/** Rows outside the months are counted up to here; whether there are any is what matters. */
const MISPLACED_ROWS_MAX = 10_000
/** Months made for rows of earlier ones at one time; the rest at the next. */
const EARLIER_MONTHS_MAX = 120

const MISPLACED = ['chunks', 'gaps', 'metadata_snapshots', 'attributions']
  .map((table) => `SELECT recording_id FROM ${table}_default`)
  .join(' UNION ALL ')

const MISPLACED_COUNT = `SELECT count(*)::integer AS rows FROM (${MISPLACED} LIMIT ${MISPLACED_ROWS_MAX}) AS found`

// The first 48 bits of a UUIDv7 are milliseconds (RFC 9562 5.7). The months that `make_month_partitions` takes.
const MISPLACED_MONTHS = `
  SELECT DISTINCT date_trunc('month', at)::date::text AS month
  FROM (${MISPLACED}) AS found,
    LATERAL (SELECT to_timestamp(('x' || translate(left(recording_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
               AT TIME ZONE 'UTC' AS at) AS born
  WHERE at >= '2020-01-01' AND at < now() + interval '12 months'
  ORDER BY 1 LIMIT ${EARLIER_MONTHS_MAX}`

/** The first day of a month in UTC, `ahead` months later. */
export function monthAt(unixMs: number, ahead = 0): string {
  const at = new Date(unixMs)
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + ahead)).toISOString().slice(0, 10)
}

/**
 * Makes the partitions of a month, unless they are there, with what of it lies in the default ones. `month` is the first day:
 * see {@link monthAt}. Rejects with the server's error, 55P03 when writers were in the way.
 */
export async function makeMonth(pool: Pool, month: string): Promise<void> {
  await pool.query('SELECT make_month_partitions($1::date)', [month])
}

export interface MonthPartitionsOptions {
  readonly database: Pick<Database, 'pool' | 'prepare'>
  readonly log: DatabaseLog
  readonly nowUnixMs: () => number
  /** Rows outside their month, at most {@link MISPLACED_ROWS_MAX}; after every look. */
  readonly onMisplaced: (rows: number) => void
}

/**
 * Keeps partitions ready for the months to come. Nothing waits for it: a row of a month without partition goes to the default
 * one, is counted, and moved as soon as the month is made.
 */
export class MonthPartitions {
  readonly #options: MonthPartitionsOptions
  readonly #stopping = new AbortController()
  #misplaced = 0
  #isFailing = false
  #loop: Promise<void> | undefined

  constructor(options: MonthPartitionsOptions) {
    this.#options = options
  }

  run(): void {
    this.#loop = this.#keepOn()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
  }

  /** Makes what is missing now. Rejects when the database is away, or refuses. */
  async keep(): Promise<void> {
    const { database, nowUnixMs } = this.#options
    await database.prepare()
    const { pool } = database
    const { rows: found } = await pool.query<{ month: string }>(MISPLACED_MONTHS)
    const ahead = Array.from({ length: MONTHS_AHEAD + 1 }, (_, index) => monthAt(nowUnixMs(), index))
    for (const month of new Set([...ahead, ...found.map(({ month: earlier }) => earlier)])) await makeMonth(pool, month)
    const { rows } = await pool.query<{ rows: number }>(MISPLACED_COUNT)
    this.#note(rows[0]?.rows ?? 0)
  }

  #note(rows: number): void {
    const { log, onMisplaced } = this.#options
    onMisplaced(rows)
    if (rows > 0 && this.#misplaced === 0) {
      log.warn({ rows }, 'rows of the database are in no month: the clock of a recorder was wrong by years')
    }
    this.#misplaced = rows
  }

  async #keepOn(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const isKept = await this.keep().then(
        () => true,
        (error: unknown) => this.#noteFailure(error),
      )
      if (isKept) this.#isFailing = false
      await sleep(isKept ? KEEP_EVERY_MS : TRY_AGAIN_MS, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  #noteFailure(error: unknown): false {
    // A server that is away says nothing about months, and the outbox says that it is away.
    const { log } = this.#options
    if (!this.#isFailing) log.warn(errorFields(error), 'partitions of the coming months could not be made yet')
    this.#isFailing = true
    return false
  }
}
