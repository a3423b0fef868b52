import { EarwitnessError, ExitCode } from '../../errors.ts'
import { isUuidV7 } from '../../ids.ts'
import { containsPattern, foldSearchTerm, foldText } from './text-columns.ts'

export type RecordingState = 'open' | 'complete' | 'interrupted'

export const LIST_LIMIT_MAX = 1_000
export interface RecordingFilters {
  /** Part of a name, of an AoR, or of a number with or without separators; case does not matter. */
  readonly participant?: string | undefined
  readonly src?: string | undefined
  /** Began at or after; RFC 3339. */
  readonly from?: string | undefined
  /** Began before; RFC 3339. */
  readonly to?: string | undefined
  /** Part of anything textual: participants, ids of every kind, SIP Call-ID, source, tenant, incident codes. */
  readonly text?: string | undefined
  readonly state?: RecordingState | undefined
  /** 1 to {@link LIST_LIMIT_MAX}. */
  readonly limit: number
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

/** Collects conditions, and their values by number. */
class Conditions {
  readonly #parts: string[] = []
  readonly values: unknown[] = []

  get sql(): string {
    return this.#parts.length === 0 ? '' : `WHERE ${this.#parts.join(' AND ')}`
  }

  /** Each `?` of `condition` stands for the next of `values`. */
  add(condition: string, ...values: readonly unknown[]): void {
    let index = this.values.length
    this.#parts.push(`(${condition.replaceAll('?', () => `$${(index += 1)}`)})`)
    this.values.push(...values)
  }
}

const HAS_AOR = `EXISTS (SELECT FROM aors AS a WHERE a.recording_id = r.recording_id AND a.search_text LIKE ?)`
const HAS_TEXT = `lower(r.sip_call_id) LIKE ? OR lower(r.src) LIKE ? OR lower(r.tenant) LIKE ?
  OR r.recording_id::text LIKE ? OR r.rs_id::text LIKE ? OR ${HAS_AOR}
  OR EXISTS (SELECT FROM communication_sessions AS c WHERE c.recording_id = r.recording_id
    AND lower(concat_ws(' ', c.cs_id, c.cs_group_id, array_to_string(c.sip_session_ids, ' '))) LIKE ?)
  OR EXISTS (SELECT FROM incidents AS i WHERE i.recording_id = r.recording_id AND lower(i.code) LIKE ?)`

/** Throws `list-limit`, `list-time` or `list-cursor` when an argument is not what it should be. */
export function filterConditions(filters: RecordingFilters): {
  readonly sql: string
  readonly values: readonly unknown[]
} {
  if (!Number.isInteger(filters.limit) || filters.limit < 1 || filters.limit > LIST_LIMIT_MAX) {
    throw badArgument('list-limit', 'limit is not a whole number in range.', `Give one from 1 to ${LIST_LIMIT_MAX}.`)
  }
  const where = new Conditions()
  const { participant, src, from, to, text, state, cursor } = filters
  if (src !== undefined) where.add('r.src = ?', src)
  if (state !== undefined) where.add('r.state = ?', state)
  if (from !== undefined) where.add('r.started_at >= ?', parseTime(from))
  if (to !== undefined) where.add('r.started_at < ?', parseTime(to))
  if (participant !== undefined) where.add(HAS_AOR, containsPattern(foldSearchTerm(participant)))
  if (text !== undefined) {
    const pattern = containsPattern(foldText(text.trim()))
    const person = containsPattern(foldSearchTerm(text))
    where.add(HAS_TEXT, pattern, pattern, pattern, pattern, pattern, person, pattern, pattern)
  }
  if (cursor !== undefined) {
    const { startedUs, recordingId } = decodeCursor(cursor)
    where.add(
      `(r.started_at, r.recording_id) < (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`,
      startedUs,
      recordingId,
    )
  }
  return where
}

/** Where a page ended. Microseconds since 1970, because a cursor must not round. */
export interface ListCursor {
  readonly startedUs: string
  readonly recordingId: string
}

export function encodeCursor({ startedUs, recordingId }: ListCursor): string {
  return Buffer.from(`${startedUs}.${recordingId}`).toString('base64url')
}

function decodeCursor(cursor: string): ListCursor {
  const [startedUs = '', recordingId = ''] = Buffer.from(cursor, 'base64url').toString('latin1').split('.')
  if (/^-?\d{1,18}$/.test(startedUs) && isUuidV7(recordingId)) return { startedUs, recordingId }
  throw badArgument('list-cursor', 'This is not a cursor of ours.', 'Begin again without a cursor.')
}

function parseTime(text: string): string {
  const unixMs = Date.parse(text)
  if (!Number.isNaN(unixMs)) return new Date(unixMs).toISOString()
  throw badArgument('list-time', 'A time is not of the form of RFC 3339.', 'Write it like 2026-03-01T09:00:00Z.')
}

function badArgument(code: string, sentence: string, hint: string): EarwitnessError {
  return new EarwitnessError(code, sentence, hint, { exitCode: ExitCode.usage })
}
