import { createHash } from 'node:crypto'

/**
 * The members of a bundle. Both ways of reading give undefined for what is there and cannot be read; the reader keeps
 * to the bounds of FORMAT.md 1.
 */
export interface BundleMembers {
  /** In the order of the zip; a name that occurs twice is in it twice. */
  readonly names: readonly string[]
  /** The whole of a member that is small enough. */
  read(name: string): Promise<Uint8Array | undefined>
  /** Hash and size of a member of any size. */
  digest(name: string): Promise<MemberDigest | undefined>
}

export interface MemberDigest {
  /** Hex. */
  readonly sha256: string
  readonly sizeBytes: number
}

/** SHA-256 and size of a stream of bytes, holding one piece at a time. */
export async function digestOf(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<MemberDigest> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const piece of bytes) {
    hash.update(piece)
    sizeBytes += piece.length
  }
  return { sha256: hash.digest('hex'), sizeBytes }
}
