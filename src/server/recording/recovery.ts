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
import { sha256Hex } from '../../evidence/sha256.ts'
import type { SpoolFrame } from '../../recorder/recording-types.ts'
import { objectsOfFrames } from '../spool/left-frames.ts'
import type { Spool } from '../spool/spool.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { isShredWanted, keptConsent, storeConsent, type ObjectionPolicy } from './consent-recovery.ts'
import type { Custody } from './custody.ts'
import type { HeldCustody } from './held-custody.ts'
import type { InterruptedRecording } from './interrupted-manifest.ts'
import { storeJournalled, type JournalledObject } from './journalled-objects.ts'
import type { LeftOpen, OpenJournal, OpenJournalEntry } from './open-journal.ts'
import type { RecoveryRound } from './recovery-rounds.ts'

const SAMPLES_PER_MS = 48

type OpenedEntry = OpenJournalEntry & { readonly kind: 'opened' }

export interface RecoveryOptions {
  readonly journal: Pick<OpenJournal, 'append' | 'close'>
  /** As the journal gave it before the first new recording was opened. */
  readonly leftOpen: readonly LeftOpen[]
  /** What the spool holds of these recordings, in the order it was written. */
  readonly framesOf?: (recordingId: string) => readonly SpoolFrame[]
  /** This recorder's own: a manifest that somebody else left in the store is not taken for one. */
  readonly signer: VerifyKey
  readonly store: Pick<ObjectStore, 'get' | 'list' | 'put'>
  readonly custody: Pick<Custody, 'readmit' | 'interrupted' | 'closed'>
  readonly held?: Pick<HeldCustody, 'recover'>
  /** Of the source of this name. */
  readonly policyOf?: (src: string) => ObjectionPolicy | undefined
  /** The policy of its source wants this recording destroyed; it is looked at once it is closed. */
  readonly shredWanted?: (recordingId: string, objectPrefix: string) => Promise<void>
  /** One that cannot be closed stays open for the next round, or start, and keeps no other from being closed. */
  readonly reportError: (recordingId: string, error: unknown) => void
}

/** The same, with what the spool holds; that goes when no recording needs it any more. */
export async function recoverWithSpool(
  spool: Pick<Spool, 'leftFrames' | 'forgetEarlierRuns' | 'leftObjectsStored'>,
  options: RecoveryOptions,
): Promise<RecoveryRound> {
  // What was finished goes first: frames are only for what no object covers.
  await spool.leftObjectsStored()
  const frames = await spool.leftFrames(options.leftOpen.map(({ recordingId }) => recordingId))
  const failed: string[] = []
  const recovered = await recoverInterrupted({
    ...options,
    framesOf: (recordingId) => frames.get(recordingId) ?? [],
    reportError: (recordingId, error) => {
      failed.push(recordingId)
      options.reportError(recordingId, error)
    },
  })
  if (failed.length === 0) await spool.forgetEarlierRuns()
  return { recovered, failed }
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
  // Before its journal goes: the run before may not have come to note it.
  const { events } = keptConsent(recordingId, entries)
  if (isShredWanted(events, options.policyOf?.(opened.facts.src)))
    await options.shredWanted?.(recordingId, opened.objectPrefix)
  const manifest = await store.get(objectKey(opened.objectPrefix, MANIFEST_NAME))
  if (manifest !== undefined) {
    await takeAsClosed(options, { opened, entries }, manifest)
    return false
  }
  const stored = await whatIsLeft(store, opened, entries)
  const left = await settleHeld(options, await storeFrames(options, stored))
  custody.readmit(left)
  await custody.interrupted(
    { ...left, endedAt: latest(lastAt ?? opened.startedAt, endOfAudio(left)) },
    'The recorder ended before this recording did; what had reached the store or the spool is kept.',
  )
  return true
}

/** Makes objects of the frames that none covers: each has its line in the journal before it is stored, like all others. */
async function storeFrames(
  { journal, store, framesOf }: RecoveryOptions,
  left: Omit<InterruptedRecording, 'endedAt'>,
): Promise<Omit<InterruptedRecording, 'endedAt'>> {
  const { recordingId } = left.facts
  const { chunks, kept, hasHole } = objectsOfFrames(framesOf?.(recordingId) ?? [], left)
  await Promise.all([
    ...chunks.map(({ entry }) => journal.append(recordingId, { kind: 'chunk', chunk: entry })),
    ...kept.map(({ entry }) => journal.append(recordingId, { kind: 'kept', kept: entry })),
  ])
  for (const { entry, bytes } of [...chunks, ...kept]) await store.put(objectKey(left.objectPrefix, entry.name), bytes)
  const incident = { code: 'spool-damaged', at: left.startedAt, detail: 'A part of the spool could not be used.' }
  return {
    ...left,
    chunks: [...left.chunks, ...chunks.map(({ entry }) => entry)],
    kept: [...left.kept, ...kept.map(({ entry }) => entry)],
    incidents: hasHole ? [...left.incidents, incident] : left.incidents,
  }
}

/** Carries out what was decided about audio held until consent. Without its key it is gone, whatever was decided. */
async function settleHeld(
  { held, store }: RecoveryOptions,
  left: Omit<InterruptedRecording, 'endedAt'>,
): Promise<Omit<InterruptedRecording, 'endedAt'>> {
  if (held === undefined || left.held === undefined) return left
  const { name, sha256 } = left.held.wrappedKey
  const stored = await store.get(objectKey(left.objectPrefix, name))
  // Whoever may add objects must not get the only key destroyed by one of that name.
  const isStored = stored !== undefined && sha256Hex(stored) === sha256
  const settled = await held.recover(store, left, isStored)
  if (settled === 'undecided') return { ...left, heldDecision: undefined }
  if (settled === 'done') return left
  const at = left.startedAt
  const incident = {
    code: 'held-key-lost',
    at,
    detail: 'The key of what was held until consent is not there any more.',
  }
  const heldDecision = { outcome: 'destroyed', cause: 'lost', decidedAt: at } as const
  return { ...left, heldDecision, incidents: [...left.incidents, incident] }
}

/** Not before its audio was over; the INVITE, from which it is counted, came before the audio began. */
function endOfAudio({ startedAt, chunks }: Pick<InterruptedRecording, 'startedAt' | 'chunks'>): string {
  const durationMs = (chunks.at(-1)?.toSample ?? 0) / SAMPLES_PER_MS
  return new Date(Date.parse(startedAt) + durationMs).toISOString()
}

function latest(one: string, other: string): string {
  return Date.parse(one) >= Date.parse(other) ? one : other
}

/** The last run came as far as storing the manifest: it must not be replaced, but the database may not know of it. */
async function takeAsClosed(
  options: RecoveryOptions,
  { opened, entries }: { readonly opened: OpenedEntry; readonly entries: readonly OpenJournalEntry[] },
  signed: Uint8Array,
): Promise<void> {
  const read = await readManifest(new TextDecoder().decode(signed), [options.signer])
  if (read.ok && read.value.recordingId === opened.facts.recordingId) {
    const consent = keptConsent(opened.facts.recordingId, entries)
    options.custody.readmit({ ...opened, chunks: read.value.chunks, consent })
    options.custody.closed(read.value, signed)
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
  const listed = new Set((await store.list(prefix)).map(({ key }) => key.slice(prefix.length)))
  const { wrappedKeyBase64, ...facts } = opened
  if (!listed.has(opened.wrappedKey.name)) {
    await store.put(prefix + opened.wrappedKey.name, Buffer.from(wrappedKeyBase64, 'base64'))
  }
  const certain = await storedVersions(store, prefix, entries, listed)
  const stored = await storeJournalled(store, opened.objectPrefix, journalledRows(entries), listed)
  const chunks = entries.flatMap((entry): ChunkEntry[] => (entry.kind === 'chunk' ? [entry.chunk] : []))
  const kept = entries.flatMap((entry): KeptEntry[] => (entry.kind === 'kept' ? [entry.kept] : []))
  const dtmf = entries.flatMap((entry): DtmfEntry[] => (entry.kind === 'dtmf' ? [entry.dtmf] : []))
  // The last object before the manifest: what is not there was not stored yet.
  const peaks = entries
    .flatMap((entry) => (entry.kind === 'peaks' && stored.has(entry.peaks.name) ? [entry.peaks] : []))
    .at(0)
  const heldPeaks = entries
    .flatMap((entry) => (entry.kind === 'heldPeaks' && stored.has(entry.peaks.name) ? [entry.peaks] : []))
    .at(0)
  const heldDecision = entries.flatMap((entry) => (entry.kind === 'held' ? [entry.decision] : [])).at(0)
  const index = entries
    .flatMap((entry) => (entry.kind === 'index' && stored.has(entry.index.name) ? [entry.index] : []))
    .at(-1)
  const snapshots = entries.flatMap((entry): SnapshotEntry[] => (entry.kind === 'snapshot' ? [entry.snapshot] : []))
  const consent = keptConsent(opened.facts.recordingId, entries)
  await storeConsent(store, opened.objectPrefix, consent, listed)
  return {
    ...facts,
    consent,
    chunks: uptoLastStored(onceEach(chunks, certain), stored),
    kept: uptoLastStored(onceEach(kept, certain), stored),
    dtmf: uptoLastStored(onceEach(dtmf, certain), stored),
    ...(peaks === undefined ? {} : { peaks }),
    ...(index === undefined ? {} : { index }),
    ...{ heldDecision, heldPeaks },
    story: entries.filter((entry) => entry.kind === 'streams' || entry.kind === 'pause' || entry.kind === 'origin'),
    news: entries.flatMap((entry) => (entry.kind === 'facts' ? [entry.news] : [])),
    snapshots: uptoLastStored(onceEach(snapshots, certain), stored),
    incidents: entries.flatMap((entry) => (entry.kind === 'incident' ? [entry.incident] : [])),
  }
}

/** What the journal may hold whole, each row in its order. */
function journalledRows(entries: readonly OpenJournalEntry[]): readonly (readonly JournalledObject[])[] {
  const snapshots = entries.flatMap((entry) =>
    entry.kind === 'snapshot' ? [{ ...entry.snapshot, sha256: entry.snapshot.sealedSha256, ...bytesIn(entry) }] : [],
  )
  const dtmf = entries.flatMap((entry) => (entry.kind === 'dtmf' ? [{ ...entry.dtmf, ...bytesIn(entry) }] : []))
  return [snapshots, dtmf]
}

function bytesIn({ bytesBase64 }: { readonly bytesBase64?: string }): { readonly bytesBase64?: string } {
  return bytesBase64 === undefined ? {} : { bytesBase64 }
}

/**
 * A chunk that had not reached the store when the recorder died may have been made again, of frames, by a start that died too: then two lines give one
 * name two hashes, and the store says which of them is true. Hashes by name, of those names alone.
 */
async function storedVersions(
  store: RecoveryOptions['store'],
  prefix: string,
  entries: readonly OpenJournalEntry[],
  stored: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, Set<string>>()
  for (const entry of entries) {
    const object = entry.kind === 'chunk' ? entry.chunk : entry.kind === 'kept' ? entry.kept : undefined
    if (object === undefined || !stored.has(object.name)) continue
    hashes.set(object.name, (hashes.get(object.name) ?? new Set()).add(object.sha256))
  }
  const versions = new Map<string, string>()
  for (const [name, { size }] of hashes) {
    const bytes = size > 1 ? await store.get(prefix + name) : undefined
    if (bytes !== undefined) versions.set(name, sha256Hex(bytes))
  }
  return versions
}

/** A line that the disk was slow to take may be in the journal twice; of two that differ the stored one counts, else the later. */
function onceEach<Entry extends { readonly name: string; readonly sha256: string }>(
  entries: readonly Entry[],
  certain: ReadonlyMap<string, string>,
): readonly Entry[] {
  const possible = entries.filter(({ name, sha256 }) => (certain.get(name) ?? sha256) === sha256)
  return [...new Map(possible.map((entry) => [entry.name, entry])).values()]
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
