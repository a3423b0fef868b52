import type { AdmissionController, AdmissionState } from './admission.ts'
import type { Config } from '../config/config.ts'
import type { Outbox } from './database/outbox.ts'
import type { EventHub } from './http/event-hub.ts'
import type { EventData } from './http/event-schema.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { NoteConsent } from './http/operator-routes.ts'
import type { LiveRecordingSession, LiveStream, StatusReport } from './http/status-report.ts'
import { ThreadLoadMeter } from './load-monitor.ts'
import type { StreamState } from '../recorder/live-monitor.ts'
import type { MediaPlane } from './media/media-plane.ts'
import { accepted, type Result } from '../result.ts'
import { monotonicUs } from './monotonic.ts'
import type { LiveRecording } from './recording/live-recording.ts'
import type { ConsentWord } from './recording/noted-consent.ts'
import type { OperatorAction, RecordingControl } from './recording/recording-control.ts'
import type { SpooledUploads } from './spool/spooled-uploads.ts'
import type { Storage } from './storage/start-storage.ts'
import type { UploadQueue } from './storage/upload-queue.ts'
import { TotalFollower } from './telemetry/bounded-metrics.ts'
import type { Health } from './telemetry/health.ts'
import type { Metrics } from './telemetry/metrics.ts'

const REFRESH_MS = 1_000
/** A queue that grows must be seen long before an SRC sends its INVITE again, after 500 ms. */
const QUEUES_MS = 100

export interface StatusBoardOptions {
  readonly version: string
  readonly health: Health
  readonly metrics: Metrics
  readonly rtp: Config['rtp']
  readonly opusEngine: string
  readonly control: RecordingControl
  readonly uploads: UploadQueue
  readonly spool: { readonly uploads: Pick<SpooledUploads, 'backlogBytes' | 'oldestUnixMs'> }
  readonly storage: Pick<Storage, 'replica'>
  readonly outbox: Outbox
  readonly ledger: Ledger
  readonly media: MediaPlane
  readonly eventHub: EventHub
  readonly admission: AdmissionController
  readonly admissionState: () => AdmissionState
}

export interface BoardAddresses {
  readonly engine: string
  /** Another engine may tell later where it listens. */
  readonly sip: () => readonly string[]
  readonly http: string
  readonly telemetry: string
}

/** Reads what the services say of themselves: for the API, and once a second for the gauges and for admission. */
export class StatusBoard {
  readonly #options: StatusBoardOptions
  readonly #startedUnixMs = Date.now()
  readonly #meter = new ThreadLoadMeter()
  readonly #totals = new TotalFollower()
  #addresses: BoardAddresses = { engine: '', sip: () => [], http: '', telemetry: '' }
  #timer: NodeJS.Timeout | undefined
  #queuesTimer: NodeJS.Timeout | undefined

  constructor(options: StatusBoardOptions) {
    this.#options = options
  }

  run(): void {
    this.#meter.run()
    this.#options.metrics.mediaReceiverInfo.set({ receiver: this.#options.media.receiver }, 1)
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS)
    this.#timer.unref()
    this.#queuesTimer = setInterval(() => this.#observeQueues(), QUEUES_MS)
    this.#queuesTimer.unref()
    this.#refresh()
  }

  stop(): void {
    clearInterval(this.#timer)
    clearInterval(this.#queuesTimer)
    this.#meter.stop()
  }

  setAddresses(addresses: BoardAddresses): void {
    this.#addresses = addresses
  }

  report(): StatusReport {
    const { version, health, rtp, opusEngine, control, outbox, spool, media, ledger } = this.#options
    const { logId, size, checkpointSize, checkpointAt } = ledger.status
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
      workers: media.workers.map((worker) => ({ ...worker, opusEngine, receiver: media.receiver })),
      outboxBacklogBytes: outbox.backlogBytes,
      uploadBacklogBytes: spool.uploads.backlogBytes,
      ledger: { logId, size, checkpointSize, checkpointAt },
    }
  }

  async recordingSessions(): Promise<readonly LiveRecordingSession[]> {
    const states = await this.#options.media.recordingStates()
    return this.#options.control.live.map((recording) => {
      const streams = states.get(recording.facts.recordingId)
      const shown = liveRecordingSession(recording)
      return streams === undefined ? shown : { ...shown, streams: streams.map(liveStream) }
    })
  }

  /** Levels of all media streams whose audio is decoded. */
  async levels(): Promise<EventData<'levels'>['recordingSessions']> {
    const recordingSessions = await this.recordingSessions()
    return recordingSessions.map(({ rsId, streams = [] }) => ({
      rsId,
      streams: streams.flatMap(({ streamId, streamLabel, levelDbov }) =>
        levelDbov === undefined ? [] : [{ streamId, streamLabel, levelDbov }],
      ),
    }))
  }

  operate(rsId: string, action: OperatorAction): Result<LiveRecordingSession, 'unknown' | 'notRecording'> {
    const operated = this.#options.control.operate(rsId, action)
    return operated.ok ? accepted(liveRecordingSession(operated.value)) : operated
  }

  async noteConsent(rsId: string, word: ConsentWord): ReturnType<NoteConsent> {
    const noted = await this.#options.control.noteConsent(rsId, word)
    return noted.ok ? accepted(liveRecordingSession(noted.value)) : noted
  }

  #observeQueues(): void {
    const { admission, admissionState } = this.#options
    admission.observeQueues(admissionState())
  }

  #refresh(): void {
    const { admission, metrics, uploads, spool, storage, outbox, media, eventHub, ledger } = this.#options
    const { uncoveredSinceUnixMs, unwitnessedSinceUnixMs, isRefused } = ledger.status
    metrics.ledgerCheckpointAgeSeconds.set(secondsSince(uncoveredSinceUnixMs))
    metrics.ledgerWitnessAgeSeconds.set(secondsSince(unwitnessedSinceUnixMs))
    metrics.ledgerRefused.set(isRefused ? 1 : 0)
    metrics.eventSubscribers.set(eventHub.subscribers)
    metrics.liveListeners.set(media.audio.listeners)
    metrics.uploadBacklogBytes.set(spool.uploads.backlogBytes)
    const waitingSince = [uploads.oldestUnixMs, spool.uploads.oldestUnixMs].filter((since) => since !== undefined)
    metrics.oldestUnuploadedChunkTimestampSeconds.set(waitingSince.length > 0 ? Math.min(...waitingSince) / 1_000 : 0)
    metrics.replicaMissingObjects.set(storage.replica?.missing ?? 0)
    metrics.replicaOldestMissingTimestampSeconds.set((storage.replica?.oldestUnixMs ?? 0) / 1_000)
    metrics.replicaHeldBytes.set(storage.replica?.heldBytes ?? 0)
    metrics.databaseOutboxBytes.set(outbox.backlogBytes)
    metrics.databaseOutboxRefusedTotal.inc(this.#totals.step('outbox/refused', outbox.counters.refused))
    metrics.databaseOutboxRejectedTotal.inc(this.#totals.step('outbox/rejected', outbox.counters.rejected))
    metrics.rtpPortsUsed.set(media.portsUsed)
    for (const worker of media.workers) {
      metrics.workerQueueDepth.set({ worker: String(worker.id) }, worker.queueDepth)
    }
    const { lagMsMax, ...main } = this.#meter.take()
    metrics.eventLoopLagSeconds.set({ thread: 'main' }, lagMsMax / 1_000)
    metrics.threadBusyRatio.set({ thread: 'main' }, main.busyShare)
    admission.observe({ main, workers: media.workerLoads }, monotonicUs())
    metrics.admissionPacePerSecond.set(admission.pacePerSecond)
  }
}

function liveRecordingSession(recording: LiveRecording): LiveRecordingSession {
  const { facts, state, pausedBy, consentState, startedAt } = recording
  const { rsId, recordingId, src } = facts
  const consent = consentState === undefined ? {} : { consent: consentState }
  return { rsId, recordingId, src, state, pausedBy: [...pausedBy], ...consent, startedAt }
}

/** Tenths of a decibel are more than a meter shows. */
function liveStream({ streamId, streamLabel, levelDbov, flags }: StreamState): LiveStream {
  const level = levelDbov === undefined ? {} : { levelDbov: Math.round(levelDbov * 10) / 10 }
  return { streamId, streamLabel, flags, ...level }
}

function secondsSince(unixMs: number | undefined): number {
  return unixMs === undefined ? 0 : Math.max(0, Date.now() - unixMs) / 1_000
}
