import { EarwitnessError } from '../../errors.ts'
import { backoffMs, type Backoff } from '../storage/backoff.ts'
import type { LeftOpen, OpenJournal } from './open-journal.ts'
import type { RecoveryOptions } from './recovery.ts'

/** Before another round. A round asks the store for each recording that is left, and no audio waits for it. */
const PAUSES: Backoff = { firstMs: 30_000, lastMs: 900_000 }

export interface RecoveryRound {
  /** How many were closed as interrupted. */
  readonly recovered: number
  /** Recordings that are still open. */
  readonly failed: readonly string[]
}

/** What a round is given besides its recordings. */
type Asked = Required<Pick<RecoveryOptions, 'shredWanted' | 'reportError'>>

interface RecoveryOutcome {
  readonly recovered: number
  /** Recordings that are still open; what failed may also be what comes behind them. */
  readonly left: number
  /** What ended the round before its time. */
  readonly error?: unknown
}

/**
 * Closes what an earlier run left open, round after round until nothing fails any more: a store that is away, or a disk in trouble, costs a manifest no restart. Rounds
 * come one behind the other, each as a start would do it: what the journals say then counts.
 */
export class RecoveryRounds {
  readonly #leftOpen: readonly LeftOpen[]
  readonly #journal: Pick<OpenJournal, 'leftOpen'>
  readonly #round: (leftOpen: readonly LeftOpen[], asked: Asked) => Promise<RecoveryRound>
  readonly #reportError: RecoveryOptions['reportError']
  readonly #pause: (durationMs: number, signal: AbortSignal) => Promise<void>
  readonly #random: () => number
  readonly #stopped = new AbortController()
  /** Code of what was reported last of each recording that is left: it is said once. */
  #reported = new Map<string, string>()
  #left: readonly string[]
  #isFailing = false

  constructor(options: {
    /** As the journal gave it before the first new recording was opened. */
    readonly leftOpen: readonly LeftOpen[]
    readonly journal: Pick<OpenJournal, 'leftOpen'>
    readonly round: (leftOpen: readonly LeftOpen[], asked: Asked) => Promise<RecoveryRound>
    /** Why a recording could not be closed: once, as long as it is the same. */
    readonly reportError: RecoveryOptions['reportError']
    /** Resolves after that time, or when it is stopped; never rejects. */
    readonly pause: (durationMs: number, signal: AbortSignal) => Promise<void>
    /** In [0, 1). */
    readonly random: () => number
  }) {
    this.#leftOpen = options.leftOpen
    this.#journal = options.journal
    this.#round = options.round
    this.#reportError = options.reportError
    this.#pause = options.pause
    this.#random = options.random
    this.#left = options.leftOpen.map(({ recordingId }) => recordingId)
  }

  /** A round has failed, and none that came behind it closed everything. */
  get isFailing(): boolean {
    return this.#isFailing
  }

  /**
   * Resolves when nothing is left, or after {@link stop}. Never rejects.
   *
   * @param over hears of each round, and is waited for
   */
  async run(shredWanted: Asked['shredWanted'], over: (outcome: RecoveryOutcome) => Promise<void>): Promise<void> {
    for (let attempt = 1; !this.#stopped.signal.aborted; attempt += 1) {
      const outcome = await this.#tryRound(attempt, shredWanted)
      this.#isFailing = outcome.left > 0 || outcome.error !== undefined
      await over(outcome)
      if (!this.#isFailing) return
      await this.#pause(backoffMs(attempt, PAUSES, this.#random()), this.#stopped.signal)
    }
  }

  /** No round begins any more. */
  stop(): void {
    this.#stopped.abort()
  }

  async #tryRound(attempt: number, shredWanted: Asked['shredWanted']): Promise<RecoveryOutcome> {
    const reported = new Map<string, string>()
    try {
      const leftOpen = attempt === 1 ? this.#leftOpen : await this.#journal.leftOpen(new Set(this.#left))
      const { recovered, failed } = await this.#round(leftOpen, {
        shredWanted,
        reportError: (recordingId, error) => {
          const code = error instanceof EarwitnessError ? error.code : String(error)
          reported.set(recordingId, code)
          if (this.#reported.get(recordingId) !== code) this.#reportError(recordingId, error)
        },
      })
      this.#left = failed
      this.#reported = reported
      return { recovered, left: failed.length }
    } catch (error) {
      return { recovered: 0, left: this.#left.length, error }
    }
  }
}
