import { setTimeout as sleep } from 'node:timers/promises'

import { CircuitBreaker, type BreakerState } from './circuit-breaker.ts'
import type { ObjectStore } from './object-store.ts'
import { isRefusedForGood, storageStopped } from './storage-error.ts'
import { TokenBucket } from './token-bucket.ts'

/** How long a server that fails is left alone: short, for audio waits in memory or in the spool meanwhile. */
const PAUSE = { firstMs: 500, lastMs: 5_000 }

export interface UploadGateOptions {
  readonly store: Pick<ObjectStore, 'put'>
  /** Objects on their way at once. */
  readonly uploadsMax: number
  /** 0: no limit. */
  readonly bytesPerSecondMax: number
  readonly onState?: (state: BreakerState) => void
  readonly nowMs?: () => number
  readonly random?: () => number
}

/**
 * What stands between the upload queue and a store over the network: so many at once, so many bytes a second, and a pause
 * for a server that fails. Whoever has to wait keeps its place in line; nothing is held here but what waits anyway.
 */
export class UploadGate implements Pick<ObjectStore, 'put'> {
  readonly #options: UploadGateOptions
  readonly #breaker = new CircuitBreaker(PAUSE)
  readonly #bandwidth: TokenBucket
  readonly #nowMs: () => number
  readonly #random: () => number
  readonly #stopped = new AbortController()
  #woken = new AbortController()
  readonly #line: (() => void)[] = []
  #active = 0
  #told: BreakerState = 'closed'

  constructor(options: UploadGateOptions) {
    this.#options = options
    this.#bandwidth = new TokenBucket(options.bytesPerSecondMax)
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#random = options.random ?? Math.random
  }

  /** Objects that are being sent. */
  get active(): number {
    return this.#active
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#takeSlot()
    try {
      await this.#untilAllowed(() => this.#breaker.enter(this.#nowMs()))
      this.#tell()
      await this.#untilAllowed(() => this.#bandwidth.take(bytes.length, this.#nowMs()))
      await this.#send(key, bytes)
    } finally {
      this.#active -= 1
      this.#line.shift()?.()
    }
  }

  /** Tries again at once instead of at the end of the pause. */
  wake(): void {
    this.#breaker.reset()
    this.#woken.abort()
    this.#woken = new AbortController()
  }

  /** Whatever waits here fails with `storage-stopped`. */
  stop(): void {
    this.#stopped.abort()
    for (const next of this.#line.splice(0)) next()
  }

  async #takeSlot(): Promise<void> {
    if (this.#active >= this.#options.uploadsMax) {
      await new Promise<void>((resolve) => {
        this.#line.push(resolve)
      })
    }
    this.#active += 1
    if (!this.#stopped.signal.aborted) return
    this.#active -= 1
    throw storageStopped()
  }

  async #untilAllowed(ask: () => number): Promise<void> {
    for (let waitMs = ask(); waitMs > 0; waitMs = ask()) {
      const signal = AbortSignal.any([this.#stopped.signal, this.#woken.signal])
      await sleep(waitMs, undefined, { signal }).catch(() => {})
      if (this.#stopped.signal.aborted) throw storageStopped()
    }
  }

  async #send(key: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#options.store.put(key, bytes)
      this.#breaker.succeeded()
    } catch (error) {
      if (isRefusedForGood(error)) this.#breaker.succeeded()
      else this.#breaker.failed(this.#nowMs(), this.#random())
      throw error
    } finally {
      this.#tell()
    }
  }

  #tell(): void {
    const { state } = this.#breaker
    if (state === this.#told) return
    this.#told = state
    this.#options.onState?.(state)
  }
}
