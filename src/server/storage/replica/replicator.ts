import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../../errors.ts'
import { backoffMs } from '../backoff.ts'
import type { ObjectStore } from '../object-store.ts'
import { isRefusedForGood } from '../storage-error.ts'
import type { MissingList, MissingObject } from './missing-list.ts'

/** Bytes that may wait in memory for the replica; what comes beyond is read back from the primary store when its turn comes. */
const HELD_BYTES_MAX = 64 * 1024 * 1024
const RETRY = { firstMs: 250, lastMs: 5_000 }

export interface ReplicatorObserver {
  stored(seconds: number): void
  /** The replica did not take an object, which is tried again unless `code` is `storage-conflict`. */
  failed(seconds: number, code: string): void
  /** An object that the replica lacks is on no list: only a comparison of both stores would find it. */
  unnoted(): void
}

interface Entry extends MissingObject {
  /** Undefined when they do not fit, or come from an earlier run: they are read back. */
  bytes: Uint8Array | undefined
  isOnPrimary: boolean
  isOnReplica: boolean
  /** A worker has it, or it is in line for one. */
  isQueued: boolean
  readonly whenBoth: PromiseWithResolvers<void>
}

export interface ReplicatorOptions {
  readonly primary: Pick<ObjectStore, 'get' | 'put'>
  readonly replica: Pick<ObjectStore, 'get' | 'put'>
  readonly missing: MissingList
  /** What a {@link Replicator.put} waits for. */
  readonly durable: 'primary' | 'both'
  /** Objects on their way to the replica at once. */
  readonly uploadsMax: number
  readonly observer: ReplicatorObserver
  readonly nowUnixMs: () => number
  readonly random?: () => number
  readonly heldBytesMax?: number
  readonly retry?: { readonly firstMs: number; readonly lastMs: number }
}

/**
 * Brings every object to both stores. Each is noted on disk before either is asked; the primary store takes it at the pace of the upload queue, the
 * replica at its own, without making the other wait unless `durable` is `both`. What an outage or the end of the process leaves undone is done later, from
 * whichever store has it.
 */
export class Replicator {
  readonly #options: ReplicatorOptions
  readonly #entries = new Map<string, Entry>()
  /** With a put to the primary under way. */
  readonly #putting = new Set<string>()
  readonly #line: Entry[] = []
  readonly #stopped = new AbortController()
  #woken = new AbortController()
  #working = 0
  #heldBytes = 0
  #failing: string | undefined
  #isLoading = false
  #idle: PromiseWithResolvers<void> | undefined

  constructor(options: ReplicatorOptions) {
    this.#options = options
  }

  /** Objects that are not known to be in both stores. */
  get missing(): number {
    return this.#options.missing.count
  }

  get oldestUnixMs(): number | undefined {
    return this.#options.missing.oldestUnixMs
  }

  /** The error code of the last attempt while the replica refuses, undefined while it works. */
  get failing(): string | undefined {
    return this.#failing
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Begins with what an earlier run has left. */
  run(): void {
    this.#work()
  }

  /** Resolves as `durable` says; rejects when the primary store does not take it. The same again is fine. */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    const entry = await this.#note(key, bytes)
    this.#putting.add(key)
    try {
      await this.#options.primary.put(key, bytes)
    } catch (error) {
      if (isRefusedForGood(error) && entry !== undefined) this.#settle(entry)
      throw error
    } finally {
      this.#putting.delete(key)
    }
    if (entry === undefined) return
    entry.isOnPrimary = true
    if (entry.isOnReplica) this.#settle(entry)
    else this.#queue(entry)
    if (this.#options.durable === 'both') await entry.whenBoth.promise
  }

  /** Nothing brings the object back any more. */
  forget(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) this.#options.missing.done(key)
    else this.#settle(entry)
  }

  /** Resolves when both stores have everything, at once while the replica refuses, or after `timeoutMs`; true when they have. */
  async drain(timeoutMs: number): Promise<boolean> {
    if (this.missing === 0) return true
    if (this.#failing !== undefined) return false
    this.#idle ??= Promise.withResolvers<void>()
    const timeout = new AbortController()
    const expired = sleep(timeoutMs, false, { signal: timeout.signal }).catch(() => false)
    const isDrained = await Promise.race([this.#idle.promise.then(() => true), expired])
    timeout.abort()
    return isDrained
  }

  /** Tries again at once what waits for its next attempt. */
  wake(): void {
    this.#woken.abort()
    this.#woken = new AbortController()
  }

  /** What is not done stays on the list for the next run. */
  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    this.#stopped.abort()
    for (const { whenBoth } of this.#entries.values()) whenBoth.reject(stopped())
    await this.#options.missing.stop()
  }

  /** Undefined when the list has it for later. */
  async #note(key: string, bytes: Uint8Array): Promise<Entry | undefined> {
    const { missing, nowUnixMs, observer, durable } = this.#options
    const known = this.#entries.get(key)
    if (known !== undefined) return this.#hold(known, bytes)
    const sinceUnixMs = nowUnixMs()
    const outcome = await missing.add({ key, sinceUnixMs })
    if (outcome === 'failed') observer.unnoted()
    // Whoever waits for both stores must be told, however many wait: the upload queue bounds them.
    if (durable === 'primary' && (outcome === 'later' || (outcome === 'failed' && missing.isFull))) return undefined
    return this.#hold(this.#entries.get(key) ?? this.#enter({ key, sinceUnixMs }), bytes)
  }

  #enter(object: MissingObject): Entry {
    const whenBoth = Promise.withResolvers<void>()
    whenBoth.promise.catch(() => {})
    const entry = { ...object, whenBoth, bytes: undefined, isOnPrimary: false, isOnReplica: false, isQueued: false }
    this.#entries.set(object.key, entry)
    return entry
  }

  #hold(entry: Entry, bytes: Uint8Array): Entry {
    if (entry.bytes !== undefined && !Buffer.from(entry.bytes).equals(bytes)) throw conflict(entry.key)
    // Whoever waits for both stores holds the bytes as long as we do.
    const { durable, heldBytesMax = HELD_BYTES_MAX } = this.#options
    const hasRoom = durable === 'both' || this.#heldBytes + bytes.length <= heldBytesMax
    if (entry.bytes !== undefined || entry.isOnReplica || !hasRoom) return entry
    entry.bytes = bytes
    this.#heldBytes += bytes.length
    this.#queue(entry)
    return entry
  }

  #release(entry: Entry): void {
    this.#heldBytes -= entry.bytes?.length ?? 0
    entry.bytes = undefined
  }

  #settle(entry: Entry): void {
    this.#release(entry)
    this.#entries.delete(entry.key)
    this.#options.missing.done(entry.key)
    entry.whenBoth.resolve()
    if (this.missing === 0) {
      this.#idle?.resolve()
      this.#idle = undefined
    }
  }

  #queue(entry: Entry): void {
    if (entry.isQueued || entry.isOnReplica) return
    entry.isQueued = true
    this.#line.push(entry)
    this.#work()
  }

  #work(): void {
    const { uploadsMax, missing } = this.#options
    while (this.#working < uploadsMax && this.#line.length > 0 && !this.#stopped.signal.aborted) {
      const entry = this.#line.shift() as Entry
      this.#working += 1
      void this.#bring(entry).finally(() => {
        this.#working -= 1
        this.#work()
      })
    }
    if (this.#isLoading || this.#line.length > 0 || !missing.hasLater || this.#stopped.signal.aborted) return
    this.#isLoading = true
    void this.#load().finally(() => {
      this.#isLoading = false
      this.#work()
    })
  }

  async #load(): Promise<void> {
    for (const object of await this.#options.missing.load()) {
      const entry = this.#entries.get(object.key) ?? this.#enter(object)
      entry.isQueued = true
      this.#line.push(entry)
    }
  }

  /** Until the replica has it, or it turns out to be nowhere. Never rejects. */
  async #bring(entry: Entry): Promise<void> {
    const { retry = RETRY, random = Math.random } = this.#options
    for (let attempt = 1; !this.#stopped.signal.aborted && this.#entries.get(entry.key) === entry; attempt += 1) {
      if (await this.#tryToBring(entry)) break
      const signal = AbortSignal.any([this.#stopped.signal, this.#woken.signal])
      await sleep(backoffMs(attempt, retry, random()), undefined, { signal }).catch(() => {})
    }
    entry.isQueued = false
  }

  /** True when nothing is left to do now. */
  async #tryToBring(entry: Entry): Promise<boolean> {
    try {
      const bytes = entry.bytes ?? (await this.#readBack(entry))
      if (bytes === undefined) {
        // Neither store has it, and whoever puts it notes it again: unless that is what happens just now.
        if (this.#putting.has(entry.key)) return false
        this.#settle(entry)
        return true
      }
      if (!entry.isOnReplica) await this.#putToReplica(entry, bytes)
      this.#release(entry)
      if (entry.isOnPrimary) this.#settle(entry)
      return true
    } catch (error) {
      if (!isRefusedForGood(error)) return false
      entry.whenBoth.reject(error)
      this.#settle(entry)
      return true
    }
  }

  /** From whichever store has it; what only the replica has goes back to the primary store. */
  async #readBack(entry: Entry): Promise<Uint8Array | undefined> {
    const { primary, replica } = this.#options
    const onPrimary = await primary.get(entry.key)
    if (onPrimary !== undefined) {
      entry.isOnPrimary = true
      return onPrimary
    }
    if (this.#putting.has(entry.key)) return undefined
    const onReplica = await replica.get(entry.key)
    if (onReplica === undefined) return undefined
    entry.isOnReplica = true
    await primary.put(entry.key, onReplica)
    entry.isOnPrimary = true
    return onReplica
  }

  async #putToReplica(entry: Entry, bytes: Uint8Array): Promise<void> {
    const { replica, observer } = this.#options
    const startMs = performance.now()
    try {
      await replica.put(entry.key, bytes)
    } catch (error) {
      const code = codeOf(error)
      if (!this.#stopped.signal.aborted) {
        if (!isRefusedForGood(error)) this.#failing = code
        observer.failed((performance.now() - startMs) / 1_000, code)
      }
      throw error
    }
    entry.isOnReplica = true
    this.#failing = undefined
    observer.stored((performance.now() - startMs) / 1_000)
  }
}

function codeOf(error: unknown): string {
  return error instanceof EarwitnessError ? error.code : 'storage-failed'
}

/** Two writers at once: were both let through, each store could take the object of another. */
function conflict(key: string): EarwitnessError {
  return new EarwitnessError(
    'storage-conflict',
    `Another object is being stored as ${key}.`,
    'Nothing was overwritten. Two parts of the recorder gave the same name; please report it.',
  )
}

function stopped(): EarwitnessError {
  return new EarwitnessError(
    'storage-stopped',
    'The recorder stopped before the replica had the object.',
    'It is brought there after the next start.',
  )
}
