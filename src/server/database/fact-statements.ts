import type { AttributionInterval } from '../../protocol/siprec/attribution-history.ts'
import { isUnmistakable, type CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { MetadataExtension } from '../../protocol/siprec/metadata.ts'
import type { Statement } from './statement.ts'
import {
  addressSearchText,
  columnText,
  contentKey,
  extensionSearchText,
  keyText,
  optionalKey,
  optionalText,
} from './text-columns.ts'

/** A name that was found is not taken back by a later message that shows nothing. */
export function dialectStatements(recordingId: string, dialect: string | undefined): readonly Statement[] {
  if (dialect === undefined) return []
  const sql = `UPDATE recordings SET dialect = $2 WHERE recording_id = $1 AND dialect = 'generic'`
  return [{ sql, values: [recordingId, keyText(dialect)] }]
}

export function correlationStatements(recordingId: string, ids: readonly CorrelationId[]): readonly Statement[] {
  const rows = new Map(ids.map((id) => [`${id.kind} ${keyText(id.value)}`, id]))
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO correlation_ids (recording_id, kind, value, strong)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::boolean[])
     ON CONFLICT (recording_id, kind, value) DO NOTHING`,
      values: [
        recordingId,
        values.map(({ kind }) => keyText(kind)),
        values.map(({ value }) => keyText(value)),
        values.map(isUnmistakable),
      ],
    },
  ]
}

/** Each thing once, however often it is said: some clients send everything again with each snapshot. */
export function extensionStatements(
  recordingId: string,
  seq: number,
  extensions: readonly MetadataExtension[],
): readonly Statement[] {
  const rows = new Map(extensions.map((extension) => [extensionKey(extension), extension]))
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO metadata_extensions AS known
       (recording_id, snapshot_seq, extension_key, owner_id, path, namespace, text, attributes, search_text, address_text)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::text[],
                                  $10::text[])
     ON CONFLICT (recording_id, extension_key) DO UPDATE
     SET snapshot_seq = excluded.snapshot_seq
     WHERE excluded.snapshot_seq < known.snapshot_seq`,
      values: [
        recordingId,
        seq,
        [...rows.keys()],
        values.map(({ ownerId }) => optionalKey(ownerId)),
        values.map(({ path }) => columnText(path)),
        values.map(({ namespace }) => optionalText(namespace)),
        values.map(({ text }) => columnText(text)),
        values.map(({ attributes }) => attributesJson(attributes)),
        values.map(({ path, text, attributes }) =>
          extensionSearchText(path, [text, ...attributes.flatMap(({ name, value }) => [name, value])]),
        ),
        values.map(({ text }) => addressSearchText(text)),
      ],
    },
  ]
}

function extensionKey({ ownerId, path, namespace, text, attributes }: MetadataExtension): string {
  return contentKey(ownerId ?? null, path, namespace ?? null, text, attributesJson(attributes))
}

/** Pairs, because names may come twice with different prefixes, and in an order. */
function attributesJson(attributes: MetadataExtension['attributes']): string {
  return JSON.stringify(attributes.map(({ name, value }) => [columnText(name), columnText(value)]))
}

/** An interval ends once: an older record of it, without its end, does not open it again. */
export function attributionStatements(
  recordingId: string,
  intervals: readonly AttributionInterval[],
): readonly Statement[] {
  const rows = new Map(intervals.map((interval) => [interval.ordinal, interval]))
  if (rows.size === 0) return []
  const values = [...rows.values()]
  return [
    {
      sql: `INSERT INTO attributions AS known
       (recording_id, ordinal, stream_id, participant_id, basis, from_at, from_clock, to_at, to_clock)
     SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                              $8::timestamptz[], $9::text[])
     ON CONFLICT (recording_id, ordinal) DO UPDATE
     SET to_at = excluded.to_at, to_clock = excluded.to_clock
     WHERE known.to_at IS NULL AND excluded.to_at IS NOT NULL`,
      values: [
        recordingId,
        values.map(({ ordinal }) => ordinal),
        values.map(({ streamId }) => keyText(streamId)),
        values.map(({ participantId }) => keyText(participantId)),
        values.map(({ basis }) => basis),
        values.map(({ from }) => from.at),
        values.map(({ from }) => from.clock),
        values.map(({ to }) => to?.at ?? null),
        values.map(({ to }) => to?.clock ?? null),
      ],
    },
  ]
}
