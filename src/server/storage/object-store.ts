import type { ObjectReader } from '../../evidence/verify.ts'
import { EarwitnessError } from '../../errors.ts'

/** Bytes in an object key; that of S3. */
export const OBJECT_KEY_LENGTH_MAX = 1_024

/**
 * Where sealed objects are kept. Keys are paths with `/`, as `recordingPrefix` and `objectKey` make them.
 *
 * Every method throws an EarwitnessError `storage-…` with a hint when the store cannot do its work.
 */
export interface ObjectStore {
  /**
   * Creates an object; resolves when it would survive a power cut. Creating it again with the same bytes is fine, so a
   * retry needs no care; with other bytes it throws `storage-conflict`, and the first object stays.
   */
  put(key: string, bytes: Uint8Array): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  /** All objects whose keys begin with `prefix` (text, not path), in ascending order of their keys. */
  list(prefix: string): Promise<readonly { readonly key: string; readonly sizeBytes: number }[]>
  /** Destroys an object; fine when there is none. */
  delete(key: string): Promise<void>
  /** Proves that the store can be written to, by doing it; some stores say what they found. */
  check(): Promise<unknown>
}

/** One copy of an object: a file, or a version of a bucket; a delete marker counts as one. */
export interface ObjectCopy {
  readonly key: string
  readonly copyId: string
  readonly isDeleteMarker: boolean
}

/** Why a store does not let a copy be destroyed. */
export interface CopyLock {
  readonly reason: 'governance' | 'compliance' | 'legalHold'
  /** Of the first two. */
  readonly until: Date | undefined
}

/** What is looked into for its content: sealed keys are far smaller. */
export const UNNAMED_BYTES_MAX = 64 * 1024

/** A store whose objects can be kept from being destroyed, and destroyed for good. Commands use it, and the recorder where a policy about consent destroys. */
export interface CustodyStore extends ObjectStore {
  /** What follows `prefix` (empty, or with a slash at its end) in the keys under it, up to the next slash; of each once, in ascending order. One that holds nothing any more may be among them. */
  folders(prefix: string): Promise<readonly string[]>
  /** Every copy of every object whose key begins with `prefix`, hidden ones too. */
  copies(prefix: string): Promise<readonly ObjectCopy[]>
  /** Undefined when nothing keeps it, or there is no such copy. */
  lockOf(copy: ObjectCopy): Promise<CopyLock | undefined>
  /** Fine when there is none. @throws EarwitnessError `storage-denied` when the store does not allow it */
  destroy(copy: ObjectCopy, options: { readonly bypassesGovernance: boolean }): Promise<void>
  /** Destroys what a crash may have left of objects with these contents (hex SHA-256, at most {@link UNNAMED_BYTES_MAX}) under no name; gives how many. */
  destroyUnnamed(hashes: ReadonlySet<string>): Promise<number>
  /** False where the store has no legal holds. */
  setLegalHold(copy: ObjectCopy, isOn: boolean): Promise<boolean>
}

// A segment begins with a letter or digit: no `..`, no hidden file, nothing that a command would take for an option.
const OBJECT_KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,199})*$/

export function isObjectKey(key: string): boolean {
  return key.length <= OBJECT_KEY_LENGTH_MAX && OBJECT_KEY.test(key)
}

/** Throws `storage-key-invalid` for a key that could leave the store, or that not every store can hold. */
export function requireObjectKey(key: string): void {
  if (isObjectKey(key)) return
  throw new EarwitnessError(
    'storage-key-invalid',
    `This is not a name for an object: ${JSON.stringify(key.slice(0, 200))}.`,
    'Object names are made of letters, digits, dots, dashes and slashes, and no part begins with a dot.',
  )
}

/** The objects of one recording, as verification reads them: by their names inside the prefix. */
export function recordingObjects(store: Pick<ObjectStore, 'get' | 'list'>, prefix: string): ObjectReader {
  const start = `${prefix}/`
  return {
    list: async () => (await store.list(start)).map(({ key }) => key.slice(start.length)),
    get: (name) => store.get(start + name),
  }
}
