import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import type { RecordingId } from '../../ids.ts'
import type { ThreadLoad } from '../admission.ts'
import type { FromWorker, OpenOutcome, ToWorker, WorkerSettings } from './worker-messages.ts'

/** How long a worker may take to close its sockets before its thread is ended. */
const WORKER_STOP_MS = 5_000
/**
 * For objects that live for a moment: two spaces of 4 MiB that take turns, and as much again for large ones. Left to itself V8 enlarges them up to 16 times
 * as long as much survives, which with packets on their way always does; buffers outside of the heap wait to be freed with them. It costs 1 % of the
 * worker's CPU, and half the memory of a recording session.
 */
export const YOUNG_GENERATION_MIB = 12
const WORKER_DIED: OpenOutcome = { ok: false, reason: 'failed', ports: [], detail: 'the media worker died' }

/** One media worker thread as the main thread sees it: what was asked of it and not yet answered, and what it last said. */
export class MediaWorker {
  readonly id: number
  readonly thread: Worker
  readonly recordings = new Set<RecordingId>()
  /** Where its frames are; undefined without a spool. */
  readonly spoolFolder: string | undefined
  /** Resolves with its first message; rejects if it exits before. */
  readonly ready: Promise<void>
  readonly #exited: Promise<void>
  readonly #pending = new Map<number, (outcome: OpenOutcome) => void>()
  #nextRequestId = 1
  isReady = false
  /** As its last report says. */
  load: ThreadLoad = { busyShare: 0, lagMs: 0 }
  opusUndecodedStreams = 0
  reportedUs = Infinity

  /** Starts the thread. */
  constructor(options: {
    readonly id: number
    readonly file: URL
    readonly settings: WorkerSettings
    readonly onMessage: (worker: MediaWorker, message: FromWorker) => void
    readonly onExit: (worker: MediaWorker) => void
  }) {
    this.id = options.id
    this.spoolFolder = options.settings.spoolFolder
    const thread = new Worker(options.file, {
      workerData: options.settings,
      name: `media-${options.id}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    })
    this.thread = thread
    this.ready = new Promise<void>((resolve, reject) => {
      thread.once('message', () => resolve())
      thread.once('error', reject)
      thread.once('exit', () => reject(new Error('it exited before it was ready')))
    })
    this.#exited = new Promise<void>((resolve) => {
      thread.once('exit', () => resolve())
    })
    // Whoever starts the plane waits for it; a replacement that fails is handled when it exits.
    this.ready.catch(() => {})
    thread.on('message', (message: FromWorker) => options.onMessage(this, message))
    // 'exit' follows 'error'; one place handles both.
    thread.on('error', () => {})
    thread.on('exit', () => options.onExit(this))
  }

  /** Requests that it has not answered. */
  get queueDepth(): number {
    return this.#pending.size
  }

  /** Asks for sockets; resolves with its answer, or with `failed` when it dies first. */
  request(build: (requestId: number) => ToWorker): Promise<OpenOutcome> {
    // What is posted to a thread that has exited is never answered.
    if (!this.isReady) return Promise.resolve(WORKER_DIED)
    const requestId = this.#nextRequestId
    this.#nextRequestId += 1
    return new Promise((resolve) => {
      this.#pending.set(requestId, resolve)
      this.thread.postMessage(build(requestId))
    })
  }

  settle({ requestId, outcome }: FromWorker & { readonly kind: 'opened' }): void {
    this.#pending.get(requestId)?.(outcome)
    this.#pending.delete(requestId)
  }

  /** It is gone: nothing more is asked of it, and what was asked is answered. */
  handleExit(): void {
    this.isReady = false
    for (const settle of this.#pending.values()) settle(WORKER_DIED)
    this.#pending.clear()
  }

  /** Ends the thread, gently if it can. */
  async stop(): Promise<void> {
    this.thread.postMessage({ kind: 'stop' } satisfies ToWorker)
    await Promise.race([this.#exited, sleep(WORKER_STOP_MS, undefined, { ref: false })])
    await this.thread.terminate()
  }
}
