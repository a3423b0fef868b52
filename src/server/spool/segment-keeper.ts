import type { ClosedSegment } from './segment-cover.ts'
import type { SpoolFiles } from './spool-files.ts'

/**
 * Deletes segments when they are not needed any more: when the objects whose frames they hold are durable elsewhere, or their recordings closed. Lives in
 * the main thread, where both are known. A segment that is still being written is not among them.
 */
export class SegmentKeeper {
  readonly #files: Pick<SpoolFiles, 'unlink'>
  readonly #onError: (error: unknown) => void
  readonly #segments = new Set<ClosedSegment>()
  /** Up to where the objects of a recording are durable, by stream key; until the recording is over. */
  readonly #durable = new Map<string, Map<string, number>>()
  /** Recordings that may still have frames that are needed. */
  readonly #open = new Set<string>()
  #bytes = 0

  constructor(options: { readonly files: Pick<SpoolFiles, 'unlink'>; readonly onError: (error: unknown) => void }) {
    this.#files = options.files
    this.#onError = options.onError
  }

  /** In segments that were closed and not deleted yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** Some recording has no manifest yet. */
  get hasOpen(): boolean {
    return this.#open.size > 0
  }

  opened(recordingId: string): void {
    this.#open.add(recordingId)
  }

  /** An object of the recording is where neither a crash nor a power cut takes it. */
  durable(recordingId: string, stream: string, toSample: number): void {
    if (!this.#open.has(recordingId)) return
    const streams = this.#durable.get(recordingId) ?? new Map<string, number>()
    streams.set(stream, toSample)
    this.#durable.set(recordingId, streams)
    this.#sweep()
  }

  /** The recording has its manifest, or was none. */
  over(recordingId: string): void {
    this.#open.delete(recordingId)
    this.#durable.delete(recordingId)
    this.#sweep()
  }

  closed(segment: ClosedSegment): void {
    this.#segments.add(segment)
    this.#bytes += segment.bytes
    this.#sweep()
  }

  #sweep(): void {
    for (const segment of this.#segments) {
      if (segment.covers.some((covered) => this.#isNeeded(covered))) continue
      this.#segments.delete(segment)
      this.#bytes -= segment.bytes
      this.#files.unlink(segment.path).catch(this.#onError)
    }
  }

  #isNeeded({ recordingId, streams }: ClosedSegment['covers'][number]): boolean {
    if (!this.#open.has(recordingId)) return false
    const durable = this.#durable.get(recordingId)
    return Object.entries(streams).some(([stream, toSample]) => toSample > (durable?.get(stream) ?? 0))
  }
}
