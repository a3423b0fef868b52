import { closeSync, ftruncateSync, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { openDatabase, type Database } from '../../src/server/database/open-database.ts'
import { Outbox } from '../../src/server/database/outbox.ts'
import { fillDiskOf } from '../support/full-server-disk.ts'
import { freeTcpPort } from '../support/free-ports.ts'
import { DATABASES, type TestedDatabase } from '../support/postgres.ts'
import { chunkRecord, closedRecord, exampleId, openedRecord } from '../unit/server/database/example-records.ts'

const DRAIN_MS = 120_000

describe.each(DATABASES)('With an outbox in front of $name,', ({ start }) => {
  let tested: TestedDatabase

  beforeAll(async () => {
    tested = await start()
  })

  afterAll(() => tested.remove())

  async function chunkCounts(recordingIds: readonly string[]): Promise<readonly number[]> {
    const { rows } = await tested.database.pool.query<{ recording_id: string; count: number }>(
      `SELECT recording_id, count(*)::integer AS count FROM chunks WHERE recording_id = ANY($1::uuid[]) GROUP BY 1`,
      [recordingIds],
    )
    const counts = new Map(rows.map((row) => [row.recording_id, row.count]))
    return recordingIds.map((recordingId) => counts.get(recordingId) ?? 0)
  }

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await sleep(10)
  }

  it('kill -9 of the server under load loses nothing and doubles nothing', async () => {
    const outbox = new Outbox({ ...tested, retryLastMs: 500 })
    await outbox.run()
    const ids = Array.from({ length: 40 }, () => exampleId())
    const kills: Promise<void>[] = []
    for (const [index, id] of ids.entries()) {
      outbox.add(openedRecord(id))
      for (let chunkSeq = 0; chunkSeq < 50; chunkSeq += 1) outbox.add(chunkRecord(id, chunkSeq))
      outbox.add(closedRecord(id))
      if (index === 10) {
        await until(() => outbox.counters.applied > 0)
        kills.push(tested.kill())
      }
      if (index % 10 === 9) await sleep(5)
    }
    await Promise.all(kills)
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    expect(await chunkCounts(ids)).toEqual(ids.map(() => 50))
    expect(outbox.counters).toMatchObject({ refused: 0, rejected: 0, applied: outbox.counters.added })
    await outbox.stop()
  })

  it('a record that comes alone is handed over at once, and those that come soon after it in one transaction', async () => {
    let transactions = 0
    const count = (): void => void (transactions += 1)
    const outbox = new Outbox({ ...tested, transactionPauseMs: 600_000 })
    await outbox.run()
    tested.database.pool.on('acquire', count)
    const id = exampleId()
    outbox.add(openedRecord(id))
    await until(() => outbox.counters.applied === 1)
    for (let chunkSeq = 0; chunkSeq < 20; chunkSeq += 1) {
      outbox.add(chunkRecord(id, chunkSeq))
      await outbox.written()
    }
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    tested.database.pool.off('acquire', count)
    expect(transactions).toBe(2)
    expect(await chunkCounts([id])).toEqual([20])
    await outbox.stop()
  })

  it('an outage is absorbed on disk, told by the state, and ends without a hand', async () => {
    const outbox = new Outbox({ ...tested, retryLastMs: 200 })
    await outbox.run()
    const id = exampleId()
    outbox.add(openedRecord(id))
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    await tested.goAway()
    for (let chunkSeq = 0; chunkSeq < 500; chunkSeq += 1) outbox.add(chunkRecord(id, chunkSeq))
    await until(() => outbox.state === 'databaseAway' && outbox.counters.databaseRetries > 2)
    expect(await outbox.drain(1)).toBe(false)
    expect(outbox.backlogBytes).toBeGreaterThan(100_000)
    await tested.comeBack()
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    expect(await chunkCounts([id])).toEqual([500])
    expect(outbox.state).toBe('flowing')
    expect(outbox.backlogBytes).toBe(0)
    await outbox.stop()
  })

  it('a server that turns read-only is waited for, and no record is blamed', async () => {
    const { pool } = tested.database
    const outbox = new Outbox({ ...tested, retryLastMs: 100 })
    await outbox.run()
    const setReadOnly = async (value: 'on' | 'off'): Promise<void> => {
      await pool.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`)
      await pool.query('SELECT pg_reload_conf()')
    }
    await setReadOnly('on')
    // The reload is asked for, not done: a connection made after it knows, and by then all others have been told.
    await until(async () => {
      const fresh = await pool.connect()
      const { rows } = await fresh.query<{ default_transaction_read_only: string }>(
        'SHOW default_transaction_read_only',
      )
      fresh.release(true)
      return rows[0]?.default_transaction_read_only === 'on'
    })
    const id = exampleId()
    outbox.add(openedRecord(id))
    await until(() => outbox.state === 'databaseAway')
    // A session may lift it for itself, which is how it can be lifted for all.
    const client = await pool.connect()
    await client.query('SET default_transaction_read_only = off')
    await client.query('ALTER SYSTEM RESET default_transaction_read_only')
    await client.query('SELECT pg_reload_conf()')
    client.release(true)
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    expect(outbox.counters.rejected).toBe(0)
    await outbox.stop()
  })

  it('a server whose disk is full is waited for, and loses nothing when there is space again', async () => {
    const { pool } = tested.database
    const outbox = new Outbox({ ...tested, retryLastMs: 100 })
    await outbox.run()
    const id = exampleId()
    outbox.add(openedRecord(id))
    outbox.add(chunkRecord(id, 0))
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    const disk = await fillDiskOf(pool, 'chunks_default')
    for (let chunkSeq = 1; chunkSeq < 500; chunkSeq += 1) outbox.add(chunkRecord(id, chunkSeq))
    outbox.add(closedRecord(id))
    await until(() => outbox.state === 'databaseAway' && outbox.counters.databaseRetries > 2)
    expect(tested.logged.at(-1)).toContain('"code":"53100"')
    await disk.end()
    expect(await outbox.drain(DRAIN_MS)).toBe(true)
    expect(await chunkCounts([id])).toEqual([500])
    expect(outbox.counters).toMatchObject({ applied: outbox.counters.added, rejected: 0, refused: 0 })
    await outbox.stop()
    await disk.remove()
  })

  describe('a restart of the daemon', () => {
    let away: Database
    const first = exampleId()
    const second = exampleId()

    beforeAll(async () => {
      const url = `postgres://nobody@127.0.0.1:${await freeTcpPort()}/absent`
      away = await openDatabase({ ...tested, url, whenUnreachable: 'continue' })
    })

    afterAll(() => away.stop())

    async function leave(id: string): Promise<void> {
      const outbox = new Outbox({ ...tested, database: away })
      await outbox.run()
      outbox.add(openedRecord(id))
      for (let chunkSeq = 0; chunkSeq < 10; chunkSeq += 1) outbox.add(chunkRecord(id, chunkSeq))
      await outbox.stop()
    }

    it('goes on with what two earlier runs could not hand over, in order', async () => {
      await leave(first)
      await leave(second)
      const outbox = new Outbox(tested)
      await outbox.run()
      outbox.add(closedRecord(first))
      expect(await outbox.drain(DRAIN_MS)).toBe(true)
      await outbox.stop()
      expect(await chunkCounts([first, second])).toEqual([10, 10])
      expect(outbox.counters).toMatchObject({ applied: 23, rejected: 0, tornTails: 0 })
    })

    it('skips a last line that a power cut tore, and keeps all before it', async () => {
      const id = exampleId()
      await leave(id)
      const directory = join(tested.dataDir, 'outbox')
      const journal = join(directory, readdirSync(directory).findLast((name) => name.endsWith('.journal')) ?? '')
      const file = openSync(journal, 'r+')
      ftruncateSync(file, statSync(journal).size - 20)
      closeSync(file)
      const outbox = new Outbox(tested)
      await outbox.run()
      outbox.add(chunkRecord(id, 10))
      expect(await outbox.drain(DRAIN_MS)).toBe(true)
      await outbox.stop()
      expect(await chunkCounts([id])).toEqual([10])
      expect(outbox.counters).toMatchObject({ applied: 11, tornTails: 1, rejected: 0, unreadable: 0 })
    })
  })
})
