import { EarwitnessError } from '../../errors.ts'
import { decodeManifest, type ChunkEntry, type SnapshotEntry } from '../../evidence/manifest.ts'
import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { Custody, InterruptedRecording } from './custody.ts'
import type { LeftOpen, OpenJournal, OpenJournalEntry } from './open-journal.ts'

type OpenedEntry = OpenJournalEntry & { readonly kind: 'opened' }

export interface RecoveryOptions {
  readonly journal: Pick<OpenJournal, 'leftOpen' | 'close'>
  readonly store: Pick<ObjectStore, 'get' | 'list' | 'put'>
  readonly custody: Pick<Custody, 'interrupted' | 'closed'>
  /** One that cannot be closed stays open for the next start, and keeps no other from being recorded. */
  readonly reportError: (recordingId: string, error: unknown) => void
}

/**
 * Gives every recording that an earlier run left open its manifest: state `interrupted`, naming what reached the store.
 * Returns how many there were.
 */
export async function recoverInterrupted(options: RecoveryOptions): Promise<number> {
  let recovered = 0
  for (const leftOpen of await options.journal.leftOpen()) {
    try {
      if (await recoverOne(options, leftOpen)) recovered += 1
    } catch (error) {
      options.reportError(leftOpen.recordingId, error)
    }
  }
  return recovered
}

async function recoverOne(options: RecoveryOptions, { recordingId, entries }: LeftOpen): Promise<boolean> {
  const { journal, store, custody } = options
  const opened = entries.find((entry) => entry.kind === 'opened')
  if (opened === undefined) {
    // Nothing of it can have reached the store: its first line was not even written to the end.
    await journal.close(recordingId)
    return false
  }
  const manifest = await store.get(objectKey(opened.objectPrefix, MANIFEST_NAME))
  if (manifest !== undefined) {
    await takeAsClosed(custody, manifest)
    return false
  }
  await custody.interrupted(
    await whatIsLeft(store, opened, entries),
    'The recorder ended before this recording did; what had reached the store is kept.',
  )
  return true
}

/** The last run came as far as storing the manifest: it must not be replaced, but the database may not know of it. */
async function takeAsClosed(custody: RecoveryOptions['custody'], signed: Uint8Array): Promise<void> {
  const decoded = decodeManifest(new TextDecoder().decode(signed))
  if (decoded.ok) {
    await custody.closed(decoded.value.body, signed)
    return
  }
  throw new EarwitnessError(
    'manifest-unreadable',
    'A recording that was left open has a manifest in the store which cannot be read.',
    'Run `earwitness verify` on it: somebody else than this recorder may have written it.',
  )
}

async function whatIsLeft(
  store: RecoveryOptions['store'],
  opened: OpenedEntry,
  entries: readonly OpenJournalEntry[],
): Promise<InterruptedRecording> {
  const prefix = `${opened.objectPrefix}/`
  const stored = new Set((await store.list(prefix)).map(({ key }) => key.slice(prefix.length)))
  const { wrappedKeyBase64, ...facts } = opened
  if (!stored.has(opened.wrappedKey.name)) {
    await store.put(prefix + opened.wrappedKey.name, Buffer.from(wrappedKeyBase64, 'base64'))
  }
  const chunks = entries.flatMap((entry): ChunkEntry[] => (entry.kind === 'chunk' ? [entry.chunk] : []))
  const snapshots = entries.flatMap((entry): SnapshotEntry[] => (entry.kind === 'snapshot' ? [entry.snapshot] : []))
  return {
    ...facts,
    chunks: uptoLastStored(chunks, stored),
    snapshots: uptoLastStored(snapshots, stored),
    incidents: entries.flatMap((entry) => (entry.kind === 'incident' ? [entry.incident] : [])),
  }
}

/**
 * Objects go to the store in order, so what is missing at the end was not stored yet. What is missing before that has been
 * taken away: it stays on the list, and `verify` says so.
 */
function uptoLastStored<Entry extends { readonly name: string }>(
  entries: readonly Entry[],
  stored: ReadonlySet<string>,
): readonly Entry[] {
  return entries.slice(0, entries.findLastIndex(({ name }) => stored.has(name)) + 1)
}
