import type { OpenJournal } from '../recording/open-journal.ts'
import { TotalFollower } from '../telemetry/bounded-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { SegmentLogReport } from './segment-log.ts'
import type { Spool, SpoolRefusal } from './spool.ts'

const REFRESH_MS = 1_000

/** What the journal of open recordings says of itself. */
type JournalState = Pick<OpenJournal, 'reserveBytes' | 'refusals' | 'closings' | 'closingsLeft'>

/** Tells operators how the spool is doing: gauges every second, a log line for each step down and up. */
export class SpoolWatch {
  readonly #spool: Pick<Spool, 'measure' | 'suspect' | 'freeBytes' | 'bytes' | 'refusal' | 'uploads'>
  readonly #custody: { readonly journalOmissions: number }
  readonly #journal: JournalState
  readonly #metrics: Metrics
  readonly #log: Logger
  readonly #totals = new TotalFollower()
  readonly #written = new Map<string, Pick<SegmentLogReport, 'framesWritten' | 'writeSeconds'>>()
  readonly #failing = new Set<string>()
  #refusal: SpoolRefusal | undefined
  #timer: NodeJS.Timeout | undefined
  #isRefreshing = false

  constructor(options: {
    readonly spool: Pick<Spool, 'measure' | 'suspect' | 'freeBytes' | 'bytes' | 'refusal' | 'uploads'>
    readonly custody: { readonly journalOmissions: number }
    readonly journal: JournalState
    readonly metrics: Metrics
    readonly log: Logger
  }) {
    this.#spool = options.spool
    this.#custody = options.custody
    this.#journal = options.journal
    this.#metrics = options.metrics
    this.#log = options.log
  }

  run(): void {
    this.#timer = setInterval(() => void this.refresh(), REFRESH_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Never rejects. While one is under way, since a disk does not answer, another does nothing. */
  async refresh(): Promise<void> {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    await this.#spool.measure()
    this.#isRefreshing = false
    this.#tell()
  }

  #tell(): void {
    const { freeBytes, bytes, refusal, uploads } = this.#spool
    this.#metrics.spoolFreeBytes.set(freeBytes)
    this.#metrics.spoolBytes.set(bytes)
    this.#metrics.spoolRefusedObjects.set(uploads.refused.count)
    this.#metrics.spoolRefusedBytes.set(uploads.refused.bytes)
    const failures = this.#totals.step('objects', uploads.failures)
    this.#metrics.spoolFailuresTotal.inc({ kind: 'objects' }, failures)
    if (failures > 0) this.#spool.suspect()
    this.#metrics.journalOmissionsTotal.inc(this.#totals.step('journal', this.#custody.journalOmissions))
    this.#tellJournal()
    if (refusal === this.#refusal) return
    this.#refusal = refusal
    if (refusal === undefined) this.#log.info({}, 'the spool has room again')
    else
      this.#log.error(
        { reason: refusal },
        'the spool has no room, or its disk fails: no new recording session is taken',
      )
  }

  #tellJournal(): void {
    const { reserveBytes, refusals, closings, closingsLeft } = this.#journal
    this.#metrics.journalReserveBytes.set(reserveBytes)
    this.#metrics.journalRefusalsTotal.inc(this.#totals.step('reserve', refusals))
    this.#metrics.journalClosings.set(closings)
    this.#metrics.journalClosingsLeftTotal.inc(this.#totals.step('closings', closingsLeft))
  }

  /** What a worker reports of its frames. */
  frames(workerId: number, report: SegmentLogReport): void {
    const worker = String(workerId)
    const before = this.#written.get(worker)
    const frames = report.framesWritten - (before?.framesWritten ?? 0)
    const seconds = report.writeSeconds - (before?.writeSeconds ?? 0)
    this.#written.set(worker, report)
    this.#metrics.spoolFrameWriteSeconds.set({ worker }, frames > 0 ? seconds / frames : 0)
    this.#metrics.spoolSyncLagSeconds.set({ worker }, report.syncLagSeconds)
    const step = (name: string, total: number): number => this.#totals.step(`${worker}/${name}`, total)
    this.#metrics.spoolFailuresTotal.inc({ kind: 'frames' }, step('failures', report.failures))
    this.#metrics.spoolFramesDroppedTotal.inc(step('dropped', report.framesDropped))
    if (report.isFailing) this.#spool.suspect()
    if (report.isFailing === this.#failing.has(worker)) return
    if (report.isFailing) {
      this.#failing.add(worker)
      this.#log.error({ worker }, 'the disk takes no frames: chunks are made shorter, so that audio is stored sooner')
    } else {
      this.#failing.delete(worker)
      this.#log.info({ worker }, 'the disk takes frames again')
    }
  }
}
