/** How far back arrivals are remembered; more than the reader stays behind now. */
export const RECENT_SECONDS = 1.28
const BUCKET_US = 20_000
const BUCKETS = (RECENT_SECONDS * 1_000_000) / BUCKET_US
/** Fewer packets say nothing about the way of the one before them: they may have been held up with it. */
export const PACKETS_BEHIND_MIN = 5
/** A queue on the way that lasts longer than this is taken for a clock that stood still. */
const BEHIND_BUCKETS = 25

/**
 * The least transit of the packets that came directly behind a certain one: whether that was held up on its way, or its RTP clock had stood still.
 * Feed it in order of arrival.
 */
export class RecentTransit {
  readonly #least = new Float64Array(BUCKETS).fill(Infinity)
  readonly #packets = new Uint16Array(BUCKETS)
  #newest = Number.NEGATIVE_INFINITY

  note(transit: number, arrivalUs: number): void {
    const bucket = Math.floor(arrivalUs / BUCKET_US)
    for (let at = Math.max(this.#newest + 1, bucket - BUCKETS + 1); at <= bucket; at++) this.#empty(at)
    if (bucket <= this.#newest - BUCKETS) return
    this.#newest = Math.max(this.#newest, bucket)
    const place = bucket % BUCKETS
    this.#least[place] = Math.min(this.#least[place] ?? Infinity, transit)
    this.#packets[place] = Math.min(0xffff, (this.#packets[place] ?? 0) + 1)
  }

  /** Of what came in the half second behind this instant; Infinity when that were fewer than {@link PACKETS_BEHIND_MIN} packets. */
  leastBehind(arrivalUs: number): number {
    const bucket = Math.floor(arrivalUs / BUCKET_US)
    const from = Math.max(bucket + 1, this.#newest - BUCKETS + 1)
    const to = Math.min(this.#newest, bucket + BEHIND_BUCKETS)
    let [least, packets] = [Infinity, 0]
    for (let at = from; at <= to; at++) {
      least = Math.min(least, this.#least[at % BUCKETS] ?? Infinity)
      packets += this.#packets[at % BUCKETS] ?? 0
    }
    return packets < PACKETS_BEHIND_MIN ? Infinity : least
  }

  /** Everything in it is `factor` times as much. */
  rescale(factor: number): void {
    for (let at = 0; at < BUCKETS; at++) this.#least[at] = (this.#least[at] ?? Infinity) * factor
  }

  clear(): void {
    this.#least.fill(Infinity)
    this.#packets.fill(0)
    this.#newest = Number.NEGATIVE_INFINITY
  }

  #empty(bucket: number): void {
    this.#least[bucket % BUCKETS] = Infinity
    this.#packets[bucket % BUCKETS] = 0
  }
}
