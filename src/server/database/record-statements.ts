import type {
  ChunkStoredRecord,
  DatabaseRecord,
  IncidentNotedRecord,
  RecordingClosedRecord,
  RecordingOpenedRecord,
} from './records.ts'
import { consentStatements } from './consent-statements.ts'
import { custodyStatements } from './custody-statements.ts'
import { attributionStatements, correlationStatements, dialectStatements } from './fact-statements.ts'
import { snapshotStatements } from './snapshot-statements.ts'
import type { Statement } from './statement.ts'
import { columnText, contentKey, keyText } from './text-columns.ts'

/**
 * What writes one record, to be run in order inside one transaction. Running it again changes nothing.
 *
 * Throws a TypeError when the value is not a record, so that a bad value shows before any connection is used.
 */
export function recordStatements(record: DatabaseRecord): readonly Statement[] {
  switch (record.kind) {
    case 'recordingOpened':
      return openedStatements(record)
    case 'snapshotReceived':
      return snapshotStatements(record)
    case 'chunkStored':
      return [chunkStatement([record])]
    case 'incidentNoted':
      return incidentStatements(record)
    case 'factsNoted':
      return [
        ...dialectStatements(record.recordingId, record.dialect),
        ...correlationStatements(record.recordingId, record.correlationIds),
        ...attributionStatements(record.recordingId, record.attributions),
      ]
    case 'consentNoted':
      return consentStatements(record)
    case 'recordingClosed':
      return closedStatements(record)
    case 'custodyDecided':
      return custodyStatements(record)
    default:
      throw new TypeError('The value is not a database record.')
  }
}

function openedStatements(record: RecordingOpenedRecord): readonly Statement[] {
  return [
    {
      // A recording that was restored without a vault identity has no Call-ID; who knows it may say it later.
      sql: `INSERT INTO recordings AS known
       (recording_id, rs_id, tenant, src, sip_call_id, started_at, layout, object_prefix, recipient, dialect)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (recording_id) DO UPDATE SET sip_call_id = excluded.sip_call_id
     WHERE known.sip_call_id = '' AND excluded.sip_call_id <> ''`,
      values: [
        record.recordingId,
        record.rsId,
        keyText(record.tenant),
        keyText(record.src),
        columnText(record.sipCallId),
        record.startedAt,
        record.layout,
        columnText(record.objectPrefix),
        columnText(record.recipient),
        keyText(record.dialect ?? 'generic'),
      ],
    },
    ...correlationStatements(record.recordingId, record.correlationIds ?? []),
  ]
}

/** Many in one statement: a recorder writes more chunks than all other records together. */
export function chunkStatement(records: readonly ChunkStoredRecord[]): Statement {
  return {
    sql: `INSERT INTO chunks
       (recording_id, chunk_seq, object_name, sha256, size_bytes, from_sample, to_sample, stored_at)
     SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                          $8::timestamptz[])
     ON CONFLICT (recording_id, chunk_seq) DO NOTHING`,
    values: [
      records.map(({ recordingId }) => recordingId),
      records.map(({ chunkSeq }) => chunkSeq),
      records.map(({ objectName }) => columnText(objectName)),
      records.map(({ sha256 }) => sha256),
      records.map(({ sizeBytes }) => sizeBytes),
      records.map(({ fromSample }) => fromSample),
      records.map(({ toSample }) => toSample),
      records.map(({ storedAt }) => storedAt),
    ],
  }
}

function incidentStatements(record: IncidentNotedRecord): readonly Statement[] {
  const atSample = record.atSample ?? null
  return [
    {
      sql: `INSERT INTO incidents (recording_id, incident_key, code, at, at_sample, detail)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (recording_id, incident_key) DO NOTHING`,
      values: [
        record.recordingId,
        // Without its sample: one after the last sample stands at the end in the manifest, and is the same incident.
        contentKey(record.code, record.at, record.detail),
        keyText(record.code),
        record.at,
        atSample,
        columnText(record.detail),
      ],
    },
  ]
}

function closedStatements(record: RecordingClosedRecord): readonly Statement[] {
  return [
    {
      sql: `UPDATE recordings
     SET ended_at = $2, state = $3, end_cause = $4, duration_samples = $5, manifest_sha256 = $6
     WHERE recording_id = $1`,
      values: [
        record.recordingId,
        record.endedAt,
        record.state,
        columnText(record.endCause),
        record.durationSamples,
        record.manifestSha256,
      ],
      mustMatch: true,
    },
    ...insertStreams(record),
    ...insertStreamParticipants(record),
    ...insertGaps(record),
  ]
}

function insertStreams({ recordingId, streams }: RecordingClosedRecord): readonly Statement[] {
  if (streams.length === 0) return []
  return [
    {
      sql: `INSERT INTO media_streams
       (recording_id, stream_id, stream_label, channel, codec, packets_expected, packets_received, packets_lost,
        packets_late, packets_duplicate, audio_samples, concealed_samples, silent_samples)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::integer[], $5::text[], $6::bigint[], $7::bigint[],
                              $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
     ON CONFLICT (recording_id, stream_id) DO NOTHING`,
      values: [
        recordingId,
        streams.map((stream) => keyText(stream.streamId)),
        streams.map((stream) => columnText(stream.streamLabel)),
        streams.map((stream) => stream.channel),
        streams.map((stream) => columnText(stream.codec)),
        streams.map((stream) => stream.packets.expected),
        streams.map((stream) => stream.packets.received),
        streams.map((stream) => stream.packets.lost),
        streams.map((stream) => stream.packets.late),
        streams.map((stream) => stream.packets.duplicate),
        streams.map((stream) => stream.audioSamples),
        streams.map((stream) => stream.concealedSamples ?? null),
        streams.map((stream) => stream.silentSamples ?? null),
      ],
    },
  ]
}

function insertStreamParticipants({ recordingId, streams }: RecordingClosedRecord): readonly Statement[] {
  const pairs = streams.flatMap((stream) =>
    stream.participantIds.map((participantId) => ({ streamId: stream.streamId, participantId })),
  )
  if (pairs.length === 0) return []
  return [
    {
      sql: `INSERT INTO media_stream_participants (recording_id, stream_id, participant_id)
     SELECT $1, * FROM unnest($2::text[], $3::text[])
     ON CONFLICT DO NOTHING`,
      values: [
        recordingId,
        pairs.map((pair) => keyText(pair.streamId)),
        pairs.map((pair) => keyText(pair.participantId)),
      ],
    },
  ]
}

function insertGaps({ recordingId, gaps }: RecordingClosedRecord): readonly Statement[] {
  if (gaps.length === 0) return []
  return [
    {
      sql: `INSERT INTO gaps (recording_id, stream_id, from_sample, to_sample, cause)
     SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[])
     ON CONFLICT DO NOTHING`,
      values: [
        recordingId,
        gaps.map((gap) => keyText(gap.streamId)),
        gaps.map((gap) => gap.fromSample),
        gaps.map((gap) => gap.toSample),
        gaps.map((gap) => keyText(gap.cause)),
      ],
    },
  ]
}
