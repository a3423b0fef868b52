import { mkdir, open, readFile, rename, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import type { ConsentFactAt } from '../../consent/words.ts'
import type { CorrelationId, CorrelationKind } from '../../protocol/siprec/correlation-values.ts'

/** Announcements remembered; the oldest goes first. */
export const ANNOUNCEMENTS_KEPT_MAX = 10_000
/** Ids and facts of one of them. */
const IDS_MAX = 64
const FACTS_MAX = 64
const FILE = 'announcements.jsonl'
const FILE_BYTES_MAX = 256 * 1024 * 1024

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

/** One announcement, as it is remembered until its recording begins. */
export interface KeptAnnouncement {
  /** Unguessable; a token bears it. */
  readonly announcementId: string
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
}

/** What is lost, and why; each is a metric label. */
export type AnnouncementLoss = 'full' | 'expired' | 'disk'

/**
 * Announcements that wait for the recording of their call: in memory, and in a file that is read again at the start. They are found by any id that both
 * have in common, for as long as the window lasts; what is found stays, because one call may be recorded twice.
 *
 * A fact is never made up by a crash: what is not in the file was not promised. Lines that were cut off are passed over.
 */
export class AnnouncementTable {
  readonly #options: {
    readonly dataDir: string
    readonly windowMs: number
    readonly lost: (reason: AnnouncementLoss, error?: unknown) => void
    readonly changed: (count: number) => void
  }
  /** Oldest first. */
  readonly #kept = new Map<string, KeptAnnouncement>()
  #file: FileHandle | undefined
  #lines = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(options: {
    readonly dataDir: string
    /** How long after an announcement its recording may begin. */
    readonly windowMs: number
    readonly lost: (reason: AnnouncementLoss, error?: unknown) => void
    readonly changed: (count: number) => void
  }) {
    this.#options = options
  }

  /** Reads what an earlier run left, and writes it anew without what is too old. */
  async run(nowUnixMs: number): Promise<void> {
    const text = await readBounded(join(this.#options.dataDir, FILE))
    for (const line of text.split('\n')) {
      const kept = readLine(line)
      if (kept !== undefined) this.#remember(kept)
    }
    this.#forgetOld(nowUnixMs)
    this.#options.changed(this.#kept.size)
    await this.#rewrite()
  }

  /**
   * Remembers an announcement; a second one with the same `announcementId` takes the place of the first. Resolves when it is on the disk; a disk that
   * fails is counted, and memory still has it.
   */
  async put(announcement: KeptAnnouncement): Promise<void> {
    const { announcementId, keptUnixMs } = announcement
    const ids = announcement.ids.filter(({ kind }) => LINKING_KINDS.has(kind)).slice(0, IDS_MAX)
    const kept = { announcementId, ids, keptUnixMs, facts: announcement.facts.slice(0, FACTS_MAX) }
    this.#forgetOld(keptUnixMs)
    this.#remember(kept)
    this.#options.changed(this.#kept.size)
    await this.#write(`${JSON.stringify(kept)}\n`)
  }

  /** The facts of all announcements that have one of these ids and are not older than the window, oldest first. */
  take({ ids, announcementIds }: AnnouncementKeys, nowUnixMs: number): readonly ConsentFactAt[] {
    this.#forgetOld(nowUnixMs)
    this.#options.changed(this.#kept.size)
    const wanted = new Set(ids.filter(({ kind }) => LINKING_KINDS.has(kind)).map(keyOf))
    const byToken = new Set(announcementIds)
    const found = [...this.#kept.values()].filter(
      (kept) => byToken.has(kept.announcementId) || kept.ids.some((id) => wanted.has(keyOf(id))),
    )
    return found.flatMap(({ facts }) => facts)
  }

  async stop(): Promise<void> {
    await this.#writing
    await this.#file?.close()
    this.#file = undefined
  }

  #remember(kept: KeptAnnouncement): void {
    this.#kept.delete(kept.announcementId)
    this.#kept.set(kept.announcementId, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size <= ANNOUNCEMENTS_KEPT_MAX || oldest === undefined) return
    this.#kept.delete(oldest)
    this.#options.lost('full')
  }

  #forgetOld(nowUnixMs: number): void {
    for (const { announcementId, keptUnixMs } of this.#kept.values()) {
      if (keptUnixMs + this.#options.windowMs >= nowUnixMs) break
      this.#kept.delete(announcementId)
      this.#options.lost('expired')
    }
  }

  /** One write after the other; the file is written anew when most of its lines say nothing any more. */
  async #write(line: string): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      try {
        if (this.#lines >= 2 * ANNOUNCEMENTS_KEPT_MAX) return await this.#rewrite()
        await this.#file?.appendFile(line)
        await this.#file?.datasync()
        this.#lines += 1
      } catch (error) {
        this.#options.lost('disk', error)
      }
    })
    await this.#writing
  }

  async #rewrite(): Promise<void> {
    const { dataDir } = this.#options
    await mkdir(dataDir, { recursive: true })
    const path = join(dataDir, FILE)
    const next = await open(`${path}.new`, 'w', 0o600)
    const lines = [...this.#kept.values()].map((kept) => `${JSON.stringify(kept)}\n`)
    await next.appendFile(lines.join(''))
    await next.datasync()
    await rename(`${path}.new`, path)
    await this.#file?.close()
    this.#file = next
    this.#lines = lines.length
  }
}

function keyOf({ kind, value }: CorrelationId): string {
  return `${kind} ${value}`
}

async function readBounded(path: string): Promise<string> {
  try {
    const bytes = await readFile(path)
    return bytes.subarray(0, FILE_BYTES_MAX).toString('utf8')
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
