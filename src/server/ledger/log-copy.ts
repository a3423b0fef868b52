import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import {
  cosignaturesName,
  logIdOfKey,
  LOG_LIST_PREFIX,
  logMonthPrefixes,
  NEWEST_CHECKPOINT_NAME,
  parseCheckpointName,
  parseEntriesName,
  timestampName,
  type EntriesName,
} from '../../evidence/ledger/log-names.ts'
import type { NamedNote } from '../../evidence/ledger/verify-log.ts'
import { isUuidV7 } from '../../ids.ts'
import { namesIn } from '../names-in.ts'
import type { ObjectStore } from '../storage/object-store.ts'

export interface NamedEntries extends EntriesName {
  readonly name: string
}

/** A checkpoint, as the folder has it. */
export interface ListedCheckpoint {
  readonly name: string
  /** As its name says; the newest one of a node's own copy says none. */
  readonly size: number | undefined
  /** A time stamp lies beside it. */
  readonly isStamped: boolean
  /** Cosignatures lie beside it. */
  readonly isCosigned: boolean
}

/** One copy of a log, wherever it lies. */
export interface LogCopy {
  readonly logId: string
  /** In the order of the log. */
  readonly entries: readonly NamedEntries[]
  /** In ascending order of their sizes. */
  readonly checkpoints: readonly ListedCheckpoint[]
  read(name: string): Promise<Uint8Array | undefined>
}

/** The logs of a data folder, the oldest first. */
export async function localLogs(ledgerDir: string): Promise<readonly string[]> {
  return (await namesIn(ledgerDir)).filter(isUuidV7).toSorted()
}

/** The copy of a log that its node has. */
export async function localCopy(ledgerDir: string, logId: string): Promise<LogCopy> {
  const folder = join(ledgerDir, logId)
  const names = await readdir(folder)
  return {
    logId,
    entries: sortedEntries(names),
    checkpoints: names.includes(NEWEST_CHECKPOINT_NAME)
      ? [{ name: NEWEST_CHECKPOINT_NAME, size: undefined, isStamped: false, isCosigned: false }]
      : [],
    read: (name) => readFile(join(folder, name)),
  }
}

/** The logs of an object store, the oldest first. */
export async function storedLogs(store: Pick<ObjectStore, 'list'>): Promise<readonly string[]> {
  const objects = await store.list(LOG_LIST_PREFIX)
  return objects.map(({ key }) => logIdOfKey(key)).filter((logId) => logId !== undefined)
}

/** The copy of a log in an object store. */
export async function storedCopy(
  store: Pick<ObjectStore, 'get' | 'list'>,
  logId: string,
  nowUnixMs: number,
): Promise<LogCopy> {
  const keys = new Map<string, string>()
  for (const prefix of logMonthPrefixes(logId, nowUnixMs)) {
    for (const { key } of await store.list(prefix)) keys.set(key.slice(prefix.length), key)
  }
  const names = [...keys.keys()]
  const checkpoints = names
    .flatMap((name) => {
      const size = parseCheckpointName(name)
      if (size === undefined) return []
      return [{ name, size, isStamped: keys.has(timestampName(size)), isCosigned: keys.has(cosignaturesName(size)) }]
    })
    .toSorted((left, right) => left.size - right.size)
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const key = keys.get(name)
    return key === undefined ? undefined : store.get(key)
  }
  return { logId, entries: sortedEntries(names), checkpoints, read }
}

/** How far the statements in an object store go; 0 without any. Looks into as few months as it can. */
export async function storedEnd(store: Pick<ObjectStore, 'list'>, logId: string, nowUnixMs: number): Promise<number> {
  for (const prefix of logMonthPrefixes(logId, nowUnixMs)) {
    const entries = sortedEntries((await store.list(prefix)).map(({ key }) => key.slice(prefix.length)))
    const end = Math.max(0, ...entries.map((entry) => entry.end ?? 0))
    if (end > 0) return end
  }
  return 0
}

/** The statements of a copy in order, without LF. What a second object has again is passed over, and so is a last line that is not whole. */
export async function* linesOf(copy: LogCopy): AsyncGenerator<string> {
  let seq = copy.entries[0]?.first ?? 0
  for (const { name, first, end } of copy.entries) {
    if (end !== undefined && end <= seq) continue
    const bytes = (await copy.read(name)) ?? new Uint8Array()
    // Latin-1 keeps every byte apart, where UTF-8 would fold wrong ones together; statements are ASCII.
    const lines = Buffer.from(bytes).toString('latin1').split('\n').slice(0, -1)
    const known = end === undefined ? 0 : Math.max(0, seq - first)
    for (const line of lines.slice(known)) yield line
    seq = Math.max(seq, first + lines.length)
  }
}

export async function* notesOf(copy: LogCopy): AsyncGenerator<NamedNote> {
  for (const listed of copy.checkpoints) {
    const note = await noteOf(copy, listed)
    if (note?.size === undefined) yield* note === undefined ? [] : [note]
    else yield { ...note, ...(await besideCheckpoint(copy, note.size)) }
  }
}

/** The newest checkpoint of a copy, without what others have said of it. */
export async function newestNoteOf(copy: LogCopy): Promise<NamedNote | undefined> {
  const newest = copy.checkpoints.at(-1)
  return newest === undefined ? undefined : noteOf(copy, newest)
}

/** One checkpoint of a copy, without what others have said of it; undefined when it is gone. */
export async function noteOf(
  copy: Pick<LogCopy, 'read'>,
  { name, size }: Pick<ListedCheckpoint, 'name' | 'size'>,
): Promise<NamedNote | undefined> {
  const bytes = await copy.read(name)
  if (bytes === undefined) return undefined
  return { name, note: Buffer.from(bytes).toString('utf8'), ...(size === undefined ? {} : { size }) }
}

/** What others have said of a checkpoint. */
export async function besideCheckpoint(
  copy: Pick<LogCopy, 'read'>,
  size: number,
): Promise<Pick<NamedNote, 'timestamp' | 'cosignatures'>> {
  const timestamp = await copy.read(timestampName(size))
  const lines = await copy.read(cosignaturesName(size))
  return {
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(lines === undefined ? {} : { cosignatures: Buffer.from(lines).toString('utf8') }),
  }
}

function sortedEntries(names: readonly string[]): readonly NamedEntries[] {
  return names
    .flatMap((name) => {
      const entries = parseEntriesName(name)
      return entries === undefined ? [] : [{ name, ...entries }]
    })
    .toSorted((left, right) => left.first - right.first || (right.end ?? 0) - (left.end ?? 0))
}
