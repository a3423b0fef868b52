import type { RecordingFacts, RecordingSink } from './recording-types.ts'

/** Turns monotonic microseconds into wall-clock time and into positions on the recording timeline. */
export class RecordingClock {
  readonly #facts: Pick<RecordingFacts, 'openedUs' | 'openedAtUnixMs'>
  readonly #samplesPerSecond: number
  readonly #sink: Pick<RecordingSink, 'handleOrigin'>
  #originUs: number | undefined

  constructor(
    facts: Pick<RecordingFacts, 'openedUs' | 'openedAtUnixMs'>,
    samplesPerSecond: number,
    sink: Pick<RecordingSink, 'handleOrigin'> = {},
  ) {
    this.#facts = facts
    this.#samplesPerSecond = samplesPerSecond
    this.#sink = sink
  }

  /** Position 0, once it is fixed. */
  get originUs(): number | undefined {
    return this.#originUs
  }

  /** Fixes it for good, and tells the sink: should this recorder not live to say so, it stands in the journal. */
  fixOrigin(originUs: number): void {
    this.#originUs = originUs
    this.#sink.handleOrigin?.(this.wallClock(originUs))
  }

  /** Wall clock at position 0. */
  get originUnixMs(): number {
    return Date.parse(this.wallClock(this.originUs ?? this.#facts.openedUs))
  }

  /** RFC 3339 */
  wallClock(us: number): string {
    return new Date(this.#facts.openedAtUnixMs + Math.round((us - this.#facts.openedUs) / 1_000)).toISOString()
  }

  /** Monotonic microseconds at a position; before the origin is fixed none has been. */
  instantAt(samples: number): number {
    if (this.originUs === undefined) return Number.NEGATIVE_INFINITY
    return this.originUs + (samples * 1_000_000) / this.#samplesPerSecond
  }

  /** Whole samples between the origin and `us`; 0 before the origin is fixed. */
  samplesSinceOrigin(us: number): number {
    return Math.floor(((us - (this.originUs ?? us)) * this.#samplesPerSecond) / 1_000_000)
  }
}
