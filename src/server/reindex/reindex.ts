import type { Pool } from 'pg'

import { applyRecords, planRecord } from '../database/apply-records.ts'
import { makeMonth, monthAt } from '../database/month-partitions.ts'
import { blamesRecord, describeOpenError } from '../database/server-errors.ts'
import { inParallel } from '../in-parallel.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { readRecording, type Problem, type ProblemCode, type Trust } from './read-recording.ts'
import { restoredRecords, type ReadRecording } from './restored-records.ts'
import { idRangeOf, storedDays, type StoredDay, type StoredRecording } from './stored-recordings.ts'

/** Recordings read and written beside each other: a store answers late, a database connection is one of six. */
const RECORDINGS_AT_ONCE = 4
/** Problems named in a summary; those beyond are counted. */
const PROBLEMS_MAX = 1_000

export interface ReindexOptions {
  readonly store: Pick<ObjectStore, 'get' | 'list'>
  /** Undefined where there is none yet, for a dry run. */
  readonly database: { readonly pool: Pool; readonly description: string } | undefined
  readonly trust: Trust
  readonly tenants: Iterable<string>
  readonly fromUnixMs: number
  readonly toUnixMs: number
  /** Compares only. */
  readonly isDryRun: boolean
  /** Ends it between two recordings. */
  readonly signal: AbortSignal
  readonly onProgress: (summary: ReindexSummary) => void
}

export interface ReindexSummary {
  /** Recordings in the store with a manifest that is believed. */
  readonly recordings: number
  /** Of those: not in the index before; there, but not as the store has it; as the store has it. */
  readonly missing: number
  readonly different: number
  readonly same: number
  /** Without a manifest: still being made, or their recorder has not come back. */
  readonly unfinished: number
  /** Left out, because the manifest is not to be believed or the database refuses it. */
  readonly refused: number
  /** In the index, closed, and not in the store. */
  readonly indexOnly: number
  readonly problems: readonly Problem[]
  readonly problemsDropped: number
  readonly isDryRun: boolean
  /** It was told to stop. */
  readonly isCut: boolean
}

/** Reads all recordings of a store and brings the index to what they say; see the README of this folder. */
export async function reindex(options: ReindexOptions): Promise<ReindexSummary> {
  const run = new Run(options)
  for await (const day of storedDays(options.store, options)) {
    await run.take(day)
    if (options.signal.aborted) break
  }
  return run.summary
}

interface IndexedRecording {
  readonly recording_id: string
  readonly state: string
  readonly manifest_sha256: string | null
  readonly has_call_id: boolean
  readonly chunks: number
  readonly snapshots: number
  readonly custody: number
}

class Run {
  readonly #options: ReindexOptions
  readonly #counts = { recordings: 0, missing: 0, different: 0, same: 0, unfinished: 0, refused: 0, indexOnly: 0 }
  readonly #problems: Problem[] = []
  #problemsDropped = 0
  #month: string | undefined

  constructor(options: ReindexOptions) {
    this.#options = options
  }

  get summary(): ReindexSummary {
    const { isDryRun, signal } = this.#options
    return {
      ...this.#counts,
      problems: this.#problems,
      problemsDropped: this.#problemsDropped,
      ...{ isDryRun, isCut: signal.aborted },
    }
  }

  async take(day: StoredDay): Promise<void> {
    await this.#makeMonth(day)
    const indexed = await this.#indexedOn(day)
    const stored = new Set(day.recordings.map(({ recordingId }) => recordingId))
    for (const { recording_id, state } of indexed.values()) {
      if (state !== 'open' && !stored.has(recording_id)) this.#counts.indexOnly += 1
    }
    await inParallel(day.recordings, RECORDINGS_AT_ONCE, async (recording) => {
      if (this.#options.signal.aborted) return
      await this.#takeOne(recording, indexed.get(recording.recordingId))
      this.#options.onProgress(this.summary)
    })
  }

  /** Before its first row. Where it cannot be made, rows go to the default partition and are moved by a recorder later. */
  async #makeMonth({ dayUnixMs }: StoredDay): Promise<void> {
    const { database, isDryRun } = this.#options
    const month = monthAt(dayUnixMs)
    if (database === undefined || isDryRun || month === this.#month) return
    this.#month = month
    await makeMonth(database.pool, month).catch(() => {})
  }

  async #takeOne(stored: StoredRecording, indexed: IndexedRecording | undefined): Promise<void> {
    const { store, trust, isDryRun } = this.#options
    if (!stored.hasManifest) {
      this.#counts.unfinished += 1
      return
    }
    const report = (code: ProblemCode, name?: string): void => this.#note(stored.recordingId, code, name)
    const read = await readRecording(store, stored, trust, report)
    if (read === undefined || (!isDryRun && !(await this.#write(read)))) {
      this.#counts.refused += 1
      return
    }
    this.#counts.recordings += 1
    this.#counts[compare(read, indexed)] += 1
  }

  /** False when the database can never take it. */
  async #write(read: ReadRecording): Promise<boolean> {
    const { database } = this.#options
    if (database === undefined) throw new Error('only a dry run has no database')
    try {
      await applyRecords(database.pool, restoredRecords(read).map(planRecord))
      return true
    } catch (error) {
      if (!blamesRecord(error)) throw describeOpenError(error, database.description)
      this.#note(read.manifest.recordingId, 'database-refused')
      return false
    }
  }

  async #indexedOn({ tenant, dayUnixMs }: StoredDay): Promise<ReadonlyMap<string, IndexedRecording>> {
    const { database } = this.#options
    if (database === undefined) return new Map()
    const { first, next } = idRangeOf(dayUnixMs)
    try {
      const { rows } = await database.pool.query<IndexedRecording>(INDEXED, [tenant, first, next])
      return new Map(rows.map((row) => [row.recording_id, row]))
    } catch (error) {
      throw describeOpenError(error, database.description)
    }
  }

  #note(recordingId: string, code: ProblemCode, name?: string): void {
    if (this.#problems.length >= PROBLEMS_MAX) this.#problemsDropped += 1
    else this.#problems.push(name === undefined ? { recordingId, code } : { recordingId, code, name })
  }
}

const INDEXED = `
  SELECT recording_id, state, manifest_sha256, sip_call_id <> '' AS has_call_id,
    (SELECT count(*)::integer FROM chunks WHERE chunks.recording_id = recordings.recording_id) AS chunks,
    (SELECT count(*)::integer FROM metadata_snapshots AS one WHERE one.recording_id = recordings.recording_id) AS snapshots,
    (SELECT count(*)::integer FROM custody_records AS one WHERE one.recording_id = recordings.recording_id) AS custody
  FROM recordings WHERE tenant = $1 AND recording_id >= $2 AND recording_id < $3`

function compare(
  { manifest, manifestSha256, custody }: ReadRecording,
  indexed: IndexedRecording | undefined,
): 'missing' | 'different' | 'same' {
  if (indexed === undefined) return 'missing'
  // What was sealed with a destroyed key stays as the index had it: nobody can read it again.
  const isDestroyed = custody.some(({ stored }) => stored.record.kind === 'shredBegun')
  const isSame =
    indexed.manifest_sha256 === manifestSha256 &&
    indexed.state === manifest.state &&
    indexed.chunks === manifest.chunks.length &&
    (indexed.snapshots === manifest.snapshots.length || isDestroyed) &&
    (indexed.has_call_id || manifest.index === undefined || isDestroyed) &&
    indexed.custody === custody.length
  return isSame ? 'same' : 'different'
}
