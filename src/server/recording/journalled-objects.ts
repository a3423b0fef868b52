import { sha256Hex } from '../../evidence/sha256.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'

/** A snapshot larger than this has only its name in the journal: it is on its way to the store all the same. */
export const JOURNALLED_BYTES_MAX = 64 * 1024
/** Of all objects of one recording that are in its journal, which is read back whole. */
export const JOURNALLED_SUM_BYTES_MAX = 8 * 1024 * 1024

/** A line of the journal that may have the whole sealed object with it. */
export interface JournalledObject {
  readonly name: string
  /** Hex SHA-256 of the sealed object. */
  readonly sha256: string
  readonly bytesBase64?: string | undefined
}

/** A sealed object on its way: its line in the journal, then the store. */
export interface SealedBytes {
  readonly name: string
  readonly bytes: Uint8Array
  /** What its line waits for; never rejects. */
  readonly after?: Promise<void> | undefined
  /** Is called when its line was handed to the journal, and whether the disk has it. */
  readonly journalled?: (isWritten: boolean) => void
  /** Is called when neither a crash nor a power cut takes it any more; perhaps twice. */
  readonly durable?: () => void
}

/**
 * Which small objects go into the journal whole. Their line is on the disk before they are given to a store that may be away, so neither a crash nor a power
 * cut takes them, and it costs no sync but that of the line.
 */
export class JournalledObjects {
  readonly #sums = new Map<string, number>()
  #omitted = 0

  /** Objects that were too large, or found the journal full. */
  get omitted(): number {
    return this.#omitted
  }

  /** The member of the line. */
  encode(recordingId: string, bytes: Uint8Array): { readonly bytesBase64?: string } {
    const sum = (this.#sums.get(recordingId) ?? 0) + bytes.length
    if (bytes.length > JOURNALLED_BYTES_MAX || sum > JOURNALLED_SUM_BYTES_MAX) {
      this.#omitted += 1
      return {}
    }
    this.#sums.set(recordingId, sum)
    return { bytesBase64: Buffer.from(bytes).toString('base64') }
  }

  over(recordingId: string): void {
    this.#sums.delete(recordingId)
  }
}

/**
 * Stores those that had not reached the store. Gives the names that are there then; behind the first one of a row that is neither stored nor journalled nothing
 * is stored, as it could not be listed.
 *
 * @param rows each in the order in which they were sealed
 */
export async function storeJournalled(
  store: Pick<ObjectStore, 'put'>,
  objectPrefix: string,
  rows: readonly (readonly JournalledObject[])[],
  stored: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const there = new Set(stored)
  for (const row of rows) {
    const last = row.findLastIndex(({ name }) => stored.has(name))
    for (const [place, object] of row.entries()) {
      if (there.has(object.name)) continue
      const bytes = journalledBytes(object)
      if (bytes === undefined && place > last) break
      if (bytes === undefined) continue
      await store.put(objectKey(objectPrefix, object.name), bytes)
      there.add(object.name)
    }
  }
  return there
}

function journalledBytes({ sha256, bytesBase64 }: JournalledObject): Uint8Array | undefined {
  const bytes = bytesBase64 === undefined ? undefined : Buffer.from(bytesBase64, 'base64')
  return bytes !== undefined && sha256Hex(bytes) === sha256 ? bytes : undefined
}
