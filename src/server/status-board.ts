import { monitorEventLoopDelay } from 'node:perf_hooks'

import type { Config } from '../config/config.ts'
import type { Outbox } from './database/outbox.ts'
import type { LiveRecordingSession, StatusReport } from './http/status-report.ts'
import type { MediaPlane } from './media/media-plane.ts'
import { accepted, type Result } from '../result.ts'
import type { LiveRecording } from './recording/live-recording.ts'
import type { OperatorAction, RecordingControl } from './recording/recording-control.ts'
import type { UploadQueue } from './storage/upload-queue.ts'
import { TotalFollower } from './telemetry/bounded-metrics.ts'
import type { Health } from './telemetry/health.ts'
import type { Metrics } from './telemetry/metrics.ts'

const REFRESH_MS = 1_000

export interface StatusBoardOptions {
  readonly version: string
  readonly health: Health
  readonly metrics: Metrics
  readonly rtp: Config['rtp']
  readonly opusEngine: string
  readonly control: RecordingControl
  readonly uploads: UploadQueue
  readonly outbox: Outbox
  readonly media: MediaPlane
}

export interface BoardAddresses {
  readonly engine: string
  /** Another engine may tell later where it listens. */
  readonly sip: () => readonly string[]
  readonly http: string
  readonly telemetry: string
}

/** Reads what the services say of themselves: for the API, and once a second for the gauges. */
export class StatusBoard {
  readonly #options: StatusBoardOptions
  readonly #startedUnixMs = Date.now()
  readonly #lag = monitorEventLoopDelay({ resolution: 20 })
  readonly #totals = new TotalFollower()
  #addresses: BoardAddresses = { engine: '', sip: () => [], http: '', telemetry: '' }
  #timer: NodeJS.Timeout | undefined

  constructor(options: StatusBoardOptions) {
    this.#options = options
  }

  run(): void {
    this.#lag.enable()
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS)
    this.#timer.unref()
    this.#refresh()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#lag.disable()
  }

  setAddresses(addresses: BoardAddresses): void {
    this.#addresses = addresses
  }

  report(): StatusReport {
    const { version, health, rtp, opusEngine, control, outbox, uploads, media } = this.#options
    const verdict = health.verdict()
    return {
      version,
      state: verdict.state,
      ready: verdict.ready,
      startedAt: new Date(this.#startedUnixMs).toISOString(),
      uptimeSeconds: Math.round((Date.now() - this.#startedUnixMs) / 1_000),
      checks: verdict.checks,
      addresses: {
        ...this.#addresses,
        sip: this.#addresses.sip(),
        rtp: { address: rtp.address, portMin: rtp.portMin, portMax: rtp.portMax },
      },
      recordingSessions: { active: control.live.length, total: control.openedTotal },
      workers: media.workers.map((worker) => ({ ...worker, opusEngine })),
      outboxBacklogBytes: outbox.backlogBytes,
      uploadBacklogBytes: uploads.backlogBytes,
    }
  }

  recordingSessions(): readonly LiveRecordingSession[] {
    return this.#options.control.live.map(liveRecordingSession)
  }

  operate(rsId: string, action: OperatorAction): Result<LiveRecordingSession, 'unknown' | 'notRecording'> {
    const operated = this.#options.control.operate(rsId, action)
    return operated.ok ? accepted(liveRecordingSession(operated.value)) : operated
  }

  #refresh(): void {
    const { metrics, uploads, outbox, media } = this.#options
    metrics.uploadBacklogBytes.set(uploads.backlogBytes)
    metrics.oldestUnuploadedChunkTimestampSeconds.set((uploads.oldestUnixMs ?? 0) / 1_000)
    metrics.databaseOutboxBytes.set(outbox.backlogBytes)
    metrics.databaseOutboxRejectedTotal.inc(this.#totals.step('outbox/rejected', outbox.counters.rejected))
    metrics.rtpPortsUsed.set(media.portsUsed)
    for (const worker of media.workers) {
      metrics.workerQueueDepth.set({ worker: String(worker.id) }, worker.queueDepth)
    }
    metrics.eventLoopLagSeconds.set({ thread: 'main' }, this.#lag.max / 1e9)
    this.#lag.reset()
  }
}

function liveRecordingSession({ facts, state, pausedBy, startedAt }: LiveRecording): LiveRecordingSession {
  const { rsId, recordingId, src } = facts
  return { rsId, recordingId, src, state, pausedBy: [...pausedBy], startedAt }
}
