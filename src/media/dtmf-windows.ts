import { GROUP_SIZE, TONES_HZ, toneTables, type ToneTables } from './dtmf-tables.ts'

/** Deviation of the frequency, of itself: ITU-T Q.24 wants 1.5 % accepted and 3.5 % rejected. */
export const DEVIATION_MAX = 0.0225
/** By how much a frequency may move within 5 ms. Keys do not move at all, noise makes 1 Hz, or 3; voices glide. */
export const GLIDE_HZ_MAX = 5
/** The high tone against the low one, dB: ITU-T Q.24 wants 4 dB more and 8 dB less accepted. */
export const TWIST_DB_MAX = 6
export const TWIST_DB_MIN = -10
/** Of the energy, the least that is in the two tones; with noise 15 dB below them it is 97 %. Speech spreads. */
export const SHARE_MIN = 0.8
/** Amplitude of 16 bits of the weaker tone: about -40 dBm0; an echo of a loud tone is still heard. */
export const AMPLITUDE_MIN = 220
/** Windows remembered for finding where a tone began; a power of two. 160 ms. */
export const WINDOWS_REMEMBERED = 32

/** Of the energy of one window, the least in two tones for more to be measured. */
const SHARE_LIKELY = 0.6
const MASK = WINDOWS_REMEMBERED - 1
const TONES = TONES_HZ.length

/**
 * Measures windows of 20 ms, one every 5 ms: the amplitude of each of the eight tones, its frequency by the advance of its phase, and
 * the share of the energy. Remembers the last {@link WINDOWS_REMEMBERED}, by a number that counts up.
 */
export class DtmfWindows {
  readonly #tables: ToneTables
  readonly #hertzPerBin: number
  readonly #real = new Float32Array(WINDOWS_REMEMBERED * TONES)
  readonly #imaginary = new Float32Array(WINDOWS_REMEMBERED * TONES)
  readonly #middle = new Float64Array(WINDOWS_REMEMBERED)
  /** How far each tone was from its frequency when it was the strongest of its group last, in bins. */
  readonly #bins = new Float64Array(TONES)
  #newest = -1
  #inRow = 0
  #low = 0
  #high = GROUP_SIZE
  #isKey = false

  constructor(sampleRate: number) {
    this.#tables = toneTables(sampleRate)
    this.#hertzPerBin = sampleRate / this.#tables.window
  }

  /** Samples in a window, and from one to the next. */
  get length(): number {
    return this.#tables.window
  }

  get hop(): number {
    return this.#tables.hop
  }

  /** Number of the window measured last. */
  get newest(): number {
    return this.#newest
  }

  /** Windows measured without a break, at most those remembered. */
  get inRow(): number {
    return Math.min(this.#inRow, WINDOWS_REMEMBERED)
  }

  /** The strongest tones of the newest window, 0..3 and 4..7, and whether they are those of a key. */
  get low(): number {
    return this.#low
  }

  get high(): number {
    return this.#high
  }

  get isKey(): boolean {
    return this.#isKey
  }

  /** Positions have `times` as many samples from now on. */
  rescale(times: number): void {
    for (let window = 0; window < WINDOWS_REMEMBERED; window++)
      this.#middle[window] = (this.#middle[window] ?? 0) * times
  }

  /** The next window has nothing to do with the one before. */
  break(): void {
    this.#inRow = 0
  }

  /** One window looked at by itself: false for most of what is no key. */
  isLikely(audio: Int16Array, start: number): boolean {
    // In the place of the next one, which will be written over it.
    const slot = this.#slot(this.#newest + 1)
    const energy = this.#transform(audio, start, slot)
    const power = this.#power(slot + this.#strongest(slot, 0)) + this.#power(slot + this.#strongest(slot, GROUP_SIZE))
    return 3 * power >= SHARE_LIKELY * this.length * energy
  }

  /** @param middle position of the middle of the window, as the caller counts */
  measure(audio: Int16Array, start: number, middle: number): void {
    this.#newest += 1
    this.#inRow += 1
    const slot = this.#slot(this.#newest)
    this.#middle[this.#newest & MASK] = middle
    const energy = this.#transform(audio, start, slot)
    this.#low = this.#strongest(slot, 0)
    this.#high = this.#strongest(slot, GROUP_SIZE)
    this.#isKey = this.#hasKey(slot, energy)
  }

  middleOf(window: number): number {
    return this.#middle[window & MASK] ?? 0
  }

  powerOf(window: number, tone: number): number {
    return this.#power(this.#slot(window) + tone)
  }

  #slot(window: number): number {
    return (window & MASK) * TONES
  }

  /** The windowed transform at each tone; gives the energy of the windowed signal. */
  #transform(audio: Int16Array, start: number, slot: number): number {
    const { window, cosine, sine, weightSquared } = this.#tables
    let energy = 0
    for (let i = 0; i < window; i++) {
      const sample = audio[start + i] ?? 0
      energy += (weightSquared[i] ?? 0) * sample * sample
    }
    for (let tone = 0; tone < TONES; tone++) {
      const row = tone * window
      let real = 0
      let imaginary = 0
      for (let i = 0; i < window; i++) {
        const sample = audio[start + i] ?? 0
        real += (cosine[row + i] ?? 0) * sample
        imaginary -= (sine[row + i] ?? 0) * sample
      }
      this.#real[slot + tone] = real
      this.#imaginary[slot + tone] = imaginary
    }
    return energy
  }

  #strongest(slot: number, first: number): number {
    let best = first
    for (let tone = first + 1; tone < first + GROUP_SIZE; tone++) {
      if (this.#power(slot + tone) > this.#power(slot + best)) best = tone
    }
    return best
  }

  #power(at: number): number {
    return (this.#real[at] ?? 0) ** 2 + (this.#imaginary[at] ?? 0) ** 2
  }

  #hasKey(slot: number, energy: number): boolean {
    const [low, high, size] = [this.#low, this.#high, this.length]
    // A sine of amplitude a gives (a * size / 4) ** 2 here, and a ** 2 * 3/16 * size to the energy.
    const least = (AMPLITUDE_MIN * size) / 4
    const [lowPower, highPower] = [this.#power(slot + low), this.#power(slot + high)]
    if (this.#inRow < 3 || Math.min(lowPower, highPower) < least * least) return false
    const twistDb = 10 * Math.log10(highPower / lowPower)
    if (twistDb > TWIST_DB_MAX || twistDb < TWIST_DB_MIN) return false
    const lowBins = this.#deviation(low)
    const highBins = this.#deviation(high)
    const isExact = this.#isExact(low, lowBins) && this.#isExact(high, highBins)
    this.#bins[low] = lowBins
    this.#bins[high] = highBins
    if (!isExact) return false
    const share = (3 * (lowPower / hannPower(lowBins) + highPower / hannPower(highBins))) / (size * energy)
    return share >= SHARE_MIN
  }

  /** How far the frequency of a tone is from where it should be, in bins of the window. */
  #deviation(tone: number): number {
    const now = this.#slot(this.#newest) + tone
    const before = this.#slot(this.#newest - 2) + tone
    const [real, imaginary] = [this.#real[now] ?? 0, this.#imaginary[now] ?? 0]
    const [realBefore, imaginaryBefore] = [this.#real[before] ?? 0, this.#imaginary[before] ?? 0]
    // The window now times the conjugate of the one two hops ago, turned back by what the exact tone would have moved on.
    const x = real * realBefore + imaginary * imaginaryBefore
    const y = imaginary * realBefore - real * imaginaryBefore
    const [cosine, sine] = [this.#tables.advanceCosine[tone] ?? 1, this.#tables.advanceSine[tone] ?? 0]
    // Two hops are half a window: half a turn is one bin.
    return Math.atan2(y * cosine - x * sine, x * cosine + y * sine) / Math.PI
  }

  /** The frequency is near enough to that of the tone, and to where it was 5 ms ago. */
  #isExact(tone: number, bins: number): boolean {
    if (Math.abs(bins) * this.#hertzPerBin > DEVIATION_MAX * (TONES_HZ[tone] ?? 0)) return false
    return Math.abs(bins - (this.#bins[tone] ?? 0)) * this.#hertzPerBin <= GLIDE_HZ_MAX
  }
}

/** Power that a Hann window has `bins` beside the middle of a tone, relative to the middle. */
function hannPower(bins: number): number {
  if (Math.abs(bins) < 1e-6) return 1
  return (Math.sin(Math.PI * bins) / (Math.PI * bins * (1 - bins * bins))) ** 2
}
