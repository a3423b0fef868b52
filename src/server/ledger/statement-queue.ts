import { findStatementFault } from '../../evidence/ledger/statement-shape.ts'
import { STATEMENT_FORMAT, type StatementBody, type StatementClock } from '../../evidence/ledger/statement.ts'
import type { StatementDraft } from './log-writer.ts'

/** Statements that may wait for the disk: some thousand recordings. */
export const QUEUE_STATEMENTS_MAX = 10_000
/** Statements that are signed and written in one go. */
export const BATCH_STATEMENTS_MAX = 256

/** Only to see whether the rest of a statement is of the format. */
const SOMEWHERE = {
  format: STATEMENT_FORMAT,
  logId: '00000000-0000-7000-8000-000000000000',
  seq: 0,
  at: '1970-01-01T00:00:00.000Z',
  clock: { status: 'unknown' },
}

/** Statements that wait to be written, in order. It never refuses loudly: what finds no room is counted, and the count becomes a statement. */
export class StatementQueue {
  readonly #nowUnixMs: () => number
  readonly #clock: () => StatementClock
  readonly #onLost: (reason: 'queueFull' | 'invalid') => void
  readonly #waiting: StatementDraft[] = []
  #lost = 0

  constructor(options: {
    readonly nowUnixMs: () => number
    readonly clock: () => StatementClock
    readonly onLost: (reason: 'queueFull' | 'invalid') => void
  }) {
    this.#nowUnixMs = options.nowUnixMs
    this.#clock = options.clock
    this.#onLost = options.onLost
  }

  get length(): number {
    return this.#waiting.length + (this.#lost > 0 ? 1 : 0)
  }

  /** Since when the oldest waits. */
  get oldestUnixMs(): number | undefined {
    return this.#waiting[0]?.atUnixMs
  }

  push(body: StatementBody): void {
    const isFull = this.#waiting.length >= QUEUE_STATEMENTS_MAX
    if (isFull || findStatementFault({ ...body, ...SOMEWHERE }) !== undefined) {
      this.#lost += 1
      this.#onLost(isFull ? 'queueFull' : 'invalid')
      return
    }
    this.#waiting.push(this.draft(body))
  }

  draft(body: StatementBody): StatementDraft {
    return { body, atUnixMs: this.#nowUnixMs(), clock: this.#clock() }
  }

  /** The next ones; behind them, when some were lost since, how many. */
  take(): readonly StatementDraft[] {
    const drafts = this.#waiting.splice(0, BATCH_STATEMENTS_MAX)
    if (this.#waiting.length > 0 || this.#lost === 0) return drafts
    const lost = this.draft({ kind: 'statementsLost', count: this.#lost })
    this.#lost = 0
    return [...drafts, lost]
  }
}
