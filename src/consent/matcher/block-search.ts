import { popcount } from './bit-errors.ts'
import { HOP_SAMPLES } from './fingerprinter.ts'
import { BLOCK_WORDS, FINE_PER_HOP, FINE_SAMPLES, type Prompt } from './prompt.ts'

/** Part of the bits that may be wrong in what still looks like the prompt; what has nothing to do with it has one half. */
const ERRORS_LIKE = 0.4
/** Surplus of right bits from which on a row of blocks is a sighting. */
export const SIGHTING_SCORE = 75
/** Costs of a block that comes a hop earlier or later than the one before: 6 % faster or slower for half a second. */
const DRIFT_COST = 6
/** The prompt is looked for at two places between hops, so that none is further than 8 ms from one. */
const PHASES = [0, FINE_PER_HOP / 2] as const
/** Hops that the scores of a block are remembered; at least a block and a hop. A power of two. */
const REMEMBERED = 32

/** The channel's words that a search looks at: a ring, so `mask` is its length less one. */
export interface WordRing {
  readonly words: Int32Array
  readonly mask: number
}

/** A row of blocks of a prompt that looks like it. */
export interface Sighting {
  score: number
  /** Sample of the channel, and of the prompt, that stand for each other at the end of the row; at the rate of the matcher. */
  channelSample: number
  promptSample: number
}

/**
 * Looks for one prompt in the words of one channel, by local alignment (Smith and Waterman) of its blocks of half a second: each adds
 * the surplus of its right bits, or takes away what it lacks, never below nothing; the next may come a hop early or late, so a prompt
 * that is played a little fast or slow is followed. Blocks that are not active change nothing.
 */
export class BlockSearch {
  readonly prompt: Prompt
  /** By phase, block and hop: score of the best row of blocks that ends there. */
  readonly #scores: Float32Array
  readonly #sighting: Sighting = { score: 0, channelSample: 0, promptSample: 0 }

  constructor(prompt: Prompt) {
    this.prompt = prompt
    this.#scores = new Float32Array(PHASES.length * prompt.blockBits.length * REMEMBERED)
  }

  restart(): void {
    this.#scores.fill(0)
  }

  /**
   * Looks at the hop whose word came last.
   *
   * @param hop counted since the beginning or {@link restart}; `ring` holds at least {@link BLOCK_WORDS} words
   * @returns the best sighting that ends here, good until the next call; undefined: none
   */
  look(ring: WordRing, hop: number): Sighting | undefined {
    this.#sighting.score = 0
    if (hop + 1 < BLOCK_WORDS) return undefined
    for (let phase = 0; phase < PHASES.length; phase++) this.#lookAt(ring, hop, phase)
    return this.#sighting.score >= SIGHTING_SCORE ? this.#sighting : undefined
  }

  #lookAt(ring: WordRing, hop: number, phase: number): void {
    const { blockBits } = this.prompt
    const scores = this.#scores
    const fine = PHASES[phase] ?? 0
    const ages = REMEMBERED - 1
    for (let block = 0; block < blockBits.length; block++) {
      const row = (phase * blockBits.length + block) * REMEMBERED
      const before = row - REMEMBERED
      let score = 0
      if (block > 0) {
        const same = scores[before + ((hop - BLOCK_WORDS) & ages)] ?? 0
        const early = (scores[before + ((hop - BLOCK_WORDS + 1) & ages)] ?? 0) - DRIFT_COST
        const late = (scores[before + ((hop - BLOCK_WORDS - 1) & ages)] ?? 0) - DRIFT_COST
        score = Math.max(0, same, early, late)
      }
      const bits = blockBits[block] ?? 0
      if (bits > 0) {
        const errors = this.#errors(ring, hop, block * BLOCK_WORDS * FINE_PER_HOP + fine)
        score = Math.max(0, score + ERRORS_LIKE * bits - errors)
        if (score > this.#sighting.score) {
          this.#sighting.score = score
          this.#sighting.channelSample = (hop + 1) * HOP_SAMPLES
          this.#sighting.promptSample = (block + 1) * BLOCK_WORDS * HOP_SAMPLES + fine * FINE_SAMPLES
        }
      }
      scores[row + (hop & ages)] = score
    }
  }

  /** Wrong ones of the strong bits of a block against the channel's last words. */
  #errors(ring: WordRing, hop: number, firstWord: number): number {
    const { words, strong } = this.prompt
    let errors = 0
    let at = firstWord
    for (let word = hop - BLOCK_WORDS + 1; word <= hop; word++) {
      errors += popcount(((ring.words[word & ring.mask] ?? 0) ^ (words[at] ?? 0)) & (strong[at] ?? 0))
      at += FINE_PER_HOP
    }
    return errors
  }
}
