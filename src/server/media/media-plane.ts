import type { PauseRequester } from '../../evidence/words.ts'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import type { RecordingId } from '../../ids.ts'
import type { EndCause, MediaStreamPlan, PauseWay, RecordingFacts } from '../../recorder/recording-types.ts'
import type { ReceivedMetadata } from '../../recorder/snapshot-keeper.ts'
import type { ThreadLoad } from '../admission.ts'
import { monotonicUs } from '../monotonic.ts'
import { LiveAudio } from './live-audio.ts'
import type { MediaPlaneHandler } from './media-plane-handler.ts'
import { MediaWorker } from './media-worker-handle.ts'
import { OpeningQueue } from './opening-queue.ts'
import type { PacketReceiverName } from './packet-receiver.ts'
import { bindPorts } from './port-binding.ts'
import { PortPool } from './port-pool.ts'
import { StateRequests, type RecordingStates } from './state-requests.ts'
import type { BoundStream, FromWorker, ToWorker, WorkerSettings } from './worker-messages.ts'

/** Pause before a worker that did not even start is started again. */
const WORKER_RETRY_MS = 1_000
/** Recording sessions one worker opens at a time: enough that it is never idle, few enough that none waits long for its neighbours. */
const OPENINGS_PER_WORKER = 16
/** How long a worker may take to open one: it does so in milliseconds, but may stall. */
const OPENING_PATIENCE_MS = 2_000
const OPENING_WAIT_US = 80_000
/** A worker reports once a second. */
const REPORT_STALE_US = 3_000_000

export type OpenResult =
  | { readonly ok: true; readonly ports: readonly number[] }
  | { readonly ok: false; readonly reason: 'portsExhausted' | 'failed' | 'overloaded'; readonly detail: string }

interface PlacedRecording {
  readonly worker: MediaWorker
  streams: readonly BoundStream[]
}

/**
 * The media workers and the port range, as the main thread sees them. A recording is placed on the worker with the
 * fewest recordings and stays there. A worker that dies is replaced; its recordings are reported lost.
 */
export class MediaPlane {
  readonly #settings: WorkerSettings
  readonly #workerFile: URL
  #handler: MediaPlaneHandler | undefined
  readonly #ports: PortPool
  readonly #workers: MediaWorker[] = []
  readonly #recordings = new Map<RecordingId, PlacedRecording>()
  readonly #openings: OpeningQueue
  readonly #states = new StateRequests()
  /** Who listens to recordings while they are made. */
  readonly audio: LiveAudio
  readonly #nowUs: () => number
  #stopping = false
  /** Started so far: each has a folder of its own in the spool, the one that replaces another too. */
  #threads = 0

  constructor(options: {
    readonly settings: WorkerSettings
    readonly portMin: number
    readonly portMax: number
    /** How long an INVITE may wait for its turn to be opened. */
    readonly openingWaitUs?: number
    /** Monotonic microseconds. */
    readonly nowUs?: () => number
    /** What the threads run; the media worker. */
    readonly workerFile?: URL
  }) {
    this.#settings = options.settings
    this.#workerFile = options.workerFile ?? new URL('./media-worker.ts', import.meta.url)
    this.#ports = new PortPool(options.portMin, options.portMax)
    this.#nowUs = options.nowUs ?? monotonicUs
    this.audio = new LiveAudio({
      nowUs: this.#nowUs,
      threadOf: (recordingId) => this.#recordings.get(recordingId)?.worker.thread,
    })
    this.#openings = new OpeningQueue({ waitUs: options.openingWaitUs ?? OPENING_WAIT_US, nowUs: this.#nowUs })
  }

  /** Before {@link run}: who is told what the workers produce. */
  setHandler(handler: MediaPlaneHandler): void {
    this.#handler = handler
  }

  get workers(): readonly {
    readonly id: number
    readonly recordingSessions: number
    readonly queueDepth: number
    readonly opusUndecodedStreams?: number
  }[] {
    return this.#workers.map(({ id, recordings, queueDepth, opusUndecodedStreams }) => ({
      ...{ id, recordingSessions: recordings.size, queueDepth },
      ...(opusUndecodedStreams === 0 ? {} : { opusUndecodedStreams }),
    }))
  }

  /** Of the workers that run, as they last said; one that says nothing does nothing else either. */
  get workerLoads(): readonly ThreadLoad[] {
    const staleUs = this.#nowUs() - REPORT_STALE_US
    const running = this.#workers.filter(({ isReady }) => isReady)
    return running.map(({ load, reportedUs }) => (reportedUs < staleUs ? { ...load, busyShare: 1 } : load))
  }

  /** INVITEs waited too long for their turn, and some wait still. */
  get areOpeningsLate(): boolean {
    return this.#openings.isLate
  }

  /** How the media streams of all recordings are doing right now. */
  recordingStates(): Promise<RecordingStates> {
    return this.#states.ask(this.#workers.filter(({ isReady }) => isReady).map(({ thread }) => thread))
  }

  get receiver(): PacketReceiverName {
    return this.#settings.receiver
  }

  get portPairsFree(): number {
    return this.#ports.free
  }

  /** UDP ports, RTCP included. */
  get portsUsed(): number {
    return this.#ports.used * 2
  }

  /** @throws EarwitnessError `media-worker-failed`; nothing keeps running */
  async run(workers: number): Promise<void> {
    for (let id = 0; id < workers; id += 1) this.#workers.push(this.#startWorker(id))
    try {
      await Promise.all(this.#workers.map((worker) => worker.ready))
    } catch (cause) {
      await this.stop()
      const reason = cause instanceof Error ? cause.message : 'unknown'
      throw new EarwitnessError(
        'media-worker-failed',
        'A media worker could not start.',
        `Reason: ${reason}. \`npm ci\` brings back packages that are missing; media.opusEngine names the other Opus engine.`,
        { cause },
      )
    }
  }

  /**
   * Binds the ports and starts the recording; on success the ports are those of `plans`, in order. `overloaded` when it would come
   * too late: so many are being opened that its turn does not come in time, or the worker does not answer.
   */
  async open(facts: RecordingFacts, plans: readonly MediaStreamPlan[]): Promise<OpenResult> {
    const running = this.#workers.filter(({ isReady }) => isReady).length
    const isGranted = await this.#openings.enter(facts.openedUs, Math.max(1, running) * OPENINGS_PER_WORKER)
    if (!isGranted) return { ok: false, reason: 'overloaded', detail: 'too many are being opened' }
    const opening = this.#openNow(facts, plans)
    const patience = new AbortController()
    const late = sleep(OPENING_PATIENCE_MS, undefined, { signal: patience.signal, ref: false }).catch(() => {})
    const result = await Promise.race([opening, late])
    patience.abort()
    this.#openings.leave()
    if (result !== undefined) return result
    // Should it come about all the same, nobody wants it any more.
    void opening.then(({ ok }) => ok && this.abandon(facts.recordingId))
    return { ok: false, reason: 'overloaded', detail: 'the media worker does not answer' }
  }

  async #openNow(facts: RecordingFacts, plans: readonly MediaStreamPlan[]): Promise<OpenResult> {
    const worker = this.#leastBusy()
    if (worker === undefined) return { ok: false, reason: 'failed', detail: 'no media worker is running' }
    worker.recordings.add(facts.recordingId)
    const result = await bindPorts(this.#ports, plans, (streams) =>
      worker.request((requestId) => ({ kind: 'open', requestId, facts, streams })),
    )
    if (!result.ok) {
      worker.recordings.delete(facts.recordingId)
      return result
    }
    this.#recordings.set(facts.recordingId, { worker, streams: result.streams })
    return { ok: true, ports: result.streams.map(({ port }) => port) }
  }

  /** Applies a new offer: `plans` are all streams in order; the result gives each one's port. */
  async update(recordingId: RecordingId, plans: readonly MediaStreamPlan[], atUs: number): Promise<OpenResult> {
    const placed = this.#recordings.get(recordingId)
    if (placed === undefined) return { ok: false, reason: 'failed', detail: 'no such recording' }
    const known = new Map(placed.streams.map((stream) => [stream.plan.streamId, stream.port]))
    const added = plans.filter((plan) => !known.has(plan.streamId))
    const result = await bindPorts(this.#ports, added, (bound) => {
      const ports = new Map([...known, ...bound.map(({ plan, port }) => [plan.streamId, port] as const)])
      const streams = plans.map((plan) => ({ plan, port: ports.get(plan.streamId) ?? 0 }))
      return placed.worker.request((requestId) => ({ kind: 'update', requestId, recordingId, streams, atUs }))
    })
    if (!result.ok) return result
    placed.streams = [...placed.streams, ...result.streams]
    const ports = new Map(placed.streams.map((stream) => [stream.plan.streamId, stream.port]))
    return { ok: true, ports: plans.map((plan) => ports.get(plan.streamId) ?? 0) }
  }

  metadata(recordingId: RecordingId, received: ReceivedMetadata, receivedUs: number): void {
    const { rawSha256, snapshot, mediaType } = received
    // A view is posted with all of the buffer it looks into.
    const raw = Uint8Array.from(received.raw)
    const document = { raw, rawSha256, snapshot, ...(mediaType === undefined ? {} : { mediaType }) }
    this.#post(recordingId, { kind: 'metadata', recordingId, ...document, receivedUs })
  }

  /** Notes an incident that only the main thread knows of, so that the manifest has it. */
  note(
    recordingId: RecordingId,
    incident: { readonly code: string; readonly detail: string; readonly atUs: number },
  ): void {
    this.#post(recordingId, { kind: 'note', recordingId, ...incident })
  }

  /** Pauses a recording, or goes on with it: from `atUs` on, whenever the worker comes to it. */
  pause(
    recordingId: RecordingId,
    isPaused: boolean,
    request: { readonly by: PauseRequester; readonly atUs: number; readonly via?: PauseWay },
  ): void {
    this.#post(recordingId, { kind: 'pause', recordingId, isPaused, ...request })
  }

  /** What is said from `atUs` on is not held until consent any more. */
  release(recordingId: RecordingId, atUs: number): void {
    this.#post(recordingId, { kind: 'release', recordingId, atUs })
  }

  end(recordingId: RecordingId, cause: EndCause, endedUs: number): void {
    this.#post(recordingId, { kind: 'end', recordingId, cause, endedUs })
  }

  abandon(recordingId: RecordingId): void {
    this.#post(recordingId, { kind: 'abandon', recordingId })
    this.#release(recordingId)
  }

  /** Ends the workers; recordings that are still open stay so, for the next start to recover. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#openings.stop()
    await Promise.all(this.#workers.map((worker) => worker.stop()))
  }

  #post(recordingId: RecordingId, message: ToWorker): void {
    this.#recordings.get(recordingId)?.worker.thread.postMessage(message)
  }

  #release(recordingId: RecordingId): void {
    const placed = this.#recordings.get(recordingId)
    if (placed === undefined) return
    this.#recordings.delete(recordingId)
    this.audio.over(recordingId)
    placed.worker.recordings.delete(recordingId)
    this.#ports.give(placed.streams.map(({ port }) => port))
  }

  #replace(worker: MediaWorker): void {
    const place = this.#workers.indexOf(worker)
    if (place >= 0 && !this.#stopping) this.#workers[place] = this.#startWorker(worker.id)
  }

  #leastBusy(): MediaWorker | undefined {
    let best: MediaWorker | undefined
    for (const worker of this.#workers) {
      if (!worker.isReady) continue
      if (best === undefined || worker.recordings.size < best.recordings.size) best = worker
    }
    return best
  }

  #startWorker(id: number): MediaWorker {
    const { spoolFolder } = this.#settings
    this.#threads += 1
    return new MediaWorker({
      id,
      file: this.#workerFile,
      settings:
        spoolFolder === undefined
          ? this.#settings
          : { ...this.#settings, spoolFolder: join(spoolFolder, `worker-${id}-${this.#threads}`) },
      onMessage: (worker, message) => this.#handleMessage(worker, message),
      onExit: (worker) => this.#handleExit(worker),
    })
  }

  #handleMessage(worker: MediaWorker, message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        worker.isReady = true
        return
      case 'opened':
        worker.settle(message)
        return
      case 'sealed':
        this.#handler?.handleSealed(message.recordingId, message.object)
        return
      case 'incident':
        this.#handler?.handleIncident(message.recordingId, message.incident)
        return
      case 'origin':
        this.#handler?.handleOrigin?.(message.recordingId, message.originAt)
        return
      case 'flag':
        this.#handler?.handleFlag(message.recordingId, message.event)
        return
      case 'consent':
        this.#handler?.handleConsent?.(message.recordingId, message.fact)
        return
      case 'states':
        this.#states.handle(message)
        return
      case 'listening':
      case 'pages':
        this.audio.handle(message)
        return
      case 'firstPacket':
        this.#handler?.handleFirstPacket(message.recordingId, message.streamId)
        return
      case 'failed':
        this.#handler?.handleFailed(message.recordingId)
        return
      case 'ended':
        this.#release(message.recordingId)
        this.#handler?.handleManifest(message.recordingId, message.manifest)
        return
      case 'segment':
        this.#handler?.handleSegment?.(message.segment)
        return
      case 'report':
        worker.load = message.report.load
        worker.opusUndecodedStreams = message.report.opusUndecodedStreams
        worker.reportedUs = this.#nowUs()
        this.#handler?.handleReport(worker.id, message.report)
    }
  }

  #handleExit(worker: MediaWorker): void {
    const hadStarted = worker.isReady
    worker.handleExit()
    if (this.#stopping) return
    const lost = [...worker.recordings]
    for (const recordingId of lost) this.#release(recordingId)
    this.#handler?.handleWorkerLost(lost, worker.spoolFolder)
    // One that dies before it is ready would do so for ever: no replacement at once.
    setTimeout(() => this.#replace(worker), hadStarted ? 0 : WORKER_RETRY_MS).unref()
  }
}
