import type { RecordingId } from '../../ids.ts'
import type { ListenRefusal } from '../../recorder/live-listeners.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** Listeners of all recordings at once. */
export const LISTENERS_MAX = 16

/** Takes clear audio. */
export interface AudioListener {
  /** Ogg pages; whoever takes them wipes them when they are written. Must not throw. */
  write(pages: Uint8Array): void
  /** Nothing more comes. */
  end(): void
}

/** What one listening is about. */
export interface ListenRequest {
  readonly recordingId: RecordingId
  /** The address of the listener's machine. */
  readonly from: string
  /** Makes the listener, once it is certain that there will be something to hear. */
  readonly open: () => AudioListener
}

/** A media worker. */
interface Thread {
  postMessage(message: ToWorker): void
}

interface Listening {
  readonly request: ListenRequest
  readonly thread: Thread
  readonly settle: (result: Result<number, ListenRefusal>) => void
  /** Undefined while the worker has not answered. */
  listener: AudioListener | undefined
}

/** The listeners on the main thread: clear audio leaves a media worker for them, and only while somebody listens. */
export class LiveAudio {
  readonly #listening = new Map<number, Listening>()
  readonly #nowUs: () => number
  readonly #threadOf: (recordingId: RecordingId) => Thread | undefined
  #nextListenerId = 1

  constructor(options: {
    readonly nowUs: () => number
    /** The worker that holds a recording. */
    readonly threadOf: (recordingId: RecordingId) => Thread | undefined
  }) {
    this.#nowUs = options.nowUs
    this.#threadOf = options.threadOf
  }

  get listeners(): number {
    return this.#listening.size
  }

  /** Gives the id by which to {@link stop}. */
  async start(request: ListenRequest): Promise<Result<number, ListenRefusal>> {
    if (this.#listening.size >= LISTENERS_MAX) return rejected('tooMany')
    const thread = this.#threadOf(request.recordingId)
    if (thread === undefined) return rejected('over')
    const listenerId = this.#nextListenerId
    this.#nextListenerId += 1
    return new Promise((settle) => {
      this.#listening.set(listenerId, { request, thread, settle, listener: undefined })
      const { recordingId, from } = request
      thread.postMessage({ kind: 'listen', recordingId, listenerId, from, atUs: this.#nowUs() })
    })
  }

  stop(listenerId: number): void {
    const listening = this.#listening.get(listenerId)
    if (listening === undefined) return
    this.#listening.delete(listenerId)
    const { recordingId } = listening.request
    listening.thread.postMessage({ kind: 'unlisten', recordingId, listenerId, atUs: this.#nowUs() })
  }

  handle(message: FromWorker & { readonly kind: 'listening' | 'pages' }): void {
    const listening = this.#listening.get(message.listenerId)
    if (message.kind === 'pages') {
      if (listening?.listener === undefined) message.pages.fill(0)
      else listening.listener.write(message.pages)
      return
    }
    if (listening === undefined) return
    if (message.refusal !== undefined) {
      this.#listening.delete(message.listenerId)
      listening.settle(rejected(message.refusal))
      return
    }
    listening.listener = listening.request.open()
    listening.settle(accepted(message.listenerId))
  }

  /** The recording is over, or its worker is: nobody hears more of it. */
  over(recordingId: RecordingId): void {
    for (const [listenerId, { request, listener, settle }] of this.#listening) {
      if (request.recordingId !== recordingId) continue
      this.#listening.delete(listenerId)
      if (listener === undefined) settle(rejected('over'))
      else listener.end()
    }
  }
}
