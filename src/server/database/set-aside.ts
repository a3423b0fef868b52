import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What may lie in `rejected.jsonl`; beyond it a rejected record is only counted and logged. */
export const REJECTED_BYTES_MAX = 64 * 1024 * 1024

/** A record that can never be written, and why: an SQLSTATE or `unreadable`. */
export interface RejectedRecord {
  readonly code: string
  readonly constraint?: string
  readonly rejectedAt: string
  /** The record; for a damaged line its bytes in Base64. */
  readonly record: unknown
}

/**
 * Keeps a record that the database will never take, for a person to look at. Resolves to false when the file is full;
 * rejects when the disk does not take it, and then it may be tried again.
 */
export async function setAside(directory: string, rejected: RejectedRecord): Promise<boolean> {
  const path = join(directory, 'rejected.jsonl')
  const line = Buffer.from(`${JSON.stringify(rejected)}\n`)
  const sizeBytes = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  if (sizeBytes + line.length > REJECTED_BYTES_MAX) return false
  const file = await open(path, constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY, 0o600)
  try {
    await file.write(line)
    await file.datasync()
  } finally {
    await file.close()
  }
  return true
}
