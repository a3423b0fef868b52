import { accepted, rejected, type Result } from '../../result.ts'
import { popcount } from './bit-errors.ts'
import { BANDS, Fingerprinter, HOP_SAMPLES, MATCHER_RATE, WINDOW_SAMPLES, WORD_BITS } from './fingerprinter.ts'

/** Longest prompt, in seconds; it bounds the memory of every matcher that listens for it. */
export const PROMPT_SECONDS_MAX = 120
/** Blocks that must be active: fewer match silence and noise. */
export const ACTIVE_BLOCKS_MIN = 3
/** Words of a block: half a second. */
export const BLOCK_WORDS = 16
/** From one word of a prompt to the next: 4 ms, so that a channel's hops fall within 2 ms of one wherever the prompt begins. */
export const FINE_SAMPLES = 32
export const FINE_PER_HOP = HOP_SAMPLES / FINE_SAMPLES
/** Words from one that levels are kept of to the next: 16 ms, so that none is further than 8 ms from one. */
export const LEVEL_WORDS = 4
/** From the first sample a word knows of to the last: two windows, a hop apart. */
export const WORD_SAMPLES = HOP_SAMPLES + WINDOW_SAMPLES

/** A window whose energy is less than this part of the loud ones' is a pause: 30 dB. */
const PAUSE_ENERGY = 1e-3
/** Of all windows, the part that is loud. */
const LOUD_SHARE = 0.05
/** Bits whose change is less than that of so many of the prompt's are not counted when it is looked for: noise turns them. */
const STRONG_QUANTILE = 0.5
/** Likewise when it is compared, among the bits of a second around, so that soft words are compared as well. */
const CAREFUL_QUANTILE = 0.25
const CAREFUL_WORDS = MATCHER_RATE / FINE_SAMPLES
/** Of the levels of a band, the part that is not loud: what else sounds hides it. */
const LOUD_QUANTILE = 0.6
/** A block with fewer strong bits than this of its 384 says too little. */
const ACTIVE_BITS_MIN = 96

/**
 * Why a prompt is not taken. `tooLong`: beyond {@link PROMPT_SECONDS_MAX}. `tooFewActiveBlocks`: fewer than
 * {@link ACTIVE_BLOCKS_MIN} half seconds with speech or the like in them.
 */
export type PromptRejectReason = 'tooLong' | 'tooFewActiveBlocks'

export interface PromptOptions {
  readonly promptId: string
  /** Tells prompts of one id apart; the hash of the file, say. */
  readonly version: string
}

/** An announcement that can be found. Immutable: any number of matchers share it. 5 kB a second. */
export interface Prompt {
  readonly promptId: string
  readonly version: string
  /** At {@link MATCHER_RATE}. */
  readonly lengthSamples: number
  /** Words every {@link FINE_SAMPLES}; word i is of the two windows of which the first begins at i times that. */
  readonly words: Int32Array
  /** Bits of each word that are counted when the prompt is looked for. */
  readonly strong: Int32Array
  /** Bits of each word that are counted when what was found is compared. */
  readonly careful: Int32Array
  /** Of each band, of the second window of every {@link LEVEL_WORDS}th word; see {@link Fingerprinter.writeLevels}. */
  readonly levels: Uint8Array
  /** Of each band: the level from which on it is loud. */
  readonly loud: Uint8Array
  /** Strong bits of each block, for a block at the beginning of which word `block * BLOCK_WORDS * FINE_PER_HOP` stands; 0: not active. */
  readonly blockBits: Uint16Array
}

/** Makes a prompt of its audio: 16-bit samples at {@link MATCHER_RATE}. */
export function registerPrompt(pcm: Int16Array, options: PromptOptions): Result<Prompt, PromptRejectReason> {
  if (pcm.length > PROMPT_SECONDS_MAX * MATCHER_RATE) return rejected('tooLong')
  const changes = measure(pcm)
  const strong = strongBits(changes)
  const blockBits = countBlocks(strong)
  if (blockBits.filter((bits) => bits > 0).length < ACTIVE_BLOCKS_MIN) return rejected('tooFewActiveBlocks')
  const { promptId, version } = options
  return accepted({
    promptId,
    version,
    lengthSamples: pcm.length,
    words: changes.words,
    strong,
    careful: carefulBits(changes),
    levels: changes.levels,
    loud: loudLevels(changes),
    blockBits,
  })
}

interface Changes {
  readonly words: Int32Array
  /** {@link WORD_BITS} for each word, without sign; 0 in a pause. */
  readonly sizes: Float64Array
  readonly levels: Uint8Array
}

function measure(audio: Int16Array): Changes {
  const count = Math.max(0, Math.floor((audio.length - WORD_SAMPLES) / FINE_SAMPLES) + 1)
  const words = new Int32Array(count)
  const sizes = new Float64Array(count * WORD_BITS)
  const energies = new Float64Array(count)
  const levels = new Uint8Array(Math.ceil(count / LEVEL_WORDS) * BANDS)
  const fingerprinter = new Fingerprinter(FINE_SAMPLES)
  let word = 0
  for (let at = 0; at < audio.length && word < count;) {
    at += fingerprinter.take(audio, at)
    if (!fingerprinter.hasWord) continue
    words[word] = fingerprinter.word
    energies[word] = fingerprinter.energy
    if (word % LEVEL_WORDS === 0) fingerprinter.writeLevels(levels, (word / LEVEL_WORDS) * BANDS)
    for (let bit = 0; bit < WORD_BITS; bit++) sizes[word * WORD_BITS + bit] = Math.abs(fingerprinter.changes[bit] ?? 0)
    word += 1
  }
  const sorted = energies.toSorted()
  const pause = PAUSE_ENERGY * (sorted[Math.floor((1 - LOUD_SHARE) * count)] ?? 0)
  for (let i = 0; i < count; i++) {
    if ((energies[i] ?? 0) <= pause) sizes.fill(0, i * WORD_BITS, (i + 1) * WORD_BITS)
  }
  return { words, sizes, levels }
}

function strongBits({ sizes }: Changes): Int32Array {
  return bitsFrom(sizes, quantile(sizes, STRONG_QUANTILE), { from: 0, to: sizes.length / WORD_BITS })
}

function carefulBits({ sizes }: Changes): Int32Array {
  const count = sizes.length / WORD_BITS
  const careful = new Int32Array(count)
  for (let from = 0; from < count; from += CAREFUL_WORDS / 4) {
    const to = Math.min(count, from + CAREFUL_WORDS / 4)
    const around = sizes.subarray(
      Math.max(0, from - CAREFUL_WORDS / 2) * WORD_BITS,
      Math.min(count, to + CAREFUL_WORDS / 2) * WORD_BITS,
    )
    careful.set(bitsFrom(sizes, quantile(around, CAREFUL_QUANTILE), { from, to }), from)
  }
  return careful
}

function loudLevels({ sizes, levels }: Changes): Uint8Array {
  const active = Array.from({ length: levels.length / BANDS }, (_, at) => at).filter((at) =>
    sizes.subarray(at * LEVEL_WORDS * WORD_BITS, (at * LEVEL_WORDS + 1) * WORD_BITS).some((size) => size > 0),
  )
  return Uint8Array.from({ length: BANDS }, (_, band) => {
    const sorted = active.map((at) => levels[at * BANDS + band] ?? 0).toSorted((a, b) => a - b)
    return sorted[Math.floor(LOUD_QUANTILE * sorted.length)] ?? 0
  })
}

/** The size that so many of those which are not 0 stay below. */
function quantile(sizes: Float64Array, part: number): number {
  const sorted = sizes.filter((size) => size > 0).sort()
  return sorted[Math.floor(part * sorted.length)] ?? Number.POSITIVE_INFINITY
}

function bitsFrom(
  sizes: Float64Array,
  least: number,
  { from, to }: { readonly from: number; readonly to: number },
): Int32Array {
  const masks = new Int32Array(to - from)
  for (let word = from; word < to; word++) {
    let mask = 0
    for (let bit = 0; bit < WORD_BITS; bit++) if ((sizes[word * WORD_BITS + bit] ?? 0) >= least) mask |= 1 << bit
    masks[word - from] = mask
  }
  return masks
}

function countBlocks(strong: Int32Array): Uint16Array {
  const stride = BLOCK_WORDS * FINE_PER_HOP
  // A block at the second phase of the search needs half a hop more.
  const count = Math.max(0, Math.floor((strong.length - FINE_PER_HOP / 2) / stride))
  return Uint16Array.from({ length: count }, (_, block) => {
    let bits = 0
    for (let word = 0; word < BLOCK_WORDS; word++) bits += popcount(strong[block * stride + word * FINE_PER_HOP] ?? 0)
    return bits < ACTIVE_BITS_MIN ? 0 : bits
  })
}
