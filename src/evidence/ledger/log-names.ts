import { isUuidV7, uuidV7UnixMs } from '../../ids.ts'

/** Names of what a log is kept in. FORMAT.md 1 */

/** Folder of the logs in the data folder, and first part of their names in the object store. */
export const LEDGER_PREFIX = 'ledger'
export const NEWEST_CHECKPOINT_NAME = 'checkpoint'
export const HASHES_NAME = 'hashes.bin'
export const SALT_NAME = 'salt'
/** Statement 0 of every log lies under it. */
export const LOG_LIST_PREFIX = `${LEDGER_PREFIX}/logs/`

const ENTRIES_NAME = /^entries-(\d{12,16})(?:-(\d{12,16}))?\.jwsl$/
const CHECKPOINT_NAME = /^checkpoint-(\d{12,16})\.note$/
const DIGITS = 12

/** An object of entries; `end` is not known of one that still grows. */
export interface EntriesName {
  readonly first: number
  readonly end: number | undefined
}

export function entriesName(first: number, end?: number): string {
  return end === undefined ? `entries-${padded(first)}.jwsl` : `entries-${padded(first)}-${padded(end)}.jwsl`
}

export function checkpointName(size: number): string {
  return `checkpoint-${padded(size)}.note`
}

/** The answer of a time stamping authority over the checkpoint of that size. */
export function timestampName(size: number): string {
  return `checkpoint-${padded(size)}.tsr`
}

/** Cosignatures of witnesses over the checkpoint of that size. */
export function cosignaturesName(size: number): string {
  return `checkpoint-${padded(size)}.cosig`
}

export function parseEntriesName(name: string): EntriesName | undefined {
  const [, first, end] = ENTRIES_NAME.exec(name) ?? []
  return first === undefined ? undefined : { first: Number(first), end: end === undefined ? undefined : Number(end) }
}

export function parseCheckpointName(name: string): number | undefined {
  const [, size] = CHECKPOINT_NAME.exec(name) ?? []
  return size === undefined ? undefined : Number(size)
}

/** `ledger/<logId>/<YYYY>/<MM>`, for objects made at that time. */
export function logMonthPrefix(logId: string, unixMs: number): string {
  const [year, month] = new Date(unixMs).toISOString().split('-')
  return `${LEDGER_PREFIX}/${logId}/${year}/${month}`
}

/** The prefixes of all months of a log, the newest first: from `nowUnixMs` back to when its id was made. */
export function logMonthPrefixes(logId: string, nowUnixMs: number): readonly string[] {
  const prefixes: string[] = []
  const oldest = new Date(uuidV7UnixMs(logId) ?? nowUnixMs)
  const month = new Date(nowUnixMs)
  month.setUTCDate(1)
  // One more, for a clock that has been put forward since.
  month.setUTCMonth(month.getUTCMonth() + 1)
  oldest.setUTCDate(1)
  oldest.setUTCHours(0, 0, 0, 0)
  for (; month >= oldest; month.setUTCMonth(month.getUTCMonth() - 1)) {
    prefixes.push(`${logMonthPrefix(logId, month.getTime())}/`)
  }
  return prefixes
}

export function logListKey(logId: string): string {
  return `${LOG_LIST_PREFIX}${logId}.jws`
}

/** The log that a key of {@link logListKey} stands for. */
export function logIdOfKey(key: string): string | undefined {
  const logId = key.slice(LOG_LIST_PREFIX.length, -'.jws'.length)
  return isUuidV7(logId) && key === logListKey(logId) ? logId : undefined
}

function padded(value: number): string {
  return String(value).padStart(DIGITS, '0')
}
