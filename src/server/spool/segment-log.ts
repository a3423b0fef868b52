import { join } from 'node:path'

import type { SpoolFrame } from '../../recorder/recording-types.ts'
import { encodeRecord, SEGMENT_HEAD } from './frame-record.ts'
import { streamKey, type ClosedSegment } from './segment-cover.ts'
import type { GrowingFile, SpoolFiles } from './spool-files.ts'

/** After the first frame that is not synced: how long until it is begun to be. With a slow disk it stays below 5 s. */
const SYNC_AFTER_US = 2_000_000
/** A segment is full, or old: then what is in it can be deleted soon. */
const SEGMENT_BYTES_MAX = 8 * 1024 * 1024
const SEGMENT_AGE_US = 20_000_000
/** Frames that wait in memory for a disk that does not take them; beyond it the oldest are dropped: their audio is in the chunks to come. */
export const FRAMES_WAITING_BYTES_MAX = 16 * 1024 * 1024
/** After a failure: how long until the disk is tried again, with a new segment. */
const RETRY_AFTER_US = 1_000_000

/** What a worker reports of its spool. Sums only grow. */
export interface SegmentLogReport {
  readonly framesWritten: number
  readonly bytesWritten: number
  /** Of all written frames: from the handing over to when the kernel had them. */
  readonly writeSeconds: number
  readonly failures: number
  readonly framesDropped: number
  /** How long the oldest frame that is not synced waits; 0 when all are. */
  readonly syncLagSeconds: number
  /** The last thing that the disk was asked for failed. */
  readonly isFailing: boolean
}

interface Waiting {
  readonly record: Uint8Array
  readonly recordingId: string
  readonly stream: string
  readonly toSample: number
  readonly sinceUs: number
}

interface OpenSegment {
  readonly path: string
  readonly file: GrowingFile
  readonly beganUs: number
  bytes: number
  readonly covers: Map<string, Map<string, number>>
}

/**
 * Appends the frames of all recordings of one worker to segment files, in the order they came: one write for all that wait, one sync for a group of writes.
 * It never blocks and never throws; a disk that fails is tried again with a new segment, and what waits meanwhile is bounded.
 */
export class SegmentLog {
  readonly #directory: string
  readonly #files: SpoolFiles
  readonly #nowUs: () => number
  readonly #closed: (segment: ClosedSegment) => void
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #segment: OpenSegment | undefined
  #segments = 0
  #work: Promise<void> | undefined
  #retryUs = Number.NEGATIVE_INFINITY
  #unsyncedSinceUs: number | undefined
  #isStopping = false
  readonly #counts = { framesWritten: 0, bytesWritten: 0, writeSeconds: 0, failures: 0, framesDropped: 0 }
  #isFailing = false

  constructor(options: {
    /** Of this worker and this run alone; it is made with the first segment. */
    readonly directory: string
    readonly files: SpoolFiles
    readonly nowUs: () => number
    /** Nothing more is written into it. */
    readonly closed: (segment: ClosedSegment) => void
  }) {
    this.#directory = options.directory
    this.#files = options.files
    this.#nowUs = options.nowUs
    this.#closed = options.closed
  }

  /** The disk did not do what it was last asked for. */
  get isFailing(): boolean {
    return this.#isFailing
  }

  append(recordingId: string, frame: SpoolFrame): void {
    const record = encodeRecord({ recordingId, frame })
    const { toSample } = frame.kind === 'chunk' ? frame : frame.run
    this.#waiting.push({ record, recordingId, stream: streamKey(frame), toSample, sinceUs: this.#nowUs() })
    this.#waitingBytes += record.length
    while (this.#waitingBytes > FRAMES_WAITING_BYTES_MAX) {
      this.#waitingBytes -= this.#waiting.shift()?.record.length ?? 0
      this.#counts.framesDropped += 1
    }
  }

  /** To be called at each wake-up: begins to write what waits, unless a write is under way. */
  flush(): void {
    if (this.#work !== undefined || this.#isStopping) return
    const nowUs = this.#nowUs()
    if (!this.#hasWork(nowUs)) return
    this.#work = this.#doWork(nowUs).finally(() => {
      this.#work = undefined
      // What came meanwhile must not wait for the next wake-up too.
      if (this.#waiting.length > 0) this.flush()
    })
  }

  /** Writes and syncs what waits, as far as the disk lets it; resolves when nothing more will be written. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#work
    this.#retryUs = Number.NEGATIVE_INFINITY
    if (this.#waiting.length > 0) await this.#doWork(this.#nowUs())
    await this.#guarded(() => this.#closeSegment())
  }

  report(): SegmentLogReport {
    const since = this.#unsyncedSinceUs
    return {
      ...this.#counts,
      syncLagSeconds: since === undefined ? 0 : Math.max(0, this.#nowUs() - since) / 1e6,
      isFailing: this.#isFailing,
    }
  }

  #hasWork(nowUs: number): boolean {
    if (nowUs < this.#retryUs) return false
    return this.#waiting.length > 0 || this.#isSyncDue(nowUs) || this.#isSegmentDone(nowUs)
  }

  #isSyncDue(nowUs: number): boolean {
    return this.#unsyncedSinceUs !== undefined && nowUs - this.#unsyncedSinceUs >= SYNC_AFTER_US
  }

  #isSegmentDone(nowUs: number): boolean {
    const segment = this.#segment
    return segment !== undefined && (segment.bytes >= SEGMENT_BYTES_MAX || nowUs - segment.beganUs >= SEGMENT_AGE_US)
  }

  #doWork(nowUs: number): Promise<void> {
    return this.#guarded(async () => {
      await this.#write()
      if (this.#isSegmentDone(nowUs)) await this.#closeSegment()
      else if (this.#isSyncDue(nowUs)) await this.#sync()
    })
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#isFailing = false
    } catch {
      this.#counts.failures += 1
      this.#isFailing = true
      this.#retryUs = this.#nowUs() + RETRY_AFTER_US
      await this.#abandonSegment()
    }
  }

  async #write(): Promise<void> {
    if (this.#waiting.length === 0) return
    const segment = this.#segment ?? (await this.#openSegment())
    const taken = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    this.#unsyncedSinceUs ??= taken[0]?.sinceUs
    const bytes = Buffer.concat(taken.map(({ record }) => record))
    // Before it is tried: a write that fails may have brought some of it to the disk.
    segment.bytes += bytes.length
    for (const { recordingId, stream, toSample } of taken) cover(segment, recordingId, stream, toSample)
    try {
      await segment.file.append(bytes)
    } catch (error) {
      this.#waiting = [...taken, ...this.#waiting]
      this.#waitingBytes += bytes.length
      throw error
    }
    const nowUs = this.#nowUs()
    this.#counts.framesWritten += taken.length
    this.#counts.bytesWritten += bytes.length
    for (const { sinceUs } of taken) this.#counts.writeSeconds += (nowUs - sinceUs) / 1e6
  }

  async #sync(): Promise<void> {
    await this.#segment?.file.sync()
    this.#unsyncedSinceUs = undefined
  }

  async #openSegment(): Promise<OpenSegment> {
    if (this.#segments === 0) await this.#files.makeDirectory(this.#directory)
    this.#segments += 1
    const path = join(this.#directory, `segment-${String(this.#segments).padStart(6, '0')}.spool`)
    const file = await this.#files.create(path)
    this.#segment = { path, file, beganUs: this.#nowUs(), bytes: 0, covers: new Map() }
    await file.append(SEGMENT_HEAD)
    await this.#files.syncDirectory(this.#directory)
    return this.#segment
  }

  async #closeSegment(): Promise<void> {
    const segment = this.#segment
    if (segment === undefined) return
    await this.#sync()
    await segment.file.close()
    this.#segment = undefined
    this.#tell(segment)
  }

  /** What is in it stays for recovery as far as it is whole; nothing more is written behind what may be torn. */
  async #abandonSegment(): Promise<void> {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    this.#unsyncedSinceUs = undefined
    await segment.file.close().catch(() => {})
    this.#tell(segment)
  }

  #tell({ path, bytes, covers }: OpenSegment): void {
    const list = Array.from(covers, ([recordingId, streams]) => ({ recordingId, streams: Object.fromEntries(streams) }))
    this.#closed({ path, bytes, covers: list })
  }
}

function cover(segment: OpenSegment, recordingId: string, stream: string, toSample: number): void {
  const streams = segment.covers.get(recordingId) ?? new Map<string, number>()
  streams.set(stream, toSample)
  segment.covers.set(recordingId, streams)
}
