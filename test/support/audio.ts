/** Two stretches of audio compared: how alike they are at the best shift, and that shift. */
export interface AudioMatch {
  /** Normalised cross-correlation over the overlap at {@link lag}, -1..1. */
  readonly correlation: number
  /** Samples by which `heard` comes later than `reference` (negative: earlier). Exact to one sample. */
  readonly lag: number
}

export interface MatchOptions {
  /** Shifts looked at, in samples, both ways. Default: half of the shorter signal. */
  readonly lagMax?: number
  /** Shortest overlap that counts, in samples. Default: half of the shorter signal. */
  readonly overlapMin?: number
}

/**
 * Finds the shift at which `heard` is most like `reference`, and how alike they are there.
 *
 * Plain normalised cross-correlation, numerators by FFT, energies by running sums; so the correlation of a signal with
 * itself is 1 at any gain, and that with unrelated speech well below 0.3.
 */
export function matchAudio(reference: Int16Array, heard: Int16Array, options: MatchOptions = {}): AudioMatch {
  const shorter = Math.min(reference.length, heard.length)
  const overlapMin = Math.max(1, options.overlapMin ?? Math.floor(shorter / 2))
  const lagMax = options.lagMax ?? Math.floor(shorter / 2)
  const products = crossProducts(reference, heard)
  const referenceEnergy = runningEnergy(reference)
  const heardEnergy = runningEnergy(heard)
  let best: AudioMatch = { correlation: Number.NEGATIVE_INFINITY, lag: 0 }
  for (let lag = -lagMax; lag <= lagMax; lag++) {
    const from = Math.max(0, -lag)
    const to = Math.min(reference.length, heard.length - lag)
    if (to - from < overlapMin) continue
    const energy =
      ((referenceEnergy[to] ?? 0) - (referenceEnergy[from] ?? 0)) *
      ((heardEnergy[to + lag] ?? 0) - (heardEnergy[from + lag] ?? 0))
    if (energy <= 0) continue
    const product = products[(lag + products.length) % products.length] ?? 0
    const correlation = product / Math.sqrt(energy)
    if (correlation > best.correlation) best = { correlation, lag }
  }
  return Number.isFinite(best.correlation) ? best : { correlation: 0, lag: 0 }
}

/** Element `lag` (or `lag + length` when negative) is the sum over i of reference[i] * heard[i + lag]. */
function crossProducts(reference: Int16Array, heard: Int16Array): Float64Array {
  let size = 1
  while (size < reference.length + heard.length) size *= 2
  const left = {
    real: Float64Array.from({ length: size }, (_, i) => reference[i] ?? 0),
    imaginary: new Float64Array(size),
  }
  const right = {
    real: Float64Array.from({ length: size }, (_, i) => heard[i] ?? 0),
    imaginary: new Float64Array(size),
  }
  transform(left)
  transform(right)
  // conj(left) * right, and the inverse transform as the conjugate of the forward one.
  for (let i = 0; i < size; i++) {
    const [a, b] = [left.real[i] ?? 0, left.imaginary[i] ?? 0]
    const [c, d] = [right.real[i] ?? 0, right.imaginary[i] ?? 0]
    left.real[i] = a * c + b * d
    left.imaginary[i] = -(a * d - b * c)
  }
  transform(left)
  return left.real.map((value) => value / size)
}

interface Complex {
  readonly real: Float64Array
  readonly imaginary: Float64Array
}

/** In-place radix-2 FFT (Cooley and Tukey); the length is a power of two. */
function transform({ real, imaginary }: Complex): void {
  const size = real.length
  bitReverse(real)
  bitReverse(imaginary)
  for (let span = 2; span <= size; span *= 2) {
    const half = span / 2
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((-2 * Math.PI * k) / span)
      const sine = Math.sin((-2 * Math.PI * k) / span)
      for (let even = k; even < size; even += span) {
        const odd = even + half
        const [x, y] = [real[odd] ?? 0, imaginary[odd] ?? 0]
        const turnedReal = x * cosine - y * sine
        const turnedImaginary = x * sine + y * cosine
        real[odd] = (real[even] ?? 0) - turnedReal
        imaginary[odd] = (imaginary[even] ?? 0) - turnedImaginary
        real[even] = (real[even] ?? 0) + turnedReal
        imaginary[even] = (imaginary[even] ?? 0) + turnedImaginary
      }
    }
  }
}

function bitReverse(values: Float64Array): void {
  const size = values.length
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) [values[i], values[j]] = [values[j] ?? 0, values[i] ?? 0]
  }
}

function runningEnergy(samples: Int16Array): Float64Array {
  const sums = new Float64Array(samples.length + 1)
  for (let i = 0; i < samples.length; i++) sums[i + 1] = (sums[i] ?? 0) + (samples[i] ?? 0) ** 2
  return sums
}

/** Root-mean-square level of each whole window, 0..32767. */
export function energyEnvelope(samples: Int16Array, windowSamples: number): Float64Array {
  const windows = Math.floor(samples.length / windowSamples)
  const sums = runningEnergy(samples)
  return Float64Array.from({ length: windows }, (_, window) => {
    const energy = (sums[(window + 1) * windowSamples] ?? 0) - (sums[window * windowSamples] ?? 0)
    return Math.sqrt(energy / windowSamples)
  })
}

/** Stretches of at least `minSamples` whose windows (of `windowSamples`) are all at or below `level`, as [from, to). */
export function silentStretches(
  samples: Int16Array,
  options: { readonly windowSamples: number; readonly minSamples: number; readonly level: number },
): readonly { readonly fromSample: number; readonly toSample: number }[] {
  const { windowSamples, minSamples, level } = options
  const stretches: { fromSample: number; toSample: number }[] = []
  energyEnvelope(samples, windowSamples).forEach((value, window) => {
    if (value > level) return
    const fromSample = window * windowSamples
    const last = stretches.at(-1)
    if (last?.toSample === fromSample) last.toSample += windowSamples
    else stretches.push({ fromSample, toSample: fromSample + windowSamples })
  })
  return stretches.filter(({ fromSample, toSample }) => toSample - fromSample >= minSamples)
}

/** A sine of this frequency; amplitude 0..1 of full scale. */
export function tone(options: {
  readonly frequency: number
  readonly sampleRate: number
  readonly samples: number
  readonly amplitude?: number
}): Int16Array {
  const { frequency, sampleRate, samples, amplitude = 0.5 } = options
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.round(32_767 * amplitude * Math.sin((2 * Math.PI * frequency * i) / sampleRate)),
  )
}

/** White noise that is the same for the same seed: the sharpest signal for finding shifts. Amplitude 0..1 of full scale. */
/** Amplitude of a sine of this frequency in the audio, 1 is full scale: the Goertzel algorithm. */
export function toneAmplitude(samples: Int16Array, frequency: number, sampleRate: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / sampleRate)
  let [before, last] = [0, 0]
  for (const sample of samples) {
    const next = sample / 32_768 + coefficient * last - before
    before = last
    last = next
  }
  const power = before * before + last * last - coefficient * before * last
  return (2 * Math.sqrt(Math.max(0, power))) / Math.max(1, samples.length)
}

export function noise(options: {
  readonly seed: number
  readonly samples: number
  readonly amplitude?: number
}): Int16Array {
  let state = options.seed >>> 0 || 1
  return Int16Array.from({ length: options.samples }, () => {
    // xorshift32 (Marsaglia)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return Math.round(((state | 0) / 0x8000_0000) * 32_767 * (options.amplitude ?? 0.5))
  })
}

/** `samples`, later by `shift` samples of silence (or with that many cut off, when negative). */
export function shifted(samples: Int16Array, shift: number): Int16Array {
  if (shift < 0) return samples.slice(-shift)
  const result = new Int16Array(samples.length + shift)
  result.set(samples, shift)
  return result
}
