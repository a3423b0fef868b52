import { EarwitnessError } from '../../errors.ts'
import {
  readManifest,
  type ChunkEntry,
  type DtmfEntry,
  type KeptEntry,
  type SnapshotEntry,
} from '../../evidence/manifest.ts'
import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { Custody, InterruptedRecording } from './custody.ts'
import type { LeftOpen, OpenJournal, OpenJournalEntry } from './open-journal.ts'

type OpenedEntry = OpenJournalEntry & { readonly kind: 'opened' }

export interface RecoveryOptions {
  readonly journal: Pick<OpenJournal, 'close'>
  /** As the journal gave it before the first new recording was opened. */
  readonly leftOpen: readonly LeftOpen[]
  /** This recorder's own: a manifest that somebody else left in the store is not taken for one. */
  readonly signer: VerifyKey
  readonly store: Pick<ObjectStore, 'get' | 'list' | 'put'>
  readonly custody: Pick<Custody, 'readmit' | 'interrupted' | 'closed'>
  /** One that cannot be closed stays open for the next start, and keeps no other from being recorded. */
  readonly reportError: (recordingId: string, error: unknown) => void
}

/**
 * Gives every recording that an earlier run left open its manifest: state `interrupted`, naming what reached the store.
 * Returns how many there were.
 */
export async function recoverInterrupted(options: RecoveryOptions): Promise<number> {
  let recovered = 0
  for (const leftOpen of options.leftOpen) {
    try {
      if (await recoverOne(options, leftOpen)) recovered += 1
    } catch (error) {
      options.reportError(leftOpen.recordingId, error)
    }
  }
  return recovered
}

async function recoverOne(options: RecoveryOptions, { recordingId, entries, lastAt }: LeftOpen): Promise<boolean> {
  const { journal, store, custody } = options
  const opened = entries.find((entry) => entry.kind === 'opened')
  if (opened === undefined) {
    // Nothing of it can have reached the store: its first line was not even written to the end.
    if (entries.length === 0) await journal.close(recordingId)
    else throw journalDamaged()
    return false
  }
  const manifest = await store.get(objectKey(opened.objectPrefix, MANIFEST_NAME))
  if (manifest !== undefined) {
    await takeAsClosed(options, opened, manifest)
    return false
  }
  const left = await whatIsLeft(store, opened, entries)
  custody.readmit(left)
  await custody.interrupted(
    { ...left, endedAt: lastAt ?? opened.startedAt },
    'The recorder ended before this recording did; what had reached the store is kept.',
  )
  return true
}

/** The last run came as far as storing the manifest: it must not be replaced, but the database may not know of it. */
async function takeAsClosed(options: RecoveryOptions, opened: OpenedEntry, signed: Uint8Array): Promise<void> {
  const read = await readManifest(new TextDecoder().decode(signed), [options.signer])
  if (read.ok && read.value.recordingId === opened.facts.recordingId) {
    options.custody.readmit({ ...opened, ...read.value })
    await options.custody.closed(read.value, signed)
    return
  }
  throw new EarwitnessError(
    'manifest-unreadable',
    'A recording that was left open has a manifest in the store which is not of this recorder.',
    'Run `earwitness verify` on it: somebody else than this recorder may have written it.',
  )
}

function journalDamaged(): EarwitnessError {
  return new EarwitnessError(
    'open-journal-damaged',
    'The journal of a recording that was left open has lost its first line.',
    'Its objects are in the store; keep the file under open/ in the data folder and report this.',
  )
}

async function whatIsLeft(
  store: RecoveryOptions['store'],
  opened: OpenedEntry,
  entries: readonly OpenJournalEntry[],
): Promise<Omit<InterruptedRecording, 'endedAt'>> {
  const prefix = `${opened.objectPrefix}/`
  const stored = new Set((await store.list(prefix)).map(({ key }) => key.slice(prefix.length)))
  const { wrappedKeyBase64, ...facts } = opened
  if (!stored.has(opened.wrappedKey.name)) {
    await store.put(prefix + opened.wrappedKey.name, Buffer.from(wrappedKeyBase64, 'base64'))
  }
  const chunks = entries.flatMap((entry): ChunkEntry[] => (entry.kind === 'chunk' ? [entry.chunk] : []))
  const kept = entries.flatMap((entry): KeptEntry[] => (entry.kind === 'kept' ? [entry.kept] : []))
  const dtmf = entries.flatMap((entry): DtmfEntry[] => (entry.kind === 'dtmf' ? [entry.dtmf] : []))
  // The last object before the manifest: what is not there was not stored yet.
  const peaks = entries
    .flatMap((entry) => (entry.kind === 'peaks' && stored.has(entry.peaks.name) ? [entry.peaks] : []))
    .at(0)
  const snapshots = entries.flatMap((entry): SnapshotEntry[] => (entry.kind === 'snapshot' ? [entry.snapshot] : []))
  return {
    ...facts,
    chunks: uptoLastStored(onceEach(chunks), stored),
    kept: uptoLastStored(onceEach(kept), stored),
    dtmf: uptoLastStored(onceEach(dtmf), stored),
    ...(peaks === undefined ? {} : { peaks }),
    snapshots: uptoLastStored(onceEach(snapshots), stored),
    incidents: entries.flatMap((entry) => (entry.kind === 'incident' ? [entry.incident] : [])),
  }
}

/** A line that the disk was slow to take may be in the journal twice. */
function onceEach<Entry extends { readonly name: string }>(entries: readonly Entry[]): readonly Entry[] {
  return [...new Map(entries.map((entry) => [entry.name, entry])).values()]
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
