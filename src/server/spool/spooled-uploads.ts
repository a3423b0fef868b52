import { join } from 'node:path'

import type { UploadQueue } from '../storage/upload-queue.ts'
import type { SpoolFiles } from './spool-files.ts'

/** The store is slow when an object has waited so long for it, or so much waits: what comes then goes to the disk, not to memory. */
const SLOW_MS = 5_000
const SLOW_BYTES = 16 * 1024 * 1024
/** Objects read back at a time. */
const LANES_MAX = 8
/** In the place of the slashes of a key, which cannot contain it. */
const SLASH = '~'
const UNFINISHED = '.new-'
const REFUSED = '.refused-'

interface Spooled {
  readonly key: string
  readonly sizeBytes: number
  readonly sinceUnixMs: number
  /** Undefined once the disk has it. */
  bytes: Uint8Array | undefined
  readonly written: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Stands before the upload queue: finished objects that the store does not take at once wait on disk, each a file of its own, written whole, synced and renamed; in
 * order within one recording, also over a restart. A disk that is full, or fails, lets them wait in memory as the queue does by itself.
 */
export class SpooledUploads {
  readonly #queue: Pick<
    UploadQueue,
    'put' | 'failing' | 'backlogBytes' | 'oldestUnixMs' | 'isFull' | 'isOverfull' | 'drain'
  >
  readonly #folder: string
  readonly #files: SpoolFiles
  readonly #nowUnixMs: () => number
  readonly #hasRoom: (bytes: number) => boolean
  readonly #onError: (error: unknown) => void
  readonly #lanes = new Map<string, Spooled[]>()
  readonly #ready: string[] = []
  #running = 0
  #bytes = 0
  #failures = 0

  constructor(options: {
    readonly queue: Pick<
      UploadQueue,
      'put' | 'failing' | 'backlogBytes' | 'oldestUnixMs' | 'isFull' | 'isOverfull' | 'drain'
    >
    readonly folder: string
    readonly files: SpoolFiles
    readonly nowUnixMs: () => number
    /** Whether so many bytes may still be written to the disk. */
    readonly hasRoom: (bytes: number) => boolean
    readonly onError: (error: unknown) => void
  }) {
    this.#queue = options.queue
    this.#folder = options.folder
    this.#files = options.files
    this.#nowUnixMs = options.nowUnixMs
    this.#hasRoom = options.hasRoom
    this.#onError = options.onError
  }

  /** In files. */
  get bytes(): number {
    return this.#bytes
  }

  /** Objects that the disk did not take. */
  get failures(): number {
    return this.#failures
  }

  /** Since when the oldest object waits that is on disk. */
  get oldestUnixMs(): number | undefined {
    let oldest: number | undefined
    for (const [first] of this.#lanes.values()) {
      if (first !== undefined) oldest = Math.min(oldest ?? first.sinceUnixMs, first.sinceUnixMs)
    }
    return oldest
  }

  /**
   * As {@link UploadQueue.put}.
   *
   * @param spooled is called when the disk has it, should the store not have it yet: neither a crash nor a power cut takes it any more
   */
  put(order: string, key: string, bytes: Uint8Array, spooled: () => void = () => {}): Promise<void> {
    if (!this.#lanes.has(order) && !this.#isStoreSlow()) return this.#queue.put(order, key, bytes)
    return new Promise((resolve, reject) => {
      const entry: Spooled = {
        ...{ key, bytes, resolve, reject, sizeBytes: bytes.length, sinceUnixMs: this.#nowUnixMs() },
        written: this.#write(key, bytes).then((isWritten) => {
          if (!isWritten) return
          entry.bytes = undefined
          spooled()
        }),
      }
      this.#add(order, entry)
    })
  }

  /** Stores what an earlier run has left; resolves when the store has all of it, or when the queue is stopped. Call it before anything is put. */
  async uploadLeft(): Promise<void> {
    await this.#files.makeDirectory(this.#folder)
    const names = (await this.#files.readDirectory(this.#folder)).filter((name) => !name.startsWith('.'))
    const left = names.map((name) => name.replaceAll(SLASH, '/')).toSorted(byRecordingAndRank)
    const stored = left.map(async (key) => {
      const sizeBytes = await this.#files.sizeBytes(this.#path(key))
      await new Promise<void>((resolve, reject) => {
        this.#bytes += sizeBytes
        const written = Promise.resolve()
        const sinceUnixMs = this.#nowUnixMs()
        this.#add(orderOf(key), { key, sizeBytes, sinceUnixMs, bytes: undefined, written, resolve, reject })
      })
    })
    await Promise.allSettled(stored)
  }

  /** As {@link UploadQueue.drain}: what is on disk need not be waited for, and is. */
  async drain(timeoutMs: number): Promise<boolean> {
    const untilUnixMs = this.#nowUnixMs() + timeoutMs
    for (;;) {
      const isDrained = await this.#queue.drain(Math.max(0, untilUnixMs - this.#nowUnixMs()))
      if (!isDrained || this.#lanes.size === 0) return isDrained
      await new Promise(setImmediate)
    }
  }

  #isStoreSlow(): boolean {
    const { failing, backlogBytes, oldestUnixMs } = this.#queue
    if (failing !== undefined || backlogBytes >= SLOW_BYTES) return true
    return oldestUnixMs !== undefined && this.#nowUnixMs() - oldestUnixMs >= SLOW_MS
  }

  #add(order: string, entry: Spooled): void {
    const lane = this.#lanes.get(order)
    if (lane !== undefined) {
      lane.push(entry)
      return
    }
    this.#lanes.set(order, [entry])
    this.#ready.push(order)
    this.#runLanes()
  }

  #runLanes(): void {
    while (this.#running < LANES_MAX) {
      const order = this.#ready.shift()
      if (order === undefined) return
      this.#running += 1
      void this.#uploadFirst(order).finally(() => {
        this.#running -= 1
        // The next of this recording waits its turn: others may have waited longer.
        if (this.#lanes.has(order)) this.#ready.push(order)
        this.#runLanes()
      })
    }
  }

  async #uploadFirst(order: string): Promise<void> {
    const lane = this.#lanes.get(order)
    const entry = lane?.[0]
    if (lane === undefined || entry === undefined) return
    await entry.written
    const isOnDisk = entry.bytes === undefined
    try {
      await this.#queue.put(order, entry.key, entry.bytes ?? (await this.#files.read(this.#path(entry.key))))
      if (isOnDisk) await this.#remove(entry)
      entry.resolve()
    } catch (error) {
      if (isOnDisk) await this.#keepRefused(entry, error)
      entry.reject(error)
    }
    lane.shift()
    if (lane.length === 0) this.#lanes.delete(order)
  }

  async #write(key: string, bytes: Uint8Array): Promise<boolean> {
    if (!this.#hasRoom(bytes.length)) return false
    const unfinished = join(this.#folder, UNFINISHED + key.replaceAll('/', SLASH))
    try {
      await this.#files.makeDirectory(this.#folder)
      await this.#files.remove(unfinished)
      const file = await this.#files.create(unfinished)
      try {
        await file.append(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#files.rename(unfinished, this.#path(key))
      await this.#files.syncDirectory(this.#folder)
      this.#bytes += bytes.length
      return true
    } catch (error) {
      this.#failures += 1
      this.#onError(error)
      return false
    }
  }

  async #remove(entry: Spooled): Promise<void> {
    this.#bytes -= entry.sizeBytes
    await this.#files.remove(this.#path(entry.key)).catch(this.#onError)
  }

  /** What no retry mends is put aside, to be looked at; what the end of this run came before stays for the next. */
  async #keepRefused(entry: Spooled, error: unknown): Promise<void> {
    const isRefused = error instanceof Error && 'code' in error && error.code === 'storage-conflict'
    if (!isRefused) return
    this.#bytes -= entry.sizeBytes
    const aside = join(this.#folder, REFUSED + entry.key.replaceAll('/', SLASH))
    await this.#files.rename(this.#path(entry.key), aside).catch(this.#onError)
  }

  #path(key: string): string {
    return join(this.#folder, key.replaceAll('/', SLASH))
  }
}

/** The recording of an object: the last folder of its key. */
function orderOf(key: string): string {
  return key.split('/').at(-2) ?? key
}

/** Of one recording: the key first, the manifest last, as they were stored. */
function byRecordingAndRank(one: string, other: string): number {
  return rankOf(one) < rankOf(other) ? -1 : 1
}

function rankOf(key: string): string {
  const name = key.split('/').at(-1) ?? ''
  const rank = name === 'key.age' ? 0 : name === 'manifest.jws' ? 2 : 1
  return `${orderOf(key)} ${rank} ${name}`
}
