import { Decrypter } from 'age-encryption'

import { accepted, rejected, type Result } from '../result.ts'

/** Sealed objects beyond this are not opened: chunks are a few hundred KiB, and opening holds all of it in memory. */
export const SEALED_LENGTH_MAX = 64 * 1024 * 1024

export type OpenRejectReason = 'tooLarge' | 'notSealed' | 'identity' | 'noIdentityMatches' | 'damaged'

const VERSION_LINE = new TextEncoder().encode('age-encryption.org/v1\n')

/**
 * Opens a binary age v1 file with any of `identities` (`AGE-SECRET-KEY-1…`). Runs in Node and in browsers.
 *
 * `identity`: one of the identities is not one. `noIdentityMatches`: sealed to somebody else, or its recipient lines
 * were changed. `damaged`: header or content was changed or cut. Never throws, and never gives a part of the content.
 */
export async function openSealed(
  sealed: Uint8Array,
  identities: readonly string[],
): Promise<Result<Uint8Array, OpenRejectReason>> {
  if (sealed.length > SEALED_LENGTH_MAX) return rejected('tooLarge')
  if (!VERSION_LINE.every((byte, index) => sealed[index] === byte)) return rejected('notSealed')
  const decrypter = new Decrypter()
  try {
    for (const identity of identities) decrypter.addIdentity(identity)
  } catch {
    return rejected('identity')
  }
  try {
    return accepted(await decrypter.decrypt(sealed))
  } catch (error) {
    // The package tells its failures apart by message only; anything else means that the bytes are not what was sealed.
    const unmatched = error instanceof Error && error.message.startsWith('no identity matched')
    return rejected(unmatched ? 'noIdentityMatches' : 'damaged')
  }
}
