/** Stretches of one stream that wait to be silenced; a key press that finds no room makes the last one longer. */
export const MASKS_MAX = 64

interface Mask {
  readonly epoch: number
  from: number
  to: number
}

/**
 * Stretches of a stream that must not be heard, in its extended RTP time: known before it is known where on the timeline they will
 * stand. Bounded by {@link MASKS_MAX}; when there are more, what lies between two is silenced too.
 */
export class MaskList {
  readonly #masks: Mask[] = []
  #epoch = 0

  get isEmpty(): boolean {
    return this.#masks.length === 0
  }

  /** Counts the sources of the stream: the time of one says nothing about that of another. */
  get epoch(): number {
    return this.#epoch
  }

  /** What is added from now on is in the time of another source. */
  restart(): void {
    this.#epoch += 1
  }

  /** The time of every source has `factor` times as many samples from now on. */
  rescale(factor: number): void {
    for (const mask of this.#masks) {
      mask.from *= factor
      mask.to *= factor
    }
  }

  /** Joins what touches: a tone is told of again and again while it goes on. */
  add(from: number, to: number): void {
    if (to <= from) return
    const touching = this.#masks.filter((mask) => mask.epoch === this.#epoch && mask.from <= to && from <= mask.to)
    const [first] = touching
    if (first !== undefined) {
      for (const mask of touching) {
        first.from = Math.min(first.from, mask.from)
        first.to = Math.max(first.to, mask.to)
        if (mask !== first) this.#masks.splice(this.#masks.indexOf(mask), 1)
      }
      first.from = Math.min(first.from, from)
      first.to = Math.max(first.to, to)
      return
    }
    const after = this.#masks.findIndex((mask) => mask.epoch === this.#epoch && mask.from > from)
    this.#masks.splice(after < 0 ? this.#masks.length : after, 0, { epoch: this.#epoch, from, to })
    if (this.#masks.length > MASKS_MAX) this.#joinNearest()
  }

  /** Calls `found` for each part of [from, to), in the time of a source, that is to be silenced, in order. */
  within(
    stretch: { readonly from: number; readonly to: number; readonly epoch: number },
    found: (from: number, to: number) => void,
  ): void {
    for (const mask of this.#masks) {
      const start = Math.max(stretch.from, mask.from)
      const end = Math.min(stretch.to, mask.to)
      if (mask.epoch === stretch.epoch && start < end) found(start, end)
    }
  }

  /** Nothing before `time` of this source will be asked for any more, and nothing of those before it. */
  forgetBefore(time: number, epoch: number): void {
    // Runs per packet, of which nearly none is masked: nothing is taken apart.
    for (let first = this.#masks[0]; first !== undefined; first = this.#masks[0]) {
      if (first.epoch > epoch || (first.epoch === epoch && first.to > time)) return
      this.#masks.shift()
    }
  }

  /** The two that are nearest to each other become one. */
  #joinNearest(): void {
    let nearest = 0
    for (let index = 1; index + 1 < this.#masks.length; index++) {
      if (this.#hole(index) < this.#hole(nearest)) nearest = index
    }
    const [left, right] = this.#masks.slice(nearest, nearest + 2)
    if (left?.epoch === right?.epoch && left !== undefined && right !== undefined) left.to = Math.max(left.to, right.to)
    this.#masks.splice(nearest + 1, 1)
  }

  #hole(index: number): number {
    const [left, right] = this.#masks.slice(index, index + 2)
    return left === undefined || right?.epoch !== left.epoch ? Infinity : right.from - left.to
  }
}
