import type { DtmfDigit } from '../protocol/rtp/telephone-event.ts'

/** The eight tones, four low and four high. ITU-T Q.23 */
export const TONES_HZ = [697, 770, 852, 941, 1_209, 1_336, 1_477, 1_633] as const
/** Tones of each group. */
export const GROUP_SIZE = 4

const KEYS = ['123A', '456B', '789C', '*0#D']

/** The key of a low and a high tone, 0..3 each. ITU-T Q.23 */
export function keyOf(low: number, high: number): DtmfDigit {
  return (KEYS[low]?.[high] ?? '*') as DtmfDigit
}

/** What the detector multiplies samples with, for one sample rate. */
export interface ToneTables {
  /** Samples between two windows: 5 ms. */
  readonly hop: number
  /** Samples in a window: 20 ms. */
  readonly window: number
  /** Hann window, squared: for the energy of the windowed signal. */
  readonly weightSquared: Float32Array
  /** Hann window times cosine, and times sine, of each tone: row after row of `window` values. */
  readonly cosine: Float32Array
  readonly sine: Float32Array
  /** By how much the phase of each tone moves on in two hops: cosine and sine of it. */
  readonly advanceCosine: Float64Array
  readonly advanceSine: Float64Array
}

/** Most recorders hear little else than 8 kHz: one set of tables for all of those streams. */
const COMMON_RATE = 8_000
let common: ToneTables | undefined

/** @param sampleRate 8,000 to 16,000, samples a second */
export function toneTables(sampleRate: number): ToneTables {
  if (sampleRate !== COMMON_RATE) return makeTables(sampleRate)
  common ??= makeTables(sampleRate)
  return common
}

function makeTables(sampleRate: number): ToneTables {
  const hop = Math.round(sampleRate / 200)
  const window = 4 * hop
  const hann = Float64Array.from({ length: window }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / window))
  const rows = (wave: (radians: number) => number): Float32Array =>
    Float32Array.from({ length: TONES_HZ.length * window }, (_, at) => {
      const i = at % window
      const hertz = TONES_HZ[Math.floor(at / window)] ?? 0
      return (hann[i] ?? 0) * wave((2 * Math.PI * hertz * i) / sampleRate)
    })
  const advance = TONES_HZ.map((hertz) => (2 * Math.PI * hertz * 2 * hop) / sampleRate)
  return {
    hop,
    window,
    weightSquared: Float32Array.from(hann, (weight) => weight * weight),
    cosine: rows(Math.cos),
    sine: rows(Math.sin),
    advanceCosine: Float64Array.from(advance, Math.cos),
    advanceSine: Float64Array.from(advance, Math.sin),
  }
}
