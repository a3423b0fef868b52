import { checkCosignatures, type WitnessedCheckpoint } from './cosignature.ts'
import { type WitnessKey } from './witness-key.ts'

/** A statement that waits longer than this for a checkpoint, or a checkpoint for a witness, while the log goes on, is not the doing of a recorder. FORMAT.md 5, 6 */
export const CHECKPOINT_STALE_MS = 10 * 60 * 1_000

/**
 * Whether each trusted witness has to have signed; there is no quorum. `always`; `inTime`: when the log is older than {@link CHECKPOINT_STALE_MS}, so that it could be asked;
 * `never`: that it has not is said, and no finding.
 */
export type WitnessesDue = 'always' | 'inTime' | 'never'

/** @param ageMs from the first statement of the log to its last; NaN without any */
export function areWitnessesDue(due: WitnessesDue, ageMs: number): boolean {
  return due === 'always' || (due === 'inTime' && ageMs > CHECKPOINT_STALE_MS)
}

/** A checkpoint that a trusted signer has signed, with the signature lines that lie beside it. */
export interface TalliedCheckpoint {
  /** The text of the note, which ends with LF. */
  readonly text: string
  readonly size: number
  /** RFC 3339. */
  readonly at: string
  readonly cosignatures: string | undefined
}

/** Of one witness. */
interface Seen {
  readonly key: WitnessKey
  newest: WitnessedCheckpoint | undefined
  /** When the first checkpoint behind that was signed. */
  unsignedAt: string | undefined
}

/** Who has signed under the checkpoints of one log, and how far; the checkpoints come in ascending order of their sizes. */
export class WitnessTally {
  readonly #seen: readonly Seen[]
  #lastAt: string | undefined

  /** Two of them may bear one name. */
  constructor(witnesses: readonly WitnessKey[]) {
    this.#seen = witnesses.map((key) => ({ key, newest: undefined, unsignedAt: undefined }))
  }

  /** Gives what is wrong with the cosignatures, of which then none counts. */
  async take({ text, size, at, cosignatures }: TalliedCheckpoint): Promise<'unreadable' | 'forged' | undefined> {
    const keys = this.#seen.map(({ key }) => key)
    const read = cosignatures === undefined ? undefined : await checkCosignatures(text, cosignatures, keys)
    const found = read?.ok === true ? read.value : []
    this.#lastAt = at
    for (const seen of this.#seen) {
      const cosigned = found.findLast(({ witness, keyId }) => witness === seen.key.name && keyId === seen.key.keyId)
      if (cosigned !== undefined) seen.newest = { ...cosigned, size }
      seen.unsignedAt = cosigned === undefined ? (seen.unsignedAt ?? at) : undefined
    }
    return read?.ok === false ? read.reason : undefined
  }

  /** The newest checkpoint of each that has signed one, in the order of their keys. */
  get witnessed(): readonly WitnessedCheckpoint[] {
    return this.#seen.map(({ newest }) => newest).filter((newest) => newest !== undefined)
  }

  /** Names of those who have signed under none. */
  get unwitnessed(): readonly string[] {
    return this.#seen.filter(({ newest }) => newest === undefined).map(({ key }) => key.name)
  }

  /** Those who have signed, and then under nothing for longer than {@link CHECKPOINT_STALE_MS}, though there were checkpoints. */
  get stale(): readonly WitnessedCheckpoint[] {
    const lastMs = Date.parse(this.#lastAt ?? '')
    return this.#seen
      .filter(({ unsignedAt }) => lastMs - Date.parse(unsignedAt ?? '') > CHECKPOINT_STALE_MS)
      .map(({ newest }) => newest)
      .filter((newest) => newest !== undefined)
  }
}
