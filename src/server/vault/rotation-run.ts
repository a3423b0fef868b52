import { EarwitnessError } from '../../errors.ts'
import { destroyOldKeys, rotateKey, type RotatedKey, type RotationRest, type Vaults } from './rotate-key.ts'
import type { RotationLedger } from './rotation-ledger.ts'
import type { RotationPlace } from './rotation-places.ts'

/** Recordings whose statements are waited for together: the recorder takes 256 requests at a time. */
export const PAGE_RECORDINGS = 200
/** Recordings worked on beside each other: a store over the network answers late. */
const RECORDINGS_AT_ONCE = 4
/** Recordings named in a summary; those beyond are counted. */
const NAMED_MAX = 1_000

/**
 * What became of a recording. `rotated`: nothing but the new vault opens it. `oldKept`: the new vault opens it, and a place keeps a key of the old one. `unsaid`: both are
 * there, since the recorder has not said in its ledger yet that they are. `failed`: a store did not do its work.
 */
export type RotationOutcome = RotationRest | 'rotated' | 'oldKept' | 'unsaid' | 'failed'

/** Running again may finish these, and what is left of others. */
export const LEFT_OUTCOMES: ReadonlySet<RotationOutcome> = new Set<RotationOutcome>([
  ...(['running', 'notOpened', 'keyWrong', 'notProven', 'oldKept', 'unsaid', 'failed'] as const),
])

export interface LeftRecording {
  readonly recordingId: string
  readonly outcome: RotationOutcome
  /** Of a store. */
  readonly code?: string
}

export interface RotationSummary {
  readonly counts: Readonly<Record<RotationOutcome, number>>
  /** The first {@link NAMED_MAX} of those that are left. */
  readonly left: readonly LeftRecording[]
  readonly leftDropped: number
  readonly isDryRun: boolean
  /** It was told to stop, or the recorder says nothing. */
  readonly isCut: boolean
}

interface StoredRecording {
  readonly recordingId: string
  readonly objectPrefix: string
}

interface RunOptions {
  readonly places: readonly RotationPlace[]
  readonly ledger: RotationLedger
  readonly vaults: Vaults
  readonly isDryRun: boolean
  /** Ends it between two recordings. */
  readonly signal: AbortSignal
  readonly onProgress: (lookedAt: number, counts: RotationSummary['counts']) => void
  /** Of a request: `requestId`, who asks, and when. */
  readonly asked: () => { readonly requestId: string; readonly by: string; readonly at: string }
}

/**
 * Rotates the keys of recordings, a page at a time: all new keys of a page are stored and proven, then stand in the ledger, and only then are the old ones destroyed.
 * One page is held in memory, whatever the number of recordings.
 */
export async function rotateKeys(
  recordings: AsyncIterable<StoredRecording> | Iterable<StoredRecording>,
  options: RunOptions,
): Promise<RotationSummary> {
  const run = new Run(options)
  let page: StoredRecording[] = []
  for await (const recording of recordings) {
    page.push(recording)
    if (page.length < PAGE_RECORDINGS) continue
    await run.take(page)
    page = []
    if (run.isCut) return run.summary
  }
  await run.take(page)
  return run.summary
}

class Run {
  readonly #options: RunOptions
  readonly #counts: Record<RotationOutcome, number> = {
    ...{ rotated: 0, already: 0, noKey: 0, running: 0, notOpened: 0, keyWrong: 0 },
    ...{ notProven: 0, oldKept: 0, unsaid: 0, failed: 0 },
  }
  readonly #left: LeftRecording[] = []
  #leftDropped = 0
  #lookedAt = 0
  #isSilent = false

  constructor(options: RunOptions) {
    this.#options = options
  }

  get isCut(): boolean {
    return this.#isSilent || this.#options.signal.aborted
  }

  get summary(): RotationSummary {
    const { isDryRun } = this.#options
    const { isCut } = this
    return { counts: { ...this.#counts }, left: [...this.#left], leftDropped: this.#leftDropped, isDryRun, isCut }
  }

  async take(page: readonly StoredRecording[]): Promise<void> {
    const rotated = new Map<string, RotatedKey>()
    await this.#beside(page, async (recording) => {
      const key = await this.#storeNew(recording)
      if (key !== undefined) rotated.set(...key)
    })
    const { ledger, signal } = this.#options
    const said = await ledger.said([...rotated.keys()], signal)
    if (said.size < rotated.size) this.#isSilent = true
    await this.#beside([...rotated], async ([requestId, key]) => {
      if (said.has(requestId)) await this.#destroyOld(key)
      else this.#note(key.recordingId, 'unsaid')
    })
  }

  /** What was begun is finished even when it is told to stop: between recordings it ends. */
  async #beside<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
    const queue = items.values()
    const worker = async (): Promise<void> => {
      for (const item of queue) await work(item)
    }
    await Promise.all(Array.from({ length: RECORDINGS_AT_ONCE }, worker))
  }

  async #storeNew(recording: StoredRecording): Promise<readonly [string, RotatedKey] | undefined> {
    const { places, vaults, isDryRun, ledger, asked, signal } = this.#options
    if (signal.aborted) return undefined
    try {
      const key = await rotateKey(places, recording, { vaults, isDryRun })
      if (typeof key === 'string') this.#note(recording.recordingId, key)
      else if (isDryRun) this.#note(recording.recordingId, 'rotated')
      else {
        const request = asked()
        const { recordingId, name, sha256, replacesSha256 } = key
        await ledger.leave({ ...request, kind: 'keyRotated', recordingId, name, sha256, replacesSha256 })
        return [request.requestId, key]
      }
    } catch (error) {
      this.#failed(recording.recordingId, error)
    }
    return undefined
  }

  async #destroyOld(key: RotatedKey): Promise<void> {
    try {
      const code = await destroyOldKeys(this.#options.places, key)
      this.#note(key.recordingId, code === undefined ? 'rotated' : 'oldKept', code)
    } catch (error) {
      this.#failed(key.recordingId, error)
    }
  }

  #failed(recordingId: string, error: unknown): void {
    if (!(error instanceof EarwitnessError)) throw error
    this.#note(recordingId, 'failed', error.code)
  }

  #note(recordingId: string, outcome: RotationOutcome, code?: string): void {
    this.#counts[outcome] += 1
    this.#lookedAt += 1
    if (LEFT_OUTCOMES.has(outcome)) {
      if (this.#left.length >= NAMED_MAX) this.#leftDropped += 1
      else this.#left.push({ recordingId, outcome, ...(code === undefined ? {} : { code }) })
    }
    this.#options.onProgress(this.#lookedAt, this.#counts)
  }
}
