/**
 * Recording sessions opened and closed against a real Postgres, with everything that the index keeps of one, through the real outbox: journal with
 * fsync, batches, transactions with fsync. And the same records one transaction each, to see what the batches are worth.
 *
 * `npm run bench:database`, or `-- --sessions 2000 --chunks 12 --rounds 3 --url postgres://… --json`. Without --url it starts a server of its own, Debian's
 * where it is installed. A chunk is 15 s of a call. Client and server share the machine; `serverCpuMs` is of a server of its own only.
 */
import { randomBytes } from 'node:crypto'

import { uuidV7 } from '../../src/ids.ts'
import { applyRecords, planRecord } from '../../src/server/database/apply-records.ts'
import { makeMonth, monthAt } from '../../src/server/database/month-partitions.ts'
import { openDatabase, type Database } from '../../src/server/database/open-database.ts'
import { Outbox } from '../../src/server/database/outbox.ts'
import { listRecordings } from '../../src/server/database/queries.ts'
import type { DatabaseRecord } from '../../src/server/database/records.ts'
import { commandOptions } from '../support/command-options.ts'
import { makeDataDir, startExternalPostgres } from '../support/postgres.ts'
import { chunkRecord, closedRecord, openedRecord, snapshotRecord } from '../unit/server/database/example-records.ts'
import { cpuSeconds, processTree } from './lib/process-usage.ts'

/** Of those written one by one: a tenth tells enough, and takes long enough. */
const SINGLE_SHARE = 20
const DRAIN_MS = 600_000

const values = commandOptions('bench:database', {
  sessions: { type: 'string', default: '2000' },
  chunks: { type: 'string', default: '12' },
  rounds: { type: 'string', default: '3' },
  url: { type: 'string' },
  json: { type: 'boolean', default: false },
})

interface Row {
  readonly way: string
  readonly sessionsPerSecond: number
  readonly rowsPerSecond: number
  readonly rowsPerSession: number
  readonly clientCpuMs: number
  readonly serverCpuMs: number | null
}

const { dataDir, log, removeDataDir } = makeDataDir()
const own = values.url === undefined ? await startExternalPostgres() : undefined
const database = await openDatabase({ url: values.url ?? own?.url, dataDir, log })
await makeMonth(database.pool, monthAt(Date.now()))
try {
  const sessions = Number(values.sessions)
  const rows: Row[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    rows.push(
      await measured('outbox', sessions, throughOutbox),
      await measured('one by one', Math.ceil(sessions / SINGLE_SHARE), oneByOne),
    )
  }
  const listMs = await firstPageMs(database)
  if (values.json) console.log(JSON.stringify({ rows, listMs }, undefined, 2))
  else {
    console.table(rows)
    console.log(`first page of the list of recordings: ${listMs.toFixed(1)} ms`)
  }
} finally {
  await database.stop()
  await own?.remove()
  removeDataDir()
}

async function measured(
  way: string,
  sessions: number,
  write: (records: readonly DatabaseRecord[]) => Promise<void>,
): Promise<Row> {
  const records = interleaved(sessions)
  const rowsBefore = await countRows(database)
  const serverBefore = await serverSeconds(database)
  const clientBefore = process.cpuUsage()
  const startedMs = performance.now()
  await write(records)
  const seconds = (performance.now() - startedMs) / 1_000
  const { user, system } = process.cpuUsage(clientBefore)
  const serverAfter = await serverSeconds(database)
  const rows = (await countRows(database)) - rowsBefore
  return {
    way,
    sessionsPerSecond: Math.round(sessions / seconds),
    rowsPerSecond: Math.round(rows / seconds),
    rowsPerSession: rows / sessions,
    clientCpuMs: rounded((user + system) / 1_000 / sessions),
    serverCpuMs:
      serverBefore === undefined || serverAfter === undefined
        ? null
        : rounded(((serverAfter - serverBefore) * 1_000) / sessions),
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

/** As a busy recorder tells them: sessions side by side, a chunk of each at a time. */
function interleaved(sessions: number): readonly DatabaseRecord[] {
  const ids = Array.from({ length: sessions }, () => uuidV7(Date.now(), randomBytes(16)))
  const startedAt = new Date().toISOString()
  return [
    ...ids.flatMap((id) => [openedRecord(id, { startedAt }), snapshotRecord(id, { receivedAt: startedAt })]),
    ...Array.from({ length: Number(values.chunks) }, (_, seq) => ids.map((id) => chunkRecord(id, seq))).flat(),
    ...ids.map((id) => closedRecord(id)),
  ]
}

async function throughOutbox(records: readonly DatabaseRecord[]): Promise<void> {
  const outbox = new Outbox({ database, dataDir, log })
  await outbox.run()
  for (const record of records) {
    // The recorder never waits; this loop does, where it is ahead of the disk.
    while (!outbox.add(record)) await new Promise(setImmediate)
  }
  if (!(await outbox.drain(DRAIN_MS))) throw new Error('the outbox was not drained')
  await outbox.stop()
}

async function oneByOne(records: readonly DatabaseRecord[]): Promise<void> {
  for (const record of records) await applyRecords(database.pool, [planRecord(record)])
}

async function countRows({ pool }: Database): Promise<number> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT attrelid::regclass::text AS name FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE attname = 'recording_id' AND relkind IN ('r', 'p') AND NOT relispartition`,
  )
  const counts = tables.map(({ name }) => `SELECT count(*) AS rows FROM ${name}`).join(' UNION ALL ')
  const { rows } = await pool.query<{ rows: number }>(`SELECT sum(rows)::integer AS rows FROM (${counts}) AS counted`)
  return rows[0]?.rows ?? 0
}

/** CPU time of all processes of a server of our own, those of closed connections not included. */
async function serverSeconds({ pool }: Database): Promise<number | undefined> {
  if (own === undefined) return undefined
  const { rows } = await pool.query<{ file: string }>(`SELECT pg_read_file('postmaster.pid') AS file`)
  return cpuSeconds(await processTree(Number(rows[0]?.file.split('\n', 1)[0])))
}

async function firstPageMs(from: Database): Promise<number> {
  const times: number[] = []
  for (let run = 0; run < 20; run += 1) {
    const startedMs = performance.now()
    await listRecordings(from, { limit: 50 })
    times.push(performance.now() - startedMs)
  }
  return times.toSorted((a, b) => a - b)[10] ?? 0
}
