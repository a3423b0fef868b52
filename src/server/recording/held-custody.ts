import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { RecordingFacts } from '../../recorder/recording-types.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { HeldDecision, HeldFacts } from './held-decision.ts'
import type { HeldKeys } from './held-keys.ts'
import type { LiveRecording } from './live-recording.ts'
import type { OpenJournal } from './open-journal.ts'

/** A manifest waits for this; a stop of the recorder must not wait longer. */
const ASK_AGAIN_MS = [500, 1_500, 3_000]

/** Puts an object into the store as all others of a recording; rejects when that is refused for good. */
type Put = (order: string, key: string, bytes: Uint8Array) => Promise<void>

/**
 * Carries out what is decided about audio that was held until consent. The decision is on the disk before it is carried out, and a recording whose
 * journal does not have it is undecided: so no crash makes consent of what was none, and none loses what was agreed to.
 */
export class HeldCustody {
  readonly #keys: HeldKeys
  readonly #journal: Pick<OpenJournal, 'append'>
  readonly #put: Put
  readonly #isOnHold: (recordingId: string, objectPrefix: string) => Promise<boolean>
  readonly #onError: (recordingId: string, error: unknown) => void
  readonly #pausesMs: readonly number[]
  /** Of recordings that are not closed: settles to what the manifest may say. */
  readonly #decided = new Map<string, Promise<HeldDecision | undefined>>()
  /** Of the same: settles when the held key has its name. */
  readonly #named = new Map<string, Promise<void>>()

  constructor(options: {
    readonly keys: HeldKeys
    readonly journal: Pick<OpenJournal, 'append'>
    readonly put: Put
    /** Nothing of what is on legal hold is destroyed. Rejects when that cannot be told. */
    readonly isOnHold: (recordingId: string, objectPrefix: string) => Promise<boolean>
    readonly onError: (recordingId: string, error: unknown) => void
    /** Before a store that did not answer is asked again. */
    readonly pausesMs?: readonly number[]
  }) {
    this.#keys = options.keys
    this.#journal = options.journal
    this.#put = options.put
    this.#isOnHold = options.isOnHold
    this.#onError = options.onError
    this.#pausesMs = options.pausesMs ?? ASK_AGAIN_MS
  }

  /**
   * The held key goes where a crash does not take it. The journal must not say that the recording exists before this resolves: it would have lost what is held. Never
   * rejects; what the disk does not take is reported, and memory still has it.
   */
  async prepare({ held, objectPrefix, facts }: LiveRecording): Promise<void> {
    if (held === undefined) return
    await this.#keys
      .prepare(objectKey(objectPrefix, held.wrappedKey.name), held.bytes)
      .catch((error: unknown) => this.#onError(facts.recordingId, error))
  }

  /**
   * The recording exists. What was decided before is carried out now.
   *
   * @param journalled settles when the journal says so
   */
  opened(recording: LiveRecording, journalled: Promise<unknown>): void {
    const { held, heldDecision, objectPrefix, facts } = recording
    if (held === undefined) return
    const key = objectKey(objectPrefix, held.wrappedKey.name)
    const named = journalled
      .then(() => this.#keys.name(key))
      .catch((error: unknown) => this.#onError(facts.recordingId, error))
    this.#named.set(facts.recordingId, named)
    if (heldDecision !== undefined) this.decide(recording, heldDecision)
  }

  /** Notes the decision, then stores the held key or destroys it. */
  decide({ facts, held, objectPrefix }: LiveRecording, decision: HeldDecision): void {
    if (held === undefined) return
    const { recordingId } = facts
    const key = objectKey(objectPrefix, held.wrappedKey.name)
    const done = this.#journal.append(recordingId, { kind: 'held', decision }).then((isWritten) => {
      if (decision.outcome === 'destroyed') return this.#destroyUnlessHeld(recordingId, objectPrefix, { key, decision })
      // What no start would know of is not allowed: it stays undecided.
      if (!isWritten) return undefined
      // Before the manifest, which is put behind it; the file goes when the store has it.
      void this.#store(recordingId, key, held.bytes)
      return decision
    })
    this.#decided.set(recordingId, done)
  }

  /** What the manifest says, once that is true; undefined when nobody has decided, or the key could not be destroyed. */
  async decisionOf(recordingId: string): Promise<HeldDecision | undefined> {
    await this.#named.get(recordingId)
    return this.#decided.get(recordingId)
  }

  /** Its manifest is stored. */
  over(recordingId: string): void {
    this.#decided.delete(recordingId)
    this.#named.delete(recordingId)
  }

  /** After a crash: carries out what had been decided. `lost`: the key that it takes is gone. `undecided`: it could not be destroyed, or must not be. */
  async recover(
    store: Pick<ObjectStore, 'put'>,
    left: HeldFacts & Pick<LiveRecording, 'objectPrefix'> & { readonly facts: Pick<RecordingFacts, 'recordingId'> },
    isStored: boolean,
  ): Promise<'done' | 'lost' | 'undecided'> {
    const { held, heldDecision, objectPrefix } = left
    const { recordingId } = left.facts
    if (held === undefined) return 'done'
    const key = objectKey(left.objectPrefix, held.wrappedKey.name)
    if (heldDecision?.outcome === 'destroyed') {
      const done = await this.#destroyUnlessHeld(recordingId, objectPrefix, { key, decision: heldDecision })
      return done === undefined ? 'undecided' : 'done'
    }
    const bytes = isStored ? undefined : await this.#keys.read(key)
    const isLost = !isStored && (bytes === undefined || sha256Hex(bytes) !== held.wrappedKey.sha256)
    if (heldDecision !== undefined && bytes !== undefined && !isLost) {
      const isPut = await this.#tryPut(store, { recordingId, key, bytes })
      if (!isPut) return 'undecided'
    }
    if (heldDecision !== undefined || isStored || isLost) await this.#keys.destroy(key)
    return isLost ? 'lost' : 'done'
  }

  async #askAgain(ask: () => Promise<boolean>): Promise<boolean> {
    for (const pauseMs of this.#pausesMs) {
      try {
        return await ask()
      } catch {
        await sleep(pauseMs, undefined, { ref: false })
      }
    }
    return ask()
  }

  /** False when something else has its name in the store: the key stays where it is, and that is reported. */
  async #tryPut(
    store: Pick<ObjectStore, 'put'>,
    { recordingId, key, bytes }: { readonly recordingId: string; readonly key: string; readonly bytes: Uint8Array },
  ): Promise<boolean> {
    try {
      await store.put(key, bytes)
      return true
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'storage-conflict') throw error
      this.#onError(recordingId, error)
      return false
    }
  }

  async #store(recordingId: string, key: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#put(recordingId, key, bytes)
      await this.#keys.destroy(key)
    } catch (error) {
      // It stays where it is: the next start finds it, and the store decides by what it has.
      this.#onError(recordingId, error)
    }
  }

  /** Undefined when it stays as it is, which is reported. A store that is away for a moment is asked again. */
  async #destroyUnlessHeld(
    recordingId: string,
    objectPrefix: string,
    { key, decision }: { readonly key: string; readonly decision: HeldDecision },
  ): Promise<HeldDecision | undefined> {
    try {
      const isOnHold = await this.#askAgain(() => this.#isOnHold(recordingId, objectPrefix))
      if (!isOnHold) return await this.#destroy(recordingId, key, decision)
      this.#onError(recordingId, onHold('The recording is on legal hold'))
    } catch (error) {
      this.#onError(recordingId, onHold('Whether the recording is on legal hold could not be asked', error))
    }
    return undefined
  }

  async #destroy(recordingId: string, key: string, decision: HeldDecision): Promise<HeldDecision | undefined> {
    try {
      await this.#keys.destroy(key)
      return decision
    } catch (error) {
      const sentence = 'The key of what was held until consent could not be destroyed.'
      const hint = 'Remove its file under held/ in the data folder; until then the manifest says `pending`.'
      this.#onError(recordingId, new EarwitnessError('held-key-not-destroyed', sentence, hint, { cause: error }))
      return undefined
    }
  }
}

function onHold(why: string, cause?: unknown): EarwitnessError {
  return new EarwitnessError(
    'recording-held',
    `${why}: the key of what was held until consent was not destroyed, and nothing is decided about it.`,
    'Nobody can open it without the vault. When there is no hold any more: earwitness consent held, then consent decide ID missing.',
    { cause },
  )
}
