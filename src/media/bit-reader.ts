/** Reads bits from the most significant on. Past the end it gives zeros, and says so. */
export class BitReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** More was read than there is. */
  get isPastEnd(): boolean {
    return this.#at > this.#bytes.length * 8
  }

  get bitsLeft(): number {
    return Math.max(0, this.#bytes.length * 8 - this.#at)
  }

  /** @param count at most 24 */
  read(count: number): number {
    let value = 0
    for (let bit = 0; bit < count; bit += 1) value = (value << 1) | this.#bit()
    return value
  }

  /** Copies bits to the beginning of `target`, whose other bits stay. */
  copy(count: number, target: Uint8Array): void {
    for (let bit = 0; bit < count; bit += 1) {
      const at = bit >> 3
      target[at] = (target[at] ?? 0) | (this.#bit() << (7 - (bit & 7)))
    }
  }

  skip(count: number): void {
    this.#at += count
  }

  /** Goes on at the next whole byte. */
  align(): void {
    this.#at = Math.ceil(this.#at / 8) * 8
  }

  #bit(): number {
    const bit = ((this.#bytes[this.#at >> 3] ?? 0) >> (7 - (this.#at & 7))) & 1
    this.#at += 1
    return bit
  }
}
