import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { migrate, readMigrations } from '../../src/server/database/migrate.ts'
import { monthAt, MonthPartitions } from '../../src/server/database/month-partitions.ts'
import { openDatabase } from '../../src/server/database/open-database.ts'
import { Outbox } from '../../src/server/database/outbox.ts'
import { listRecordings, showRecording } from '../../src/server/database/queries.ts'
import type { DatabaseRecord } from '../../src/server/database/records.ts'
import { freeTcpPort } from '../support/free-ports.ts'
import { DATABASES, makeDataDir, type TestedDatabase } from '../support/postgres.ts'
import {
  chunkRecord,
  closedRecord,
  exampleId,
  exampleTime,
  incidentRecord,
  openedRecord,
  snapshotRecord,
} from '../unit/server/database/example-records.ts'

describe.each(DATABASES)('On $name,', ({ start }) => {
  let tested: TestedDatabase
  let outbox: Outbox

  beforeAll(async () => {
    tested = await start()
    outbox = new Outbox(tested)
    await outbox.run()
  })

  afterAll(async () => {
    await outbox.stop()
    await tested.remove()
  })

  async function apply(...records: readonly DatabaseRecord[]): Promise<void> {
    for (const record of records) outbox.add(record)
    expect(await outbox.drain(60_000)).toBe(true)
  }

  const show = (recordingId: string) => showRecording(tested.database, recordingId)

  it('opening the database again runs no migration twice', async () => {
    const { pool } = tested.database
    const before = await pool.query('SELECT * FROM schema_migrations')
    const again = await openDatabase({ ...tested.options, lock: undefined })
    const after = await pool.query('SELECT * FROM schema_migrations')
    await again.stop()
    expect(after.rows).toEqual(before.rows)
    expect(after.rows.length).toBeGreaterThan(0)
  })

  it('a database that a newer release has used is refused and left alone', async () => {
    const { pool } = tested.database
    await pool.query(`INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, '9999-future.sql', 'x')`)
    await expect(openDatabase({ ...tested.options, lock: undefined })).rejects.toMatchObject({ code: 'database-newer' })
    await pool.query('DELETE FROM schema_migrations WHERE version = 9999')
  })

  it('a migration that was applied in another form is refused', async () => {
    const { pool } = tested.database
    await pool.query(`UPDATE schema_migrations SET sha256 = 'x' || sha256 WHERE version = 1`)
    await expect(openDatabase({ ...tested.options, lock: undefined })).rejects.toMatchObject({
      code: 'database-migration-changed',
    })
    await pool.query(`UPDATE schema_migrations SET sha256 = substr(sha256, 2) WHERE version = 1`)
  })

  it('a whole recording is shown as it was told', async () => {
    const id = exampleId()
    await apply(
      openedRecord(id),
      snapshotRecord(id),
      chunkRecord(id, 0),
      chunkRecord(id, 1),
      incidentRecord(id, { atSample: 48_000 }),
      closedRecord(id),
    )
    expect(await show(id)).toEqual({
      recordingId: id,
      rsId: id,
      tenant: 'default',
      src: 'sbc-1',
      dialect: 'generic',
      state: 'complete',
      startedAt: exampleTime(0),
      endedAt: exampleTime(2),
      durationMs: 120_000,
      durationSamples: 5_760_000,
      endCause: 'bye',
      layout: 'separate',
      metadataState: 'valid',
      consentState: 'unknown',
      hasKeptAudio: false,
      custodyState: 'free',
      sipCallId: `${id}@sbc.example.com`,
      objectPrefix: `default/2026/03/01/${id}`,
      recipient: 'age1example',
      manifestSha256: 'ab'.repeat(32),
      participants: [
        { participantId: 'callee', aors: [{ aor: 'tel:+1-555-0199', name: null }] },
        { participantId: 'caller', aors: [{ aor: 'sip:+15550100@example.com', name: 'Ada Example' }] },
      ],
      csGroups: [{ csGroupId: 'group-1', associateTime: '2026-03-01T09:00:00Z', disassociateTime: null }],
      communicationSessions: [
        {
          csId: 'cs-1',
          csGroupId: 'group-1',
          sipSessionIds: ['ab30317f1a784dc48ff824d0d3715d86'],
          startTime: null,
          stopTime: null,
          reason: null,
          associateTime: null,
          disassociateTime: null,
        },
      ],
      participantSessions: [],
      attributions: [],
      correlationIds: [],
      consentEvents: [],
      custodyRecords: [],
      extensions: [],
      related: [],
      mediaStreams: closedRecord(id).streams,
      snapshots: [
        {
          seq: 0,
          receivedAt: exampleTime(0),
          dataMode: 'complete',
          valid: true,
          reason: null,
          sha256: 'ab'.repeat(32),
          sizeBytes: 1_800,
          objectName: 'metadata-000.age',
        },
      ],
      chunks: [0, 1].map((chunkSeq) => {
        const { kind: _kind, recordingId: _recordingId, ...chunk } = chunkRecord(id, chunkSeq)
        return chunk
      }),
      gaps: closedRecord(id).gaps,
      incidents: [{ code: 'no-rtp', at: exampleTime(1), atSample: 48_000, detail: 'No packet arrived on one stream.' }],
    })
  })

  it('the same records a second time change nothing', async () => {
    const id = exampleId()
    const records = [
      openedRecord(id),
      snapshotRecord(id),
      snapshotRecord(id, {
        seq: 1,
        dataMode: 'partial',
        participants: [{ participantId: 'caller', aors: [{ aor: 'sip:+15550100@example.com', name: 'A. Example' }] }],
        associations: [{ participantId: 'caller', sends: ['stream-a'], receives: [], disassociateTime: 'later' }],
      }),
      chunkRecord(id, 0),
      incidentRecord(id),
      closedRecord(id),
    ]
    await apply(...records)
    const once = await show(id)
    await apply(...records)
    expect(await show(id)).toEqual(once)
  })

  it('who has left a recording is still found in it', async () => {
    const id = exampleId()
    const transferred = [{ participantId: 'third', aors: [{ aor: 'sip:grace@example.com', name: 'Grace Example' }] }]
    await apply(openedRecord(id), snapshotRecord(id), snapshotRecord(id, { seq: 1, participants: transferred }))
    const details = await show(id)
    expect(details?.participants.map((participant) => participant.participantId)).toEqual(['callee', 'caller', 'third'])
  })

  it('one unreadable snapshot marks the recording, whatever came before and after it', async () => {
    const id = exampleId()
    const unreadable = snapshotRecord(id, {
      seq: 1,
      valid: false,
      dataMode: null,
      reason: 'notXml',
      groups: [],
      communicationSessions: [],
      participants: [],
      mediaStreams: [],
      associations: [],
    })
    await apply(openedRecord(id), snapshotRecord(id), unreadable, snapshotRecord(id, { seq: 2 }))
    const details = await show(id)
    expect(details?.metadataState).toBe('invalid')
    expect(details?.snapshots.map((snapshot) => snapshot.reason)).toEqual([null, 'notXml', null])
  })

  it('text that Postgres would refuse, and identifiers longer than an index takes, are stored all the same', async () => {
    const id = exampleId()
    const long = 'x'.repeat(5_000)
    await apply(
      openedRecord(id, { sipCallId: `nul\0${long}` }),
      snapshotRecord(id, {
        groups: [{ csGroupId: long }],
        communicationSessions: [{ csId: `${long}y`, sipSessionIds: [long, '{"quoted", \\}'] }],
        participants: [
          { participantId: long, aors: [{ aor: `sip:\0\uD800@${long}`, name: long }] },
          { participantId: `${long}z`, aors: [] },
        ],
        associations: [{ participantId: long, sends: [`${long}1`, `${long}2`], receives: [] }],
      }),
    )
    const details = await show(id)
    expect(details?.participants).toHaveLength(2)
    expect(details?.communicationSessions[0]?.sipSessionIds[1]).toBe('{"quoted", \\}')
    expect(outbox.counters.rejected).toBe(0)
  })

  describe('recordings are found', () => {
    const ids = [0, 1, 2, 3, 4].map((minutes) => exampleId(minutes))
    const list = async (filters: Partial<Parameters<typeof listRecordings>[1]>) => {
      const page = await listRecordings(tested.database, { limit: 100, src: 'listed', ...filters })
      return page.recordings.map((recording) => ids.indexOf(recording.recordingId))
    }

    beforeAll(async () => {
      for (const [index, id] of ids.entries()) {
        await apply(openedRecord(id, { src: 'listed', startedAt: exampleTime(index) }))
      }
      const [first = '', second = '', third = ''] = ids
      await apply(
        snapshotRecord(first, {
          participants: [{ participantId: 'p', aors: [{ aor: 'tel:+1-555-0142', name: 'Zoë Żółć' }] }],
        }),
        snapshotRecord(second, {
          participants: [{ participantId: 'p', aors: [{ aor: 'sip:100%_sure@example.com' }] }],
        }),
        incidentRecord(second, { code: 'port-exhausted' }),
        closedRecord(third),
        closedRecord(second, { state: 'interrupted', streams: [], gaps: [] }),
      )
    })

    it('newest first', async () => expect(await list({})).toEqual([4, 3, 2, 1, 0]))
    it('by part of a name, whatever its case', async () => expect(await list({ participant: 'ZOË żó' })).toEqual([0]))
    it('by a number, whatever its separators', async () =>
      expect(await list({ participant: '+1 (555) 01 42' })).toEqual([0]))
    it('by characters that mean something to LIKE', async () =>
      expect(await list({ participant: '0%_s' })).toEqual([1]))
    it('by nothing that only looks like a pattern', async () =>
      expect(await list({ participant: '1%sure' })).toEqual([]))
    it('by state', async () => {
      expect(await list({ state: 'complete' })).toEqual([2])
      expect(await list({ state: 'interrupted' })).toEqual([1])
      expect(await list({ state: 'open' })).toEqual([4, 3, 0])
    })
    it('by time, from inclusive and to exclusive', async () =>
      expect(await list({ from: exampleTime(1), to: exampleTime(3) })).toEqual([2, 1]))
    it('by any text: a SIP Call-ID, an incident, a name', async () => {
      expect(await list({ text: `${ids[3]?.toUpperCase()}@SBC` })).toEqual([3])
      expect(await list({ text: 'port-exh' })).toEqual([1])
      expect(await list({ text: 'zoë' })).toEqual([0])
    })

    it('page by page, each once', async () => {
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await listRecordings(tested.database, { limit: 2, src: 'listed', cursor })
        seen.push(...page.recordings.map((recording) => recording.recordingId))
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      expect(seen).toEqual(ids.toReversed())
    })

    it('and what is not a filter is refused with a reason', async () => {
      await expect(list({ cursor: 'nonsense' })).rejects.toMatchObject({ code: 'list-cursor' })
      await expect(list({ from: 'yesterday-ish' })).rejects.toMatchObject({ code: 'list-time' })
      await expect(list({ limit: 0 })).rejects.toMatchObject({ code: 'list-limit' })
    })
  })

  describe('months', () => {
    const partitionOf = async (id: string): Promise<string | undefined> => {
      const { rows } = await tested.database.pool.query<{ part: string }>(
        'SELECT tableoid::regclass::text AS part FROM chunks WHERE recording_id = $1',
        [id],
      )
      return rows[0]?.part
    }

    it('that nobody has made lose no row, and get theirs when they are', async () => {
      const id = exampleId()
      const strayId = exampleId(40 * 365 * 24 * 60)
      for (const one of [id, strayId]) {
        await apply(openedRecord(one), snapshotRecord(one), chunkRecord(one, 0), closedRecord(one))
      }
      expect(await partitionOf(id)).toBe('chunks_default')
      const before = await show(id)
      const misplaced: number[] = []
      const months = new MonthPartitions({
        ...{ database: tested.database, log: tested.log, nowUnixMs: Date.now },
        onMisplaced: (rows) => misplaced.push(rows),
      })
      await months.keep()
      await months.keep()
      expect(await partitionOf(id)).toBe('chunks_2026_03')
      expect(await show(id)).toEqual(before)
      // Of a recorder whose clock was wrong by decades: found like any other, counted, and told once.
      expect(await partitionOf(strayId)).toBe('chunks_default')
      expect((await show(strayId))?.chunks).toHaveLength(1)
      expect(misplaced).toEqual([3, 3])
      expect(tested.logged.filter((line) => line.includes('in no month'))).toHaveLength(1)
      await apply(chunkRecord(id, 1))
      expect(outbox.counters.databaseRetries).toBe(0)
    })

    it('to come are there before they begin', async () => {
      const wanted = [0, 1, 2].map((ahead) => `chunks_${monthAt(Date.now(), ahead).slice(0, 7).replace('-', '_')}`)
      const { rows } = await tested.database.pool.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relispartition AND relname = ANY($1) ORDER BY 1`,
        [wanted],
      )
      expect(rows.map(({ name }) => name)).toEqual(wanted)
    })

    it('before the tables had any are kept as they were', async () => {
      const client = await tested.database.pool.connect()
      const all = readMigrations()
      const known = all.findIndex(({ name }) => name.includes('month-partitions'))
      const [old, stray] = [exampleId(), exampleId(40 * 365 * 24 * 60)]
      try {
        await client.query('CREATE SCHEMA older; SET search_path = older')
        await migrate(client, all.slice(0, known))
        for (const id of [old, stray]) {
          await client.query(
            `INSERT INTO recordings (recording_id, rs_id, tenant, src, sip_call_id, started_at, layout, object_prefix, recipient)
             VALUES ($1, $1, 'default', 's', 'c', now(), 'mixed', 'p', 'r')`,
            [id],
          )
          await client.query(`INSERT INTO chunks VALUES ($1, 0, 'chunk', repeat('ab', 32), 1, 0, 1, now())`, [id])
        }
        await migrate(client, all)
        const { rows } = await client.query<{ id: string; part: string }>(
          `SELECT recording_id AS id, tableoid::regclass::text AS part FROM chunks ORDER BY 1`,
        )
        expect(rows).toEqual([
          { id: old, part: 'chunks_before' },
          { id: stray, part: 'chunks_default' },
        ])
        await client.query(`SELECT make_month_partitions('2026-03-01')`)
        await client.query(`INSERT INTO chunks VALUES ($1, 1, 'chunk', repeat('ab', 32), 1, 0, 1, now())`, [old])
        await client.query('DELETE FROM recordings')
        expect((await client.query('SELECT FROM chunks')).rowCount).toBe(0)
      } finally {
        await client.query('DROP SCHEMA older CASCADE')
        client.release(true)
      }
    })
  })

  it('an unknown id, or something that is no id, shows nothing', async () => {
    expect(await show(exampleId())).toBeUndefined()
    expect(await show("' OR 1=1")).toBeUndefined()
  })

  it('a record that can never be written is set aside, and those around it arrive', async () => {
    const id = exampleId()
    const before = outbox.counters.rejected
    await apply(
      openedRecord(id),
      chunkRecord(id, 0),
      chunkRecord(id, 1, { sha256: 'sip:+15550123@example.com is not a hash' }),
      chunkRecord(exampleId(), 0),
      closedRecord(exampleId()),
      chunkRecord(id, 2),
    )
    expect((await show(id))?.chunks.map((chunk) => chunk.chunkSeq)).toEqual([0, 2])
    expect(outbox.counters.rejected - before).toBe(3)
    const kept = readFileSync(join(tested.dataDir, 'outbox', 'rejected.jsonl'), 'utf8')
      .trim()
      .split('\n')
    expect(kept.map((line) => JSON.parse(line).code)).toEqual(['23514', '23503', 'unknown-recording'])
  })

  it('no number and no name has reached the log, not even with a statement that failed', async () => {
    await expect(tested.database.pool.query(`SELECT 'sip:+15550177@example.com'::uuid`)).rejects.toThrow('+15550177')
    const text = tested.logged.join('\n')
    for (const secret of ['1555', 'Example', 'Grace', 'not-a-secret']) expect(text).not.toContain(secret)
  })
})

describe('A database behind database.url that cannot be used says why', () => {
  const { dataDir, log, removeDataDir } = makeDataDir()

  afterAll(removeDataDir)

  it('when nobody listens there, without the password', async () => {
    const url = `postgres://earwitness:very-secret@127.0.0.1:${await freeTcpPort()}/earwitness`
    const opening = openDatabase({ url, dataDir, log })
    await expect(opening).rejects.toMatchObject({
      code: 'database-unreachable',
      hint: expect.stringContaining('host, port'),
    })
    await expect(opening).rejects.not.toThrow('very-secret')
  })

  it('but a daemon may open it all the same, to begin with the outbox', async () => {
    const url = `postgres://earwitness@127.0.0.1:${await freeTcpPort()}/earwitness`
    const database = await openDatabase({ url, dataDir, log, whenUnreachable: 'continue' })
    await expect(database.prepare()).rejects.toMatchObject({ code: 'database-unreachable' })
    await database.stop()
  })

  it('when the password is wrong, or the database does not exist', async () => {
    const tested = await DATABASES[1]?.start()
    if (tested?.options.url === undefined) throw new Error('no external server')
    const { url } = tested.options
    const open = (wrong: string) => openDatabase({ url: wrong, dataDir, log })
    await expect(open(url.replace('not-a-secret', 'wrong'))).rejects.toMatchObject({ code: 'database-login-refused' })
    await expect(open(url.replace(/earwitness$/, 'absent'))).rejects.toMatchObject({ code: 'database-missing' })
    await tested.remove()
  })
})
