import { createHash } from 'node:crypto'

import { runningHashText, type RunningHashChain } from './running-hash-text.ts'

export { RUNNING_HASH_START } from './running-hash-text.ts'

/**
 * The running hash after one more object: one value that stands for all of its kind so far. FORMAT.md 3, 3.1
 *
 * @param previous the running hash before it, or `RUNNING_HASH_START`
 * @param objectSha256 hex SHA-256 of the sealed object
 */
export function nextRunningHash(chain: RunningHashChain, previous: string, objectSha256: string): string {
  return createHash('sha256')
    .update(runningHashText(chain, previous, objectSha256))
    .digest('hex')
}
