import { correlationStatements, extensionStatements } from './fact-statements.ts'
import type { SnapshotReceivedRecord } from './records.ts'
import type { Statement } from './statement.ts'
import { columnText, contentKey, keyText, optionalKey, optionalText, participantSearchText } from './text-columns.ts'

/**
 * What writes one metadata snapshot, and merges what it says into what is known about its recording.
 *
 * A row keeps what the snapshot with the highest `seq` said about it; nothing is taken away by a later snapshot that is
 * silent about it, because who took part earlier did take part.
 */
export function snapshotStatements(record: SnapshotReceivedRecord): readonly Statement[] {
  return [
    ...insertSnapshot(record),
    ...mergeGroups(record),
    ...mergeCommunicationSessions(record),
    ...mergeParticipants(record),
    ...mergeAors(record),
    ...mergeMetadataStreams(record),
    ...mergeAssociations(record),
    ...mergeParticipantSessions(record),
    ...correlationStatements(record.recordingId, record.correlationIds ?? []),
    ...extensionStatements(record.recordingId, record.seq, record.extensions ?? []),
  ]
}

function insertSnapshot(record: SnapshotReceivedRecord): readonly Statement[] {
  return [
    {
      sql: `INSERT INTO metadata_snapshots
       (recording_id, snapshot_seq, received_at, data_mode, valid, reason, sha256, size_bytes, object_name)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (recording_id, snapshot_seq) DO NOTHING`,
      values: [
        record.recordingId,
        record.seq,
        record.receivedAt,
        record.dataMode,
        record.valid,
        optionalText(record.reason),
        record.sha256,
        record.sizeBytes,
        columnText(record.objectName),
      ],
    },
    // One unreadable document marks the recording for good: whoever reads the index must look at the snapshot itself.
    {
      sql: `UPDATE recordings
     SET metadata_state = CASE WHEN $2 AND metadata_state <> 'invalid' THEN 'valid' ELSE 'invalid' END
     WHERE recording_id = $1`,
      values: [record.recordingId, record.valid],
    },
  ]
}

/** A new associate time means that it is associated again; one without it may only add when it ended (CUBE's BYE does). */
function mergeGroups({ recordingId, seq, groups }: SnapshotReceivedRecord): readonly Statement[] {
  const rows = byKey(groups, (group) => keyText(group.csGroupId))
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO cs_groups AS known (recording_id, snapshot_seq, cs_group_id, associate_time, disassociate_time)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[])
     ON CONFLICT (recording_id, cs_group_id) DO UPDATE
     SET associate_time = coalesce(excluded.associate_time, known.associate_time),
         disassociate_time = CASE WHEN excluded.associate_time IS NULL
           THEN coalesce(excluded.disassociate_time, known.disassociate_time)
           ELSE excluded.disassociate_time END,
         snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        [...rows.keys()],
        values.map((group) => optionalText(group.associateTime)),
        values.map((group) => optionalText(group.disassociateTime)),
      ],
    },
  ]
}

function mergeCommunicationSessions({
  recordingId,
  seq,
  communicationSessions,
  sessionRecordings = [],
}: SnapshotReceivedRecord): readonly Statement[] {
  const recorded = new Map(sessionRecordings.map((each) => [each.csId, each]))
  // An association may name a session that stands nowhere else.
  const mentioned = [...recorded.keys()].map((csId) => ({ csId, sipSessionIds: [] }))
  const said: SnapshotReceivedRecord['communicationSessions'] = [...mentioned, ...communicationSessions]
  const rows = byKey(said, (cs) => keyText(cs.csId))
  if (rows.size === 0) return []
  const values = [...rows.values()]
  // unnest would flatten an array of arrays, so the SIP session ids travel as JSON.
  return [
    {
      sql: `INSERT INTO communication_sessions AS known
       (recording_id, snapshot_seq, cs_id, cs_group_id, sip_session_ids, start_time, stop_time, reason,
        associate_time, disassociate_time)
     SELECT $1, $2, cs_id, cs_group_id, ARRAY(SELECT jsonb_array_elements_text(ids)), start_time, stop_time, reason,
            associate_time, disassociate_time
     FROM unnest($3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
       AS said (cs_id, cs_group_id, ids, start_time, stop_time, reason, associate_time, disassociate_time)
     ON CONFLICT (recording_id, cs_id) DO UPDATE
     SET cs_group_id = coalesce(excluded.cs_group_id, known.cs_group_id),
         sip_session_ids =
           CASE WHEN excluded.sip_session_ids = '{}' THEN known.sip_session_ids ELSE excluded.sip_session_ids END,
         start_time = coalesce(excluded.start_time, known.start_time),
         stop_time = coalesce(excluded.stop_time, known.stop_time),
         reason = coalesce(excluded.reason, known.reason),
         associate_time = coalesce(excluded.associate_time, known.associate_time),
         disassociate_time = CASE WHEN excluded.associate_time IS NULL
           THEN coalesce(excluded.disassociate_time, known.disassociate_time)
           ELSE excluded.disassociate_time END,
         snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        [...rows.keys()],
        values.map((cs) => optionalKey(cs.csGroupId)),
        values.map((cs) => JSON.stringify(cs.sipSessionIds.map(keyText))),
        values.map((cs) => optionalText(cs.startTime)),
        values.map((cs) => optionalText(cs.stopTime)),
        values.map((cs) => optionalText(cs.reason)),
        values.map((cs) => optionalText(recorded.get(cs.csId)?.associateTime)),
        values.map((cs) => optionalText(recorded.get(cs.csId)?.disassociateTime)),
      ],
    },
  ]
}

function mergeParticipants({ recordingId, seq, participants }: SnapshotReceivedRecord): readonly Statement[] {
  const ids = new Set(participants.map((participant) => keyText(participant.participantId)))
  if (ids.size === 0) return []
  return [
    {
      sql: `INSERT INTO participants AS known (recording_id, snapshot_seq, participant_id)
     SELECT $1, $2, * FROM unnest($3::text[])
     ON CONFLICT (recording_id, participant_id) DO UPDATE
     SET snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [recordingId, seq, [...ids]],
    },
  ]
}

function mergeAors({ recordingId, seq, participants }: SnapshotReceivedRecord): readonly Statement[] {
  const said = participants.flatMap(({ participantId, aors }) =>
    aors.map(({ aor, name }) => ({ participantId: keyText(participantId), aor, name: name ?? null })),
  )
  const rows = byKey(said, (row) => `${row.participantId}\n${contentKey(row.aor, row.name)}`)
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO aors AS known (recording_id, snapshot_seq, participant_id, aor_key, aor, name, search_text)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     ON CONFLICT (recording_id, participant_id, aor_key) DO UPDATE
     SET snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        values.map((row) => row.participantId),
        values.map((row) => contentKey(row.aor, row.name)),
        values.map((row) => columnText(row.aor)),
        values.map((row) => optionalText(row.name)),
        values.map((row) => participantSearchText(row.aor, row.name)),
      ],
    },
  ]
}

function mergeMetadataStreams({ recordingId, seq, mediaStreams }: SnapshotReceivedRecord): readonly Statement[] {
  const rows = byKey(mediaStreams, (stream) => keyText(stream.streamId))
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO metadata_streams AS known (recording_id, snapshot_seq, metadata_stream_id, cs_id, stream_label)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[])
     ON CONFLICT (recording_id, metadata_stream_id) DO UPDATE
     SET cs_id = coalesce(excluded.cs_id, known.cs_id),
         stream_label = coalesce(excluded.stream_label, known.stream_label),
         snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        [...rows.keys()],
        values.map((stream) => optionalKey(stream.csId)),
        values.map((stream) => optionalText(stream.label)),
      ],
    },
  ]
}

function mergeAssociations({ recordingId, seq, associations }: SnapshotReceivedRecord): readonly Statement[] {
  const said = associations.flatMap(({ participantId, sends, receives, associateTime, disassociateTime }) => {
    const times = { associateTime, disassociateTime }
    const one = (direction: string) => (streamId: string) => ({
      participantId: keyText(participantId),
      streamId: keyText(streamId),
      direction,
      ...times,
    })
    return [...sends.map(one('sends')), ...receives.map(one('receives'))]
  })
  const rows = byKey(said, (row) => `${row.participantId}\n${row.streamId}\n${row.direction}`)
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO participant_streams AS known
       (recording_id, snapshot_seq, participant_id, metadata_stream_id, direction, associate_time, disassociate_time)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     ON CONFLICT (recording_id, participant_id, metadata_stream_id, direction) DO UPDATE
     SET associate_time = coalesce(excluded.associate_time, known.associate_time),
         disassociate_time = CASE WHEN excluded.associate_time IS NULL
           THEN coalesce(excluded.disassociate_time, known.disassociate_time)
           ELSE excluded.disassociate_time END,
         snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        values.map((row) => row.participantId),
        values.map((row) => row.streamId),
        values.map((row) => row.direction),
        values.map((row) => optionalText(row.associateTime)),
        values.map((row) => optionalText(row.disassociateTime)),
      ],
    },
  ]
}

/** One that names no communication session is of all of them: ''. */
function mergeParticipantSessions({
  recordingId,
  seq,
  participantSessions = [],
}: SnapshotReceivedRecord): readonly Statement[] {
  const rows = byKey(participantSessions, (row) => `${keyText(row.participantId)}\n${keyText(row.csId ?? '')}`)
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO participant_sessions AS known
       (recording_id, snapshot_seq, participant_id, cs_id, associate_time, disassociate_time)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
     ON CONFLICT (recording_id, participant_id, cs_id) DO UPDATE
     SET associate_time = coalesce(excluded.associate_time, known.associate_time),
         disassociate_time = CASE WHEN excluded.associate_time IS NULL
           THEN coalesce(excluded.disassociate_time, known.disassociate_time)
           ELSE excluded.disassociate_time END,
         snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq > known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        values.map((row) => keyText(row.participantId)),
        values.map((row) => keyText(row.csId ?? '')),
        values.map((row) => optionalText(row.associateTime)),
        values.map((row) => optionalText(row.disassociateTime)),
      ],
    },
  ]
}

/** The last one wins of several with the same key: one statement may touch a row only once. */
function byKey<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row> {
  return new Map(rows.map((row) => [keyOf(row), row]))
}
