/** Longest stretch that is filled; what is missing longer is silence from there on. ITU-T G.711 Appendix I */
export const CONCEALMENT_MAX_MS = 60
/** Audio on either side of a gap that is looked at: three longest pitch periods and the cross-fade of one, 390 samples at 8 kHz. */
export const CONCEALMENT_CONTEXT_MS = 48.75

/** Voices from 66 to 200 Hz; higher ones are found at a multiple of their period, which repeats as well. */
const PITCH_MIN_MS = 5
const PITCH_MAX_MS = 15
/** Stretch over which a period is sought. */
const CORRELATION_MS = 20
/** The coarse search looks at so many samples a second; the fine one at all. */
const COARSE_RATE = 4_000
/** Energy, in mean squares, below which nothing is believed to be a period. */
const ENERGY_MIN = 900
/** The first of it keeps its level; then it falls in a straight line, to reach nothing after {@link CONCEALMENT_MAX_MS}. */
const LEVEL_MS = 10
/** The end of a gap is cross-faded over so much to what the audio behind it continues backwards to. */
const JOIN_MS = 20
/** The step from the last sample before a gap into it is spread over so much. */
const STEP_MS = 2
/** Where nothing follows, the end is faded out. */
const FADE_OUT_MS = 5

/** What is known around a stretch that is missing. */
export interface Erasure {
  /** The last samples before it: {@link Concealer.contextSamples}, zeros in front where there is less. */
  readonly before: Int16Array
  /** The first samples behind it, of the same length, zeros at the end; undefined when nothing follows that may be used. */
  readonly after: Int16Array | undefined
  readonly samples: number
}

/**
 * Makes up the audio of a short loss: repeats the last pitch period of what came before, as ITU-T G.711 Appendix I does, and,
 * because a recorder knows what comes next, fades over to the next period of what follows, repeated backwards.
 *
 * Unlike Appendix I it changes no received sample: all cross-fades lie inside the gap, so that what is made up is exactly what the
 * gap says. No sample is louder than the loudest around it. Any sample rate that is a multiple of 4000 Hz.
 */
export class Concealer {
  /** Length of {@link Erasure.before} and `after`. */
  readonly contextSamples: number
  readonly #sampleRate: number
  readonly #forward: Float32Array
  readonly #backward: Float32Array
  readonly #reversed: Int16Array
  readonly #cycle: Float32Array
  readonly #filled: Int16Array

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate
    this.contextSamples = this.#samples(CONCEALMENT_CONTEXT_MS)
    this.#forward = new Float32Array(this.#samples(CONCEALMENT_MAX_MS))
    this.#backward = new Float32Array(this.#samples(JOIN_MS))
    this.#reversed = new Int16Array(this.contextSamples)
    this.#cycle = new Float32Array(3 * this.#samples(PITCH_MAX_MS))
    this.#filled = new Int16Array(this.#samples(CONCEALMENT_MAX_MS))
  }

  /** The first {@link CONCEALMENT_MAX_MS} of the erasure, or all of it when it is shorter; valid until the next call. */
  conceal({ before, after, samples }: Erasure): Int16Array {
    const length = Math.min(samples, this.#filled.length)
    const forward = this.#forward.subarray(0, length)
    this.#continue(before, forward)
    this.#attenuate(forward)
    if (after === undefined || samples > length) this.#fadeOut(forward)
    else this.#join(forward, after)
    const peak = Math.max(peakOf(before), after === undefined ? 0 : peakOf(after))
    for (let i = 0; i < length; i++) {
      this.#filled[i] = Math.round(Math.max(-peak, Math.min(peak, forward[i] ?? 0)))
    }
    return this.#filled.subarray(0, length)
  }

  /** Writes into `out` what `context` goes on to when its last period repeats. */
  #continue(context: Int16Array, out: Float32Array): void {
    const period = this.#pitchPeriod(context)
    // One period repeated for long sounds like a machine: longer gaps repeat two or three (Appendix I.2.6).
    const periods = Math.min(3, Math.ceil(out.length / this.#samples(2 * LEVEL_MS)))
    const length = Math.max(1, periods) * period
    const fade = period >> 2
    const start = context.length - length
    for (let i = 0; i < length; i++) {
      const weight = Math.max(0, (i - (length - fade) + 1) / (fade + 1))
      // The end of the cycle runs over into what came before its beginning, so that it repeats without a seam.
      const earlier = weight === 0 ? 0 : (context[start + i - length] ?? context[start + i - period] ?? 0)
      this.#cycle[i] = (context[start + i] ?? 0) * (1 - weight) + earlier * weight
    }
    for (let i = 0, at = 0; i < out.length; i++) {
      out[i] = this.#cycle[at] ?? 0
      at = at + 1 === length ? 0 : at + 1
    }
    this.#spreadStep(context, out)
  }

  /** Takes the step out between the context's end and `out`: where the one was going, less and less. */
  #spreadStep(context: Int16Array, out: Float32Array): void {
    const last = context.at(-1) ?? 0
    const step = 2 * last - (context.at(-2) ?? last) - (out[0] ?? 0)
    const spread = Math.min(out.length, this.#samples(STEP_MS))
    for (let i = 0; i < spread; i++) out[i] = (out[i] ?? 0) + step * (1 - (i + 1) / (spread + 1))
  }

  #attenuate(out: Float32Array): void {
    const level = this.#samples(LEVEL_MS)
    const rest = this.#samples(CONCEALMENT_MAX_MS) - level
    for (let i = level; i < out.length; i++) out[i] = (out[i] ?? 0) * (1 - (i - level) / rest)
  }

  #fadeOut(out: Float32Array): void {
    const fade = Math.min(out.length, this.#samples(FADE_OUT_MS))
    for (let i = 0; i < fade; i++) {
      const at = out.length - 1 - i
      out[at] = (out[at] ?? 0) * ((i + 1) / (fade + 1))
    }
  }

  #join(out: Float32Array, after: Int16Array): void {
    for (let i = 0; i < this.#reversed.length; i++) this.#reversed[i] = after[this.#reversed.length - 1 - i] ?? 0
    const backward = this.#backward.subarray(0, Math.min(out.length, this.#backward.length))
    this.#continue(this.#reversed, backward)
    const length = backward.length
    for (let i = 0; i < length; i++) {
      const at = out.length - length + i
      const weight = (i + 1) / (length + 1)
      out[at] = (out[at] ?? 0) * (1 - weight) + (backward[length - 1 - i] ?? 0) * weight
    }
  }

  /** Samples after which the end of `context` is most like itself: coarsely first, then exactly. */
  #pitchPeriod(context: Int16Array): number {
    const step = Math.max(1, Math.floor(this.#sampleRate / COARSE_RATE))
    const [least, most] = [this.#samples(PITCH_MIN_MS), this.#samples(PITCH_MAX_MS)]
    const coarse = this.#mostAlike(context, { from: least, to: most, step })
    return this.#mostAlike(context, {
      from: Math.max(least, coarse - step),
      to: Math.min(most, coarse + step),
      step: 1,
    })
  }

  #mostAlike(
    context: Int16Array,
    { from, to, step }: { readonly from: number; readonly to: number; readonly step: number },
  ): number {
    const start = context.length - this.#samples(CORRELATION_MS)
    let best = to
    let bestLikeness = Number.NEGATIVE_INFINITY
    for (let period = from; period <= to; period += step) {
      let product = 0
      let energy = 0
      for (let i = start; i < context.length; i += step) {
        const earlier = context[i - period] ?? 0
        product += (context[i] ?? 0) * earlier
        energy += earlier * earlier
      }
      const likeness = product / Math.sqrt(Math.max(energy, ((context.length - start) / step) * ENERGY_MIN))
      if (likeness > bestLikeness) {
        bestLikeness = likeness
        best = period
      }
    }
    return best
  }

  #samples(ms: number): number {
    return Math.round((ms * this.#sampleRate) / 1_000)
  }
}

function peakOf(samples: Int16Array): number {
  let peak = 0
  for (let i = 0; i < samples.length; i++) {
    const size = Math.abs(samples[i] ?? 0)
    if (size > peak) peak = size
  }
  return Math.min(peak, 32_767)
}
