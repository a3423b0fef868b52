/**
 * `heardInFull`: all of it. `heardInPart`: this prompt for certain, and not all of it. `uncertain`: this prompt was there, or one much like
 * it; noise does not let anybody say whether all of its words were, or less than half of it was heard, as somebody spoke.
 */
export type Verdict = 'heardInFull' | 'heardInPart' | 'uncertain'

export interface OtherPrompt {
  readonly promptId: string
  readonly version: string
  readonly shareHeard: number
  /** False: what was heard could have been this one as well. */
  readonly isToldApart: boolean
}

/** An announcement that was found in a channel. Samples are of the channel, counted from where the matcher began. */
export interface Finding {
  readonly promptId: string
  readonly version: string
  readonly verdict: Verdict
  /** Where the prompt begins, or would have begun if its beginning is what is missing; then it may be negative. */
  readonly startSample: number
  /** Behind the last sample of it that was heard. */
  readonly endSample: number
  /** Length of what was heard of it. */
  readonly samplesHeard: number
  /** Of the prompt, pauses not counted: 0 to 1. */
  readonly shareHeard: number
  /** How well what was heard agrees: 1 if in every bit, 0 if no better than any other sound. */
  readonly confidence: number
  /** Played so much faster than registered; 1: as registered. */
  readonly speed: number
  /** Registered prompts that are like this one at the same place. */
  readonly ambiguousWith: readonly OtherPrompt[]
}
