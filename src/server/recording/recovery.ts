import type { ChunkEntry, SnapshotEntry } from '../../evidence/manifest.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { objectKey } from '../storage/layout.ts'
import { sha256Hex, type Custody, type InterruptedRecording } from './custody.ts'
import type { OpenFacts, OpenJournal, OpenJournalEntry } from './open-journal.ts'

/**
 * Gives every recording that an earlier run left open its manifest: state `interrupted`, naming what reached the store.
 * Returns how many there were.
 */
export async function recoverInterrupted(options: {
  readonly journal: OpenJournal
  readonly store: ObjectStore
  readonly custody: Custody
}): Promise<number> {
  const { journal, store, custody } = options
  let recovered = 0
  for (const entries of await journal.leftOpen()) {
    const opened = entries.find((entry) => entry.kind === 'opened')
    if (opened === undefined) continue
    await custody.interrupted(
      await whatIsLeft(store, opened, entries),
      'The recorder ended before this recording did; what had reached the store is kept.',
    )
    recovered += 1
  }
  return recovered
}

async function whatIsLeft(
  store: ObjectStore,
  opened: OpenFacts,
  entries: readonly OpenJournalEntry[],
): Promise<InterruptedRecording> {
  const isStored = async (name: string, sha256: string): Promise<boolean> => {
    const bytes = await store.get(objectKey(opened.objectPrefix, name))
    return bytes !== undefined && sha256Hex(bytes) === sha256
  }
  const chunks: ChunkEntry[] = []
  const snapshots: SnapshotEntry[] = []
  for (const entry of entries) {
    if (entry.kind === 'chunk' && (await isStored(entry.chunk.name, entry.chunk.sha256))) chunks.push(entry.chunk)
    if (entry.kind === 'snapshot' && (await isStored(entry.snapshot.name, entry.snapshot.sealedSha256))) {
      snapshots.push(entry.snapshot)
    }
  }
  const incidents = entries.flatMap((entry) => (entry.kind === 'incident' ? [entry.incident] : []))
  return { ...opened, chunks, snapshots, incidents }
}
