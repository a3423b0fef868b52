import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'

import type {
  ChunkEntry,
  ConsentEventEntry,
  DtmfEntry,
  IncidentEntry,
  IndexEntry,
  KeptEntry,
  PeaksEntry,
  SnapshotEntry,
  WrappedKeyEntry,
} from '../../evidence/manifest.ts'
import { isUuidV7 } from '../../ids.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { RecordingFacts } from '../../recorder/recording-types.ts'
import { DirectorySync } from '../storage/directory-sync.ts'
import { objectKey } from '../storage/layout.ts'
import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'
import type { HeldDecision, HeldKeyFacts } from './held-decision.ts'
import { JournalReserve } from './journal-reserve.ts'
import type { StoryEvent } from './session-story.ts'
import type { ToldNews } from './told-facts.ts'

/** What a manifest and the database need should this process not live to write them. No names, numbers or audio. */
export interface OpenFacts {
  readonly facts: Pick<
    RecordingFacts,
    'recordingId' | 'rsId' | 'tenant' | 'src' | 'sipCallIdSha256' | 'layout' | 'software'
  >
  readonly sipCallId: string
  readonly startedAt: string
  readonly objectPrefix: string
  readonly recipient: string
  readonly wrappedKey: WrappedKeyEntry
  /** Absent when nothing is held until consent. Its sealed key is not here: see `HeldKeys`. */
  readonly held?: HeldKeyFacts | undefined
  /** Absent in a journal of release 0.1, as is the next. */
  readonly dialect?: string
  /** Of the headers of its INVITE. */
  readonly correlationIds?: readonly CorrelationId[]
}

/** What an earlier run left open. */
export interface LeftOpen {
  readonly recordingId: string
  /** In order; a line that was not written to its end is left out. */
  readonly entries: readonly OpenJournalEntry[]
  /** When the last of them was written: the recording lasted at least as long. RFC 3339; undefined when there is none. */
  readonly lastAt: string | undefined
}

export type OpenJournalEntry =
  /** The wrapped key is here too: it is sealed to the vault, and its object may not have reached the store. */
  | ({ readonly kind: 'opened'; readonly wrappedKeyBase64: string } & OpenFacts)
  | { readonly kind: 'chunk'; readonly chunk: ChunkEntry }
  | { readonly kind: 'kept'; readonly kept: KeptEntry }
  | { readonly kind: 'dtmf'; readonly dtmf: DtmfEntry; readonly bytesBase64?: string }
  | { readonly kind: 'peaks'; readonly peaks: PeaksEntry }
  | { readonly kind: 'heldPeaks'; readonly peaks: PeaksEntry }
  /** What becomes of what was held until consent. */
  | { readonly kind: 'held'; readonly decision: HeldDecision }
  /** Small sealed objects are here whole too: see `JournalledObjects`. */
  | { readonly kind: 'snapshot'; readonly snapshot: SnapshotEntry; readonly bytesBase64?: string }
  | { readonly kind: 'index'; readonly index: IndexEntry }
  | { readonly kind: 'facts'; readonly news: ToldNews }
  /** Signed consent events are here whole: none is lost with the recorder, whatever the store does. */
  | { readonly kind: 'consent'; readonly consent: ConsentEventEntry; readonly jws: string }
  | { readonly kind: 'incident'; readonly incident: IncidentEntry }
  | StoryEvent

const SUFFIX = '.jsonl'
/** Longest journal that is read back: a chunk entry has some 350 bytes, so this is weeks of one recording. */
export const OPEN_JOURNAL_BYTES_MAX = 64 * 1024 * 1024
/** What a disk, or whoever gives out its room, says when there is none. */
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT'])
/** Closed recordings whose end may wait to be on disk in ledger and outbox: days of them, where one of the two takes nothing any more. */
const CLOSINGS_MAX = 10_000

/**
 * One small file for each open recording under `dataDir/open`, a line for each object before it is stored. The file goes
 * when the manifest is stored; what is left at the next start was interrupted.
 *
 * It is local on purpose: several recorders may share a database and a bucket, and each recovers its own.
 */
export class OpenJournal {
  readonly #directory: string
  readonly #onError: (error: unknown) => void
  readonly #nowUnixMs: () => number
  readonly #chains = new Map<string, Promise<boolean>>()
  /** Lines that wait for their turn, to be written together. */
  readonly #waiting = new Map<string, { lines: string; readonly written: Promise<boolean> }>()
  /** Lines that the disk did not take: they are written before the next one. */
  readonly #unwritten = new Map<string, string>()
  /** Recordings whose file has its name for good. */
  readonly #named = new Set<string>()
  readonly #reserve: JournalReserve
  readonly #closingsMax: number
  #closings = 0
  #closingsLeft = 0
  #isOpen = false
  readonly #directories = new DirectorySync((path) => nodeFiles.syncDirectory(path))

  constructor(options: {
    readonly dataDir: string
    readonly onError: (error: unknown) => void
    readonly nowUnixMs: () => number
    /** For what the disk has no room for. */
    readonly reserveBytes?: number
    readonly closingsMax?: number
  }) {
    this.#closingsMax = options.closingsMax ?? CLOSINGS_MAX
    this.#directory = join(options.dataDir, 'open')
    this.#reserve = new JournalReserve({ dataDir: options.dataDir, bytesMax: options.reserveBytes })
    this.#onError = options.onError
    this.#nowUnixMs = options.nowUnixMs
  }

  async run(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    if (this.#isOpen) return
    this.#isOpen = true
    for (const [recordingId, lines] of await this.#reserve.run()) {
      if (existsSync(this.#file(recordingId))) this.#unwritten.set(recordingId, lines)
      else await this.#reserve.release(recordingId)
    }
  }

  /** Of the room for lines that the disk does not take: what is used. */
  get reserveBytes(): number {
    return this.#reserve.bytes
  }

  /** Lines that found no room there either: a crash takes them. */
  get refusals(): number {
    return this.#reserve.refusals
  }

  /**
   * Resolves when the line is on the disk, to whether it is: what it names is stored after it, so that a power cut leaves no object without a
   * line. Lines that come while one is written are written together. A full disk is reported and does not reject; the line goes to the reserve then, and is written again with the next one, on a line of its own
   * after what the disk may have taken of it. So a line may be there twice, whole or in part.
   *
   * @param after must have resolved before this line, and all that come behind it, are written; it never rejects
   */
  append(recordingId: string, entry: OpenJournalEntry, after?: Promise<void>): Promise<boolean> {
    const line = `${JSON.stringify({ at: new Date(this.#nowUnixMs()).toISOString(), ...entry })}\n`
    const waiting = this.#waiting.get(recordingId)
    if (waiting !== undefined) {
      waiting.lines += line
      return waiting.written
    }
    const written = this.#chain(recordingId, async () => {
      await after
      await this.#writeWaiting(recordingId)
    })
    this.#waiting.set(recordingId, { lines: line, written })
    return written
  }

  async #writeWaiting(recordingId: string): Promise<void> {
    const added = this.#waiting.get(recordingId)?.lines ?? ''
    this.#waiting.delete(recordingId)
    const unwritten = this.#unwritten.get(recordingId)
    const lines = unwritten === undefined ? added : `\n${unwritten}${added}`
    this.#unwritten.set(recordingId, lines)
    try {
      await this.#write(recordingId, lines)
    } catch (error) {
      // Without a file of its own it is none that a start would look for; and of a disk that fails, nobody knows whether that file is still there.
      const isForReserve = this.#named.has(recordingId) && FULL_CODES.has(errnoOf(error))
      const isKept = isForReserve && (await this.#reserve.keep(recordingId, added))
      if (!isForReserve) this.#reserve.refuse(recordingId, added)
      if (!isKept) throw error
      this.#onError(error)
      return
    }
    this.#unwritten.delete(recordingId)
    await this.#reserve.release(recordingId)
  }

  /** Closed recordings whose file waits for somebody to have their end on disk. */
  get closings(): number {
    return this.#closings
  }

  /** Those whose file was left for the next start, as too many waited. */
  get closingsLeft(): number {
    return this.#closingsLeft
  }

  /**
   * The recording is closed everywhere once `said` resolves: then its file goes. Nobody is asked where {@link CLOSINGS_MAX} wait already: the next start finds the file
   * and says the end again. This bounds who waits for ledger and outbox, too: nobody else does.
   */
  closeAfter(recordingId: string, said: () => Promise<unknown>): void {
    if (this.#closings >= this.#closingsMax) {
      this.#closingsLeft += 1
      this.#unwritten.delete(recordingId)
      this.#named.delete(recordingId)
      return
    }
    this.#closings += 1
    void said().then(() => {
      this.#closings -= 1
      return this.close(recordingId)
    })
  }

  /** Resolves when nothing is written any more, and the files are gone of recordings whose end has been said. */
  async settled(): Promise<void> {
    // What has just been said has its file closed in this turn.
    await new Promise(setImmediate)
    while (this.#chains.size > 0) await Promise.all(this.#chains.values())
  }

  /** The recording has its manifest: forget it. */
  async close(recordingId: string): Promise<void> {
    await this.#chain(recordingId, async () => {
      this.#unwritten.delete(recordingId)
      this.#named.delete(recordingId)
      await this.#reserve.release(recordingId)
      await unlink(this.#file(recordingId)).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw error
      })
    })
  }

  async #write(recordingId: string, lines: string): Promise<void> {
    const file = await open(this.#file(recordingId), 'a', 0o600)
    try {
      await file.appendFile(lines)
      await file.datasync()
    } finally {
      await file.close()
    }
    if (this.#named.has(recordingId)) return
    await this.#directories.sync(this.#directory)
    this.#named.add(recordingId)
  }

  /** @param only of these recordings, those that have a journal still; absent, of all */
  async leftOpen(only?: ReadonlySet<string>): Promise<readonly LeftOpen[]> {
    const names = await readdir(this.#directory)
    const recordingIds = names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length))
    const asked = recordingIds.filter((recordingId) => isUuidV7(recordingId) && only?.has(recordingId) !== false)
    return Promise.all(
      asked.map(async (recordingId) => {
        const own = await readFile(this.#file(recordingId), 'utf8')
        const text = `${own}\n${this.#unwritten.get(recordingId) ?? ''}`
        const lines = text.slice(0, OPEN_JOURNAL_BYTES_MAX).split('\n').flatMap(parseLine)
        return { recordingId, entries: lines, lastAt: lines.at(-1)?.at }
      }),
    )
  }

  /** Resolves to whether it was done. */
  async #chain(recordingId: string, work: () => Promise<void>): Promise<boolean> {
    const before = this.#chains.get(recordingId) ?? Promise.resolve(true)
    const done = before.then(work).then(
      () => true,
      (error: unknown) => {
        this.#onError(error)
        return false
      },
    )
    this.#chains.set(recordingId, done)
    const isDone = await done
    if (this.#chains.get(recordingId) === done) this.#chains.delete(recordingId)
    return isDone
  }

  #file(recordingId: string): string {
    return join(this.#directory, recordingId + SUFFIX)
  }
}

/** Keys of the store under which the held keys of recordings that were left open may be later. */
export function heldKeysOpened(leftOpen: readonly LeftOpen[]): ReadonlySet<string> {
  const opened = leftOpen.flatMap(({ entries }) => entries.flatMap((entry) => (entry.kind === 'opened' ? [entry] : [])))
  return new Set(
    opened.flatMap(({ objectPrefix, held }) =>
      held === undefined ? [] : [objectKey(objectPrefix, held.wrappedKey.name)],
    ),
  )
}

type JournalLine = OpenJournalEntry & { readonly at: string }

function parseLine(line: string): JournalLine[] {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'kind' in value ? [value as JournalLine] : []
  } catch {
    return []
  }
}
