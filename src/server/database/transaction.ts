import type { Pool, PoolClient } from 'pg'

import { sqlState } from './server-errors.ts'

/**
 * Lends one connection of the pool to `work`. A connection that broke under it is closed rather than lent again, and so is
 * one whose transaction could not be rolled back.
 */
export async function withClient<Value>(pool: Pool, work: (client: PoolClient) => Promise<Value>): Promise<Value> {
  const client = await pool.connect()
  let broken: Error | undefined
  const onError = (error: Error): void => {
    broken = error
  }
  // A connection that dies while it is lent says so in an event, which without a listener would end the process.
  client.on('error', onError)
  try {
    return await work(client)
  } catch (error) {
    if (sqlState(error) === undefined) broken ??= error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

/** Runs `work` in a transaction: all of it happens, or nothing. */
export function inTransaction(pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> {
  return withClient(pool, async (client) => {
    await client.query('BEGIN')
    try {
      await work(client)
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw error
    }
  })
}
