import type { Finding, Verdict } from './finding.ts'
import type { Alignment } from './fine-alignment.ts'
import { hearParts, type HeardParts } from './heard-parts.ts'

/** Less of a prompt is no finding: others begin with the same words. */
export const SHARE_MIN = 0.5
/** Nor is less of it than this: a second and a half. */
const HEARD_HOPS_MIN = 47
/** Heard in full: nearly all of it, ... */
const FULL_SHARE_MIN = 0.9
/** ... no stretch missing as long as a short word, a fifth of a second, ... */
const FULL_MISSING_HOPS_MAX = 5
/** ... and a changed word would have been noticed: nats; see {@link HeardParts}. */
const DISCERNMENT_MIN = 12
/** Beyond this a stretch differs so much from the rest that its word may be another one; see {@link HeardParts}. */
const ODDNESS_MAX = 7.4
/** Nats by which the evidence for one prompt has to exceed that for another. */
const TOLD_APART_MIN = 10
/** Of the shorter of two prompts, the part on the same place from which on only one of them can have been there. */
const OVERLAP_MIN = 0.5

/** A prompt aligned to a channel, with what was heard of it. */
export interface Contender {
  readonly alignment: Alignment
  readonly parts: HeardParts
}

/** Undefined: too little of it was heard. */
export function contenderOf(alignment: Alignment): Contender | undefined {
  const parts = hearParts(alignment)
  const hops = parts.share * alignment.bits.length
  return parts.share < SHARE_MIN || hops < HEARD_HOPS_MIN ? undefined : { alignment, parts }
}

export function endOf({ prompt, start, speed }: Alignment): number {
  return start + prompt.lengthSamples / speed
}

/** Whether two stretches, from the first to the second number of each, are the same place. */
export function isSamePlace(left: readonly [number, number], right: readonly [number, number]): boolean {
  const common = Math.min(left[1], right[1]) - Math.max(left[0], right[0])
  return common >= OVERLAP_MIN * Math.min(left[1] - left[0], right[1] - right[0])
}

/** The finding of a row of contenders for one place. */
export function decide(contenders: readonly Contender[]): Finding | undefined {
  const [best, ...others] = contenders.toSorted((a, b) => b.parts.evidence - a.parts.evidence)
  if (best === undefined) return undefined
  const { alignment, parts } = best
  const { prompt, start, speed } = alignment
  const ambiguousWith = others.map(({ alignment: { prompt: other }, parts: { share, evidence } }) => ({
    promptId: other.promptId,
    version: other.version,
    shareHeard: share,
    isToldApart: parts.evidence - evidence >= TOLD_APART_MIN,
  }))
  const isAlone = ambiguousWith.every(({ isToldApart }) => isToldApart)
  const hops = parts.heard.reduce((sum, heard) => sum + heard, 0)
  const all = parts.heard.length
  const end = start + ((parts.heard.lastIndexOf(1) + 1) / all) * (prompt.lengthSamples / speed)
  return {
    promptId: prompt.promptId,
    version: prompt.version,
    verdict: isAlone ? verdictOf(parts) : 'uncertain',
    startSample: Math.round(start),
    endSample: Math.round(end),
    samplesHeard: Math.round((hops / all) * (prompt.lengthSamples / speed)),
    shareHeard: parts.share,
    confidence: Math.max(0, 1 - 2 * parts.errorRate),
    speed,
    ambiguousWith,
  }
}

function verdictOf({ share, longestMissing, discernment, oddness }: HeardParts): Verdict {
  if (longestMissing > FULL_MISSING_HOPS_MAX || share < FULL_SHARE_MIN) return 'heardInPart'
  return discernment < DISCERNMENT_MIN || oddness > ODDNESS_MAX ? 'uncertain' : 'heardInFull'
}
