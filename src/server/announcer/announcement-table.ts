import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import type { ConsentFactAt } from '../../consent/words.ts'
import { type CorrelationId, type CorrelationKind, isUnmistakable } from '../../protocol/siprec/correlation-values.ts'
import type { Source } from '../recording/source-table.ts'
import { nodeFiles } from '../storage/file-operations.ts'

/** Announcements remembered; the oldest goes first. */
export const ANNOUNCEMENTS_KEPT_MAX = 10_000
/** Ids and facts of one of them. */
const IDS_MAX = 64
const FACTS_MAX = 64
const FILE = 'announcements.jsonl'
const FILE_BYTES_MAX = 256 * 1024 * 1024
/** Lines that say nothing any more are written away when there are more of them than of others, and this many in all. */
export const LINES_MIN = 256
/** After the disk has failed nothing is tried for so long: what is tried then writes the whole file anew. */
const RETRY_MS = 5_000

/** Ids that a recording and its announcement can share. Those of groups are not among them: who consented is one caller. */
const LINKING_KINDS: ReadonlySet<CorrelationKind> = new Set([
  'sessionId',
  'sipCallId',
  'ucid',
  'guid',
  'icid',
  'gcid',
  'trackingId',
  'vendorCall',
])

/** Who sent a call to the announcer, or records it. */
export type AnnouncementSource = Pick<Source, 'name' | 'tenant'>

/** One announcement, as it is remembered until its recording begins. */
export interface KeptAnnouncement {
  /** Unguessable; a token bears it. */
  readonly announcementId: string
  /** Undefined for one that somebody asked for at the API, which knows no sources. */
  readonly source: AnnouncementSource | undefined
  /** Call-IDs, Session-IDs and whatever else names the call. */
  readonly ids: readonly CorrelationId[]
  readonly keptUnixMs: number
  readonly facts: readonly ConsentFactAt[]
}

/** By what a recording finds its announcements. */
export interface AnnouncementKeys {
  readonly ids: readonly CorrelationId[]
  /** Out of tokens whose signature was checked. */
  readonly announcementIds: readonly string[]
  /** Of the recording. */
  readonly source: AnnouncementSource
}

/**
 * Why an announcement is not kept; each is a metric label. `expired`: no recording came in time. `full`: there were too many. `restart`: its time is
 * over, it is of an earlier run, and nothing tells whether a recording found it there.
 */
export type AnnouncementLoss = 'full' | 'expired' | 'restart'

/** How long after it was put an announcement may be put again with more in it: a report of the listener that came late. */
const CHANGE_MS = 5_000
/** Of one announcement; others find out with their next metadata. */
const TOLD_MAX = 8

/** `waiting`: no recording has found it. `former`: of an earlier run, and none has in this one. */
type Standing = 'waiting' | 'former' | 'taken'

interface Entry {
  readonly announcement: KeptAnnouncement
  /** Of those that are remembered, the later one has the higher. */
  readonly order: number
  standing: Standing
  /** Who took it, and is told when it changes. */
  readonly told: (() => void)[]
}

interface TableOptions {
  readonly dataDir: string
  /** How long after an announcement its recording may begin. */
  readonly windowMs: number
  readonly lost: (reason: AnnouncementLoss) => void
  /** One is known only as long as this process lives, until the disk works again. */
  readonly unwritten: () => void
  /** The disk failed. What is in memory is written when it works again. */
  readonly failed: (error: unknown) => void
  readonly changed: (count: number) => void
}

/**
 * Announcements that wait for the recording of their call: in memory, and in a file that is read again at the start. They are found by any id that both
 * have in common, within a tenant, for as long as the window lasts; what is found stays, because one call may be recorded twice.
 *
 * A fact is never made up by a crash: what is not in the file was not promised. Lines that were cut off are passed over.
 */
export class AnnouncementTable {
  readonly #options: TableOptions
  /** Oldest first. */
  readonly #kept = new Map<string, Entry>()
  /** Names of those that have an id in common, by `keyOf` it. */
  readonly #byId = new Map<string, Set<string>>()
  #remembered = 0
  /** Undefined before the first writing, after one that failed, and at the end. */
  #file: FileHandle | undefined
  #lines = 0
  /** Memory has what the file has not. */
  #isBehind = false
  #retryAtUnixMs = 0
  #isStopped = false
  #writing: Promise<void> = Promise.resolve()

  constructor(options: TableOptions) {
    this.#options = options
  }

  /** Reads what an earlier run left, and writes it anew without what is too old. Where that fails the former file stays as it is, and recording goes on. */
  async run(nowUnixMs: number): Promise<void> {
    const text = await readBounded(join(this.#options.dataDir, FILE))
    for (const line of text.split('\n')) {
      const kept = readLine(line)
      if (kept !== undefined) this.#remember(kept, 'former')
    }
    this.#forgetOld(nowUnixMs)
    this.#options.changed(this.#kept.size)
    await this.#rewrite().catch((error: unknown) => this.#handleFailure(error, nowUnixMs))
  }

  /**
   * Remembers an announcement; a second one with the same `announcementId` takes the place of the first. Resolves when it is on the disk; a disk that
   * fails is counted, and memory still has it.
   */
  async put(announcement: KeptAnnouncement): Promise<void> {
    const { announcementId, source, keptUnixMs } = announcement
    const ids = announcement.ids.filter(({ kind }) => LINKING_KINDS.has(kind)).slice(0, IDS_MAX)
    const kept = { announcementId, source, ids, keptUnixMs, facts: announcement.facts.slice(0, FACTS_MAX) }
    this.#forgetOld(keptUnixMs)
    const former = this.#kept.get(announcementId)
    this.#remember(kept, former?.standing ?? 'waiting')
    this.#options.changed(this.#kept.size)
    for (const tell of former?.told ?? []) tell()
    this.#writing = this.#writing.then(() => this.#write(`${JSON.stringify(kept)}\n`, keptUnixMs))
    await this.#writing
  }

  /**
   * The facts of all announcements of the tenant that have one of these ids and are not older than the window, oldest first. An id that may be a counter
   * finds only what is of the same source: those of others count too, and what their callers answered is not this call's consent.
   *
   * @param tell is called when one of them is put again soon; what has not changed is then the same object
   */
  take(
    { ids, announcementIds, source }: AnnouncementKeys,
    nowUnixMs: number,
    tell: () => void = () => {},
  ): readonly ConsentFactAt[] {
    this.#forgetOld(nowUnixMs)
    this.#options.changed(this.#kept.size)
    const found = new Set([
      ...announcementIds.flatMap((name) => this.#kept.get(name) ?? []),
      ...ids.flatMap((id) => this.#having(id, source)),
    ])
    return [...found]
      .filter(({ announcement }) => (announcement.source?.tenant ?? source.tenant) === source.tenant)
      .toSorted((a, b) => a.order - b.order)
      .flatMap((entry) => {
        const { facts, keptUnixMs } = entry.announcement
        entry.standing = 'taken'
        if (nowUnixMs - keptUnixMs < CHANGE_MS && entry.told.length < TOLD_MAX) entry.told.push(tell)
        return facts
      })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#writing
    if (this.#isBehind) await this.#rewrite().catch(this.#options.failed)
    await this.#closeFile()
  }

  #having(id: CorrelationId, { name }: AnnouncementSource): readonly Entry[] {
    const entries = [...(this.#byId.get(keyOf(id)) ?? [])].flatMap((having) => this.#kept.get(having) ?? [])
    return isUnmistakable(id) ? entries : entries.filter(({ announcement }) => announcement.source?.name === name)
  }

  #remember(announcement: KeptAnnouncement, standing: Standing): void {
    const { announcementId } = announcement
    this.#drop(announcementId)
    this.#remembered += 1
    this.#kept.set(announcementId, { announcement, standing, told: [], order: this.#remembered })
    for (const id of announcement.ids) {
      const names = this.#byId.get(keyOf(id)) ?? new Set()
      this.#byId.set(keyOf(id), names.add(announcementId))
    }
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > ANNOUNCEMENTS_KEPT_MAX && oldest !== undefined) this.#forget(oldest, 'full')
  }

  #forgetOld(nowUnixMs: number): void {
    for (const { announcement, standing } of this.#kept.values()) {
      if (announcement.keptUnixMs + this.#options.windowMs >= nowUnixMs) break
      this.#forget(announcement.announcementId, standing === 'former' ? 'restart' : 'expired')
    }
  }

  /** What a recording has found is not lost. */
  #forget(announcementId: string, reason: AnnouncementLoss): void {
    const isTaken = this.#kept.get(announcementId)?.standing === 'taken'
    this.#drop(announcementId)
    if (!isTaken) this.#options.lost(reason)
  }

  #drop(announcementId: string): void {
    const entry = this.#kept.get(announcementId)
    this.#kept.delete(announcementId)
    for (const id of entry?.announcement.ids ?? []) {
      const names = this.#byId.get(keyOf(id))
      names?.delete(announcementId)
      if (names?.size === 0) this.#byId.delete(keyOf(id))
    }
  }

  /** One after the other. The file is written anew when most of its lines say nothing any more, and after a failure: then its last line may be half a one. */
  async #write(line: string, nowUnixMs: number): Promise<void> {
    if (this.#isStopped || nowUnixMs < this.#retryAtUnixMs) {
      this.#isBehind = true
      return this.#options.unwritten()
    }
    try {
      const file = this.#file
      if (file === undefined || this.#lines >= Math.max(LINES_MIN, 2 * this.#kept.size)) return await this.#rewrite()
      await file.appendFile(line)
      await file.datasync()
      this.#lines += 1
    } catch (error) {
      this.#options.unwritten()
      await this.#handleFailure(error, nowUnixMs)
    }
  }

  async #handleFailure(error: unknown, nowUnixMs: number): Promise<void> {
    this.#options.failed(error)
    this.#isBehind = true
    this.#retryAtUnixMs = nowUnixMs + RETRY_MS
    await this.#closeFile()
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    // What it had to say was said when something was written.
    await file?.close().catch(() => undefined)
  }

  async #rewrite(): Promise<void> {
    const { dataDir } = this.#options
    await mkdir(dataDir, { recursive: true })
    const path = join(dataDir, FILE)
    const next = await open(`${path}.new`, 'w', 0o600)
    const lines = [...this.#kept.values()].map(({ announcement }) => `${JSON.stringify(announcement)}\n`)
    try {
      await next.appendFile(lines.join(''))
      await next.datasync()
      await rename(`${path}.new`, path)
      await nodeFiles.syncDirectory(dataDir)
    } catch (error) {
      await next.close()
      await rm(`${path}.new`, { force: true })
      throw error
    }
    await this.#closeFile()
    this.#file = next
    this.#lines = lines.length
    this.#isBehind = false
  }
}

function keyOf({ kind, value }: CorrelationId): string {
  return `${kind} ${value}`
}

/** The newest of it, where it is longer than it can have become. */
async function readBounded(path: string): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      const bytes = new Uint8Array(Math.min(size, FILE_BYTES_MAX))
      const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length)
      return new TextDecoder().decode(bytes.subarray(0, bytesRead))
    } finally {
      await file.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** Undefined for a line that was cut off. The file is ours: what is whole is as it was written. */
function readLine(line: string): KeptAnnouncement | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'announcementId' in value
      ? (value as KeptAnnouncement)
      : undefined
  } catch {
    return undefined
  }
}
