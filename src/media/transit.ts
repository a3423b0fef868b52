import { RecentTransit } from './recent-transit.ts'

const TIMESTAMP_RANGE = 0x1_0000_0000
const SAME_RATIO = 1e-9
/** No sender's clock is slower than ours by more: a transit that rises faster, by {@link NEAR_SECONDS} at once, is a queue on the way. */
const SLOWNESS_MAX = 500 / 1_000_000
const NEAR_SECONDS = 0.02

/**
 * Extends 32-bit RTP timestamps over their wrap (RFC 3550 5.1): each is taken as the one nearest to the one before. What comes out counts
 * samples, where the RTP clock has another rate.
 */
export class TimestampUnwrapper {
  #last: number | undefined
  #samplesPerTick = 1

  unwrap(timestamp: number): number {
    this.#last = this.#last === undefined ? timestamp : this.#last + ((timestamp - this.#last) | 0)
    return this.#samplesPerTick === 1 ? this.#last : Math.round(this.#last * this.#samplesPerTick)
  }

  /** What comes next is counted by another clock; false when it is the same one. */
  changeClock(samplesPerTick: number): boolean {
    // After `rescale` the last bits of the same ratio may differ.
    if (Math.abs(samplesPerTick - this.#samplesPerTick) < SAME_RATIO) return false
    this.#samplesPerTick = samplesPerTick
    this.#last = undefined
    return true
  }

  /** There are `factor` times as many samples a second from now on. */
  rescale(factor: number): void {
    this.#samplesPerTick *= factor
  }

  /** Likewise, without taking it as the one before the next; undefined before there was any. */
  nearest(timestamp: number): number | undefined {
    const nearest = this.#last === undefined ? undefined : this.#last + ((timestamp - this.#last) | 0)
    return nearest === undefined ? undefined : Math.round(nearest * this.#samplesPerTick)
  }
}

/** `value` moved by whole wraps of a timestamp with so many samples a tick to where it is nearest to `reference`. */
export function nearestWrap(value: number, reference: number, samplesPerTick = 1): number {
  const range = TIMESTAMP_RANGE * samplesPerTick
  return value - range * Math.round((value - reference) / range)
}

/**
 * Watches packets in order of arrival for the least transit: arrival time minus RTP time, in samples. Transit has no zero
 * point (the clocks are unrelated), but its minimum is the same instant of every packet's way, "no queueing", and that is
 * what aligns streams whatever their jitter.
 *
 * A sender's clock that is slower than ours raises it without end: the minimum follows by {@link SLOWNESS_MAX} of the time that passes, but no queue.
 *
 * A step of the transit by more than `threshold` begins a new epoch: the RTP clock was restarted or stood still.
 */
export class ArrivalTransit {
  #clockRate: number
  #threshold: number
  readonly #unwrapper = new TimestampUnwrapper()
  #lastTransit: number | undefined
  #lastTimestamp = 0
  #lastArrivalUs = 0
  #least = Infinity
  /** When a packet came that was near to it. */
  #nearUs = 0
  readonly #recent = new RecentTransit()
  #epochStartUs = Infinity
  #epochs = 0
  #firstTimestamp = 0
  #firstLeast = Infinity

  constructor(clockRate: number, threshold: number) {
    this.#clockRate = clockRate
    this.#threshold = threshold
  }

  note(timestamp: number, arrivalUs: number): void {
    const extended = this.#unwrapper.unwrap(timestamp)
    const transit = (arrivalUs * this.#clockRate) / 1_000_000 - extended
    if (this.#lastTransit === undefined || Math.abs(transit - this.#lastTransit) > this.#threshold) {
      this.#epochs += 1
      this.#epochStartUs = arrivalUs
      this.#least = transit
      this.#recent.clear()
      if (this.#epochs === 1) this.#firstTimestamp = extended
    }
    this.#lastTransit = transit
    this.#lastTimestamp = extended
    this.#followSlowness(transit, arrivalUs)
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, arrivalUs)
    this.#recent.note(transit, arrivalUs)
    if (this.#epochs === 1) {
      this.#firstLeast = Math.min(this.#firstLeast, transit)
      this.#firstTimestamp = Math.min(this.#firstTimestamp, extended)
    }
  }

  #followSlowness(transit: number, arrivalUs: number): void {
    const samplesPerUs = this.#clockRate / 1_000_000
    const silentUs = Math.max(0, arrivalUs - this.#lastArrivalUs)
    const near = this.#clockRate * NEAR_SECONDS + silentUs * SLOWNESS_MAX * samplesPerUs
    if (transit - this.#least > near) return
    const passedUs = Math.max(0, arrivalUs - this.#nearUs)
    this.#least = Math.min(transit, this.#least + passedUs * SLOWNESS_MAX * samplesPerUs)
    this.#nearUs = arrivalUs
  }

  /** Forgets the epoch; the next packet begins a new one. */
  restart(): void {
    this.#lastTransit = undefined
  }

  /** The next packet counts its time by another clock. */
  changeClock(samplesPerTick: number): void {
    if (this.#unwrapper.changeClock(samplesPerTick)) this.restart()
  }

  /** There are `factor` times as many samples a second from now on. */
  rescale(factor: number): void {
    this.#clockRate *= factor
    this.#threshold *= factor
    this.#unwrapper.rescale(factor)
    if (this.#lastTransit !== undefined) this.#lastTransit *= factor
    this.#lastTimestamp *= factor
    this.#least *= factor
    this.#recent.rescale(factor)
    this.#firstTimestamp *= factor
    this.#firstLeast *= factor
  }

  /** When the stream's first packet would have arrived without queueing; undefined before any packet. */
  get firstSentUs(): number | undefined {
    if (this.#epochs === 0) return undefined
    return ((this.#firstLeast + this.#firstTimestamp) * 1_000_000) / this.#clockRate
  }

  /** When the packet noted last would have arrived without queueing: that is when its last sample had been spoken. */
  get lastSentUs(): number {
    return ((this.#least + this.#lastTimestamp) * 1_000_000) / this.#clockRate
  }

  /** When the packet noted last came. */
  get lastArrivalUs(): number {
    return this.#lastArrivalUs
  }

  /** Least transit of the present epoch. */
  get least(): number {
    return this.#least
  }

  /** Least transit of the present epoch, if it had begun when this packet arrived; Infinity otherwise. */
  leastSince(arrivalUs: number): number {
    return this.#epochStartUs <= arrivalUs ? this.#least : Infinity
  }

  /** Of what came directly behind it only; Infinity where that cannot be told. */
  leastBehind(arrivalUs: number): number {
    return this.#epochStartUs <= arrivalUs ? this.#recent.leastBehind(arrivalUs) : Infinity
  }
}

/** Seconds over which the least transit is taken: long against congestion, short against clock drift (100 ppm: 1.6 ms). */
export const TRANSIT_WINDOW_SECONDS = 16
/** A rise of the transit is believed only when the window has been filled this far. */
const MATURE_SECONDS = 8
const BUCKET_US = 1_000_000

/** The least of a value over the last {@link TRANSIT_WINDOW_SECONDS}, in one-second buckets. Feed it in sequence. */
export class TransitWindow {
  readonly #buckets = new Float64Array(TRANSIT_WINDOW_SECONDS).fill(Infinity)
  #second = Number.NEGATIVE_INFINITY
  #secondsFilled = 0
  #least = Infinity

  note(transit: number, arrivalUs: number): void {
    const second = Math.floor(arrivalUs / BUCKET_US)
    if (second > this.#second) this.#roll(second)
    const bucket = this.#second % TRANSIT_WINDOW_SECONDS
    if (transit < (this.#buckets[bucket] ?? Infinity)) this.#buckets[bucket] = transit
    if (transit < this.#least) this.#least = transit
  }

  /** Infinity when empty. */
  get least(): number {
    return this.#least
  }

  /** Seconds with packets behind the value. */
  get secondsFilled(): number {
    return this.#secondsFilled
  }

  /** True when enough seconds with packets are behind the value to believe that it has risen. */
  get mature(): boolean {
    return this.#secondsFilled >= MATURE_SECONDS
  }

  /** Everything in it is `factor` times as much. */
  rescale(factor: number): void {
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      this.#buckets[bucket] = (this.#buckets[bucket] ?? Infinity) * factor
    }
    this.#least *= factor
  }

  clear(): void {
    this.#buckets.fill(Infinity)
    this.#least = Infinity
    this.#secondsFilled = 0
    this.#second = Number.NEGATIVE_INFINITY
  }

  #roll(second: number): void {
    if (second - this.#second >= TRANSIT_WINDOW_SECONDS) {
      this.clear()
    } else {
      for (let skipped = this.#second + 1; skipped <= second; skipped++) {
        this.#buckets[skipped % TRANSIT_WINDOW_SECONDS] = Infinity
      }
    }
    this.#second = second
    this.#least = Infinity
    this.#secondsFilled = 1
    for (const value of this.#buckets) {
      if (value < this.#least) this.#least = value
      if (value !== Infinity) this.#secondsFilled += 1
    }
  }
}
