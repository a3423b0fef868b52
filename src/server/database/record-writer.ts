import { setTimeout as sleep } from 'node:timers/promises'

import { applyRecords, planRecord, type PlannedRecord } from './apply-records.ts'
import type { Database } from './database.ts'
import type { JournalLine } from './journal-lines.ts'
import type { DatabaseLog } from './log.ts'
import { RECORD_KINDS, type DatabaseRecord } from './records.ts'
import { blamesRecord, errorFields } from './server-errors.ts'
import { setAside } from './set-aside.ts'

export interface RecordWriterCounters {
  applied: number
  rejected: number
  unreadable: number
  rejectedLost: number
  databaseRetries: number
}

type Outcome = { readonly kind: 'applied' | 'stopped' } | { readonly kind: 'blamed'; readonly error: unknown }

/**
 * Writes journal lines into the database: many in one transaction, tried again for as long as the server is away or
 * unwell. A record that the server will never take is set aside, so that it does not hold up those behind it.
 */
export class RecordWriter {
  readonly #database: Pick<Database, 'pool' | 'prepare'>
  readonly #directory: string
  readonly #log: DatabaseLog
  readonly #retryFirstMs: number
  readonly #retryLastMs: number
  readonly #stopping: AbortSignal
  #isAway = false
  readonly counters: RecordWriterCounters = {
    applied: 0,
    rejected: 0,
    unreadable: 0,
    rejectedLost: 0,
    databaseRetries: 0,
  }

  constructor(options: {
    readonly database: Pick<Database, 'pool' | 'prepare'>
    /** Of `rejected.jsonl`. */
    readonly directory: string
    readonly log: DatabaseLog
    readonly retryFirstMs: number
    readonly retryLastMs: number
    readonly stopping: AbortSignal
  }) {
    this.#database = options.database
    this.#directory = options.directory
    this.#log = options.log
    this.#retryFirstMs = options.retryFirstMs
    this.#retryLastMs = options.retryLastMs
    this.#stopping = options.stopping
  }

  /** The last attempt found no database that could take records. */
  get isDatabaseAway(): boolean {
    return this.#isAway
  }

  /** Resolves to true when every line is in the database or set aside, to false when stopped before that. */
  async write(lines: readonly JournalLine[]): Promise<boolean> {
    const planned: PlannedRecord[] = []
    for (const line of lines) {
      const plan = planLine(line)
      if (plan !== undefined) planned.push(plan)
      else if (!(await this.#setAsideDamaged(line))) return false
    }
    if (planned.length === 0) return true
    const outcome = await this.#apply(planned)
    return outcome.kind === 'blamed' ? this.#writeOneByOne(planned) : outcome.kind === 'applied'
  }

  async #writeOneByOne(planned: readonly PlannedRecord[]): Promise<boolean> {
    for (const plan of planned) {
      const outcome = await this.#apply([plan])
      if (outcome.kind === 'stopped') return false
      if (outcome.kind === 'blamed' && !(await this.#reject(plan.record, outcome.error))) return false
    }
    return true
  }

  async #apply(planned: readonly PlannedRecord[]): Promise<Outcome> {
    for (let delayMs = this.#retryFirstMs; ; delayMs = Math.min(delayMs * 2, this.#retryLastMs)) {
      try {
        await this.#database.prepare()
        await applyRecords(this.#database.pool, planned)
        this.#noteAway(undefined)
        this.counters.applied += planned.length
        return { kind: 'applied' }
      } catch (error) {
        if (blamesRecord(error)) return { kind: 'blamed', error }
        this.#noteAway(error)
      }
      if (!(await this.#pause(delayMs))) return { kind: 'stopped' }
      this.counters.databaseRetries += 1
    }
  }

  #noteAway(error: unknown): void {
    const isAway = error !== undefined
    if (isAway && !this.#isAway) {
      this.#log.warn(errorFields(error), 'the database does not take records; they wait on disk')
    }
    if (!isAway && this.#isAway) this.#log.info({}, 'the database takes records again')
    this.#isAway = isAway
  }

  #reject(record: DatabaseRecord, error: unknown): Promise<boolean> {
    this.counters.rejected += 1
    const { kind, recordingId } = record
    const why = errorFields(error)
    this.#log.error({ kind, recordingId, ...why }, 'the database can never take this record; it was set aside')
    return this.#keepAside(why, record)
  }

  #setAsideDamaged({ bytes }: JournalLine): Promise<boolean> {
    this.counters.unreadable += 1
    this.#log.error({ sizeBytes: bytes.length }, 'a line of the outbox is damaged and was set aside')
    return this.#keepAside({ code: 'unreadable' }, Buffer.from(bytes).toString('base64'))
  }

  async #keepAside(why: { readonly code: string; readonly constraint?: string }, record: unknown): Promise<boolean> {
    for (let delayMs = this.#retryFirstMs; ; delayMs = Math.min(delayMs * 2, this.#retryLastMs)) {
      try {
        const kept = await setAside(this.#directory, { ...why, rejectedAt: new Date().toISOString(), record })
        if (!kept) this.counters.rejectedLost += 1
        return true
      } catch {
        if (!(await this.#pause(delayMs))) return false
      }
    }
  }

  /** False when the outbox stops. */
  async #pause(delayMs: number): Promise<boolean> {
    await sleep(delayMs, undefined, { signal: this.#stopping }).catch(() => {})
    return !this.#stopping.aborted
  }
}

function planLine({ json }: JournalLine): PlannedRecord | undefined {
  if (json === undefined) return undefined
  try {
    const record: unknown = JSON.parse(json)
    return isDatabaseRecord(record) ? planRecord(record) : undefined
  } catch {
    return undefined
  }
}

/** The check sum says that we wrote it; whether this release understands it is seen when its statements are made. */
function isDatabaseRecord(value: unknown): value is DatabaseRecord {
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined
  return RECORD_KINDS.some((known) => known === kind)
}
