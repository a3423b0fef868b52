import type { GapCauses } from './gap-causes.ts'
import type { GapList } from './gap-list.ts'
import type { MaskList } from './mask-list.ts'
import type { QueuedPacket } from './packet-queue.ts'

/**
 * Takes out of what is read of a stream whatever was spoken in a pause and whatever is masked: silence in its place, and a gap with
 * the cause. Pauses come first: what lies in both is `paused`.
 */
export class Silencer {
  readonly #causes: GapCauses
  readonly #masks: MaskList
  readonly #gaps: GapList
  #output: Int16Array | undefined
  #outputFrom = 0
  #silenced = 0
  /** Position minus extended RTP time of the packet being read, and its source. */
  #mapping = 0
  #epoch = 0

  constructor(options: { readonly causes: GapCauses; readonly masks: MaskList; readonly gaps: GapList }) {
    this.#causes = options.causes
    this.#masks = options.masks
    this.#gaps = options.gaps
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
    this.#causes.pausedWithin(from, to, (start, end) => {
      this.#mask(at, start)
      this.#cover(start, end, 'paused')
      at = end
    })
    this.#mask(at, to)
    return this.#silenced
  }

  /** Why nothing may be left of a placed packet that cannot be silenced in part; undefined when it may stay. */
  causeWithin(entry: QueuedPacket): 'paused' | 'masked' | undefined {
    let cause: 'paused' | 'masked' | undefined
    const { position, outLength, timestamp, skip, epoch, reachesBack } = entry
    const from = timestamp + skip
    this.#masks.within({ from: from - reachesBack, to: from + outLength, epoch }, () => void (cause = 'masked'))
    this.#causes.pausedWithin(position - reachesBack, position + outLength, () => void (cause = 'paused'))
    return cause
  }

  #mask(from: number, to: number): void {
    if (this.#masks.isEmpty || to <= from) return
    const mapping = this.#mapping
    const stretch = { from: from - mapping, to: to - mapping, epoch: this.#epoch }
    this.#masks.within(stretch, (start, end) => {
      this.#cover(start + mapping, end + mapping, 'masked')
    })
  }

  #cover(from: number, to: number, cause: 'paused' | 'masked'): void {
    this.#output?.fill(0, from - this.#outputFrom, to - this.#outputFrom)
    this.#gaps.add(from, to, cause)
    this.#silenced += to - from
  }
}
