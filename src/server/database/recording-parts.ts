import type { Database } from './database.ts'

/** What belongs to one recording, besides the recording itself. Times are RFC 3339 unless they are the SRC's own text. */
export interface RecordingParts {
  readonly csGroups: readonly CsGroupRow[]
  readonly communicationSessions: readonly CommunicationSessionRow[]
  readonly mediaStreams: readonly MediaStreamRow[]
  readonly snapshots: readonly SnapshotRow[]
  readonly chunks: readonly ChunkRow[]
  readonly gaps: readonly GapRow[]
  readonly incidents: readonly IncidentRow[]
  readonly participantSessions: readonly ParticipantSessionRow[]
  /** Who was on which stream from when to when, in the order it began. */
  readonly attributions: readonly AttributionRow[]
  /** What the parties were told and what they answered, as it was signed. */
  readonly consentEvents: readonly ConsentEventRow[]
  /** What links the recording to others. */
  readonly correlationIds: readonly { readonly kind: string; readonly value: string }[]
  /** What vendors say beside RFC 7865; at most {@link EXTENSIONS_SHOWN_MAX}. */
  readonly extensions: readonly ExtensionRow[]
  /** What was decided about it later, in that order. */
  readonly custodyRecords: readonly CustodyRow[]
}

export interface CustodyRow {
  readonly decision: 'holdAdded' | 'holdReleased' | 'shredBegun' | 'shredded'
  readonly decidedAt: string
  readonly holdId: string | null
  readonly scope: 'key' | 'objects' | null
  /** null where nobody has opened the note. */
  readonly decidedBy: string | null
  readonly reason: string | null
}

/** A participant took part in a communication session; '' when the SRC did not say in which. Times are its text. RFC 7865 6.6 */
export interface ParticipantSessionRow {
  readonly participantId: string
  readonly csId: string
  readonly associateTime: string | null
  readonly disassociateTime: string | null
}

export interface AttributionRow {
  readonly streamId: string
  readonly participantId: string
  readonly basis: 'label' | 'order'
  readonly from: string
  /** Whose clock: the SRC's, or ours where it gave no time that can be true. */
  readonly fromClock: 'src' | 'recorder'
  /** null while it lasts; then the recording's end is its end. */
  readonly to: string | null
  readonly toClock: 'src' | 'recorder' | null
}

export interface ConsentEventRow {
  readonly number: number
  readonly type: string
  readonly at: string
  readonly atSample: number | null
  /** Consent to the recording with this event. */
  readonly state: string
  readonly sha256: string
  /** The signed event. */
  readonly jws: string
}

export interface ExtensionRow {
  readonly ownerId: string | null
  readonly path: string
  readonly namespace: string | null
  readonly text: string
  readonly attributes: readonly (readonly [name: string, value: string])[]
}

export const EXTENSIONS_SHOWN_MAX = 1_000

/** What a communication session of the recording was called; times are the SRC's text. */
export interface CommunicationSessionRow {
  readonly csId: string
  readonly csGroupId: string | null
  readonly sipSessionIds: readonly string[]
  readonly startTime: string | null
  readonly stopTime: string | null
  readonly reason: string | null
  /** When its recording in this recording session began and ended. RFC 7865 6.4 */
  readonly associateTime: string | null
  readonly disassociateTime: string | null
}

export interface CsGroupRow {
  readonly csGroupId: string
  readonly associateTime: string | null
  readonly disassociateTime: string | null
}

export interface MediaStreamRow {
  readonly streamId: string
  readonly streamLabel: string
  readonly channel: number
  readonly codec: string
  readonly participantIds: readonly string[]
  readonly packets: {
    readonly expected: number
    readonly received: number
    readonly lost: number
    readonly late: number
    readonly duplicate: number
  }
  readonly audioSamples: number
  /** Parts of the lost and of the audio samples; null where an older recorder did not count them. */
  readonly concealedSamples: number | null
  readonly silentSamples: number | null
}

export interface SnapshotRow {
  readonly seq: number
  readonly receivedAt: string
  readonly dataMode: 'complete' | 'partial' | null
  readonly valid: boolean
  readonly reason: string | null
  readonly sha256: string
  readonly sizeBytes: number
  readonly objectName: string
}

export interface ChunkRow {
  readonly chunkSeq: number
  readonly objectName: string
  readonly sha256: string
  readonly sizeBytes: number
  readonly fromSample: number
  readonly toSample: number
  readonly storedAt: string
}

export interface GapRow {
  readonly streamId: string
  readonly fromSample: number
  readonly toSample: number
  readonly cause: string
}

export interface IncidentRow {
  readonly code: string
  readonly at: string
  readonly atSample: number | null
  readonly detail: string
}

/** SQL for a timestamp as RFC 3339 text with milliseconds, in UTC. */
export function rfc3339(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}

/** Positions and sizes are read as float8, which the driver gives as numbers; they are exact to 2^53. */
export async function readRecordingParts(
  { pool }: Pick<Database, 'pool'>,
  recordingId: string,
): Promise<RecordingParts> {
  const read = async <Row extends object>(sql: string): Promise<readonly Row[]> =>
    (await pool.query<Row>(sql, [recordingId])).rows
  const [csGroups, communicationSessions, mediaStreams, snapshots, chunks, gaps, incidents] = await Promise.all([
    read<CsGroupRow>(CS_GROUPS),
    read<CommunicationSessionRow>(COMMUNICATION_SESSIONS),
    read<MediaStreamRow>(MEDIA_STREAMS),
    read<SnapshotRow>(SNAPSHOTS),
    read<ChunkRow>(CHUNKS),
    read<GapRow>(GAPS),
    read<IncidentRow>(INCIDENTS),
  ])
  const [participantSessions, attributions, correlationIds, extensions, consentEvents, custodyRecords] =
    await Promise.all([
      read<ParticipantSessionRow>(PARTICIPANT_SESSIONS),
      read<AttributionRow>(ATTRIBUTIONS),
      read<RecordingParts['correlationIds'][number]>(CORRELATION_IDS),
      read<ExtensionRow>(EXTENSIONS),
      read<ConsentEventRow>(CONSENT_EVENTS),
      read<CustodyRow>(CUSTODY_RECORDS),
    ])
  return {
    ...{ csGroups, communicationSessions, mediaStreams, snapshots, chunks, gaps, incidents },
    ...{ participantSessions, attributions, correlationIds, extensions, consentEvents, custodyRecords },
  }
}

const CUSTODY_RECORDS = `
  SELECT kind AS decision, ${rfc3339('decided_at')} AS "decidedAt", hold_id AS "holdId", scope, decided_by AS "decidedBy", reason
  FROM custody_records WHERE recording_id = $1 ORDER BY custody_seq`

const CS_GROUPS = `
  SELECT cs_group_id AS "csGroupId", associate_time AS "associateTime", disassociate_time AS "disassociateTime"
  FROM cs_groups WHERE recording_id = $1 ORDER BY cs_group_id`

const COMMUNICATION_SESSIONS = `
  SELECT cs_id AS "csId", cs_group_id AS "csGroupId", sip_session_ids AS "sipSessionIds", start_time AS "startTime",
         stop_time AS "stopTime", reason, associate_time AS "associateTime", disassociate_time AS "disassociateTime"
  FROM communication_sessions WHERE recording_id = $1 ORDER BY cs_id`

const MEDIA_STREAMS = `
  SELECT stream_id AS "streamId", stream_label AS "streamLabel", channel, codec,
         ARRAY(SELECT p.participant_id FROM media_stream_participants AS p
               WHERE p.recording_id = s.recording_id AND p.stream_id = s.stream_id
               ORDER BY p.participant_id) AS "participantIds",
         json_build_object('expected', packets_expected, 'received', packets_received, 'lost', packets_lost,
                           'late', packets_late, 'duplicate', packets_duplicate) AS packets,
         audio_samples::float8 AS "audioSamples", concealed_samples::float8 AS "concealedSamples",
         silent_samples::float8 AS "silentSamples"
  FROM media_streams AS s WHERE recording_id = $1 ORDER BY channel, stream_id`

const SNAPSHOTS = `
  SELECT snapshot_seq AS seq, ${rfc3339('received_at')} AS "receivedAt", data_mode AS "dataMode", valid, reason, sha256,
         size_bytes::float8 AS "sizeBytes", object_name AS "objectName"
  FROM metadata_snapshots WHERE recording_id = $1 ORDER BY snapshot_seq`

const CHUNKS = `
  SELECT chunk_seq AS "chunkSeq", object_name AS "objectName", sha256, size_bytes::float8 AS "sizeBytes",
         from_sample::float8 AS "fromSample", to_sample::float8 AS "toSample", ${rfc3339('stored_at')} AS "storedAt"
  FROM chunks WHERE recording_id = $1 ORDER BY chunk_seq`

const GAPS = `
  SELECT stream_id AS "streamId", from_sample::float8 AS "fromSample", to_sample::float8 AS "toSample", cause
  FROM gaps WHERE recording_id = $1 ORDER BY from_sample, stream_id, cause`

const INCIDENTS = `
  SELECT code, ${rfc3339('at')} AS at, at_sample::float8 AS "atSample", detail
  FROM incidents AS i WHERE recording_id = $1 ORDER BY i.at, code`

const PARTICIPANT_SESSIONS = `
  SELECT participant_id AS "participantId", cs_id AS "csId", associate_time AS "associateTime",
         disassociate_time AS "disassociateTime"
  FROM participant_sessions WHERE recording_id = $1 ORDER BY participant_id, cs_id`

const ATTRIBUTIONS = `
  SELECT stream_id AS "streamId", participant_id AS "participantId", basis, ${rfc3339('from_at')} AS "from",
         from_clock AS "fromClock", ${rfc3339('to_at')} AS "to", to_clock AS "toClock"
  FROM attributions WHERE recording_id = $1 ORDER BY ordinal`

const CONSENT_EVENTS = `
  SELECT event_number AS number, type, ${rfc3339('at')} AS at, at_sample::float8 AS "atSample", state, sha256, jws
  FROM consent_events AS e WHERE recording_id = $1 ORDER BY event_number`

const CORRELATION_IDS = `
  SELECT kind, value FROM correlation_ids WHERE recording_id = $1 ORDER BY kind, value`

const EXTENSIONS = `
  SELECT owner_id AS "ownerId", path, namespace, text, attributes
  FROM metadata_extensions WHERE recording_id = $1 ORDER BY snapshot_seq, path, extension_key LIMIT ${EXTENSIONS_SHOWN_MAX}`
