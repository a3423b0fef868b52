/**
 * The power spectrum of a stretch of real samples, over typed arrays made once: nothing is allocated for a transform.
 *
 * A transform of half the length over complex numbers, whose real parts are the even and imaginary parts the odd samples; the spectrum
 * is separated from it afterwards.
 */
export class RealFft {
  readonly length: number
  readonly #half: number
  readonly #re: Float64Array
  readonly #im: Float64Array
  /** Where each pair of samples goes: the bits of its index in reverse. */
  readonly #place: Uint16Array
  readonly #cos: Float64Array
  readonly #sin: Float64Array

  /** @param length a power of two, 8 to 65,536 */
  constructor(length: number) {
    this.length = length
    const half = length / 2
    this.#half = half
    this.#re = new Float64Array(half)
    this.#im = new Float64Array(half)
    this.#place = new Uint16Array(half)
    const bits = Math.log2(half)
    for (let i = 0; i < half; i++) {
      let reversed = 0
      for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit)
      this.#place[i] = reversed
    }
    this.#cos = Float64Array.from({ length: half }, (_, i) => Math.cos((2 * Math.PI * i) / length))
    this.#sin = Float64Array.from({ length: half }, (_, i) => Math.sin((2 * Math.PI * i) / length))
  }

  /**
   * Writes the power of the bins `from` to `to` (exclusive, within 1 and half the length) to the same places of `power`.
   *
   * @param samples a ring of `length` samples whose oldest is at `oldest`
   * @param window `length` factors
   */
  power(input: SpectrumInput, power: Float64Array, from: number, to: number): void {
    this.#load(input)
    this.#transform()
    this.#separate(power, from, to)
  }

  #load({ samples, oldest, window }: SpectrumInput): void {
    const re = this.#re
    const im = this.#im
    const place = this.#place
    const mask = this.length - 1
    for (let i = 0; i < this.#half; i++) {
      const at = place[i] ?? 0
      const even = 2 * i
      re[at] = (samples[(oldest + even) & mask] ?? 0) * (window[even] ?? 0)
      im[at] = (samples[(oldest + even + 1) & mask] ?? 0) * (window[even + 1] ?? 0)
    }
  }

  #transform(): void {
    const re = this.#re
    const im = this.#im
    const half = this.#half
    for (let at = 0; at < half; at += 2) {
      const ar = re[at] ?? 0
      const ai = im[at] ?? 0
      const br = re[at + 1] ?? 0
      const bi = im[at + 1] ?? 0
      re[at] = ar + br
      im[at] = ai + bi
      re[at + 1] = ar - br
      im[at + 1] = ai - bi
    }
    for (let size = 2; size < half; size *= 2) {
      // The tables are of the whole length, twice that of this transform.
      const step = half / size
      for (let k = 0; k < size; k++) {
        const c = this.#cos[k * step] ?? 0
        const s = this.#sin[k * step] ?? 0
        for (let a = k; a < half; a += 2 * size) {
          const b = a + size
          const xr = re[b] ?? 0
          const xi = im[b] ?? 0
          const tr = xr * c + xi * s
          const ti = xi * c - xr * s
          const ur = re[a] ?? 0
          const ui = im[a] ?? 0
          re[b] = ur - tr
          im[b] = ui - ti
          re[a] = ur + tr
          im[a] = ui + ti
        }
      }
    }
  }

  #separate(power: Float64Array, from: number, to: number): void {
    const half = this.#half
    for (let k = from; k < to; k++) {
      const ar = this.#re[k] ?? 0
      const ai = this.#im[k] ?? 0
      const br = this.#re[half - k] ?? 0
      const bi = this.#im[half - k] ?? 0
      const evenRe = (ar + br) / 2
      const evenIm = (ai - bi) / 2
      const oddRe = (ai + bi) / 2
      const oddIm = (br - ar) / 2
      const c = this.#cos[k] ?? 0
      const s = this.#sin[k] ?? 0
      const re = evenRe + c * oddRe + s * oddIm
      const im = evenIm + c * oddIm - s * oddRe
      power[k] = re * re + im * im
    }
  }
}

export interface SpectrumInput {
  readonly samples: Float64Array
  readonly oldest: number
  readonly window: Float64Array
}
