import { GROUP_SIZE, TONES_HZ } from './dtmf-tables.ts'

/** Root mean square below which nothing is looked at: the weakest pair of tones has twice as much. */
export const SCREEN_LEVEL_MIN = 150
/** Of the energy, the least in the strongest low and the strongest high tone together, and in each of them. */
const SHARE_MIN = 0.5
const GROUP_SHARE_MIN = 0.04

/**
 * Says cheaply where audio may have a pair of DTMF tones: blocks of 13 ms, one every 26 ms, so that of any 40 ms one is whole; at half
 * the rate, since the tones are below 1.7 kHz. It may be wrong in one direction only: nearly every true tone is suspect.
 */
export class DtmfScreen {
  /** Samples looked at, ending where the caller says. */
  readonly block: number
  /** Samples from one block to the next. */
  readonly stride: number
  readonly #coefficients: Float64Array
  /** From the power of a Goertzel filter over the halved block to the energy of the tone in the whole one. */
  readonly #scales: Float64Array
  readonly #halved: Float32Array

  constructor(sampleRate: number) {
    this.block = 2 * Math.round((0.013 * sampleRate) / 2)
    this.stride = 2 * this.block
    const half = this.block / 2
    this.#halved = new Float32Array(half)
    this.#coefficients = Float64Array.from(TONES_HZ, (hertz) => 2 * Math.cos((2 * Math.PI * hertz * 2) / sampleRate))
    // Two neighbours added weaken a tone to cos(pi * f / rate) of twice its amplitude.
    this.#scales = Float64Array.from(
      TONES_HZ,
      (hertz) => this.block / 2 / ((2 * Math.cos((Math.PI * hertz) / sampleRate) * half) / 2) ** 2,
    )
  }

  /** @param end index behind the block's last sample */
  isSuspect(audio: Int16Array, end: number): boolean {
    const start = end - this.block
    let energy = 0
    for (let i = 0; i < this.#halved.length; i++) {
      const first = audio[start + 2 * i] ?? 0
      const second = audio[start + 2 * i + 1] ?? 0
      energy += first * first + second * second
      this.#halved[i] = first + second
    }
    if (energy < SCREEN_LEVEL_MIN * SCREEN_LEVEL_MIN * this.block) return false
    const low = this.#strongest(0)
    if (low < GROUP_SHARE_MIN * energy) return false
    const high = this.#strongest(GROUP_SIZE)
    return high >= GROUP_SHARE_MIN * energy && low + high >= SHARE_MIN * energy
  }

  /** Energy of the strongest tone of a group. */
  #strongest(first: number): number {
    let strongest = 0
    for (let tone = first; tone < first + GROUP_SIZE; tone++) {
      const coefficient = this.#coefficients[tone] ?? 0
      let before = 0
      let last = 0
      for (let i = 0; i < this.#halved.length; i++) {
        const next = (this.#halved[i] ?? 0) + coefficient * last - before
        before = last
        last = next
      }
      const power = before * before + last * last - coefficient * before * last
      strongest = Math.max(strongest, power * (this.#scales[tone] ?? 0))
    }
    return strongest
  }
}
