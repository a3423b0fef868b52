import { isSealedKeyName } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import { UNNAMED_BYTES_MAX } from '../storage/object-store.ts'
import { nodeCopies } from './node-copies.ts'
import type { RecordingCustody } from './recording-custody.ts'

/**
 * Hex SHA-256 of every sealed key of a recording, in the stores and on this machine: by it a copy is known that a crash left under no name. A replica that does not answer is passed over; the
 * store must answer.
 */
export async function sealedKeyHashes(custody: RecordingCustody, dataDir: string): Promise<ReadonlySet<string>> {
  const hashes = new Set<string>()
  for (const { place, store } of custody.places) {
    try {
      for (const { key, sizeBytes } of await store.list(custody.key(''))) {
        if (sizeBytes > UNNAMED_BYTES_MAX || !isSealedKeyName(key.slice(custody.prefix.length + 1))) continue
        const bytes = await store.get(key)
        if (bytes !== undefined) hashes.add(sha256Hex(bytes))
      }
    } catch (error) {
      if (place === 'store') throw error
    }
  }
  for (const copy of await nodeCopies(dataDir, custody.recordingId, 'key')) {
    for (const bytes of await copy.keys()) hashes.add(sha256Hex(bytes))
  }
  return hashes
}
