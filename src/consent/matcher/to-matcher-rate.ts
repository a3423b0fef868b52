import { MATCHER_RATE } from './fingerprinter.ts'

/** Rates that are brought down to {@link MATCHER_RATE}, in samples a second. */
export type InputRate = 8_000 | 16_000 | 32_000 | 48_000

const FILTER_RATE = 2 * MATCHER_RATE
/** Taps on each side of the middle one of a half-band filter; every second one is zero. */
const REACH = 15
/** Of the filter, from its middle outwards at distances 1, 3, 5 and so on: a windowed sinc, 45 dB down from 4.7 kHz. */
const TAPS = Float64Array.from({ length: (REACH + 1) / 2 }, (_, index) => {
  const distance = 2 * index + 1
  const sinc = Math.sin((Math.PI * distance) / 2) / (Math.PI * distance)
  return sinc * (0.54 + 0.46 * Math.cos((Math.PI * distance) / (REACH + 1)))
})
const SPAN = 2 * REACH + 1
/** Samples at the higher rate that are held; a power of two beyond {@link SPAN}. */
const RING = 64

export function isInputRate(rate: number): rate is InputRate {
  return rate === 8_000 || rate === 16_000 || rate === 32_000 || rate === 48_000
}

/**
 * Brings audio down to {@link MATCHER_RATE}: averages down to 16 kHz, then a half-band filter. Enough for a comparison of bands below
 * 3.4 kHz, not for listening. Output sample n is of the instant of input sample n times the ratio of the rates, within a sample: there is
 * no delay, but the last {@link REACH} samples of 16 kHz stay inside.
 */
export class ToMatcherRate {
  /** Input samples for each output sample. */
  readonly factor: number
  readonly #averaged: number
  readonly #ring = new Float64Array(RING)
  readonly #taps = TAPS
  #sum = 0
  #summed = 0
  #count = 0

  constructor(rate: InputRate) {
    this.factor = rate / MATCHER_RATE
    this.#averaged = Math.max(1, rate / FILTER_RATE)
    this.restart()
  }

  /** What comes next does not follow what came. */
  restart(): void {
    this.#ring.fill(0)
    this.#sum = 0
    this.#summed = 0
    // As if silence had gone before: the filter's middle stands on the first sample as soon as what is behind it is there.
    this.#count = REACH
  }

  /**
   * Writes what `samples` give into `output`, which must have room for `samples.length / factor + 1`.
   *
   * @returns how many samples were written
   */
  write(samples: Int16Array | Float32Array, output: Float64Array): number {
    const scale = samples instanceof Float32Array ? 32_768 : 1
    if (this.factor === 1) {
      for (let i = 0; i < samples.length; i++) output[i] = (samples[i] ?? 0) * scale
      return samples.length
    }
    let written = 0
    for (let i = 0; i < samples.length; i++) {
      this.#sum += (samples[i] ?? 0) * scale
      this.#summed += 1
      if (this.#summed < this.#averaged) continue
      this.#ring[this.#count & (RING - 1)] = this.#sum / this.#averaged
      this.#sum = 0
      this.#summed = 0
      this.#count += 1
      if (this.#count >= SPAN && (this.#count - SPAN) % 2 === 0) output[written++] = this.#filter()
    }
    return written
  }

  #filter(): number {
    const middle = this.#count - 1 - REACH
    let sum = (this.#ring[middle & (RING - 1)] ?? 0) / 2
    for (let tap = 0; tap < this.#taps.length; tap++) {
      const distance = 2 * tap + 1
      const pair =
        (this.#ring[(middle - distance) & (RING - 1)] ?? 0) + (this.#ring[(middle + distance) & (RING - 1)] ?? 0)
      sum += (this.#taps[tap] ?? 0) * pair
    }
    return sum
  }
}
