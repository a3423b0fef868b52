import type { Pool, PoolClient } from 'pg'

import { chunkStatement, recordStatements } from './record-statements.ts'
import type { ChunkStoredRecord, DatabaseRecord } from './records.ts'
import { UnknownRecordingError } from './server-errors.ts'
import type { Statement } from './statement.ts'
import { inTransaction } from './transaction.ts'

/** Rows of one statement. */
export const ROWS_PER_STATEMENT_MAX = 500

export interface PlannedRecord {
  readonly record: DatabaseRecord
  readonly statements: readonly Statement[]
}

/** Throws a TypeError when the value is not a record, so that a bad value shows before any connection is used. */
export function planRecord(record: DatabaseRecord): PlannedRecord {
  return { record, statements: recordStatements(record) }
}

/**
 * Writes records in one transaction, in order: all of them, or nothing. Writing them again changes nothing.
 *
 * Rejects with an `UnknownRecordingError` for a record about a recording that the database does not have.
 */
export function applyRecords(pool: Pool, planned: readonly PlannedRecord[]): Promise<void> {
  return inTransaction(pool, async (client) => {
    for (const statement of joinedStatements(planned)) await runStatement(client, statement)
  })
}

async function runStatement(client: PoolClient, { sql, values, mustMatch }: Statement): Promise<void> {
  const { rowCount } = await client.query(sql, [...values])
  if (mustMatch === true && rowCount === 0) throw new UnknownRecordingError()
}

/** Chunks that follow on each other go in one statement; the order of everything stays. */
export function* joinedStatements(planned: readonly PlannedRecord[]): Generator<Statement> {
  let chunks: ChunkStoredRecord[] = []
  for (const { record, statements } of planned) {
    if (record.kind === 'chunkStored' && chunks.length < ROWS_PER_STATEMENT_MAX) {
      chunks.push(record)
      continue
    }
    if (chunks.length > 0) yield chunkStatement(chunks)
    chunks = record.kind === 'chunkStored' ? [record] : []
    if (record.kind !== 'chunkStored') yield* statements
  }
  if (chunks.length > 0) yield chunkStatement(chunks)
}
