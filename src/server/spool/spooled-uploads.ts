import { setTimeout as sleep } from 'node:timers/promises'

import { isRefusedForGood } from '../storage/storage-error.ts'
import type { UploadQueue } from '../storage/upload-queue.ts'
import { ObjectFiles, type RefusedObjects } from './object-files.ts'
import type { SpoolFiles } from './spool-files.ts'

/** The store is slow when an object has waited so long for it, or so much waits: what comes then goes to the disk, not to memory. */
const SLOW_MS = 5_000
const SLOW_BYTES = 16 * 1024 * 1024
/** Sealed bytes that may wait in memory for the store; beyond it no new recording session is admitted. */
const BACKLOG_BYTES_MAX = 256 * 1024 * 1024
/** Objects read back at a time. */
const LANES_MAX = 8

/** How often it is looked whether somebody has taken away what was put aside. */
const REFUSED_LOOK_MS = 60_000

/** How often it is looked whether what the disk has was given to the upload queue: where a disk hangs, it is not for long. */
const DRAIN_LOOK_MS = 10

/** An object that the store does not have yet. */
interface Waiting {
  readonly key: string
  readonly sizeBytes: number
  readonly sinceUnixMs: number
  /** Undefined once the disk has it. */
  bytes: Uint8Array | undefined
  /** The upload queue was given it. */
  isInQueue: boolean
  /** The store has it, or refuses it for good. */
  isOver: boolean
  readonly spooled: () => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What waits of one recording, in its order: first what the upload queue has, then the others. */
interface Lane {
  readonly order: string
  readonly waiting: Waiting[]
  isWriting: boolean
  /** In line for the upload queue, or an object of it was given to that. */
  isScheduled: boolean
}

type Queue = Pick<UploadQueue, 'put' | 'failing' | 'backlogBytes' | 'oldestUnixMs' | 'drain'>

/**
 * Stands before the upload queue: finished objects that the store does not take at once wait on disk, in order within one recording, also over a restart. A disk that
 * is full, or fails, lets them wait in memory as the queue does by itself.
 *
 * Of one recording the disk has nothing behind an object that it does not have: what was on its way when the trouble began is written before what comes then.
 * Otherwise a killed process would leave a recording with a hole, whose frames are gone or lie before what is stored.
 */
export class SpooledUploads {
  readonly #queue: Queue
  readonly #files: ObjectFiles
  readonly #nowUnixMs: () => number
  readonly #hasRoom: (bytes: number) => boolean
  readonly #onError: (error: unknown) => void
  readonly #lanes = new Map<string, Lane>()
  readonly #ready: Lane[] = []
  #running = 0
  /** Objects that the upload queue has not taken, refused or given up yet. */
  #unsettled = 0
  #bytes = 0
  /** Of what the upload queue was not given yet and the disk does not have. */
  #heldBytes = 0
  #failures = 0
  #isWritingAll = false
  #refused: RefusedObjects = { count: 0, bytes: 0 }
  /** Undefined when there may be more than that. */
  #refusedLookUnixMs: number | undefined

  constructor(options: {
    readonly queue: Queue
    readonly folder: string
    readonly files: SpoolFiles
    readonly nowUnixMs: () => number
    /** Whether so many bytes may still be written to the disk. */
    readonly hasRoom: (bytes: number) => boolean
    readonly onError: (error: unknown) => void
  }) {
    this.#queue = options.queue
    this.#files = new ObjectFiles(options.folder, options.files)
    this.#nowUnixMs = options.nowUnixMs
    this.#hasRoom = options.hasRoom
    this.#onError = options.onError
  }

  /** In files. */
  get bytes(): number {
    return this.#bytes
  }

  /** In memory: here, where the disk takes nothing, and in the upload queue. */
  get backlogBytes(): number {
    return this.#queue.backlogBytes + this.#heldBytes
  }

  /** No new recording session fits. */
  get isFull(): boolean {
    return this.backlogBytes >= BACKLOG_BYTES_MAX
  }

  /** So much waits that even the running recording sessions must end, or what is sealed already would be lost with the process. */
  get isOverfull(): boolean {
    return this.backlogBytes >= 2 * BACKLOG_BYTES_MAX
  }

  /** Objects that the disk did not take. */
  get failures(): number {
    return this.#failures
  }

  /** Objects that the store refused for good, in files that nothing but a person takes away: as of the last look. */
  get refused(): RefusedObjects {
    return this.#refused
  }

  /** Looks what was put aside, when that may have changed; to be called every second or so. Never rejects. */
  async lookAtRefused(): Promise<void> {
    const nowUnixMs = this.#nowUnixMs()
    const lookedUnixMs = this.#refusedLookUnixMs
    if (lookedUnixMs !== undefined && (this.#refused.count === 0 || nowUnixMs - lookedUnixMs < REFUSED_LOOK_MS)) return
    this.#refusedLookUnixMs = nowUnixMs
    try {
      this.#refused = await this.#files.refused()
    } catch (error) {
      this.#onError(error)
    }
  }

  /** Since when the oldest object waits. */
  get oldestUnixMs(): number | undefined {
    let oldest: number | undefined
    for (const { waiting } of this.#lanes.values()) {
      const [first] = waiting
      if (first !== undefined) oldest = Math.min(oldest ?? first.sinceUnixMs, first.sinceUnixMs)
    }
    return oldest
  }

  /**
   * As {@link UploadQueue.put}.
   *
   * @param spooled is called when the disk has it, and all before it, should the store not have it yet: neither a crash nor a power cut takes it any more
   */
  put(order: string, key: string, bytes: Uint8Array, spooled: () => void = () => {}): Promise<void> {
    const lane = this.#laneOf(order)
    const isStraight = !this.#isStoreSlow() && lane.waiting.at(-1)?.isInQueue !== false
    return new Promise((resolve, reject) => {
      const entry = { ...{ key, bytes, spooled, resolve, reject }, ...{ isInQueue: false, isOver: false } }
      lane.waiting.push({ ...entry, sizeBytes: bytes.length, sinceUnixMs: this.#nowUnixMs() })
      this.#unsettled += 1
      this.#heldBytes += bytes.length
      if (isStraight) {
        void this.#handOverNext(lane)
        return
      }
      this.#schedule(lane)
      void this.#write(lane)
    })
  }

  /** Stores what an earlier run has left; resolves when the store has all of it, or when the queue is stopped. Rejects when the disk does not say what that is. */
  async uploadLeft(): Promise<void> {
    const files = await this.#files.left()
    const left = files.filter(({ key }) => !this.#waitsFor(key)).toSorted(byRecordingAndRank)
    const sinceUnixMs = this.#nowUnixMs()
    const stored = left.map(
      ({ key, sizeBytes }) =>
        new Promise<void>((resolve, reject) => {
          const lane = this.#laneOf(orderOf(key))
          const entry = {
            ...{ key, sizeBytes, sinceUnixMs, resolve, reject },
            ...{ isInQueue: false, isOver: false },
          }
          lane.waiting.push({ ...entry, bytes: undefined, spooled: () => {} })
          this.#bytes += sizeBytes
          this.#unsettled += 1
          this.#schedule(lane)
        }),
    )
    await Promise.allSettled(stored)
  }

  /**
   * While the store is slow: brings to the disk what was on its way before that was seen, or what the disk did not take. To be called every second or so; never
   * rejects.
   */
  async writeWaiting(): Promise<void> {
    if (this.#isWritingAll || !this.#isStoreSlow()) return
    this.#isWritingAll = true
    const failures = this.#failures
    for (const lane of [...this.#lanes.values()]) {
      await this.#write(lane)
      // It would not take the others either.
      if (this.#failures > failures) break
    }
    this.#isWritingAll = false
  }

  /** As {@link UploadQueue.drain}: what is on disk need not be waited for, and is. */
  async drain(timeoutMs: number): Promise<boolean> {
    const untilUnixMs = this.#nowUnixMs() + timeoutMs
    for (;;) {
      const isDrained = await this.#queue.drain(Math.max(0, untilUnixMs - this.#nowUnixMs()))
      if (!isDrained || this.#unsettled === 0) return isDrained
      if (this.#nowUnixMs() >= untilUnixMs) return false
      await sleep(DRAIN_LOOK_MS)
    }
  }

  #waitsFor(key: string): boolean {
    return this.#lanes.get(orderOf(key))?.waiting.some((entry) => entry.key === key) === true
  }

  #isStoreSlow(): boolean {
    const { failing, backlogBytes, oldestUnixMs } = this.#queue
    if (failing !== undefined || backlogBytes >= SLOW_BYTES) return true
    return oldestUnixMs !== undefined && this.#nowUnixMs() - oldestUnixMs >= SLOW_MS
  }

  #laneOf(order: string): Lane {
    const known = this.#lanes.get(order)
    if (known !== undefined) return known
    const lane: Lane = { order, waiting: [], isWriting: false, isScheduled: false }
    this.#lanes.set(order, lane)
    return lane
  }

  #schedule(lane: Lane): void {
    if (lane.isScheduled) return
    lane.isScheduled = true
    this.#ready.push(lane)
    this.#runLanes()
  }

  #runLanes(): void {
    while (this.#running < LANES_MAX) {
      const lane = this.#ready.shift()
      if (lane === undefined) return
      this.#running += 1
      void this.#handOverNext(lane).finally(() => {
        this.#running -= 1
        lane.isScheduled = lane.waiting.at(-1)?.isInQueue === false
        // The next of this recording waits its turn: others may have waited longer.
        if (lane.isScheduled) this.#ready.push(lane)
        this.#runLanes()
      })
    }
  }

  /** Gives the next object to the upload queue; resolves when that is through with it. Never rejects. */
  async #handOverNext(lane: Lane): Promise<void> {
    const entry = lane.waiting.find(({ isInQueue }) => !isInQueue)
    if (entry === undefined) return
    try {
      const bytes = entry.bytes ?? (await this.#files.read(entry.key))
      entry.isInQueue = true
      if (entry.bytes !== undefined) this.#heldBytes -= entry.sizeBytes
      await this.#queue.put(lane.order, entry.key, bytes)
      entry.isOver = true
      this.#leave(lane, entry)
      await this.#remove(entry)
      entry.resolve()
    } catch (error) {
      // Before anybody hears of what is stored behind it.
      entry.reject(error)
      await this.#giveUp(lane, entry, error)
    }
    this.#unsettled -= 1
  }

  /** What no retry mends is put aside, to be looked at; what the end of this run came before stays for the next. */
  async #giveUp(lane: Lane, entry: Waiting, error: unknown): Promise<void> {
    entry.isOver = isRefusedForGood(error)
    // While only memory has it, it keeps its place: the disk must take nothing behind it.
    if (entry.isOver || entry.bytes === undefined) this.#leave(lane, entry)
    if (entry.isOver) await this.#putAside(entry)
  }

  /** There is nowhere else to have it from: however little room the disk has. */
  async #putAside(entry: Waiting): Promise<void> {
    try {
      if (entry.bytes === undefined) {
        this.#bytes -= entry.sizeBytes
        await this.#files.putAside(entry.key)
      } else await this.#files.writeAside(entry.key, entry.bytes)
    } catch (error) {
      this.#failures += 1
      this.#onError(error)
    }
    this.#refusedLookUnixMs = undefined
  }

  #leave(lane: Lane, entry: Waiting): void {
    lane.waiting.splice(lane.waiting.indexOf(entry), 1)
    if (lane.waiting.length === 0) this.#lanes.delete(lane.order)
  }

  /** Until the disk does not take one. */
  async #write(lane: Lane): Promise<void> {
    if (lane.isWriting) return
    lane.isWriting = true
    for (let isWritten = true; isWritten;) {
      const entry = lane.waiting.find(({ bytes }) => bytes !== undefined)
      isWritten = entry?.bytes !== undefined && (await this.#writeOne(entry, entry.bytes))
    }
    lane.isWriting = false
  }

  async #writeOne(entry: Waiting, bytes: Uint8Array): Promise<boolean> {
    if (!this.#hasRoom(bytes.length)) return false
    try {
      await this.#files.write(entry.key, bytes)
    } catch (error) {
      this.#failures += 1
      this.#onError(error)
      return false
    }
    this.#bytes += bytes.length
    if (!entry.isInQueue) this.#heldBytes -= bytes.length
    entry.bytes = undefined
    // The store was faster.
    if (entry.isOver) await this.#remove(entry)
    else entry.spooled()
    return true
  }

  async #remove(entry: Waiting): Promise<void> {
    if (entry.bytes !== undefined) return
    this.#bytes -= entry.sizeBytes
    await this.#files.remove(entry.key).catch(this.#onError)
  }
}

/** The recording of an object: the last folder of its key. */
function orderOf(key: string): string {
  return key.split('/').at(-2) ?? key
}

/** Of one recording: the key first, the manifest last, as they were stored. */
function byRecordingAndRank(one: { readonly key: string }, other: { readonly key: string }): number {
  return rankOf(one.key) < rankOf(other.key) ? -1 : 1
}

function rankOf(key: string): string {
  const name = key.split('/').at(-1) ?? ''
  const rank = name === 'key.age' ? 0 : name === 'manifest.jws' ? 2 : 1
  return `${orderOf(key)} ${rank} ${name}`
}
