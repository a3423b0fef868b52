import { createHash } from 'node:crypto'

import { runningHashText } from './running-hash-text.ts'

export { RUNNING_HASH_START } from './running-hash-text.ts'

/**
 * The running hash after one more chunk: one value that stands for all chunks so far. FORMAT.md 3
 *
 * @param previous the running hash before it, or `RUNNING_HASH_START`
 * @param chunkSha256 hex SHA-256 of the sealed chunk
 */
export function nextRunningHash(previous: string, chunkSha256: string): string {
  return createHash('sha256').update(runningHashText(previous, chunkSha256)).digest('hex')
}
