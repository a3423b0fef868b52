/**
 * Interarrival jitter of one SSRC: the smoothed mean deviation of the packet spacing at the receiver from that at the
 * sender. Feed it every packet in order of arrival. RFC 3550 6.4.1, A.8
 */
export class InterarrivalJitter {
  readonly #clockRate: number
  #previousTransit: number | undefined
  #jitter = 0

  constructor(clockRate: number) {
    this.#clockRate = clockRate
  }

  /** @param timestamp the packet's RTP timestamp @param arrivalUs monotonic microseconds */
  update(timestamp: number, arrivalUs: number): void {
    // Transit is only meaningful modulo 2^32, like the timestamps; `| 0` makes the difference signed and wrap-safe.
    const transit = Math.round((arrivalUs * this.#clockRate) / 1_000_000) - timestamp
    if (this.#previousTransit !== undefined) {
      const difference = Math.abs((transit - this.#previousTransit) | 0)
      this.#jitter += (difference - this.#jitter) / 16
    }
    this.#previousTransit = transit
  }

  /** In RTP timestamp units, as a report block carries it (not rounded). */
  get timestampUnits(): number {
    return this.#jitter
  }

  get seconds(): number {
    return this.#jitter / this.#clockRate
  }
}
