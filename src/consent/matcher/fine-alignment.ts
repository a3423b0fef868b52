import { popcount } from './bit-errors.ts'
import type { Sighting, WordRing } from './block-search.ts'
import { BANDS, HOP_SAMPLES } from './fingerprinter.ts'
import { FINE_SAMPLES, LEVEL_WORDS, type Prompt } from './prompt.ts'

/** How much faster or slower than registered a prompt may be played. */
export const SPEED_MAX = 0.015
const SPEED_STEP = 0.0025
const SPEED_STEP_FINE = 0.0005
/** How far from the sighting the place is sought; a sighting is exact to half of its grid, and a hop of drift. */
const OFFSET_MAX = 1.5 * HOP_SAMPLES
/** As in the search: the part of wrong bits from which on a stretch adds nothing. */
const ERRORS_LIKE = 0.4
const STRETCH_HOPS = 16
/** Around the best place: the least wrong bits are sought by a parabola through places so far apart. */
const PARABOLA_SAMPLES = 64

/** Of a band in which the prompt is not loud; see {@link Alignment.rises}. */
export const NOT_LOUD = -0x80_00
/** Where the channel is not known: nothing of the prompt is there. */
const ABSENT = -255

/** What the aligner looks at: words, and the levels of the bands of their second windows. */
export interface ChannelRing extends WordRing {
  readonly levels: Uint8Array
}

/** Where a prompt lies in a channel, and how well each hop of it fits. Samples are those of the matcher's rate. */
export interface Alignment {
  readonly prompt: Prompt
  /** Where the prompt begins; before the first sample of the channel if negative. */
  readonly start: number
  /** Samples of the prompt for each sample of the channel. */
  readonly speed: number
  /** For each hop of the prompt: bits compared, and how many of them are wrong; no bits in a pause. */
  readonly bits: Uint8Array
  readonly errors: Uint8Array
  /** For each hop and band: by how many levels the channel is above the prompt; {@link NOT_LOUD} where the prompt says too little. */
  readonly rises: Int16Array
}

interface Place {
  readonly offset: number
  readonly speed: number
}

/** Finds the exact place and speed of a prompt around a sighting, and compares it there hop by hop. `words` has the channel's words `from` to `to` (exclusive). */
export class FineAligner {
  readonly #ring: ChannelRing
  #prompt: Prompt
  #channelSample = 0
  #promptSample = 0
  #from = 0
  #to = 0

  constructor(ring: ChannelRing, prompt: Prompt) {
    this.#ring = ring
    this.#prompt = prompt
  }

  align(prompt: Prompt, sighting: Sighting, range: { readonly from: number; readonly to: number }): Alignment {
    this.#prompt = prompt
    this.#channelSample = sighting.channelSample
    this.#promptSample = sighting.promptSample
    this.#from = range.from
    this.#to = range.to
    const place = this.#refine(this.#search())
    const start = this.#channelSample - (this.#promptSample + place.offset) / place.speed
    return { prompt, start, speed: place.speed, ...this.#compare(place) }
  }

  #search(): Place {
    let best: Place = { offset: 0, speed: 1 }
    let bestScore = -1
    for (let speed = 1 - SPEED_MAX; speed <= 1 + SPEED_MAX + 1e-9; speed += SPEED_STEP) {
      for (let offset = -OFFSET_MAX; offset <= OFFSET_MAX; offset += 2 * FINE_SAMPLES) {
        const score = this.#score({ offset, speed })
        if (score > bestScore) {
          best = { offset, speed }
          bestScore = score
        }
      }
    }
    return best
  }

  /** Once more around the best place in smaller steps, then between the steps. */
  #refine(coarse: Place): Place {
    let best = coarse
    let bestScore = -1
    for (let by = -4; by <= 4; by++) {
      for (let shift = -2; shift <= 2; shift++) {
        const place = { offset: coarse.offset + shift * FINE_SAMPLES, speed: coarse.speed + by * SPEED_STEP_FINE }
        const score = this.#score(place)
        if (score > bestScore) {
          best = place
          bestScore = score
        }
      }
    }
    const early = this.#score({ offset: best.offset - PARABOLA_SAMPLES, speed: best.speed })
    const late = this.#score({ offset: best.offset + PARABOLA_SAMPLES, speed: best.speed })
    const curve = early - 2 * bestScore + late
    const shift = curve < 0 ? (early - late) / (2 * curve) : 0
    return { offset: best.offset + Math.max(-1, Math.min(1, shift)) * PARABOLA_SAMPLES, speed: best.speed }
  }

  /** Surplus of right bits of the stretches that fit. */
  #score({ offset, speed }: Place): number {
    const { words, strong } = this.#prompt
    const first = this.#promptSample + offset
    let score = 0
    let surplus = 0
    let inStretch = 0
    const mask = this.#ring.mask
    const [from, to] = this.#hopsOf({ offset, speed })
    for (let hop = from; hop < to; hop++) {
      const at = Math.round((first + (hop * HOP_SAMPLES - this.#channelSample) * speed) / FINE_SAMPLES)
      const counted = strong[at] ?? 0
      if (counted !== 0) {
        const wrong = ((this.#ring.words[hop & mask] ?? 0) ^ (words[at] ?? 0)) & counted
        surplus += ERRORS_LIKE * popcount(counted) - popcount(wrong)
      }
      inStretch += 1
      if (inStretch === STRETCH_HOPS || hop === to - 1) {
        if (surplus > 0) score += surplus
        surplus = 0
        inStretch = 0
      }
    }
    return score
  }

  /** The channel's hops that a place puts the prompt on. */
  #hopsOf({ offset, speed }: Place): [number, number] {
    const first = this.#channelSample - (this.#promptSample + offset) / speed
    const last = first + ((this.#prompt.words.length - 1) * FINE_SAMPLES) / speed
    return [
      Math.max(this.#from, Math.ceil(first / HOP_SAMPLES)),
      Math.min(this.#to, Math.floor(last / HOP_SAMPLES) + 1),
    ]
  }

  #compare({ offset, speed }: Place): Pick<Alignment, 'bits' | 'errors' | 'rises'> {
    const { words, careful } = this.#prompt
    const perHop = HOP_SAMPLES / FINE_SAMPLES
    const count = Math.ceil(words.length / perHop)
    const bits = new Uint8Array(count)
    const errors = new Uint8Array(count)
    const rises = new Int16Array(count * BANDS)
    const first = this.#promptSample + offset
    for (let i = 0; i < count; i++) {
      const sample = this.#channelSample + (i * HOP_SAMPLES - first) / speed
      const hop = Math.round(sample / HOP_SAMPLES)
      const exact = Math.round((first + (hop * HOP_SAMPLES - this.#channelSample) * speed) / FINE_SAMPLES)
      const at = Math.max(0, Math.min(words.length - 1, exact))
      const counted = careful[at] ?? 0
      bits[i] = popcount(counted)
      const isKnown = hop >= this.#from && hop < this.#to
      // What the channel does not have was not heard: half of it wrong.
      errors[i] = isKnown
        ? popcount(((this.#ring.words[hop & this.#ring.mask] ?? 0) ^ (words[at] ?? 0)) & counted)
        : Math.round(popcount(counted) / 2)
      this.#raise(rises.subarray(i * BANDS, (i + 1) * BANDS), isKnown ? hop : undefined, at)
    }
    return { bits, errors, rises }
  }

  #raise(rises: Int16Array, hop: number | undefined, word: number): void {
    const { levels, loud } = this.#prompt
    const last = levels.length / BANDS - 1
    const ofPrompt = Math.min(last, Math.round(word / LEVEL_WORDS)) * BANDS
    for (let band = 0; band < BANDS; band++) {
      const level = levels[ofPrompt + band] ?? 0
      if (level < (loud[band] ?? 0)) rises[band] = NOT_LOUD
      else if (hop === undefined) rises[band] = ABSENT
      else rises[band] = (this.#ring.levels[(hop & this.#ring.mask) * BANDS + band] ?? 0) - level
    }
  }
}
