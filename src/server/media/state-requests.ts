import type { RecordingId } from '../../ids.ts'
import type { StreamState } from '../../recorder/live-monitor.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** A worker that has not answered by then is left out. */
const PATIENCE_MS = 500

export type RecordingStates = ReadonlyMap<RecordingId, readonly StreamState[]>

interface PendingRequest {
  readonly states: Map<RecordingId, readonly StreamState[]>
  awaited: number
  readonly settle: () => void
}

/** Asks all workers how their media streams are doing: only when somebody wants to know, so that it costs nothing otherwise. */
export class StateRequests {
  readonly #pending = new Map<number, PendingRequest>()
  #nextRequestId = 1

  /** What the workers say that answer in time. */
  async ask(threads: readonly { postMessage(message: ToWorker): void }[]): Promise<RecordingStates> {
    const requestId = this.#nextRequestId
    this.#nextRequestId += 1
    const states = new Map<RecordingId, readonly StreamState[]>()
    if (threads.length === 0) return states
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS).unref()
      const settle = (): void => {
        clearTimeout(timer)
        resolve()
      }
      this.#pending.set(requestId, { states, awaited: threads.length, settle })
      for (const thread of threads) thread.postMessage({ kind: 'states', requestId })
    })
    this.#pending.delete(requestId)
    return states
  }

  handle(message: FromWorker & { readonly kind: 'states' }): void {
    const request = this.#pending.get(message.requestId)
    if (request === undefined) return
    for (const { recordingId, streams } of message.states) request.states.set(recordingId, streams)
    request.awaited -= 1
    if (request.awaited === 0) request.settle()
  }
}
