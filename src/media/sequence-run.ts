/** How many sequence numbers back a second copy is recognised. A multiple of 32, beyond `MAX_MISORDER`. */
export const REORDER_MEMORY = 1_024

/** One run of a sequence: its highest number, extended beyond 16 bits, with its time, and which of the last {@link REORDER_MEMORY} were seen. RFC 3550 A.1 */
export class SequenceRun {
  /** Runs are numbered in the order in which they began. */
  epoch = 0
  /** Of the packet with the highest number: its RTP timestamp, and when it came. */
  timestamp = 0
  arrivalUs = 0
  #highest: number | undefined
  readonly #seen = new Uint32Array(REORDER_MEMORY / 32)

  /** Undefined before {@link begin}. */
  get highest(): number | undefined {
    return this.#highest
  }

  /** Forgets everything and begins with this number. */
  begin(epoch: number, number: number, timestamp: number, arrivalUs: number): void {
    this.epoch = epoch
    this.timestamp = timestamp
    this.arrivalUs = arrivalUs
    this.#seen.fill(0)
    this.#highest = number
    this.#remember(number)
  }

  /** False for a number that has been noted before, if it is not more than {@link REORDER_MEMORY} back. */
  note(number: number, timestamp: number, arrivalUs: number): boolean {
    const highest = this.#highest ?? number
    if (number <= highest && this.has(number)) return false
    if (number - highest >= REORDER_MEMORY) this.#seen.fill(0)
    // Numbers skipped on the way have not been seen.
    else for (let skipped = highest + 1; skipped < number; skipped++) this.#forget(skipped)
    if (number > highest) {
      this.#highest = number
      this.timestamp = timestamp
      this.arrivalUs = arrivalUs
    }
    this.#remember(number)
    return true
  }

  has(number: number): boolean {
    const bit = number & (REORDER_MEMORY - 1)
    return ((this.#seen[bit >> 5] ?? 0) & (1 << (bit & 31))) !== 0
  }

  #remember(number: number): void {
    const bit = number & (REORDER_MEMORY - 1)
    this.#seen[bit >> 5] = (this.#seen[bit >> 5] ?? 0) | (1 << (bit & 31))
  }

  #forget(number: number): void {
    const bit = number & (REORDER_MEMORY - 1)
    this.#seen[bit >> 5] = (this.#seen[bit >> 5] ?? 0) & ~(1 << (bit & 31))
  }
}
