import { isUuidV7 } from '../../ids.ts'
import type { Database } from './database.ts'
import type { KnownHold } from '../custody/lost-holds.ts'
import { CUSTODY_STATE, OPEN_HOLDS } from './custody-statements.ts'
import {
  encodeCursor,
  filterConditions,
  type CustodyState,
  type RecordingFilters,
  type RecordingState,
} from './list-filters.ts'
import { findLinked, findRelated, readIdentities } from './related-recordings.ts'
import { relationOf, type Relation } from './relation.ts'
import { readRecordingParts, type RecordingParts } from './recording-parts.ts'

export type MetadataState = 'none' | 'valid' | 'invalid'

/** What a query needs of a database. */
export type Queries = Pick<Database, 'pool'>

/** Samples of the recording timeline in a millisecond. */
const SAMPLES_PER_MS = 48

export interface ListedParticipant {
  readonly participantId: string
  readonly aors: readonly { readonly aor: string; readonly name: string | null }[]
}

export interface ListedRecording {
  readonly recordingId: string
  readonly rsId: string
  readonly tenant: string
  readonly src: string
  /** Which client it was, by its habits. */
  readonly dialect: string
  readonly state: RecordingState
  readonly startedAt: string
  /** null while it is open. */
  readonly endedAt: string | null
  readonly durationMs: number | null
  readonly endCause: string | null
  readonly layout: 'separate' | 'mixed'
  readonly metadataState: MetadataState
  readonly consentState: string
  /** Some of it was not decoded live but kept as it came; false while the recording is open. */
  readonly hasKeptAudio: boolean
  /** What was decided about it later: `held` must not be destroyed, `shredding` is being destroyed, of `shredded` the key is. */
  readonly custodyState: CustodyState
  readonly participants: readonly ListedParticipant[]
}

export interface RecordingPage {
  /** Newest first. */
  readonly recordings: readonly ListedRecording[]
  /** null on the last page. */
  readonly nextCursor: string | null
}

interface RecordingRow {
  readonly recording_id: string
  readonly rs_id: string
  readonly tenant: string
  readonly src: string
  readonly dialect: string
  readonly state: RecordingState
  readonly started_at: Date
  readonly ended_at: Date | null
  readonly duration_samples: string | null
  readonly end_cause: string | null
  readonly layout: 'separate' | 'mixed'
  readonly metadata_state: MetadataState
  readonly consent_state: string
  readonly has_kept_audio: boolean
  readonly custody_state: CustodyState
  readonly started_us: string
}

/**
 * Columns of {@link RecordingRow}, of recordings as `r`. Microseconds, because a cursor must not round. LIMIT 1 and not EXISTS, which the
 * planner answers by reading all gaps of all recordings, for a page of fifty too.
 */
const RECORDING_COLUMNS = `recording_id, rs_id, tenant, src, dialect, state, started_at, ended_at, duration_samples, end_cause,
  layout, metadata_state, consent_state,
  (SELECT true FROM gaps AS g WHERE g.recording_id = r.recording_id AND g.cause = 'undecoded' LIMIT 1) IS NOT NULL
    AS has_kept_audio,
  ${CUSTODY_STATE} AS custody_state,
  (extract(epoch FROM started_at) * 1000000)::bigint AS started_us`

/**
 * Recordings that pass every filter, newest first.
 *
 * Rejects with `list-limit`, `list-time` or `list-cursor` when an argument is not what it should be.
 */
export async function listRecordings(database: Queries, filters: RecordingFilters): Promise<RecordingPage> {
  const { linked } = filters
  const linkedIds = linked === undefined ? undefined : await findLinked(database, linked)
  const where = filterConditions(filters, linkedIds)
  // One more than asked for tells whether there is another page.
  const { rows } = await database.pool.query<RecordingRow>(
    `SELECT ${RECORDING_COLUMNS} FROM recordings AS r ${where.sql}
     ORDER BY started_at DESC, recording_id DESC LIMIT ${filters.limit + 1}`,
    [...where.values],
  )
  const page = rows.slice(0, filters.limit)
  const last = rows.length > filters.limit ? page.at(-1) : undefined
  const participants = await readParticipants(
    database,
    page.map((row) => row.recording_id),
  )
  return {
    recordings: page.map((row) => toListed(row, participants.get(row.recording_id) ?? [])),
    nextCursor:
      last === undefined ? null : encodeCursor({ startedUs: last.started_us, recordingId: last.recording_id }),
  }
}

/** Everyone who ever took part, by recording. */
async function readParticipants(
  database: Queries,
  recordingIds: readonly string[],
): Promise<ReadonlyMap<string, readonly ListedParticipant[]>> {
  const found = new Map<string, Map<string, { aor: string; name: string | null }[]>>()
  if (recordingIds.length === 0) return new Map()
  const { rows } = await database.pool.query<{
    recording_id: string
    participant_id: string
    aor: string | null
    name: string | null
  }>(
    `SELECT p.recording_id, p.participant_id, a.aor, a.name
     FROM participants AS p LEFT JOIN aors AS a USING (recording_id, participant_id)
     WHERE p.recording_id = ANY($1::uuid[])
     ORDER BY p.recording_id, p.participant_id, a.snapshot_seq DESC, a.aor, a.name`,
    [recordingIds],
  )
  for (const row of rows) {
    const participants = found.get(row.recording_id) ?? new Map<string, { aor: string; name: string | null }[]>()
    found.set(row.recording_id, participants)
    const aors = participants.get(row.participant_id) ?? []
    participants.set(row.participant_id, aors)
    if (row.aor !== null) aors.push({ aor: row.aor, name: row.name })
  }
  return new Map(
    [...found].map(([recordingId, participants]) => [
      recordingId,
      [...participants].map(([participantId, aors]) => ({ participantId, aors })),
    ]),
  )
}

function toListed(row: RecordingRow, participants: readonly ListedParticipant[]): ListedRecording {
  return {
    recordingId: row.recording_id,
    rsId: row.rs_id,
    tenant: row.tenant,
    src: row.src,
    dialect: row.dialect,
    state: row.state,
    startedAt: row.started_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
    durationMs: row.duration_samples === null ? null : Math.round(Number(row.duration_samples) / SAMPLES_PER_MS),
    endCause: row.end_cause,
    layout: row.layout,
    metadataState: row.metadata_state,
    consentState: row.consent_state,
    hasKeptAudio: row.has_kept_audio,
    custodyState: row.custody_state,
    participants,
  }
}

/** Holds of a recording that were added and not released. */
export async function openHolds({ pool }: Queries, recordingId: string): Promise<readonly KnownHold[]> {
  const { rows } = await pool.query<{ hold_id: string; sha256: string }>(
    `SELECT added.hold_id, added.sha256 FROM ${OPEN_HOLDS} AND added.recording_id = $1`,
    [recordingId],
  )
  return rows.map(({ hold_id: holdId, sha256 }) => ({ holdId, recordSha256: sha256, knownBy: 'index' }))
}

/** One recording of the same story. */
export interface RelatedRecording extends ListedRecording {
  readonly relation: Relation
  /** What it has in common with this recording, or with the one that it was found through. */
  readonly sharedIds: readonly { readonly kind: string; readonly value: string }[]
  /** null when they are related directly, else the id of a recording that both are related to. */
  readonly through: string | null
}

export interface RecordingDetails extends ListedRecording, RecordingParts {
  readonly sipCallId: string
  /** Of its objects in the store. */
  readonly objectPrefix: string
  /** age recipient of the recording's own key pair. */
  readonly recipient: string
  readonly manifestSha256: string | null
  readonly durationSamples: number | null
  /** Recordings of the same story, oldest first; at most `RELATED_RECORDINGS_MAX`. */
  readonly related: readonly RelatedRecording[]
}

interface DetailsRow extends RecordingRow {
  readonly sip_call_id: string
  readonly object_prefix: string
  readonly recipient: string
  readonly manifest_sha256: string | null
}

/** Everything that is known about one recording; undefined when there is none of that id. */
export async function showRecording(database: Queries, recordingId: string): Promise<RecordingDetails | undefined> {
  if (!isUuidV7(recordingId)) return undefined
  const { rows } = await database.pool.query<DetailsRow>(
    `SELECT ${RECORDING_COLUMNS}, sip_call_id, object_prefix, recipient, manifest_sha256
     FROM recordings AS r WHERE recording_id = $1`,
    [recordingId],
  )
  const row = rows[0]
  if (row === undefined) return undefined
  const participants = await readParticipants(database, [recordingId])
  const listed = toListed(row, participants.get(recordingId) ?? [])
  return {
    ...listed,
    sipCallId: row.sip_call_id,
    objectPrefix: row.object_prefix,
    recipient: row.recipient,
    manifestSha256: row.manifest_sha256,
    durationSamples: row.duration_samples === null ? null : Number(row.duration_samples),
    ...(await readRecordingParts(database, recordingId)),
    related: await readRelated(database, listed),
  }
}

async function readRelated(database: Queries, recording: ListedRecording): Promise<readonly RelatedRecording[]> {
  const links = await findRelated(database, recording.recordingId)
  if (links.size === 0) return []
  const ids = [...links.keys()]
  const { rows } = await database.pool.query<RecordingRow>(
    `SELECT ${RECORDING_COLUMNS} FROM recordings AS r WHERE recording_id = ANY($1::uuid[]) ORDER BY started_at, recording_id`,
    [ids],
  )
  const [participants, identities] = await Promise.all([
    readParticipants(database, ids),
    readIdentities(database, [recording.recordingId, ...ids]),
  ])
  const own = { ...recording, ids: identities.get(recording.recordingId) ?? [] }
  return rows.map((row) => {
    const listed = toListed(row, participants.get(row.recording_id) ?? [])
    const { sharedIds = [], through = null } = links.get(row.recording_id) ?? {}
    const relation = relationOf(own, { ...listed, ids: identities.get(row.recording_id) ?? [] })
    return { ...listed, relation, sharedIds, through }
  })
}
