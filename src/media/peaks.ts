import { accepted, rejected, type Result } from '../result.ts'
import { PEAKS_PER_SECOND } from './level-meter.ts'

/** What `peaks.age` holds; `src/evidence/FORMAT.md` section 5 describes it. */
export const PEAKS_FORMAT = 'earwitness-peaks/1'
/** Peaks kept of one stream: a day. What comes later has none, and the audio has it all. */
export const PEAKS_MAX = 24 * 3_600 * PEAKS_PER_SECOND
/** Streams described by one file, and the bytes of its first line that are read. */
export const PEAK_STREAMS_MAX = 255
export const PEAKS_HEADER_LENGTH_MAX = 64 * 1_024
/** Peaks in one piece of memory: a minute, so that a short recording takes little and a long one is never copied. */
const BLOCK_PEAKS = 60 * PEAKS_PER_SECOND
const LINE_FEED = 0x0a

/** Peaks of one stream as they come, bounded by {@link PEAKS_MAX}. */
export class PeakRow {
  readonly #blocks: Uint8Array[] = []
  #length = 0
  #dropped = 0

  get length(): number {
    return this.#length
  }

  /** Peaks that found no room any more. */
  get dropped(): number {
    return this.#dropped
  }

  push(peak: number): void {
    if (this.#length >= PEAKS_MAX) {
      this.#dropped += 1
      return
    }
    const at = this.#length % BLOCK_PEAKS
    if (at === 0) this.#blocks.push(new Uint8Array(BLOCK_PEAKS))
    const block = this.#blocks.at(-1)
    if (block !== undefined) block[at] = peak
    this.#length += 1
  }

  /** Gives what there is as a row of its own; in this one zeros take its place. */
  takeAll(): PeakRow {
    const taken = new PeakRow()
    taken.#blocks.push(...this.#blocks)
    taken.#length = this.#length
    this.#blocks.forEach((block, index) => (this.#blocks[index] = new Uint8Array(block.length)))
    return taken
  }

  /** Writes the row into `target`, as far as there is room. */
  copyTo(target: Uint8Array): void {
    this.#blocks.forEach((block, index) => {
      const at = index * BLOCK_PEAKS
      const count = Math.min(BLOCK_PEAKS, this.#length - at, target.length - at)
      if (count > 0) target.set(block.subarray(0, count), at)
    })
  }
}

/** Peaks of one media stream of a recording. */
export interface StreamPeaks {
  readonly streamId: string
  /** One a second: the greatest of the {@link PEAKS_PER_SECOND} that belong to it. */
  readonly overview: Uint8Array
  readonly peaks: Uint8Array
}

/** Writes rows as one file. `startPeak` is where a stream joined: what lies before is 0. */
export function writePeaks(
  rows: readonly { readonly streamId: string; readonly startPeak: number; readonly row: PeakRow }[],
): Uint8Array {
  const points = Math.min(PEAKS_MAX, Math.max(0, ...rows.map(({ startPeak, row }) => startPeak + row.length)))
  const seconds = Math.ceil(points / PEAKS_PER_SECOND)
  const header = new TextEncoder().encode(headerLine(points, rows))
  const file = new Uint8Array(header.length + rows.length * (seconds + points))
  file.set(header)
  const peaksAt = header.length + rows.length * seconds
  rows.forEach(({ startPeak, row }, index) => {
    const peaks = file.subarray(peaksAt + index * points, peaksAt + (index + 1) * points)
    row.copyTo(peaks.subarray(Math.min(startPeak, points)))
    const overviewAt = header.length + index * seconds
    writeOverview(peaks, file.subarray(overviewAt, overviewAt + seconds))
  })
  return file
}

/** Members in the order of canonical JSON, so that the same peaks are the same bytes. */
function headerLine(points: number, rows: readonly { readonly streamId: string }[]): string {
  const streams = rows.map(({ streamId }) => streamId)
  return `${JSON.stringify({ format: PEAKS_FORMAT, peaksPerSecond: PEAKS_PER_SECOND, points, streams })}\n`
}

function writeOverview(peaks: Uint8Array, overview: Uint8Array): void {
  for (let second = 0; second < overview.length; second++) {
    let greatest = 0
    const end = Math.min(peaks.length, (second + 1) * PEAKS_PER_SECOND)
    for (let index = second * PEAKS_PER_SECOND; index < end; index++) greatest = Math.max(greatest, peaks[index] ?? 0)
    overview[second] = greatest
  }
}

/** `header`: the first line is not that of {@link PEAKS_FORMAT}. `length`: more or fewer bytes follow than it says. */
export type PeaksRejectReason = 'header' | 'length'

/** Reads a file of {@link writePeaks}; the rows are views of it. Never throws. */
export function readPeaks(file: Uint8Array): Result<readonly StreamPeaks[], PeaksRejectReason> {
  const lineEnd = file.subarray(0, PEAKS_HEADER_LENGTH_MAX).indexOf(LINE_FEED)
  const header = lineEnd < 0 ? undefined : parseHeader(new TextDecoder().decode(file.subarray(0, lineEnd)))
  if (header === undefined) return rejected('header')
  const { points, streams } = header
  const seconds = Math.ceil(points / PEAKS_PER_SECOND)
  const overviewsAt = lineEnd + 1
  const peaksAt = overviewsAt + streams.length * seconds
  if (file.length !== peaksAt + streams.length * points) return rejected('length')
  return accepted(
    streams.map((streamId, index) => ({
      streamId,
      overview: file.subarray(overviewsAt + index * seconds, overviewsAt + (index + 1) * seconds),
      peaks: file.subarray(peaksAt + index * points, peaksAt + (index + 1) * points),
    })),
  )
}

function parseHeader(line: string): { readonly points: number; readonly streams: readonly string[] } | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { format, peaksPerSecond, points, streams } = value as Readonly<Record<string, unknown>>
  if (format !== PEAKS_FORMAT || peaksPerSecond !== PEAKS_PER_SECOND) return undefined
  if (typeof points !== 'number' || !Number.isInteger(points) || points < 0 || points > PEAKS_MAX) return undefined
  if (!Array.isArray(streams) || streams.length > PEAK_STREAMS_MAX) return undefined
  return streams.every((streamId) => typeof streamId === 'string') ? { points, streams } : undefined
}

/** The greater of two peaks at each place, as of a recording and of what was held of it: of the streams of the first. */
export function mergePeaks(all: readonly StreamPeaks[], part: readonly StreamPeaks[]): readonly StreamPeaks[] {
  const parts = new Map(part.map((stream) => [stream.streamId, stream]))
  return all.map(({ streamId, overview, peaks }) => ({
    streamId,
    overview: greaterOf(overview, parts.get(streamId)?.overview),
    peaks: greaterOf(peaks, parts.get(streamId)?.peaks),
  }))
}

function greaterOf(one: Uint8Array, other: Uint8Array | undefined): Uint8Array {
  return one.map((peak, index) => Math.max(peak, other?.[index] ?? 0))
}
