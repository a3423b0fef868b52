import type { CustodyDecidedRecord } from './records.ts'
import type { Statement } from './statement.ts'
import { columnText } from './text-columns.ts'

/** Open holds, by recording; a recording that is held is not destroyed. Columns of `recordings AS r` may be named around it. */
export const OPEN_HOLDS = `custody_records AS added WHERE added.kind = 'holdAdded' AND NOT EXISTS (
  SELECT FROM custody_records AS released
  WHERE released.recording_id = added.recording_id AND released.hold_id = added.hold_id AND released.kind = 'holdReleased')`

/** Of `recordings AS r`: what was decided about it. The last order to destroy says whether that was done. */
export const CUSTODY_STATE = `coalesce(
    (SELECT CASE shred.kind WHEN 'shredded' THEN 'shredded' ELSE 'shredding' END FROM custody_records AS shred
     WHERE shred.recording_id = r.recording_id AND shred.scope IS NOT NULL ORDER BY shred.custody_seq DESC LIMIT 1),
    (SELECT 'held' FROM ${OPEN_HOLDS} AND added.recording_id = r.recording_id LIMIT 1),
    'free')`

/** One row, once; who and why are added when they become known. */
export function custodyStatements(record: CustodyDecidedRecord): readonly Statement[] {
  const { recordingId, custodySeq, decision, decidedAt, holdId, scope, decidedBy, reason, sha256 } = record
  return [
    {
      sql: `INSERT INTO custody_records AS known
         (recording_id, custody_seq, kind, decided_at, hold_id, scope, decided_by, reason, sha256)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (recording_id, custody_seq) DO UPDATE SET decided_by = excluded.decided_by, reason = excluded.reason
       WHERE known.decided_by IS NULL AND excluded.decided_by IS NOT NULL AND known.sha256 = excluded.sha256`,
      values: [
        ...[recordingId, custodySeq, decision, decidedAt, holdId ?? null, scope ?? null],
        decidedBy === undefined ? null : columnText(decidedBy),
        reason === undefined ? null : columnText(reason),
        sha256,
      ],
    },
  ]
}
