import { EarwitnessError, ExitCode } from '../../errors.ts'
import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import { isUuidV7 } from '../../ids.ts'
import { correlationForms } from '../../protocol/siprec/correlation.ts'
import { CUSTODY_STATE, OPEN_HOLDS } from './custody-statements.ts'
import { containsPattern, foldSearchTerm, foldText } from './text-columns.ts'

export type RecordingState = 'open' | 'complete' | 'interrupted'
export type CustodyState = 'free' | 'held' | 'shredding' | 'shredded'

export const LIST_LIMIT_MAX = 1_000
export interface RecordingFilters {
  /** Part of a name, of an AoR, or of a number with or without separators; case does not matter. */
  readonly participant?: string | undefined
  readonly src?: string | undefined
  /** Began at or after; RFC 3339. */
  readonly from?: string | undefined
  /** Began before; RFC 3339. */
  readonly to?: string | undefined
  /** Part of anything textual: participants, ids of every kind and spelling, vendor data, SIP Call-ID, source, tenant, incident codes. */
  readonly text?: string | undefined
  readonly state?: RecordingState | undefined
  readonly consent?: ConsentStateName | undefined
  /** What was decided about it later. */
  readonly custodyState?: Exclude<CustodyState, 'free'> | undefined
  /** Of the same story as the recording of this id, itself included; or having this id of a group, a UCID, GUID, Session-ID and so on. */
  readonly linked?: string | undefined
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

/** Vendor data that is an address counts: some clients have the real numbers nowhere else. */
const HAS_AOR = `r.recording_id IN (
  SELECT recording_id FROM aors WHERE search_text LIKE ?
  UNION ALL SELECT recording_id FROM metadata_extensions WHERE address_text IS NOT NULL AND address_text LIKE ?)`
const HAS_TEXT = `lower(r.sip_call_id) LIKE ? OR lower(r.src) LIKE ? OR lower(r.tenant) LIKE ? OR r.dialect LIKE ?
  OR r.recording_id::text LIKE ? OR r.rs_id::text LIKE ?
  OR r.recording_id IN (
    SELECT recording_id FROM aors WHERE search_text LIKE ?
    UNION ALL SELECT recording_id FROM metadata_extensions WHERE search_text LIKE ?
    UNION ALL SELECT recording_id FROM correlation_ids WHERE lower(value) LIKE ?
    UNION ALL SELECT recording_id FROM correlation_ids WHERE value = ANY(?::text[])
    UNION ALL SELECT recording_id FROM communication_sessions WHERE lower(cs_id) LIKE ?
    UNION ALL SELECT recording_id FROM communication_sessions WHERE lower(cs_group_id) LIKE ?
    UNION ALL SELECT recording_id FROM incidents WHERE code LIKE ?)`

/** A search by what was decided reads the few rows of that, not all recordings. */
const IN_CUSTODY: Readonly<Record<Exclude<CustodyState, 'free'>, string>> = {
  held: `r.recording_id IN (SELECT added.recording_id FROM ${OPEN_HOLDS})`,
  shredding: `r.recording_id IN (SELECT recording_id FROM custody_records WHERE scope IS NOT NULL)
    AND ${CUSTODY_STATE} = 'shredding'`,
  shredded: `r.recording_id IN (SELECT recording_id FROM custody_records WHERE scope IS NOT NULL)
    AND ${CUSTODY_STATE} = 'shredded'`,
}

/**
 * Throws `list-limit`, `list-time` or `list-cursor` when an argument is not what it should be.
 *
 * @param linkedIds the recordings that `filters.linked` means
 */
export function filterConditions(
  filters: RecordingFilters,
  linkedIds: readonly string[] | undefined,
): {
  readonly sql: string
  readonly values: readonly unknown[]
} {
  if (!Number.isInteger(filters.limit) || filters.limit < 1 || filters.limit > LIST_LIMIT_MAX) {
    throw badArgument('list-limit', 'limit is not a whole number in range.', `Give one from 1 to ${LIST_LIMIT_MAX}.`)
  }
  const where = new Conditions()
  const { participant, src, from, to, text, state, custodyState, consent, cursor } = filters
  if (src !== undefined) where.add('r.src = ?', src)
  if (state !== undefined) where.add('r.state = ?', state)
  if (consent !== undefined) where.add('r.consent_state = ?', consent)
  if (custodyState !== undefined) where.add(IN_CUSTODY[custodyState])
  if (from !== undefined) where.add('r.started_at >= ?', parseTime(from))
  if (to !== undefined) where.add('r.started_at < ?', parseTime(to))
  if (linkedIds !== undefined) where.add('r.recording_id = ANY(?::uuid[])', linkedIds)
  if (participant !== undefined) {
    const pattern = containsPattern(foldSearchTerm(participant))
    where.add(HAS_AOR, pattern, pattern)
  }
  if (text !== undefined) addText(where, text)
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

function addText(where: Conditions, text: string): void {
  const pattern = containsPattern(foldText(text.trim()))
  const person = containsPattern(foldSearchTerm(text))
  const ofRecording = [pattern, pattern, pattern, pattern, pattern, pattern]
  // An id is found in every spelling: the UCID of a call centre's report, the GUID of a trace.
  where.add(HAS_TEXT, ...ofRecording, person, person, pattern, correlationForms(text), pattern, pattern, pattern)
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
