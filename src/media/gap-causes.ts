import { Intervals, type GapCause } from './gap-list.ts'

/** RTP stops a little before and starts a little after the SDP says so: such edges of a hold belong to the hold. */
export const HELD_EDGE_MS = 1_000
/** No packet lasts longer: what is left of one beside a pause belongs to the pause. */
export const PAUSED_EDGE_MS = 100

/** Behind its end a pause is remembered for audio that was displaced, or holds a copy of what was said in it. */
export const PAUSE_REMEMBERED_US = 1_000_000

export type GapFound = (fromSample: number, toSample: number, cause: GapCause) => void

/**
 * Says why a media stream has no audio somewhere: knows when the SDP said that nothing would be sent, and when the recording was paused.
 * Positions are samples at the stream's clock rate since the recording's origin. Rule 7 of `StreamTimeline`.
 */
export class GapCauses {
  #clockRate: number
  readonly #held: Intervals
  readonly #paused: Intervals
  /** Holds during which nothing is to be recorded although it comes. */
  readonly #obeyed: Intervals
  #originUs = 0

  /** @param before what was known so far, at another rate */
  constructor(clockRate: number, before?: GapCauses) {
    this.#clockRate = clockRate
    this.#held = before === undefined ? new Intervals() : before.#held
    this.#paused = before === undefined ? new Intervals() : before.#paused
    this.#obeyed = before === undefined ? new Intervals() : before.#obeyed
  }

  setOrigin(originUs: number): void {
    this.#originUs = originUs
  }

  /** Positions are `factor` times as many samples from now on. */
  rescale(factor: number): void {
    this.#clockRate *= factor
  }

  /** There is, or was, a pause, or a hold like one, in what has not been read yet, or directly before it. */
  get hasPause(): boolean {
    return !this.#paused.isEmpty || !this.#obeyed.isEmpty
  }

  /** Monotonic microseconds as a position. */
  positionAt(us: number): number {
    return Math.round(((us - this.#originUs) * this.#clockRate) / 1_000_000)
  }

  /** @param isObeyed what is spoken during this hold is not recorded */
  setHeld(held: boolean, atUs: number, isObeyed: boolean): void {
    this.#held.set(held, atUs)
    this.#obeyed.set(held && isObeyed, atUs)
  }

  setPaused(paused: boolean, atUs: number): void {
    this.#paused.set(paused, atUs)
  }

  /** True when nothing was to be recorded during all of it; monotonic microseconds. */
  isPaused(fromUs: number, toUs: number): boolean {
    return this.#paused.covers(fromUs, toUs) || this.#obeyed.covers(fromUs, toUs)
  }

  /** Calls `found` for each part of [from, to) that was spoken during a pause, or a hold like one, in order; what lies in both is `paused`. */
  pausedWithin(
    from: number,
    to: number,
    found: (from: number, to: number, cause: Extract<GapCause, 'paused' | 'held'>) => void,
  ): void {
    if (!this.hasPause) return
    const [fromUs, toUs] = [this.#usAt(from), this.#usAt(to)]
    const parts: { readonly fromUs: number; readonly toUs: number; readonly cause: 'paused' | 'held' }[] = []
    this.#paused.within(fromUs, toUs, (start, end) => parts.push({ fromUs: start, toUs: end, cause: 'paused' }))
    this.#obeyed.within(fromUs, toUs, (start, end) => {
      let at = start
      this.#paused.within(start, end, (pausedFrom, pausedTo) => {
        if (pausedFrom > at) parts.push({ fromUs: at, toUs: pausedFrom, cause: 'held' })
        at = pausedTo
      })
      if (at < end) parts.push({ fromUs: at, toUs: end, cause: 'held' })
    })
    parts.sort((one, other) => one.fromUs - other.fromUs)
    for (const part of parts) {
      const start = Math.max(from, this.positionAt(part.fromUs))
      const end = Math.min(to, this.positionAt(part.toUs))
      if (start < end) found(start, end, part.cause)
    }
  }

  /**
   * Says which causes the gap [from, to) has.
   *
   * @param known samples of missing packets, and samples that the RTP clock counted without a packet
   */
  describe(
    gap: { readonly from: number; readonly to: number },
    known: { readonly lost: number; readonly silence: number },
    found: GapFound,
  ): void {
    const { from, to } = gap
    if (to <= from) return
    let lost = Math.min(known.lost, to - from)
    const cause = known.silence * 2 >= to - from - lost ? 'silence' : 'noMedia'
    this.#split(this.#paused, { from, to, edgeMs: PAUSED_EDGE_MS }, (start, end, isPaused) => {
      if (isPaused) {
        found(start, end, 'paused')
        return
      }
      const at = Math.min(end, start + lost)
      lost -= at - start
      if (at > start) found(start, at, 'lost')
      this.#split(this.#held, { from: at, to: end, edgeMs: HELD_EDGE_MS }, (heldFrom, heldTo, isHeld) =>
        found(heldFrom, heldTo, isHeld ? 'held' : cause),
      )
    })
  }

  /** Up to where the gap [from, to) is `lost` from its beginning; `from` when it begins otherwise. */
  lostUntil(
    gap: { readonly from: number; readonly to: number },
    known: { readonly lost: number; readonly silence: number },
  ): number {
    let until = gap.from
    this.describe(gap, known, (from, to, cause) => {
      if (cause === 'lost' && from === until) until = to
    })
    return until
  }

  /** Nothing before this position will be asked for any more. */
  forgetBefore(position: number): void {
    this.#held.forgetBefore(this.#usAt(position))
    this.#paused.forgetBefore(this.#usAt(position) - PAUSE_REMEMBERED_US)
    this.#obeyed.forgetBefore(this.#usAt(position) - PAUSE_REMEMBERED_US)
  }

  /** Cuts [from, to) into parts that lie in one of the intervals and parts that do not; short edges go with the interval. */
  #split(
    intervals: Intervals,
    stretch: { readonly from: number; readonly to: number; readonly edgeMs: number },
    found: (from: number, to: number, isInside: boolean) => void,
  ): void {
    const { from, to } = stretch
    const edge = (stretch.edgeMs * this.#clockRate) / 1_000
    let at = from
    intervals.within(this.#usAt(from), this.#usAt(to), (fromUs, toUs) => {
      const markedFrom = Math.max(at, this.positionAt(fromUs))
      const markedTo = this.positionAt(toUs)
      const start = markedFrom - at <= edge ? at : markedFrom
      const end = to - markedTo <= edge ? to : markedTo
      if (start > at) found(at, start, false)
      if (end > start) found(start, end, true)
      at = Math.max(at, end)
    })
    if (at < to) found(at, to, false)
  }

  #usAt(position: number): number {
    return this.#originUs + (position * 1_000_000) / this.#clockRate
  }
}
