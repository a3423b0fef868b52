/** Taps on each side of a sample, in samples of the lower rate: 80 dB of attenuation beyond a transition of a tenth of that rate. */
const HALF_TAPS = 24
/** Where the transition is centred, as a part of the lower rate's half. */
const CUTOFF = 0.92
/** Of the Kaiser window: side lobes 80 dB down. */
const KAISER_BETA = 7.86

interface Filter {
  /** Output samples per `down` input samples, lowest terms. */
  readonly up: number
  readonly down: number
  /** Input samples on each side. */
  readonly half: number
  /** `up` phases of `2 * half` taps. */
  readonly taps: Float64Array
}

const filters = new Map<string, Filter>()

/**
 * Changes the sample rate of one stream, packet by packet: a polyphase filter with a Kaiser-windowed sinc.
 *
 * Output sample m belongs to the instant of input sample m * from / to, counted from the same zero, so packets of any length fit together to the
 * sample. The sound comes later by {@link delaySamples}. Rates are trusted to be a handful of usual ones: each pair has a table of its own.
 */
export class Resampler {
  readonly #filter: Filter
  /** The last `2 * half` input samples. */
  readonly #history: Int16Array
  #nextIndex: number | undefined

  constructor(fromRate: number, toRate: number) {
    this.#filter = filterFor(fromRate, toRate)
    this.#history = new Int16Array(2 * this.#filter.half)
  }

  /** How much later the sound comes, in input samples. */
  get delaySamples(): number {
    return this.#filter.half
  }

  /**
   * @param fromIndex of the first sample in `input`, counted at the input rate; where it does not follow what came before, the filter starts
   * from silence
   */
  resample(input: Int16Array, fromIndex: number): Int16Array {
    const { up, down, half, taps } = this.#filter
    if (this.#nextIndex !== fromIndex) this.#history.fill(0)
    this.#nextIndex = fromIndex + input.length
    const joined = new Int16Array(this.#history.length + input.length)
    joined.set(this.#history)
    joined.set(input, this.#history.length)
    const first = Math.round((fromIndex * up) / down)
    const output = new Int16Array(Math.round(((fromIndex + input.length) * up) / down) - first)
    // Input index and phase of each output sample, in whole numbers.
    let index = Math.floor((first * down) / up)
    let phase = first * down - index * up
    for (let m = 0; m < output.length; m++) {
      // Taps cover the input samples (index - 2 * half, index].
      let at = index - fromIndex + 1
      let sum = 0
      for (let tap = phase * 2 * half; tap < (phase + 1) * 2 * half; tap++) {
        sum += (taps[tap] ?? 0) * (joined[at] ?? 0)
        at += 1
      }
      output[m] = Math.max(-32_768, Math.min(32_767, Math.round(sum)))
      phase += down
      while (phase >= up) {
        phase -= up
        index += 1
      }
    }
    this.#history.set(joined.subarray(input.length))
    return output
  }
}

function filterFor(fromRate: number, toRate: number): Filter {
  const key = `${fromRate} ${toRate}`
  const known = filters.get(key)
  if (known !== undefined) return known
  const divisor = greatestCommonDivisor(fromRate, toRate)
  const up = toRate / divisor
  const lower = Math.min(1, toRate / fromRate)
  const half = Math.ceil(HALF_TAPS / lower)
  const taps = new Float64Array(up * 2 * half)
  for (let phase = 0; phase < up; phase++) {
    let sum = 0
    for (let tap = 0; tap < 2 * half; tap++) {
      // Distance from the tap to the delayed instant, in input samples.
      const distance = tap + 1 - half - phase / up
      const value = sinc(distance * lower * CUTOFF) * kaiser(distance / half)
      taps[phase * 2 * half + tap] = value
      sum += value
    }
    for (let tap = 0; tap < 2 * half; tap++) taps[phase * 2 * half + tap] = (taps[phase * 2 * half + tap] ?? 0) / sum
  }
  const filter = { up, down: fromRate / divisor, half, taps }
  filters.set(key, filter)
  return filter
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}

function kaiser(x: number): number {
  return Math.abs(x) >= 1 ? 0 : besselI0(KAISER_BETA * Math.sqrt(1 - x * x)) / besselI0(KAISER_BETA)
}

/** Modified Bessel function of the first kind and order 0, by its series. */
function besselI0(x: number): number {
  let sum = 1
  let term = 1
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right)
}
