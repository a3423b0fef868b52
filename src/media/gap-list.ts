import type { QueuedPacket } from './packet-queue.ts'

/**
 * Why there is no audio. `lost`: packets were missing or came too late to be placed. `silence`: the SRC sent nothing but
 * its RTP clock went on (DTX). `held`: the SDP said that nothing would come. `noMedia`: not started yet, stopped, or the
 * RTP clock stood still. `paused`: the recorder was asked not to record, whatever came. `masked`: digits were in the audio, which
 * are not to be heard. `undecoded`: packets came, and are kept as they came.
 */
export type GapCause = (typeof GAP_CAUSES)[number]

const GAP_CAUSES = ['lost', 'silence', 'held', 'noMedia', 'paused', 'masked', 'undecoded'] as const

/** A stretch without audio, [fromSample, toSample). */
export interface Gap {
  readonly fromSample: number
  readonly toSample: number
  readonly cause: GapCause
}

export type GapSamples = Record<GapCause, number>

/** Gaps named one by one: an hour of 5 % random loss has 9,000. What goes beyond is only summed. */
export const GAPS_MAX = 16_384

/** A bounded list of gaps in order of time; adjacent ones of the same cause are merged. */
export class GapList {
  readonly #gaps: { fromSample: number; toSample: number; cause: GapCause }[] = []
  readonly #samples: GapSamples = { lost: 0, silence: 0, held: 0, noMedia: 0, paused: 0, masked: 0, undecoded: 0 }
  #unlistedSamples = 0

  get gaps(): readonly Gap[] {
    return this.#gaps
  }

  /** Sums over all gaps, listed or not. */
  get samples(): Readonly<GapSamples> {
    return this.#samples
  }

  get unlistedSamples(): number {
    return this.#unlistedSamples
  }

  /** Everything here is `factor` times as many samples from now on. */
  rescale(factor: number): void {
    for (const gap of this.#gaps) {
      gap.fromSample *= factor
      gap.toSample *= factor
    }
    for (const cause of GAP_CAUSES) this.#samples[cause] *= factor
    this.#unlistedSamples *= factor
  }

  add(fromSample: number, toSample: number, cause: GapCause): void {
    if (toSample <= fromSample) return
    this.#samples[cause] += toSample - fromSample
    const last = this.#gaps.at(-1)
    if (last?.toSample === fromSample && last.cause === cause) last.toSample = toSample
    else if (this.#gaps.length < GAPS_MAX) this.#gaps.push({ fromSample, toSample, cause })
    else this.#unlistedSamples += toSample - fromSample
  }
}

/** Changes of direction, or pauses, kept until the gap they fall into is closed; a source that changes faster gets one long interval. */
export const INTERVALS_MAX = 256

/** Times during which something was so: the SDP said that nothing would be sent, or the recording was paused. */
export class Intervals {
  readonly #intervals: { fromUs: number; toUs: number }[] = []

  get isEmpty(): boolean {
    return this.#intervals.length === 0
  }

  set(isSo: boolean, atUs: number): void {
    const last = this.#intervals.at(-1)
    const open = last !== undefined && last.toUs === Infinity
    if (isSo === open) return
    if (!isSo && last !== undefined) last.toUs = Math.max(last.fromUs, atUs)
    else if (isSo && last !== undefined && this.#intervals.length >= INTERVALS_MAX) last.toUs = Infinity
    else this.#intervals.push({ fromUs: atUs, toUs: Infinity })
  }

  /** Calls `found` for each part of it in [fromUs, toUs), in order. */
  within(fromUs: number, toUs: number, found: (fromUs: number, toUs: number) => void): void {
    for (const interval of this.#intervals) {
      const from = Math.max(fromUs, interval.fromUs)
      const to = Math.min(toUs, interval.toUs)
      if (from < to) found(from, to)
    }
  }

  /** True when it was so during all of [fromUs, toUs). */
  covers(fromUs: number, toUs: number): boolean {
    return this.#intervals.some((interval) => interval.fromUs <= fromUs && toUs <= interval.toUs)
  }

  /** Intervals that ended before `us` will not be asked for any more. */
  forgetBefore(us: number): void {
    while ((this.#intervals[0]?.toUs ?? Infinity) < us) this.#intervals.shift()
  }
}

/** How many samples of the gap before a packet are missing packets' (rule 7 of the stream timeline). */
export function lostSamples(entry: QueuedPacket, jump: number, lastLength: number, anchored: boolean): number {
  const packets = entry.lostBefore
  const reference = lastLength === 0 ? entry.length : lastLength
  if (anchored) return lastLength === 0 ? 0 : packets * reference + entry.overflowBefore
  const missing = Math.max(0, jump - entry.overflowBefore)
  const longest = packets * Math.max(reference, entry.length)
  const lost = missing <= longest ? missing : packets * reference
  return Math.min(jump, (packets === 0 ? 0 : lost) + entry.overflowBefore)
}
