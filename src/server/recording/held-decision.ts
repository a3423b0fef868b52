import type { HeldEntry, HeldOutcomeName } from '../../evidence/held-entry.ts'
import { heldRange } from '../../evidence/held-entry.ts'
import type { ChunkEntry, ManifestBody, PeaksEntry, WrappedKeyEntry } from '../../evidence/manifest.ts'

/** What becomes of what was held, and why; made once. */
export interface HeldDecision {
  readonly outcome: Exclude<HeldOutcomeName, 'pending'>
  /** A word, as `agreed` or `refused`. It stands in the manifest: nothing of the call may be in it. */
  readonly cause: string
  /** RFC 3339 */
  readonly decidedAt: string
}

/** The public half of a held key pair, and what is said of its private one. */
export interface HeldKeyFacts {
  readonly recipient: string
  readonly wrappedKey: WrappedKeyEntry
}

/** Whose worker, or process, did not live to say it. */
export interface HeldFacts {
  readonly held?: HeldKeyFacts | undefined
  readonly heldDecision?: HeldDecision | undefined
  readonly heldPeaks?: PeaksEntry | undefined
}

/** The manifest as it is to be signed: its held part has its outcome. */
export function withDecision(manifest: ManifestBody, decision: HeldDecision | undefined): ManifestBody {
  const { held } = manifest
  if (held === undefined || decision === undefined) return manifest
  return { ...manifest, held: held.map((entry) => ({ ...entry, ...decision })) }
}

/** What a manifest says of the held part of a recording that its worker did not end. */
export function heldEntries(
  { held, heldDecision, heldPeaks }: HeldFacts,
  chunks: readonly ChunkEntry[],
): { readonly held?: readonly HeldEntry[] } {
  if (held === undefined) return {}
  const { recipient, wrappedKey } = held
  const entry = { heldSeq: 0, recipient, wrappedKey, ...heldRange(chunks, 0) }
  const peaks = heldPeaks === undefined ? {} : { peaks: heldPeaks }
  return { held: [{ ...entry, ...(heldDecision ?? { outcome: 'pending' }), ...peaks }] }
}
