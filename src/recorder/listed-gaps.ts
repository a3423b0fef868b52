import type { StreamEntry } from '../evidence/manifest.ts'
import { GAPS_MAX } from '../media/gap-list.ts'

/** Gaps named one by one in a manifest, of all its media streams together: so many take 6 of its 32 MiB. */
export const GAPS_LISTED_MAX = 4 * GAPS_MAX

/** Where all streams together have more gaps than a manifest lists, each keeps its first ones; the rest is only summed, as beyond `GAPS_MAX`. */
export function withListedGaps(streams: readonly StreamEntry[]): readonly StreamEntry[] {
  const count = streams.reduce((sum, { gaps }) => sum + gaps.length, 0)
  if (count <= GAPS_LISTED_MAX) return streams
  const share = Math.floor(GAPS_LISTED_MAX / streams.length)
  return streams.map((stream) => {
    const { gaps, ledger } = stream
    const cut = gaps.slice(share).reduce((sum, { fromSample, toSample }) => sum + toSample - fromSample, 0)
    return {
      ...stream,
      ledger: { ...ledger, unlistedGapSamples: ledger.unlistedGapSamples + cut },
      gaps: gaps.slice(0, share),
    }
  })
}
