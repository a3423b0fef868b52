import type { Alignment } from './fine-alignment.ts'
import { segment } from './segmentation.ts'

/** What one hop says is in part what the hops before said: windows overlap by three quarters. Measured on speech. */
const INDEPENDENCE = 0.5
/** Bounds of the part of wrong bits that is expected in what is heard. */
const ERRORS_MIN = 0.03
const ERRORS_MAX = 0.42
/** Rates that are tried first; the most likely is then made exact. */
const RATES = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.34, 0.38] as const
const ROUNDS = 2
/** Shortest word that may have been changed: a quarter of a second. */
const WORD_HOPS = 8

type Compared = Pick<Alignment, 'bits' | 'errors'>

/** Hops over which a stretch is compared with the rest: 0.4 s. */
const STRETCH_HOPS = 12

/** Which hops of a prompt were heard. */
export interface HeardParts {
  /** 1: heard. Of a pause: as what is around it. */
  readonly heard: Uint8Array
  /** Part of the prompt's hops outside of pauses that was heard. */
  readonly share: number
  /** Longest stretch that was not heard, in hops without pauses. */
  readonly longestMissing: number
  /** Part of wrong bits in what was heard. */
  readonly errorRate: number
  /** How surely one changed word would have been noticed, in nats: the difference that a quarter of a second makes. */
  readonly discernment: number
  /** The worst stretch of 0.4 s against the rest: by how many standard deviations its wrong bits are too many. */
  readonly oddness: number
  /** Evidence that all of the prompt was there rather than none, in nats; negative where it was not. */
  readonly evidence: number
}

/**
 * Tells the hops of a prompt that were heard from those that were not: the most likely row of the two states (Viterbi), where bits
 * are wrong at a rate that is learned from what was heard, or by half.
 */
export function hearParts({ bits, errors }: Compared): HeardParts {
  const heard = new Uint8Array(bits.length)
  let errorRate = likelyRate({ bits, errors }, heard)
  for (let round = 0; round < ROUNDS; round++) {
    segmentAt({ bits, errors }, errorRate, heard)
    errorRate = rateOf({ bits, errors }, heard)
  }
  let active = 0
  let activeHeard = 0
  let missing = 0
  let longestMissing = 0
  let evidence = 0
  let allBits = 0
  for (let i = 0; i < bits.length; i++) {
    const count = bits[i] ?? 0
    if (count === 0) continue
    active += 1
    allBits += count
    activeHeard += heard[i] ?? 0
    missing = heard[i] === 1 ? 0 : missing + 1
    longestMissing = Math.max(longestMissing, missing)
    evidence += hopGain(count, errors[i] ?? 0, errorRate)
  }
  const perHop = allBits / Math.max(1, active)
  return {
    heard,
    share: activeHeard / Math.max(1, active),
    longestMissing,
    errorRate,
    discernment: -hopGain(perHop * WORD_HOPS, (perHop * WORD_HOPS) / 2, errorRate),
    oddness: oddnessOf({ bits, errors }),
    evidence,
  }
}

function oddnessOf({ bits, errors }: Compared): number {
  const active = Array.from(bits.keys()).filter((hop) => (bits[hop] ?? 0) > 0)
  const sum = (from: Uint8Array, hops: readonly number[]): number =>
    hops.reduce((all, hop) => all + (from[hop] ?? 0), 0)
  const allBits = sum(bits, active)
  const allErrors = sum(errors, active)
  let most = 0
  for (let at = 0; at + STRETCH_HOPS <= active.length; at++) {
    const stretch = active.slice(at, at + STRETCH_HOPS)
    const count = sum(bits, stretch)
    const wrong = sum(errors, stretch)
    const rate = Math.max(ERRORS_MIN, (allErrors - wrong) / Math.max(1, allBits - count))
    most = Math.max(most, (wrong - count * rate) / Math.sqrt(count * rate * (1 - rate)))
  }
  return most
}

function likelyRate(compared: Compared, heard: Uint8Array): number {
  let best = RATES[0] as number
  let most = 0
  for (const rate of RATES) {
    const likelihood = segmentAt(compared, rate, heard)
    if (likelihood <= most) continue
    best = rate
    most = likelihood
  }
  return best
}

/** @returns how many nats the most likely row is more likely than that nothing was heard */
function segmentAt({ bits, errors }: Compared, errorRate: number, heard: Uint8Array): number {
  return segment(
    Float64Array.from(bits, (count, hop) => hopGain(count, errors[hop] ?? 0, errorRate)),
    heard,
  )
}

/** Nats by which so many errors in the bits of a hop speak for heard. */
export function hopGain(bits: number, errors: number, errorRate: number): number {
  return INDEPENDENCE * (errors * Math.log(2 * errorRate) + (bits - errors) * Math.log(2 * (1 - errorRate)))
}

function rateOf({ bits, errors }: Compared, heard: Uint8Array): number {
  let all = 0
  let wrong = 0
  for (let i = 0; i < bits.length; i++) {
    if (heard[i] !== 1) continue
    all += bits[i] ?? 0
    wrong += errors[i] ?? 0
  }
  return Math.max(ERRORS_MIN, Math.min(ERRORS_MAX, wrong / Math.max(1, all)))
}
