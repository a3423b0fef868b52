import type { ConsentNotedRecord } from './records.ts'
import type { Statement } from './statement.ts'
import { columnText, keyText } from './text-columns.ts'

/** A signed consent event, and the recording's consent with it; one that is told late, or again, takes nothing back. */
export function consentStatements(record: ConsentNotedRecord): readonly Statement[] {
  const { recordingId, number, state } = record
  return [
    {
      sql: `INSERT INTO consent_events
       (recording_id, event_number, type, at, at_sample, state, object_name, sha256, size_bytes, jws)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (recording_id, event_number) DO NOTHING`,
      values: [
        ...[recordingId, number, keyText(record.type), record.at, record.atSample ?? null, keyText(state)],
        ...[columnText(record.objectName), record.sha256, record.sizeBytes, record.jws],
      ],
    },
    {
      sql: `UPDATE recordings SET consent_state = $3
     WHERE recording_id = $1
       AND NOT EXISTS (SELECT FROM consent_events WHERE recording_id = $1 AND event_number > $2::integer)`,
      values: [recordingId, number, keyText(state)],
    },
  ]
}
