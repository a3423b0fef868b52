/**
 * How another recording stands to one of the same story: `duplicate`, the same communication session recorded at the same time (by another
 * recorder, or twice) · `before`, `after`, for example a transfer · `alongside`, at the same time but of something else: the other side
 * of a forking phone, a consultation.
 */
export type Relation = 'duplicate' | 'before' | 'after' | 'alongside'

export interface RelatedFacts {
  /** RFC 3339 */
  readonly startedAt: string
  /** null while it is open. */
  readonly endedAt: string | null
  /** Those of the kinds {@link IDENTITY_KINDS}. */
  readonly ids: readonly { readonly kind: string; readonly value: string }[]
}

/** What can tell that two recordings are of one and the same communication session. */
export const IDENTITY_KINDS = ['cs', 'sessionId', 'fork'] as const

/** Recordings that touch only at their ends (the BYE of one, the INVITE of the next) follow each other. */
const OVERLAP_SHARE_MIN = 0.5

export function relationOf(own: RelatedFacts, other: RelatedFacts): Relation {
  const [ownStart, otherStart] = [Date.parse(own.startedAt), Date.parse(other.startedAt)]
  const ownEnd = own.endedAt === null ? Infinity : Date.parse(own.endedAt)
  const otherEnd = other.endedAt === null ? Infinity : Date.parse(other.endedAt)
  const overlapMs = Math.min(ownEnd, otherEnd) - Math.max(ownStart, otherStart)
  const shorterMs = Math.min(ownEnd - ownStart, otherEnd - otherStart)
  // Two that are both open overlap without end.
  const isBeside = overlapMs === Infinity || (overlapMs >= 0 && overlapMs >= shorterMs * OVERLAP_SHARE_MIN)
  if (isBeside) return isSameCommunicationSession(own, other) ? 'duplicate' : 'alongside'
  return otherStart < ownStart || (otherStart === ownStart && otherEnd < ownEnd) ? 'before' : 'after'
}

function isSameCommunicationSession(own: RelatedFacts, other: RelatedFacts): boolean {
  const [ownForks, otherForks] = [valuesOf(own, 'fork'), valuesOf(other, 'fork')]
  // The two dialogs of a forking phone have all other ids in common.
  if (ownForks.size > 0 && otherForks.size > 0 && !intersects(ownForks, otherForks)) return false
  if (intersects(valuesOf(own, 'cs'), valuesOf(other, 'cs'))) return true
  const [ownHalves, otherHalves] = [valuesOf(own, 'sessionId'), valuesOf(other, 'sessionId')]
  const shared = [...ownHalves].filter((half) => otherHalves.has(half)).length
  // One half is one endpoint, who may be in a consultation at the same time. RFC 7989 5
  return shared >= 2 || (shared === 1 && (ownHalves.size === 1 || otherHalves.size === 1))
}

function valuesOf({ ids }: RelatedFacts, wanted: (typeof IDENTITY_KINDS)[number]): ReadonlySet<string> {
  return new Set(ids.filter(({ kind }) => kind === wanted).map(({ value }) => value))
}

function intersects(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return [...one].some((value) => other.has(value))
}
