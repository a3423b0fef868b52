import { join } from 'node:path'

import type { GrowingFile, SpoolFiles } from '../../spool/spool-files.ts'
import { isObjectKey } from '../object-store.ts'

/** Names in one file of the list; a file whose objects have all arrived is removed. */
export const SEGMENT_KEYS_MAX = 10_000
/** Names held in memory; what comes beyond is on disk only, until there is room. */
const HELD_MAX = 100_000
/** Files of the list: two million objects, more than a day of 300 recording sessions. */
export const SEGMENTS_MAX = 200
const SUFFIX = '.missing'
const LINE = /^([+-]) (\d{1,16}) (\S+)$/u

/** The name of an object that may not be in both stores. */
export interface MissingObject {
  readonly key: string
  /** When it was stored, or first tried to be. */
  readonly sinceUnixMs: number
}

/** `held`: the caller works on it. `later`: {@link MissingList.load} gives it when there is room. `failed`: the disk, or the list, took no more. */
export type NoteOutcome = 'held' | 'later' | 'failed'

interface Segment {
  readonly path: string
  /** Not done yet, in the order they came; undefined while they are on disk only. */
  keys: Map<string, number> | undefined
  /** Names ever written to the file. */
  count: number
  oldestUnixMs: number | undefined
  /** Takes no more names. */
  isClosed: boolean
  file: GrowingFile | undefined
  /** Not written yet. */
  lines: string
}

/**
 * The names of objects that may not be in both stores yet, on disk before either store is asked: so neither a crash nor a power cut hides that one
 * lacks something. A name that stays in the list although all is well costs a look at the next start, nothing else.
 *
 * Lines are `+ UNIX-MS KEY` and `- UNIX-MS KEY`, in files of {@link SEGMENT_KEYS_MAX} names. Syncs are shared by all who wait.
 */
export class MissingList {
  readonly #folder: string
  readonly #files: SpoolFiles
  readonly #onError: (error: unknown) => void
  readonly #heldMax: number
  readonly #segments: Segment[] = []
  readonly #segmentOf = new Map<string, Segment>()
  #nextNumber = 0
  /** What will be written once the disk is through with what it has. */
  #batch: Promise<boolean> | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(options: {
    readonly folder: string
    readonly files: SpoolFiles
    readonly onError: (error: unknown) => void
    /** Names held in memory. */
    readonly heldMax?: number
  }) {
    this.#heldMax = options.heldMax ?? HELD_MAX
    this.#folder = options.folder
    this.#files = options.files
    this.#onError = options.onError
  }

  /** Finds what earlier runs have left. */
  async run(): Promise<void> {
    await this.#files.makeDirectory(this.#folder)
    const names = (await this.#files.readDirectory(this.#folder)).filter((name) => name.endsWith(SUFFIX)).toSorted()
    for (const name of names) {
      const path = join(this.#folder, name)
      const left = parse(await this.#files.read(path))
      const [oldestUnixMs] = left.values()
      this.#nextNumber = Math.max(this.#nextNumber, Number.parseInt(name, 10) + 1)
      if (left.size === 0) await this.#files.remove(path)
      else this.#segments.push({ ...newSegment(path), count: left.size, oldestUnixMs, isClosed: true })
    }
  }

  /** No more names fit into memory. */
  get isFull(): boolean {
    return this.#segmentOf.size >= this.#heldMax
  }

  /** Objects in the list. */
  get count(): number {
    return this.#segments.reduce((sum, { keys, count }) => sum + (keys?.size ?? count), 0)
  }

  /** Since when the oldest of them waits. */
  get oldestUnixMs(): number | undefined {
    let oldest: number | undefined
    for (const { keys, oldestUnixMs } of this.#segments) {
      const [first] = keys?.values() ?? [oldestUnixMs]
      if (first !== undefined) oldest = Math.min(oldest ?? first, first)
    }
    return oldest
  }

  /** Whether {@link MissingList.load} has something to give. */
  get hasLater(): boolean {
    return this.#segments.some(({ keys }) => keys === undefined)
  }

  /** Resolves when the disk has the name. */
  async add({ key, sinceUnixMs }: MissingObject): Promise<NoteOutcome> {
    if (this.#segmentOf.has(key)) return 'held'
    const isHeld = this.#segmentOf.size < this.#heldMax
    const segment = this.#segmentFor(isHeld)
    if (segment === undefined) return 'failed'
    segment.count += 1
    segment.oldestUnixMs ??= sinceUnixMs
    if (segment.keys !== undefined) {
      segment.keys.set(key, sinceUnixMs)
      this.#segmentOf.set(key, segment)
    }
    if (await this.#write(segment, `+ ${sinceUnixMs} ${key}\n`)) return isHeld ? 'held' : 'later'
    return 'failed'
  }

  /** Both stores have it, or it is nowhere. */
  done(key: string): void {
    const segment = this.#segmentOf.get(key)
    if (segment === undefined) return
    this.#segmentOf.delete(key)
    segment.keys?.delete(key)
    // Without waiting for the disk: whoever finds the name again only looks once more.
    if (segment.file !== undefined) segment.lines += `- 0 ${key}\n`
    this.#removeIfEmpty(segment)
  }

  /** The names of the oldest file that is on disk only; the caller works on them from now on. */
  async load(): Promise<readonly MissingObject[]> {
    const segment = this.#segments.find(({ keys }) => keys === undefined)
    if (segment === undefined) return []
    segment.isClosed = true
    await this.#writing
    const found = parse(await this.#files.read(segment.path).catch((error: unknown) => this.#nothing(error)))
    segment.keys = new Map()
    for (const [key, sinceUnixMs] of found) {
      if (this.#segmentOf.has(key)) continue
      segment.keys.set(key, sinceUnixMs)
      this.#segmentOf.set(key, segment)
    }
    this.#removeIfEmpty(segment)
    return [...segment.keys].map(([key, sinceUnixMs]) => ({ key, sinceUnixMs }))
  }

  /** Resolves when the disk has all that was said, or has refused it. */
  async stop(): Promise<void> {
    const last = this.#segments.find(({ lines }) => lines !== '')
    if (last !== undefined) await this.#write(last, '')
    await this.#writing
    for (const { file } of this.#segments) await file?.close().catch(this.#onError)
  }

  #nothing(error: unknown): Uint8Array {
    this.#onError(error)
    return new Uint8Array(0)
  }

  /** Of either sort one is open: at the bound of the memory a name is of this sort, and the next of the other. */
  #segmentFor(isHeld: boolean): Segment | undefined {
    const current = this.#segments.findLast(({ isClosed, keys }) => !isClosed && (keys !== undefined) === isHeld)
    if (current !== undefined && current.count < SEGMENT_KEYS_MAX) return current
    if (this.#segments.length >= SEGMENTS_MAX) return undefined
    if (current !== undefined) this.#close(current)
    const segment = newSegment(join(this.#folder, `${String(this.#nextNumber).padStart(8, '0')}${SUFFIX}`))
    this.#nextNumber += 1
    if (isHeld) segment.keys = new Map()
    this.#segments.push(segment)
    return segment
  }

  #close(segment: Segment): void {
    segment.isClosed = true
    this.#removeIfEmpty(segment)
  }

  #removeIfEmpty(segment: Segment): void {
    if (!segment.isClosed || segment.keys === undefined || segment.keys.size > 0) return
    const index = this.#segments.indexOf(segment)
    if (index < 0) return
    this.#segments.splice(index, 1)
    this.#writing = this.#writing.then(async () => {
      await segment.file?.close().catch(this.#onError)
      await this.#files.remove(segment.path).catch(this.#onError)
    })
  }

  /** Resolves to false when the disk does not take it. */
  #write(segment: Segment, line: string): Promise<boolean> {
    segment.lines += line
    if (this.#batch === undefined) {
      this.#batch = this.#writing.then(() => this.#flush())
      this.#writing = this.#batch
    }
    return this.#batch
  }

  async #flush(): Promise<boolean> {
    this.#batch = undefined
    let isWritten = true
    for (const segment of this.#segments.filter(({ lines }) => lines !== '')) {
      const text = segment.lines
      segment.lines = ''
      try {
        if (segment.file === undefined) {
          segment.file = await this.#files.create(segment.path)
          await this.#files.syncDirectory(this.#folder)
        }
        await segment.file.append(Buffer.from(text))
        await segment.file.sync()
      } catch (error) {
        isWritten = false
        // A line may be torn: the next one goes to another file.
        segment.isClosed = true
        this.#onError(error)
      }
    }
    return isWritten
  }
}

function newSegment(path: string): Segment {
  return { path, keys: undefined, count: 0, oldestUnixMs: undefined, isClosed: false, file: undefined, lines: '' }
}

/** What the lines of a file leave over; a torn one is left out, which the one who wrote it knows of. */
function parse(bytes: Uint8Array): Map<string, number> {
  const left = new Map<string, number>()
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    const [, sign, sinceUnixMs, key = ''] = LINE.exec(line) ?? []
    if (sign === '-') left.delete(key)
    else if (sign === '+' && isObjectKey(key)) left.set(key, Number(sinceUnixMs))
  }
  return left
}
