import { isUuidV7 } from '../../ids.ts'
import { correlationForms } from '../../protocol/siprec/correlation.ts'
import type { Database } from './database.ts'
import { LIST_LIMIT_MAX } from './list-filters.ts'
import { IDENTITY_KINDS, type RelatedFacts } from './relation.ts'

/** Recordings shown as related to one. */
export const RELATED_RECORDINGS_MAX = 100
/** An id that as many other recordings have is not that of a story (a constant, a tenant) and links nothing. */
export const LINKED_BY_ONE_ID_MAX = 50
/** How many steps a story is followed: from a recording to those of its ids, to those of theirs. */
const ROUNDS_MAX = 3
/** Ids that are not unmistakable count among recordings of one SRC that began within this time of each other. */
const MISTAKABLE_WITHIN = `interval '4 hours'`

type Queries = Pick<Database, 'pool'>

export interface RecordingLink {
  readonly sharedIds: readonly { readonly kind: string; readonly value: string }[]
  /** The recording it was found through; null when that is the one asked about. */
  readonly through: string | null
}

interface LinkRow {
  readonly recording_id: string
  readonly through: string
  readonly kind: string
  readonly value: string
}

// Both halves walk the index on (value, kind, recording_id) away from a recording, so that the nearest in time come first: the work
// is bounded however many recordings share the id.
const NEIGHBOURS = `
  SELECT near.recording_id, own.recording_id AS through, own.kind, own.value
  FROM correlation_ids AS own
  CROSS JOIN LATERAL (
    (SELECT o.recording_id FROM correlation_ids AS o
     WHERE o.value = own.value AND o.kind = own.kind AND o.recording_id < own.recording_id
     ORDER BY o.recording_id DESC LIMIT ${LINKED_BY_ONE_ID_MAX})
    UNION ALL
    (SELECT o.recording_id FROM correlation_ids AS o
     WHERE o.value = own.value AND o.kind = own.kind AND o.recording_id > own.recording_id
     ORDER BY o.recording_id LIMIT ${LINKED_BY_ONE_ID_MAX})
  ) AS near
  JOIN recordings AS mine ON mine.recording_id = own.recording_id
  JOIN recordings AS theirs ON theirs.recording_id = near.recording_id
  WHERE own.recording_id = ANY($1::uuid[])
    AND theirs.tenant = mine.tenant
    AND (own.strong OR (theirs.src = mine.src
      AND theirs.started_at BETWEEN mine.started_at - ${MISTAKABLE_WITHIN} AND mine.started_at + ${MISTAKABLE_WITHIN}))
  ORDER BY own.kind, own.value, near.recording_id
  LIMIT ${RELATED_RECORDINGS_MAX * LINKED_BY_ONE_ID_MAX}`

/**
 * Recordings of the same story as one, by the ids they share, directly or through another; the one itself is not among them. Recordings
 * of other tenants never are. At most {@link RELATED_RECORDINGS_MAX}, the nearest links first.
 */
export async function findRelated({ pool }: Queries, recordingId: string): Promise<ReadonlyMap<string, RecordingLink>> {
  const links = new Map<string, RecordingLink>()
  const seen = new Set([recordingId])
  let frontier = [recordingId]
  for (let round = 0; round < ROUNDS_MAX && frontier.length > 0; round += 1) {
    const { rows } = await pool.query<LinkRow>(NEIGHBOURS, [frontier])
    const found = linksOf(withoutCommonIds(rows), recordingId, seen)
    frontier = []
    for (const [id, link] of found) {
      if (links.size >= RELATED_RECORDINGS_MAX) return links
      links.set(id, link)
      seen.add(id)
      frontier.push(id)
    }
  }
  return links
}

function withoutCommonIds(rows: readonly LinkRow[]): readonly LinkRow[] {
  const counts = new Map<string, number>()
  const keyOf = ({ through, kind, value }: LinkRow): string => `${through} ${kind} ${value}`
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1)
  return rows.filter((row) => (counts.get(keyOf(row)) ?? 0) < LINKED_BY_ONE_ID_MAX)
}

/** By recording; of one that was found in several ways, the first. */
function linksOf(
  rows: readonly LinkRow[],
  recordingId: string,
  seen: ReadonlySet<string>,
): ReadonlyMap<string, RecordingLink> {
  const links = new Map<string, RecordingLink>()
  for (const { recording_id: id, through, kind, value } of rows) {
    if (seen.has(id)) continue
    const link = links.get(id) ?? { sharedIds: [], through: through === recordingId ? null : through }
    const isSameWay = link.through === (through === recordingId ? null : through)
    links.set(id, isSameWay ? { ...link, sharedIds: [...link.sharedIds, { kind, value }] } : link)
  }
  return links
}

/** The recordings that `--linked` means: those of a recording's story with itself, or those that have an id, in any spelling. Bounded. */
export async function findLinked(database: Queries, linked: string): Promise<readonly string[]> {
  const text = linked.trim()
  const story = isUuidV7(text) ? [text, ...(await findRelated(database, text)).keys()] : []
  const { rows } = await database.pool.query<{ recording_id: string }>(
    `SELECT DISTINCT recording_id FROM correlation_ids WHERE value = ANY($1::text[])
     ORDER BY recording_id DESC LIMIT ${LIST_LIMIT_MAX}`,
    [correlationForms(text)],
  )
  return [...story, ...rows.map((row) => row.recording_id)]
}

/** Of each recording the ids that tell whether two are of the same communication session. */
export async function readIdentities(
  { pool }: Queries,
  recordingIds: readonly string[],
): Promise<ReadonlyMap<string, RelatedFacts['ids']>> {
  const { rows } = await pool.query<{ recording_id: string; kind: string; value: string }>(
    `SELECT recording_id, kind, value FROM correlation_ids
     WHERE recording_id = ANY($1::uuid[]) AND kind = ANY($2::text[])`,
    [recordingIds, [...IDENTITY_KINDS]],
  )
  const identities = new Map<string, { readonly kind: string; readonly value: string }[]>()
  for (const { recording_id: id, kind, value } of rows) {
    const known = identities.get(id)
    if (known === undefined) identities.set(id, [{ kind, value }])
    else known.push({ kind, value })
  }
  return identities
}
