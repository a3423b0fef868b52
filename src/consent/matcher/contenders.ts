import type { Finding, Verdict } from './finding.ts'
import type { Alignment } from './fine-alignment.ts'
import { hearParts, type HeardParts } from './heard-parts.ts'
import { findPresent } from './present-parts.ts'

/** If less of a prompt was there, also under somebody's words, it is no finding: others begin with the same words. */
const PRESENT_SHARE_MIN = 0.5
/** Nor if it was less than this: a second and a half. */
const PRESENT_HOPS_MIN = 47
/** Of it so much must have been heard, and a second: what is under other words is known by its level in what was heard. */
const HEARD_SHARE_MIN = 1 / 3
const HEARD_HOPS_MIN = 31
/** If less was heard, it is not for certain. */
const CERTAIN_SHARE_MIN = 0.5
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

/** Undefined: too little of it was there. */
export function contenderOf(alignment: Alignment): Contender | undefined {
  const parts = hearParts(alignment)
  const { share, heardShare } = findPresent(alignment, parts)
  const hops = alignment.bits.length
  const isEnough = share >= PRESENT_SHARE_MIN && share * hops >= PRESENT_HOPS_MIN
  const isHeard = heardShare >= HEARD_SHARE_MIN && heardShare * hops >= HEARD_HOPS_MIN
  return isEnough && isHeard ? { alignment, parts } : undefined
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
  if (share < CERTAIN_SHARE_MIN) return 'uncertain'
  if (longestMissing > FULL_MISSING_HOPS_MAX || share < FULL_SHARE_MIN) return 'heardInPart'
  return discernment < DISCERNMENT_MIN || oddness > ODDNESS_MAX ? 'uncertain' : 'heardInFull'
}
