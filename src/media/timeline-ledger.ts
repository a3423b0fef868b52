import type { GapSamples } from './gap-list.ts'

/** Where every sample of a stream went; all in samples. `audioSamples` plus all of `gapSamples` is the read position, always. */
export interface TimelineLedger {
  /** Read and not part of a gap: packets' own samples, plus inserted and minus left-out ones. */
  readonly audioSamples: number
  readonly gapSamples: Readonly<GapSamples>
  /** Part of `gapSamples` that did not fit the list of gaps. */
  readonly unlistedGapSamples: number
  /** Part of `gapSamples.lost`: read as a signal made up from what stands beside it, not as silence. */
  readonly concealedSamples: number
  /** Part of `audioSamples`: read in stretches in which nothing was louder than SILENT_PEAK. */
  readonly silentSamples: number
  /** Everything that came in through `write`. */
  readonly writtenSamples: number
  /** Written and not read yet. */
  readonly pendingSamples: number
  /** Dropped: came after its time had been read. Also part of `gapSamples.lost`. */
  readonly lateSamples: number
  /** Dropped: its time was already taken by other audio, or lies before the origin. */
  readonly overlapSamples: number
  /** Dropped: the queue was full. */
  readonly overflowSamples: number
  /** Inserted and left out to follow the sender's clock. */
  readonly insertedSamples: number
  readonly removedSamples: number
  /** How often the RTP clock was anchored anew. */
  readonly resyncs: number
}
