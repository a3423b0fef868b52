import type { Pool, PoolClient } from 'pg'

import { recordStatements } from './record-statements.ts'
import type { DatabaseRecord } from './records.ts'
import { UnknownRecordingError } from './server-errors.ts'
import type { Statement } from './statement.ts'
import { inTransaction } from './transaction.ts'

/** Writes records in one transaction, in order: all of them, or nothing. Writing them again changes nothing. */
export function applyRecords(pool: Pool, records: readonly DatabaseRecord[]): Promise<void> {
  const statements = records.flatMap(recordStatements)
  return inTransaction(pool, (client) => runStatements(client, statements))
}

/** @throws UnknownRecordingError for a record about a recording that the database does not have */
export async function runStatements(client: PoolClient, statements: Iterable<Statement>): Promise<void> {
  for (const { sql, values, mustMatch } of statements) {
    const { rowCount } = await client.query(sql, [...values])
    if (mustMatch === true && rowCount === 0) throw new UnknownRecordingError()
  }
}
