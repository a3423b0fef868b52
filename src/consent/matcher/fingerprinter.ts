import { RealFft } from './real-fft.ts'

/** The audio that is compared, in samples a second. */
export const MATCHER_RATE = 8_000
/** 128 ms. Haitsma and Kalker take 370 ms for music; speech changes faster. */
export const WINDOW_SAMPLES = 1_024
/** 32 ms. */
export const HOP_SAMPLES = 256
/** Bits of a word: differences between neighbours of so many bands and one more. */
export const WORD_BITS = 24
export const BANDS = WORD_BITS + 1
const LOWEST_HZ = 300
const HIGHEST_HZ = 3_400
/** Mean square of the samples of a window, below which it is silent and its word says nothing: one step of 16-bit audio. */
const SILENT_POWER = 1
/** Steps of a level, for each decibel. */
export const LEVELS_PER_DB = 2
/** Energy of a band at level 0: no more than rounding to 16 bits leaves there. Full scale is at level 230. */
const LEVEL_0_DB = 25
/** Words of silent windows, in turns: half of their bits are wrong against any prompt, as in sound that has nothing to do with it. */
const SILENT_WORDS = [0x55_55_55, 0xaa_aa_aa] as const

const WINDOW = Float64Array.from(
  { length: WINDOW_SAMPLES },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / WINDOW_SAMPLES),
)
/** First bin of each band, and the end of the last one. */
const EDGES = Uint16Array.from({ length: BANDS + 1 }, (_, band) =>
  Math.round(((LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (band / BANDS)) / MATCHER_RATE) * WINDOW_SAMPLES),
)
const FIRST_BIN = EDGES[0] ?? 0
const END_BIN = EDGES[BANDS] ?? 0

/**
 * Makes the fingerprint of audio at {@link MATCHER_RATE}: a word of {@link WORD_BITS} bits for each window. Bit m says whether
 * the energy of band m less that of band m + 1 has grown since the window {@link HOP_SAMPLES} before: a sign, so levels do not matter.
 *
 * @see Haitsma and Kalker, A Highly Robust Audio Fingerprinting System, ISMIR 2002, section 4.2
 */
export class Fingerprinter {
  readonly #fft = new RealFft(WINDOW_SAMPLES)
  readonly #ring = new Float64Array(WINDOW_SAMPLES)
  readonly #power = new Float64Array(WINDOW_SAMPLES / 2)
  readonly #step: number
  /** Energies of the bands of the last windows, up to one hop back. */
  readonly #bands: Float64Array
  readonly #windowsPerHop: number
  #window = 0
  #samples = 0
  #isSilent = true
  /** By how much each difference has changed, with its sign; of the last word. */
  readonly changes = new Float64Array(WORD_BITS)
  /** Whether the last samples that were taken completed a word, and which. */
  hasWord = false
  word = 0

  /** @param step samples from a window to the next: {@link HOP_SAMPLES}, or a whole part of it */
  constructor(step: number = HOP_SAMPLES) {
    this.#step = step
    this.#windowsPerHop = HOP_SAMPLES / step
    this.#bands = new Float64Array(BANDS * (this.#windowsPerHop + 1))
  }

  /** Energy of all bands of the last window, to be compared with that of others. */
  get energy(): number {
    let sum = 0
    for (let at = 0; at < BANDS; at++) sum += this.#bands[this.#row(this.#window - 1) + at] ?? 0
    return sum
  }

  /** Writes the levels of the {@link BANDS} bands of the last window to `levels`, from `at` on. */
  writeLevels(levels: Uint8Array, at: number): void {
    const row = this.#row(this.#window - 1)
    for (let band = 0; band < BANDS; band++) {
      const db = 10 * Math.log10(1 + (this.#bands[row + band] ?? 0)) - LEVEL_0_DB
      levels[at + band] = Math.max(0, Math.min(255, Math.round(LEVELS_PER_DB * db)))
    }
  }

  /**
   * Takes samples until the next word is there.
   *
   * @returns how many samples of `samples`, from `at` on, were taken; the word is in `word` if `hasWord`
   */
  take(samples: Int16Array | Float64Array, at: number): number {
    const inStep = this.#samples % this.#step
    const count = Math.min(this.#step - inStep, samples.length - at)
    const mask = WINDOW_SAMPLES - 1
    for (let i = 0; i < count; i++) this.#ring[(this.#samples + i) & mask] = samples[at + i] ?? 0
    this.#samples += count
    this.hasWord = false
    if (inStep + count === this.#step && this.#samples >= WINDOW_SAMPLES) this.#measure()
    return count
  }

  #measure(): void {
    const oldest = this.#samples & (WINDOW_SAMPLES - 1)
    this.#fft.power({ samples: this.#ring, oldest, window: WINDOW }, this.#power, FIRST_BIN, END_BIN)
    const row = this.#row(this.#window)
    let total = 0
    for (let band = 0; band < BANDS; band++) {
      let sum = 0
      const end = EDGES[band + 1] ?? 0
      for (let bin = EDGES[band] ?? 0; bin < end; bin++) sum += this.#power[bin] ?? 0
      this.#bands[row + band] = sum
      total += sum
    }
    // Parseval: of the sum of |X|² half belongs to the positive frequencies; the window takes away 5/8 of the power.
    this.#isSilent = total < (SILENT_POWER * WINDOW_SAMPLES * WINDOW_SAMPLES * 0.375) / 2
    if (this.#window >= this.#windowsPerHop) this.#compare(row, this.#row(this.#window - this.#windowsPerHop))
    this.#window += 1
  }

  #compare(now: number, before: number): void {
    const bands = this.#bands
    let word = 0
    for (let bit = 0; bit < WORD_BITS; bit++) {
      const change =
        (bands[now + bit] ?? 0) -
        (bands[now + bit + 1] ?? 0) -
        (bands[before + bit] ?? 0) +
        (bands[before + bit + 1] ?? 0)
      this.changes[bit] = change
      if (change > 0) word |= 1 << bit
    }
    this.word = this.#isSilent ? (SILENT_WORDS[this.#window & 1] ?? 0) : word
    this.hasWord = true
  }

  #row(window: number): number {
    return (window % (this.#windowsPerHop + 1)) * BANDS
  }
}
