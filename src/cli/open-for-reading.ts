import type { ObjectStore } from '../server/storage/object-store.ts'
import { openStoreForReading, type StorageConfig } from '../server/storage/open-store.ts'
import type { FallbackKind } from '../server/storage/replica/fallback-reader.ts'
import { paintFor, writeLines } from './output.ts'

const SENTENCES: Readonly<Record<FallbackKind, (code: string) => string>> = {
  lacked: () => 'the store lacks what its replica has; it was read from there.',
  down: (code) => `the store does not answer (${code}); the replica was read instead, which may be behind.`,
  unasked: (code) => `the replica does not answer (${code}): what the store lacks may be there.`,
}

/** The configured store and its replica, with a warning on `stderr` the first time that each kind of thing happens between them. */
export function openForReading(
  config: StorageConfig,
  stderr: NodeJS.WritableStream = process.stderr,
): Promise<Pick<ObjectStore, 'get' | 'list'>> {
  const told = new Set<FallbackKind>()
  return openStoreForReading(config, (kind, code = 'unknown') => {
    if (told.has(kind)) return
    told.add(kind)
    writeLines(stderr, [`${paintFor(stderr, process.env)('yellow', 'warning:')} ${SENTENCES[kind](code)}`])
  })
}
