import { EarwitnessError } from '../../errors.ts'
import { wrappedKeyNumber } from '../../evidence/object-names.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { heldKeysLeft, type HeldKeysLeft } from './held-keys-left.ts'
import { destroyOldKeys, rotateKey, standingIn, type RotatedKey, type RotationRest, type Vaults } from './rotate-key.ts'
import { inParallel } from '../in-parallel.ts'
import { pagesOf } from '../storage/recording-walk.ts'
import type { RotatedMarks } from '../custody/rotated-marks.ts'
import type { HeldKeys } from '../recording/held-keys.ts'
import type { RotationIntents } from './left-keys.ts'
import type { RotationLedger } from './rotation-ledger.ts'
import type { RotationPlace } from './rotation-place.ts'

/** Recordings whose statements are waited for together: the recorder takes 256 requests at a time. */
export const PAGE_RECORDINGS = 200
/** Recordings worked on beside each other: a store over the network answers late. */
const RECORDINGS_AT_ONCE = 4
/** Recordings named in a summary; those beyond are counted. */
const NAMED_MAX = 1_000

/**
 * What became of a recording. `rotated`: nothing but the new vault opens it. `oldKept`: the new vault opens it, and a place keeps a key of the old one. `unsaid`: both are
 * there, since the recorder has not said in its ledger yet that they are. `heldKey`: nothing but the new vault opens its own key, and the old one opens that of what is held until
 * consent, which nobody seals anew. `held`: both are there, since it is on legal hold. `failed`: a store did not do its work, or what was decided about it cannot be believed.
 */
export type RotationOutcome = RotationRest | 'rotated' | 'oldKept' | 'unsaid' | 'heldKey' | 'held' | 'failed'

/** Running again may finish these, and what is left of others. */
export const LEFT_OUTCOMES: ReadonlySet<RotationOutcome> = new Set<RotationOutcome>([
  ...(['shredded', 'running', 'notOpened', 'keyWrong', 'notProven'] as const),
  ...(['oldKept', 'unsaid', 'heldKey', 'held', 'failed'] as const),
])

/** Nothing would be left of these, were there no held key. */
const OWN_KEY_DONE: ReadonlySet<RotationOutcome> = new Set<RotationOutcome>(['rotated', 'already', 'noKey'])

export interface LeftRecording {
  readonly recordingId: string
  readonly outcome: RotationOutcome
  /** Of the error behind it, as `sentence` and `hint`. */
  readonly code?: string
  readonly sentence?: string
  readonly hint?: string
  /** Of `shredded`: the names of its sealed keys that are still there. */
  readonly keysLeft?: readonly string[]
  /** Of `shredded`: the names of those that this run took away. */
  readonly keysDestroyed?: readonly string[]
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
  /** Of this machine: what nobody has decided about. */
  readonly heldKeys: Pick<HeldKeys, 'undecided' | 'read'>
  readonly vaults: Vaults
  /** Who may have decided about recordings. */
  readonly trusted: readonly VerifyKey[]
  /** By which the recorder of this machine knows what must not be stored again. */
  readonly marks: Pick<RotatedMarks, 'write'>
  /** By which a start of that recorder finds what a run that was killed left. */
  readonly intents: Pick<RotationIntents, 'write' | 'remove'>
  readonly isDryRun: boolean
  /** Recordings of this machine whose key may be in no store yet: they are `running`, whether or not they are among those that are given. */
  readonly onTheirWay: ReadonlySet<string>
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
  for await (const page of pagesOf(recordings, PAGE_RECORDINGS)) {
    await run.take(page)
    if (run.isCut) break
  }
  run.noteUnseen()
  return run.summary
}

class Run {
  readonly #options: RunOptions
  readonly #counts: Record<RotationOutcome, number> = {
    ...{ rotated: 0, already: 0, noKey: 0, running: 0, notOpened: 0, keyWrong: 0 },
    ...{ shredded: 0, notProven: 0, oldKept: 0, unsaid: 0, heldKey: 0, held: 0, failed: 0 },
  }
  readonly #left: LeftRecording[] = []
  #leftDropped = 0
  #lookedAt = 0
  #isSilent = false
  readonly #unseen: Set<string>

  constructor(options: RunOptions) {
    this.#options = options
    this.#unseen = new Set(options.onTheirWay)
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
    const { places, heldKeys, vaults } = this.#options
    const held = await heldKeysLeft(places, heldKeys, vaults.oldIdentities)
    await inParallel(page, RECORDINGS_AT_ONCE, async (recording) => {
      const key = await this.#storeNew(recording, held)
      if (key !== undefined) rotated.set(...key)
    })
    const { ledger, signal } = this.#options
    const said = await ledger.said([...rotated.keys()], signal)
    if (said.size < rotated.size) this.#isSilent = true
    await inParallel(rotated, RECORDINGS_AT_ONCE, async ([requestId, key]) => {
      if (said.has(requestId)) await this.#destroyOld(key, held)
      else this.#note({ recordingId: key.recordingId, outcome: 'unsaid' })
    })
  }

  /** Of what no store has a trace of yet. */
  noteUnseen(): void {
    if (this.isCut) return
    for (const recordingId of [...this.#unseen].toSorted()) this.#note({ recordingId, outcome: 'running' })
  }

  async #storeNew(recording: StoredRecording, held: HeldKeysLeft): Promise<readonly [string, RotatedKey] | undefined> {
    const { places, vaults, trusted, isDryRun, intents, ledger, asked, signal } = this.#options
    if (signal.aborted) return undefined
    try {
      const key = await rotateKey(places, recording, { vaults, trusted, isDryRun, intents })
      if (typeof key === 'string') await this.#done(recording, key, held)
      else if ('keysLeft' in key) this.#note({ recordingId: recording.recordingId, outcome: 'shredded', ...key })
      else if (isDryRun) await this.#done(recording, key.isHeld ? 'held' : 'rotated', held)
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

  async #destroyOld(key: RotatedKey, held: HeldKeysLeft): Promise<void> {
    const { places, trusted, marks } = this.#options
    try {
      // It was decided meanwhile, if not before. Who destroys it destroys the new key as well.
      const standing = await standingIn(places, key, trusted)
      if (standing !== 'free') {
        return this.#note({ recordingId: key.recordingId, outcome: standing === 'held' ? 'held' : 'shredded' })
      }
      await marks.write(key.recordingId, wrappedKeyNumber(key.name))
      const kept = await destroyOldKeys(places, key)
      if (kept === undefined) await this.#done(key, 'rotated', held)
      else this.#note({ recordingId: key.recordingId, outcome: 'oldKept', ...whyOf(kept) })
    } catch (error) {
      this.#failed(key.recordingId, error)
    }
  }

  async #done(recording: StoredRecording, outcome: RotationOutcome, held: HeldKeysLeft): Promise<void> {
    const { recordingId } = recording
    if (outcome === 'noKey' && this.#options.onTheirWay.has(recordingId)) {
      return this.#note({ recordingId, outcome: 'running' })
    }
    const isLeft = OWN_KEY_DONE.has(outcome) && (await held.isIn(recording))
    this.#note({ recordingId, outcome: isLeft ? 'heldKey' : outcome })
  }

  #failed(recordingId: string, error: unknown): void {
    if (!(error instanceof EarwitnessError)) throw error
    this.#note({ recordingId, outcome: 'failed', ...whyOf(error) })
  }

  #note(recording: LeftRecording): void {
    const { recordingId, outcome } = recording
    this.#counts[outcome] += 1
    this.#unseen.delete(recordingId)
    this.#lookedAt += 1
    if (LEFT_OUTCOMES.has(outcome)) {
      if (this.#left.length >= NAMED_MAX) this.#leftDropped += 1
      else this.#left.push(recording)
    }
    this.#options.onProgress(this.#lookedAt, this.#counts)
  }
}

function whyOf({ code, message, hint }: EarwitnessError): Required<Pick<LeftRecording, 'code' | 'sentence' | 'hint'>> {
  return { code, sentence: message, hint }
}
