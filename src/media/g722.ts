/**
 * Tables of ITU-T G.722: the inverse quantizers of 6 and 4 bits in the lower and of 2 bits in the upper sub-band (clause 3.3, tables 7, 9, 18), the
 * adaptation of the scale factors (clause 3.5), and the quadrature mirror filter (clause 3.1, table 11).
 */
const LOWER_6_BIT = Int16Array.of(
  ...[-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576],
  ...[-7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040],
  ...[-728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456],
  ...[4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136],
)
export const LOWER_4_BIT = Int16Array.of(
  ...[0, -20456, -12896, -8968, -6288, -4240, -2584, -1200],
  ...[20456, 12896, 8968, 6288, 4240, 2584, 1200, 0],
)
export const UPPER_2_BIT = Int16Array.of(-7408, -1616, 7408, 1616)
export const LOWER_WEIGHT = Int16Array.of(
  ...[-60, 3042, 1198, 538, 334, 172, 58, -30],
  ...[3042, 1198, 538, 334, 172, 58, -30, -60],
)
export const UPPER_WEIGHT = Int16Array.of(798, -214, 798, -214)
const INVERSE_LOG = Int16Array.of(
  ...[2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834],
  ...[2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008],
)
export const MIRROR_FILTER = Int16Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
export const MIRROR_TAPS = 24

export const LOWER_LOG_MAX = 18_432
export const UPPER_LOG_MAX = 22_528

/**
 * Decodes G.722 at 64 kbit/s, as RTP carries it: each octet becomes two samples at 16 kHz. The state goes on from packet to packet; after a loss
 * it finds back by itself within some milliseconds.
 *
 * @see ITU-T G.722 (clauses 3 and 6), RFC 3551 4.5.2
 */
export class G722Decoder {
  readonly #lower = new SubBand(32)
  readonly #upper = new SubBand(8)
  /** The last 24 sums and differences of both sub-bands, oldest first. */
  readonly #mirror = new Int32Array(MIRROR_TAPS)

  decode(payload: Uint8Array): Int16Array {
    const samples = new Int16Array(payload.length * 2)
    for (let i = 0; i < payload.length; i++) {
      const code = payload[i] ?? 0
      const low = this.#decodeLower(code & 0x3f)
      const high = this.#decodeUpper(code >> 6)
      this.#synthesize(low, high, samples, 2 * i)
    }
    return samples
  }

  #decodeLower(code: number): number {
    const band = this.#lower
    const sample = clamp(band.predicted + ((band.scale * (LOWER_6_BIT[code] ?? 0)) >> 15), -16_384, 16_383)
    // The predictor runs on the four upper bits, which every mode of G.722 has.
    const embedded = code >> 2
    const difference = (band.scale * (LOWER_4_BIT[embedded] ?? 0)) >> 15
    band.adaptScale(LOWER_WEIGHT[embedded] ?? 0, LOWER_LOG_MAX, 8)
    band.adaptPredictor(difference)
    return sample
  }

  #decodeUpper(code: number): number {
    const band = this.#upper
    const difference = (band.scale * (UPPER_2_BIT[code] ?? 0)) >> 15
    const sample = clamp(band.predicted + difference, -16_384, 16_383)
    band.adaptScale(UPPER_WEIGHT[code] ?? 0, UPPER_LOG_MAX, 10)
    band.adaptPredictor(difference)
    return sample
  }

  #synthesize(low: number, high: number, samples: Int16Array, at: number): void {
    const mirror = this.#mirror
    mirror.copyWithin(0, 2)
    mirror[MIRROR_TAPS - 2] = low + high
    mirror[MIRROR_TAPS - 1] = low - high
    let first = 0
    let second = 0
    for (let tap = 0; tap < MIRROR_TAPS / 2; tap++) {
      first += (mirror[2 * tap + 1] ?? 0) * (MIRROR_FILTER[MIRROR_TAPS / 2 - 1 - tap] ?? 0)
      second += (mirror[2 * tap] ?? 0) * (MIRROR_FILTER[tap] ?? 0)
    }
    samples[at] = saturate(first >> 11)
    samples[at + 1] = saturate(second >> 11)
  }
}

/** The adaptive part of one sub-band: scale factor, two poles, six zeros. G.722 3.5, 3.6 */
export class SubBand {
  /** Scale factor of the quantizer. */
  scale: number
  /** Of the next sample, by poles and zeros together. */
  predicted = 0
  #logScale = 0
  #zeroPredicted = 0
  #pole1 = 0
  #pole2 = 0
  readonly #zeros = new Int16Array(6)
  readonly #differences = new Int16Array(6)
  #reconstructed1 = 0
  #reconstructed2 = 0
  #partial1 = 0
  #partial2 = 0

  constructor(scale: number) {
    this.scale = scale
  }

  adaptScale(weight: number, max: number, shift: number): void {
    this.#logScale = clamp(((this.#logScale * 127) >> 7) + weight, 0, max)
    const mantissa = INVERSE_LOG[(this.#logScale >> 6) & 31] ?? 0
    const exponent = shift - (this.#logScale >> 11)
    this.scale = (exponent < 0 ? mantissa << -exponent : mantissa >> exponent) << 2
  }

  adaptPredictor(difference: number): void {
    const reconstructed = saturate(this.predicted + difference)
    const partial = saturate(this.#zeroPredicted + difference)
    this.#adaptPoles(partial)
    this.#adaptZeros(difference)
    this.#partial2 = this.#partial1
    this.#partial1 = partial
    this.#reconstructed2 = this.#reconstructed1
    this.#reconstructed1 = reconstructed
    const pole1 = (this.#pole1 * saturate(2 * this.#reconstructed1)) >> 15
    const pole2 = (this.#pole2 * saturate(2 * this.#reconstructed2)) >> 15
    let zeros = 0
    for (let i = 0; i < 6; i++) zeros += ((this.#zeros[i] ?? 0) * saturate(2 * (this.#differences[i] ?? 0))) >> 15
    this.#zeroPredicted = saturate(zeros)
    this.predicted = saturate(saturate(pole1 + pole2) + this.#zeroPredicted)
  }

  #adaptPoles(partial: number): void {
    const is1Same = partial >> 15 === this.#partial1 >> 15
    const is2Same = partial >> 15 === this.#partial2 >> 15
    const slope = saturate(4 * this.#pole1)
    const turned = Math.min(is1Same ? -slope : slope, 32_767)
    const pole2 = (is2Same ? 128 : -128) + (turned >> 7) + ((this.#pole2 * 32_512) >> 15)
    this.#pole2 = clamp(pole2, -12_288, 12_288)
    const limit = saturate(15_360 - this.#pole2)
    this.#pole1 = clamp(saturate((is1Same ? 192 : -192) + ((this.#pole1 * 32_640) >> 15)), -limit, limit)
  }

  #adaptZeros(difference: number): void {
    const step = difference === 0 ? 0 : 128
    for (let i = 0; i < 6; i++) {
      const isSame = (this.#differences[i] ?? 0) >> 15 === difference >> 15
      this.#zeros[i] = saturate((isSame ? step : -step) + (((this.#zeros[i] ?? 0) * 32_640) >> 15))
    }
    this.#differences.copyWithin(1, 0, 5)
    this.#differences[0] = difference
  }
}

function saturate(value: number): number {
  return clamp(value, -32_768, 32_767)
}

function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value
}
