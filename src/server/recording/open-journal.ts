import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { ChunkEntry, IncidentEntry, SnapshotEntry, WrappedKeyEntry } from '../../evidence/manifest.ts'
import { isUuidV7 } from '../../ids.ts'
import type { RecordingFacts } from '../../recorder/recording-types.ts'

/** What a manifest needs should this process not live to write it. No names, numbers or audio. */
export interface OpenFacts {
  readonly facts: Pick<
    RecordingFacts,
    'recordingId' | 'rsId' | 'tenant' | 'src' | 'sipCallIdSha256' | 'layout' | 'software'
  >
  readonly startedAt: string
  readonly objectPrefix: string
  readonly recipient: string
  readonly wrappedKey: WrappedKeyEntry
}

/** What an earlier run left open. */
export interface LeftOpen {
  readonly recordingId: string
  /** In order; a line that was not written to its end is left out. */
  readonly entries: readonly OpenJournalEntry[]
}

export type OpenJournalEntry =
  /** The wrapped key is here too: it is sealed to the vault, and its object may not have reached the store. */
  | ({ readonly kind: 'opened'; readonly wrappedKeyBase64: string } & OpenFacts)
  | { readonly kind: 'chunk'; readonly chunk: ChunkEntry }
  | { readonly kind: 'snapshot'; readonly snapshot: SnapshotEntry }
  | { readonly kind: 'incident'; readonly incident: IncidentEntry }

const SUFFIX = '.jsonl'
/** Longest journal that is read back: a chunk entry has some 350 bytes, so this is weeks of one recording. */
export const OPEN_JOURNAL_BYTES_MAX = 64 * 1024 * 1024

/**
 * One small file for each open recording under `dataDir/open`, a line for each object before it is stored. The file goes
 * when the manifest is stored; what is left at the next start was interrupted.
 *
 * It is local on purpose: several recorders may share a database and a bucket, and each recovers its own.
 */
export class OpenJournal {
  readonly #directory: string
  readonly #onError: (error: unknown) => void
  readonly #chains = new Map<string, Promise<void>>()

  constructor(options: { readonly dataDir: string; readonly onError: (error: unknown) => void }) {
    this.#directory = join(options.dataDir, 'open')
    this.#onError = options.onError
  }

  async run(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
  }

  /** Resolves when the line is with the system: it survives the process. A full disk is reported and does not reject. */
  append(recordingId: string, entry: OpenJournalEntry): Promise<void> {
    return this.#chain(recordingId, () =>
      appendFile(this.#file(recordingId), `${JSON.stringify(entry)}\n`, { mode: 0o600 }),
    )
  }

  /** The recording has its manifest: forget it. */
  close(recordingId: string): Promise<void> {
    return this.#chain(recordingId, () => rm(this.#file(recordingId), { force: true }))
  }

  async leftOpen(): Promise<readonly LeftOpen[]> {
    const names = await readdir(this.#directory)
    const recordingIds = names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length))
    return Promise.all(
      recordingIds.filter(isUuidV7).map(async (recordingId) => {
        const text = await readFile(this.#file(recordingId), 'utf8')
        return { recordingId, entries: text.slice(0, OPEN_JOURNAL_BYTES_MAX).split('\n').flatMap(parseEntry) }
      }),
    )
  }

  async #chain(recordingId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#chains.get(recordingId) ?? Promise.resolve()
    const done = before.then(work).catch(this.#onError)
    this.#chains.set(recordingId, done)
    await done
    if (this.#chains.get(recordingId) === done) this.#chains.delete(recordingId)
  }

  #file(recordingId: string): string {
    return join(this.#directory, recordingId + SUFFIX)
  }
}

function parseEntry(line: string): OpenJournalEntry[] {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'kind' in value ? [value as OpenJournalEntry] : []
  } catch {
    return []
  }
}
