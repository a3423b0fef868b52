import {
  LOWER_4_BIT,
  LOWER_LOG_MAX,
  LOWER_WEIGHT,
  MIRROR_FILTER,
  MIRROR_TAPS,
  SubBand,
  UPPER_2_BIT,
  UPPER_LOG_MAX,
  UPPER_WEIGHT,
} from './g722.ts'

/** Decision levels of the quantizer of 60 levels in the lower sub-band, in 1/4096 of its scale factor. G.722 3.2, table 4 */
const LOWER_LEVELS = Int16Array.of(
  ...[35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714],
  ...[786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919],
)
/** Code words of an error that is not negative begin here and go down, one a level. G.722 table 5 */
const LOWER_POSITIVE_FIRST = 61
/** The two smallest of a negative one are 63 and 62, the others begin here and go down. G.722 table 5 */
const LOWER_NEGATIVE_FIRST = 31
/** Decision level in the upper sub-band. G.722 table 7 */
const UPPER_LEVEL = 564

/**
 * Encodes G.722 at 64 kbit/s: two samples at 16 kHz become one octet. The state goes on from call to call.
 *
 * @see ITU-T G.722 (clauses 3.1 to 3.6), RFC 3551 4.5.2
 */
export class G722Encoder {
  readonly #lower = new SubBand(32)
  readonly #upper = new SubBand(8)
  /** The last 24 samples, oldest first. */
  readonly #mirror = new Int32Array(MIRROR_TAPS)

  /** @param samples an even number of them */
  encode(samples: Int16Array): Uint8Array {
    const payload = new Uint8Array(samples.length >> 1)
    const mirror = this.#mirror
    for (let i = 0; i < payload.length; i++) {
      mirror.copyWithin(0, 2)
      mirror[MIRROR_TAPS - 2] = samples[2 * i] ?? 0
      mirror[MIRROR_TAPS - 1] = samples[2 * i + 1] ?? 0
      let first = 0
      let second = 0
      for (let tap = 0; tap < MIRROR_TAPS / 2; tap++) {
        first += (mirror[2 * tap] ?? 0) * (MIRROR_FILTER[tap] ?? 0)
        second += (mirror[2 * tap + 1] ?? 0) * (MIRROR_FILTER[MIRROR_TAPS / 2 - 1 - tap] ?? 0)
      }
      const low = this.#encodeLower((first + second) >> 14)
      const high = this.#encodeUpper((second - first) >> 14)
      payload[i] = (high << 6) | low
    }
    return payload
  }

  #encodeLower(sample: number): number {
    const band = this.#lower
    const error = clamp15(sample - band.predicted)
    const magnitude = error < 0 ? -error - 1 : error
    let level = 0
    while (level < LOWER_LEVELS.length && magnitude >= ((LOWER_LEVELS[level] ?? 0) * band.scale) >> 12) level += 1
    const code = error < 0 ? lowerNegative(level) : LOWER_POSITIVE_FIRST - level
    const embedded = code >> 2
    const difference = (band.scale * (LOWER_4_BIT[embedded] ?? 0)) >> 15
    band.adaptScale(LOWER_WEIGHT[embedded] ?? 0, LOWER_LOG_MAX, 8)
    band.adaptPredictor(difference)
    return code
  }

  #encodeUpper(sample: number): number {
    const band = this.#upper
    const error = clamp15(sample - band.predicted)
    const magnitude = error < 0 ? -error - 1 : error
    const isLarge = magnitude >= (UPPER_LEVEL * band.scale) >> 12
    const code = error < 0 ? (isLarge ? 0 : 1) : isLarge ? 2 : 3
    const difference = (band.scale * (UPPER_2_BIT[code] ?? 0)) >> 15
    band.adaptScale(UPPER_WEIGHT[code] ?? 0, UPPER_LOG_MAX, 10)
    band.adaptPredictor(difference)
    return code
  }
}

function lowerNegative(level: number): number {
  return level < 2 ? 63 - level : LOWER_NEGATIVE_FIRST - (level - 2)
}

function clamp15(value: number): number {
  return Math.max(-32_768, Math.min(32_767, value))
}
