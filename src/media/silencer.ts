import type { GapCauses } from './gap-causes.ts'
import type { GapList } from './gap-list.ts'
import type { MaskList } from './mask-list.ts'
import type { QueuedPacket } from './packet-queue.ts'
import type { RtpClock } from './rtp-clock.ts'

/** `held`: a hold during which nothing is to be recorded. */
type SilenceCause = 'paused' | 'held' | 'masked'

/**
 * Takes out of what is read of a stream whatever was spoken in a pause and whatever is masked: silence in its place, and a gap with
 * the cause. Pauses come first: what lies in both is `paused`.
 *
 * Of a pause nothing may be heard wherever its audio has come to stand: behind its end what a filter or a splice took along, and on both sides what a
 * clock that stood still or leapt has displaced (see `RtpClock.displacement`).
 */
export class Silencer {
  readonly #causes: GapCauses
  readonly #clock: RtpClock
  readonly #masks: MaskList
  readonly #gaps: GapList
  #output: Int16Array | undefined
  #outputFrom = 0
  #silenced = 0
  /** Position minus extended RTP time of the packet being read, and its source. */
  #mapping = 0
  #epoch = 0

  constructor(options: {
    readonly causes: GapCauses
    readonly clock: RtpClock
    readonly masks: MaskList
    readonly gaps: GapList
  }) {
    this.#causes = options.causes
    this.#clock = options.clock
    this.#masks = options.masks
    this.#gaps = options.gaps
  }

  /** Nothing that is read now, or was read last, has to be silenced. */
  get isIdle(): boolean {
    return !this.#causes.hasPause && this.#masks.isEmpty
  }

  /**
   * Silences what has to be of the part [from, to) of a placed packet; gives the number of samples.
   *
   * @param output what is read, beginning at `from`; undefined when nobody listens
   */
  silence(entry: QueuedPacket, from: number, to: number, output: Int16Array | undefined): number {
    this.#output = output
    this.#outputFrom = from
    this.#silenced = 0
    this.#mapping = entry.position - entry.timestamp - entry.skip
    this.#epoch = entry.epoch
    let at = from
    this.pausedWithin(entry, { from, to, back: entry.spread }, (start, end, cause) => {
      this.#mask(at, start)
      this.#cover(start, end, cause)
      at = end
    })
    this.#mask(at, to)
    return this.#silenced
  }

  /** Why nothing may be left of a placed packet that cannot be silenced in part; undefined when it may stay. */
  causeWithin(entry: QueuedPacket): SilenceCause | undefined {
    let cause: SilenceCause | undefined
    const { position, outLength, timestamp, skip, epoch, reachesBack } = entry
    const from = timestamp + skip
    this.#masks.within({ from: from - reachesBack, to: from + outLength, epoch }, () => void (cause = 'masked'))
    const heard = { from: position, to: position + outLength, back: reachesBack }
    this.pausedWithin(entry, heard, (_start, _end, found) => void (cause = found))
    return cause
  }

  /** Calls `found` for each part of [from, to), of a placed packet, that holds anything of a pause by itself or by the `back` samples before it; in order. */
  pausedWithin(
    entry: QueuedPacket,
    { from, to, back }: { readonly from: number; readonly to: number; readonly back: number },
    found: (from: number, to: number, cause: Exclude<SilenceCause, 'masked'>) => void,
  ): void {
    if (!this.#causes.hasPause) return
    const displaced = Math.round(this.#clock.displacement(entry))
    const spliced = Math.abs(entry.correction)
    const early = Math.max(0, -displaced) + back + spliced
    const late = Math.max(0, displaced) + spliced
    let at = from
    this.#causes.pausedWithin(from - early, to + late, (start, end, cause) => {
      const [first, behind] = [Math.max(at, start - late), Math.min(to, end + early)]
      if (first >= behind) return
      found(first, behind, cause)
      at = behind
    })
  }

  #mask(from: number, to: number): void {
    if (this.#masks.isEmpty || to <= from) return
    const mapping = this.#mapping
    const stretch = { from: from - mapping, to: to - mapping, epoch: this.#epoch }
    this.#masks.within(stretch, (start, end) => {
      this.#cover(start + mapping, end + mapping, 'masked')
    })
  }

  #cover(from: number, to: number, cause: SilenceCause): void {
    this.#output?.fill(0, from - this.#outputFrom, to - this.#outputFrom)
    this.#gaps.add(from, to, cause)
    this.#silenced += to - from
  }
}
