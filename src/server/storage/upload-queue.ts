import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import { backoffMs } from './backoff.ts'
import type { ObjectStore } from './object-store.ts'
import { isRefusedForGood, storageStopped } from './storage-error.ts'

const RETRY_FIRST_MS = 250
const RETRY_LAST_MS = 5_000

export interface UploadQueueObserver {
  stored(seconds: number): void
  failed(seconds: number, code: string, attempt: number): void
}

interface WaitingUpload {
  readonly bytes: number
  readonly sinceUnixMs: number
}

/**
 * Hands sealed objects to the object store: in order within one recording, several recordings side by side. A store
 * that fails is tried again for ever with growing pauses; the bytes wait in memory meanwhile, sealed, until the spool takes what comes.
 */
export class UploadQueue {
  readonly #store: Pick<ObjectStore, 'put'>
  readonly #observer: UploadQueueObserver
  readonly #nowUnixMs: () => number
  readonly #retryFirstMs: number
  readonly #retryLastMs: number
  readonly #chains = new Map<string, Promise<unknown>>()
  readonly #waiting = new Set<WaitingUpload>()
  readonly #stopped = new AbortController()
  /** Of which something was given up at the stop: nothing behind that is stored. */
  readonly #givenUp = new Set<string>()
  #woken = new AbortController()
  #backlogBytes = 0
  #failing: string | undefined

  constructor(options: {
    readonly store: Pick<ObjectStore, 'put'>
    readonly observer: UploadQueueObserver
    readonly nowUnixMs: () => number
    readonly retryFirstMs?: number
    readonly retryLastMs?: number
  }) {
    this.#store = options.store
    this.#retryFirstMs = options.retryFirstMs ?? RETRY_FIRST_MS
    this.#retryLastMs = options.retryLastMs ?? RETRY_LAST_MS
    this.#observer = options.observer
    this.#nowUnixMs = options.nowUnixMs
  }

  get backlogBytes(): number {
    return this.#backlogBytes
  }

  /** The error code of the last attempt while the store refuses, undefined while it works. */
  get failing(): string | undefined {
    return this.#failing
  }

  /** Wall-clock milliseconds since which the oldest waiting object waits. */
  get oldestUnixMs(): number | undefined {
    for (const upload of this.#waiting) return upload.sinceUnixMs
    return undefined
  }

  /**
   * Stores `bytes` under `key` after everything put earlier with the same `order`. Resolves when the store has it
   * durably; rejects only on an error that no retry mends, or with `storage-stopped`.
   */
  put(order: string, key: string, bytes: Uint8Array): Promise<void> {
    const upload: WaitingUpload = { bytes: bytes.length, sinceUnixMs: this.#nowUnixMs() }
    this.#waiting.add(upload)
    this.#backlogBytes += bytes.length
    const before = this.#chains.get(order) ?? Promise.resolve()
    const done = before
      .catch(() => {})
      .then(() => this.#storeWithRetry(order, key, bytes))
      .finally(() => {
        this.#waiting.delete(upload)
        this.#backlogBytes -= upload.bytes
        if (this.#chains.get(order) === done) this.#chains.delete(order)
      })
    this.#chains.set(order, done)
    return done
  }

  /** Waits until nothing is waiting, or `timeoutMs` has passed; true when all is stored. */
  async drain(timeoutMs: number): Promise<boolean> {
    const timeout = new AbortController()
    const expired = sleep(timeoutMs, undefined, { signal: timeout.signal }).catch(() => {})
    while (this.#chains.size > 0) {
      const chains = Promise.allSettled(this.#chains.values()).then(() => true)
      if ((await Promise.race([chains, expired])) !== true) return false
    }
    timeout.abort()
    return true
  }

  /** Tries again at once what waits for its next attempt: somebody has mended something. */
  wake(): void {
    this.#woken.abort()
    this.#woken = new AbortController()
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #storeWithRetry(order: string, key: string, bytes: Uint8Array): Promise<void> {
    if (this.#givenUp.has(order)) throw storageStopped()
    for (let attempt = 1; ; attempt += 1) {
      const startMs = performance.now()
      try {
        await this.#store.put(key, bytes)
        this.#failing = undefined
        this.#observer.stored((performance.now() - startMs) / 1_000)
        return
      } catch (error) {
        const code = error instanceof EarwitnessError ? error.code : 'storage-failed'
        this.#failing = code
        this.#observer.failed((performance.now() - startMs) / 1_000, code, attempt)
        if (isRefusedForGood(error)) throw error
        if (this.#stopped.signal.aborted) throw this.#giveUp(order, error)
        const pauseMs = backoffMs(attempt, { firstMs: this.#retryFirstMs, lastMs: this.#retryLastMs }, Math.random())
        const signal = AbortSignal.any([this.#stopped.signal, this.#woken.signal])
        await sleep(pauseMs, undefined, { signal }).catch(() => {})
        if (this.#stopped.signal.aborted) throw this.#giveUp(order, error)
      }
    }
  }

  #giveUp(order: string, cause: unknown): EarwitnessError {
    this.#givenUp.add(order)
    return storageStopped(cause)
  }
}
