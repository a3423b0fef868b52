/** Arrays that take turns: with reads of 20 ms, 60 ms stay behind the present one, more than the context of concealment. */
export const READ_TURNS = 4

/**
 * What a timeline's reader gets: an array that is valid until the next read, and for a little while the ones before it, so that the
 * audio before a loss is at hand without copying every packet for the few that are followed by one.
 *
 * Whoever silences samples in the array it was given (a pause, digits) has silenced them here as well.
 */
export class ReadBuffer {
  readonly #turns: Int16Array[]
  #present = 0

  constructor(turns: number) {
    this.#turns = Array.from({ length: turns }, () => new Int16Array(0))
  }

  /** A row of zeros to be filled. */
  next(length: number): Int16Array {
    this.#present = (this.#present + 1) % this.#turns.length
    const used = this.#turns[this.#present]
    if (used?.length === length) return used.fill(0)
    const fresh = new Int16Array(length)
    this.#turns[this.#present] = fresh
    return fresh
  }

  /** What was read is made `upsample` of it, to stand before what is read from now on. */
  rescale(upsample: (samples: Int16Array) => Int16Array): void {
    for (const [index, samples] of this.#turns.entries()) this.#turns[index] = upsample(samples)
  }

  /** Fills `target` with the last samples before index `end` of the present array, zeros in front where there are none. */
  copyBefore(end: number, target: Int16Array): void {
    let left = target.length
    for (let back = 0; back < this.#turns.length && left > 0; back++) {
      const samples = this.#turns.at(this.#present - back)
      const from = back === 0 ? end : (samples?.length ?? 0)
      const count = Math.min(from, left)
      for (let i = 1; i <= count; i++) target[left - i] = samples?.[from - i] ?? 0
      left -= count
    }
    target.fill(0, 0, left)
  }
}
