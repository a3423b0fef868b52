import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import type { Database } from './database.ts'
import { encodeJournalLine, RECORD_BYTES_MAX } from './journal-lines.ts'
import { Journal } from './journal.ts'
import type { DatabaseLog } from './log.ts'
import { RecordWriter } from './record-writer.ts'
import type { DatabaseRecord } from './records.ts'
import { errorFields } from './server-errors.ts'

/** Unacknowledged records on disk: at some 400 bytes a record, weeks of an outage of a busy recorder. */
export const JOURNAL_BYTES_MAX = 1024 * 1024 * 1024
/** Records that wait in memory for the disk, which is milliseconds unless the disk is full. */
export const PENDING_BYTES_MAX = 32 * 1024 * 1024
/** Records in one transaction. */
export const BATCH_RECORDS_MAX = 256
/**
 * Once everything is in the database, the next transaction begins no sooner: under load what comes meanwhile shares one. A
 * record that comes alone does not wait.
 */
export const TRANSACTION_PAUSE_MS = 100
const RETRY_FIRST_MS = 100
const RETRY_LAST_MS = 5_000

/** `full` refuses records; the worst that holds is named. Each but `flowing` is worth an alarm. */
export type OutboxState = 'flowing' | 'databaseAway' | 'diskFailing' | 'full'

/** They only grow. */
export interface OutboxCounters {
  readonly added: number
  /** Not taken, because the outbox was full or the record too large. */
  readonly refused: number
  readonly applied: number
  /** Set aside in `rejected.jsonl`, because the database can never take them. */
  readonly rejected: number
  /** Lines damaged on disk. */
  readonly unreadable: number
  /** Rejected or damaged, and not even kept, because `rejected.jsonl` was full. */
  readonly rejectedLost: number
  readonly tornTails: number
  readonly databaseRetries: number
  readonly diskRetries: number
}

export interface OutboxOptions {
  readonly database: Pick<Database, 'pool' | 'prepare'>
  /** The journal is kept in `outbox` under it. The caller holds its lock. */
  readonly dataDir: string
  readonly log: DatabaseLog
  readonly transactionPauseMs?: number
  readonly retryFirstMs?: number
  readonly retryLastMs?: number
  readonly journalBytesMax?: number
  readonly pendingBytesMax?: number
}

/**
 * Hands the recorder's facts to the database without ever making it wait.
 *
 * `add` puts a record in memory; it is on disk some milliseconds later (one fsync for all that wait), and in the database
 * as soon as that answers, after {@link TRANSACTION_PAUSE_MS} at most: in the order of `add`, and, because applying twice changes nothing, as if exactly once. What is
 * on disk survives the process and is handed over at the next `run`. The journal is readable by its owner only and holds
 * names and numbers, as the database does, until they are handed over.
 */
export class Outbox {
  readonly #options: Required<OutboxOptions>
  readonly #journal: Journal
  readonly #stopping = new AbortController()
  readonly #writer: RecordWriter
  readonly #counters = { added: 0, refused: 0, diskRetries: 0 }
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #isFull = false
  #isDiskFailing = false
  #wakeWriter = (): void => {}
  #wakeApplier = (): void => {}
  /** Ends the pause between two transactions. */
  #hurry = (): void => {}
  #loops: Promise<unknown> | undefined
  readonly #drainWaiters = new Set<() => void>()
  readonly #writtenWaiters: (() => void)[] = []

  constructor(options: OutboxOptions) {
    this.#options = {
      transactionPauseMs: TRANSACTION_PAUSE_MS,
      retryFirstMs: RETRY_FIRST_MS,
      retryLastMs: RETRY_LAST_MS,
      journalBytesMax: JOURNAL_BYTES_MAX,
      pendingBytesMax: PENDING_BYTES_MAX,
      ...options,
    }
    const directory = join(options.dataDir, 'outbox')
    this.#journal = new Journal(directory)
    this.#writer = new RecordWriter({ ...this.#options, directory, stopping: this.#stopping.signal })
  }

  get counters(): OutboxCounters {
    return { ...this.#counters, ...this.#writer.counters, tornTails: this.#journal.tornTails }
  }

  /** Bytes of records that are not in the database yet. */
  get backlogBytes(): number {
    return this.#pendingBytes + this.#journal.backlogBytes
  }

  get state(): OutboxState {
    if (this.#isFull) return 'full'
    if (this.#isDiskFailing) return 'diskFailing'
    return this.#writer.isDatabaseAway ? 'databaseAway' : 'flowing'
  }

  /**
   * Takes a record. Never blocks and never throws; false, and a counter, when it is refused: the outbox is `full`, or the
   * record is larger than {@link RECORD_BYTES_MAX}. Before `run` it waits in memory.
   */
  add(record: DatabaseRecord): boolean {
    const line = this.#encode(record)
    const { journalBytesMax, pendingBytesMax } = this.#options
    const isFull =
      line !== undefined &&
      (this.#pendingBytes + line.length > pendingBytesMax || this.backlogBytes + line.length > journalBytesMax)
    if (isFull && !this.#isFull) {
      this.#options.log.error({ backlogBytes: this.backlogBytes }, 'the outbox is full and refuses records')
    }
    if (line !== undefined) this.#isFull = isFull
    if (line === undefined || isFull) {
      this.#counters.refused += 1
      return false
    }
    this.#counters.added += 1
    this.#pending.push(line)
    this.#pendingBytes += line.length
    this.#wakeWriter()
    return true
  }

  /** Resolves when all that was taken before is on the disk; while that does not take it, not at all. */
  written(): Promise<void> {
    if (this.#pending.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#writtenWaiters.push(resolve))
  }

  /**
   * Opens the journal, with what an earlier run left in it, and begins to hand over. Resolves when it is open; rejects with
   * `outbox-unusable`.
   */
  async run(): Promise<void> {
    try {
      await this.#journal.open()
    } catch (cause) {
      throw new EarwitnessError(
        'outbox-unusable',
        `The outbox in ${join(this.#options.dataDir, 'outbox')} cannot be opened.`,
        'Check that dataDir exists, is on a disk that works, and belongs to the user who runs Earwitness.',
        { cause },
      )
    }
    const leftBytes = this.#journal.backlogBytes
    if (leftBytes > 0) this.#options.log.info({ leftBytes }, 'the outbox hands over what an earlier run left')
    this.#loops = Promise.all([this.#writeLoop(), this.#applyLoop()])
  }

  /** Resolves to true when all that was added is in the database, to false after `timeoutMs` or at `stop`. */
  async drain(timeoutMs: number): Promise<boolean> {
    const deadline = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stopping.signal])
    while (this.backlogBytes > 0) {
      if (deadline.aborted) return false
      this.#hurry()
      await new Promise<void>((resolve) => {
        const done = (): void => {
          deadline.removeEventListener('abort', done)
          this.#drainWaiters.delete(done)
          resolve()
        }
        this.#drainWaiters.add(done)
        deadline.addEventListener('abort', done)
      })
    }
    return true
  }

  /** Puts what is in memory on disk and ends. Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wakeWriter()
    this.#wakeApplier()
    this.#hurry()
    await this.#loops
    await this.#journal.close()
    if (this.#pendingBytes > 0) {
      this.#options.log.error({ pendingBytes: this.#pendingBytes }, 'records were lost: the disk did not take them')
    }
  }

  #encode(record: DatabaseRecord): Uint8Array | undefined {
    try {
      const line = encodeJournalLine(JSON.stringify(record))
      if (line.length <= RECORD_BYTES_MAX) return line
      this.#options.log.error({ kind: record.kind, recordingId: record.recordingId }, 'a record is too large')
    } catch (error) {
      this.#options.log.error({ kind: record.kind, ...errorFields(error) }, 'a record is not JSON')
    }
    return undefined
  }

  async #writeLoop(): Promise<void> {
    let delayMs = this.#options.retryFirstMs
    for (;;) {
      if (this.#pending.length === 0) {
        if (this.#stopping.signal.aborted) return
        await new Promise<void>((resolve) => {
          this.#wakeWriter = resolve
        })
        continue
      }
      // One write and one fsync for everything that came while the last one was under way.
      const count = this.#pending.length
      const waiters = this.#writtenWaiters.length
      const bytes = Buffer.concat(this.#pending)
      try {
        await this.#journal.append(bytes)
      } catch (error) {
        this.#noteDiskFailure(error)
        // With the process about to end, a full disk is not waited for.
        if (this.#stopping.signal.aborted) return
        delayMs = await this.#pause(delayMs)
        continue
      }
      for (const resolve of this.#writtenWaiters.splice(0, waiters)) resolve()
      this.#pending = this.#pending.slice(count)
      this.#pendingBytes -= bytes.length
      this.#isDiskFailing = false
      this.#isFull = false
      delayMs = this.#options.retryFirstMs
      this.#wakeApplier()
    }
  }

  async #applyLoop(): Promise<void> {
    let delayMs = this.#options.retryFirstMs
    while (!this.#stopping.signal.aborted) {
      try {
        const batch = await this.#journal.read(BATCH_RECORDS_MAX)
        if (batch.lines.length > 0) {
          if (!(await this.#writer.write(batch.lines))) return
          await this.#journal.acknowledge(batch.next)
          this.#isFull = false
        }
        delayMs = this.#options.retryFirstMs
        if (this.#journal.backlogBytes === 0) await this.#rest(batch.lines.length > 0)
      } catch (error) {
        this.#noteDiskFailure(error)
        delayMs = await this.#pause(delayMs)
      }
    }
  }

  /** Everything on disk is in the database: waits for more, and a moment at least when it has just written. */
  async #rest(hasWritten: boolean): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wakeApplier = resolve
    })
    for (const wake of [...this.#drainWaiters]) wake()
    if (this.#stopping.signal.aborted) return
    if (hasWritten) await this.#pauseBetween()
    await woken
  }

  #pauseBetween(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.transactionPauseMs)
      this.#hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #noteDiskFailure(error: unknown): void {
    this.#counters.diskRetries += 1
    if (!this.#isDiskFailing) {
      this.#options.log.error(errorFields(error), 'the disk of the outbox fails; records wait in memory')
    }
    this.#isDiskFailing = true
  }

  /** Resolves to the next, longer pause. */
  async #pause(delayMs: number): Promise<number> {
    await sleep(delayMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
    return Math.min(delayMs * 2, this.#options.retryLastMs)
  }
}
