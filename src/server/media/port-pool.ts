/** An even RTP port; its RTCP port is the odd one above (RFC 3550 11). */
export type RtpPort = number

/**
 * Lends pairs of UDP ports (RTP even, RTCP odd) out of a fixed range.
 *
 * The media streams of one recording session get neighbouring pairs, in order, when the range has such a run; a firewall
 * rule or a capture filter is easier to write for it. A pair given back is lent again as late as possible, so that
 * packets of a finished recording session do not meet a new one.
 */
export class PortPool {
  readonly #first: RtpPort
  readonly #pairs: number
  readonly #taken: Uint8Array
  #next = 0
  #used = 0
  #exhausted = 0

  constructor(portMin: number, portMax: number) {
    this.#first = portMin
    this.#pairs = Math.floor((portMax - portMin + 1) / 2)
    this.#taken = new Uint8Array(this.#pairs)
  }

  get size(): number {
    return this.#pairs
  }

  get free(): number {
    return this.#pairs - this.#used
  }

  get used(): number {
    return this.#used
  }

  /** How often a request could not be served. */
  get exhausted(): number {
    return this.#exhausted
  }

  /** Takes `count` pairs, or undefined (and none taken) when there are not as many. */
  take(count: number): readonly RtpPort[] | undefined {
    if (count > this.#pairs - this.#used) {
      this.#exhausted += 1
      return undefined
    }
    const indexes = this.#run(count) ?? this.#scattered(count)
    for (const index of indexes) this.#taken[index] = 1
    this.#used += indexes.length
    const last = indexes.at(-1)
    if (last !== undefined) this.#next = (last + 1) % this.#pairs
    return indexes.map((index) => this.#first + 2 * index)
  }

  give(ports: readonly RtpPort[]): void {
    for (const port of ports) {
      const index = (port - this.#first) / 2
      if (this.#taken[index] !== 1) continue
      this.#taken[index] = 0
      this.#used -= 1
    }
  }

  /** Goes on looking so many pairs further along the range: what lies next belongs to somebody else. */
  skip(pairs: number): void {
    this.#next = (this.#next + pairs) % this.#pairs
  }

  #run(count: number): number[] | undefined {
    for (let tried = 0; tried < this.#pairs; tried += 1) {
      const start = (this.#next + tried) % this.#pairs
      if (start + count > this.#pairs) continue
      let free = 0
      while (free < count && this.#taken[start + free] === 0) free += 1
      if (free === count) return Array.from({ length: count }, (_, index) => start + index)
    }
    return undefined
  }

  #scattered(count: number): number[] {
    const indexes: number[] = []
    for (let tried = 0; tried < this.#pairs && indexes.length < count; tried += 1) {
      const index = (this.#next + tried) % this.#pairs
      if (this.#taken[index] === 0) indexes.push(index)
    }
    return indexes
  }
}
