import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Client } from 'pg'

import type { CorrelationId } from '../../src/protocol/siprec/correlation-values.ts'
import type { MetadataExtension } from '../../src/protocol/siprec/metadata.ts'
import { migrate, readMigrations } from '../../src/server/database/migrate.ts'
import { Outbox } from '../../src/server/database/outbox.ts'
import { listRecordings, showRecording } from '../../src/server/database/queries.ts'
import type { DatabaseRecord, FactsNotedRecord } from '../../src/server/database/records.ts'
import { LINKED_BY_ONE_ID_MAX, RELATED_RECORDINGS_MAX } from '../../src/server/database/related-recordings.ts'
import { DATABASES, startExternalPostgres, type TestedDatabase } from '../support/postgres.ts'
import {
  closedRecord,
  exampleId,
  exampleTime,
  openedRecord,
  snapshotRecord,
} from '../unit/server/database/example-records.ts'

const UCID: CorrelationId = { kind: 'ucid', value: '00001062071351848269' }
const GUID: CorrelationId = { kind: 'guid', value: '0c0d5588129711e6802ed57225290221' }
const GROUP: CorrelationId = { kind: 'csGroup', value: '20261123120000012345-abcdef' }

const extension = (path: string, text: string, more: Partial<MetadataExtension> = {}): MetadataExtension => ({
  path,
  prefix: '',
  namespace: undefined,
  text,
  attributes: [],
  ...more,
})

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
    expect(outbox.counters.rejected).toBe(0)
  }

  /** A recording from one minute to another with these ids; null while it is open. */
  async function recorded(
    [from, to]: readonly [from: number, to: number | null],
    correlationIds: readonly CorrelationId[],
    changes: Partial<Parameters<typeof openedRecord>[1]> = {},
  ): Promise<string> {
    const id = exampleId(from)
    await apply(openedRecord(id, { startedAt: exampleTime(from), correlationIds, ...changes }))
    if (to !== null) await apply(closedRecord(id, { endedAt: exampleTime(to), streams: [], gaps: [] }))
    return id
  }

  async function relatedTo(id: string): Promise<readonly (readonly [id: string, relation: string])[]> {
    const details = await showRecording(tested.database, id)
    return details!.related.map(({ recordingId, relation }) => [recordingId, relation])
  }

  const listed = async (filters: Partial<Parameters<typeof listRecordings>[1]>): Promise<readonly string[]> => {
    const page = await listRecordings(tested.database, { limit: 1_000, ...filters })
    return page.recordings.map(({ recordingId }) => recordingId)
  }

  it('a transfer reads as one story, in the order of time, whichever recording is asked', async () => {
    const first = await recorded([0, 3], [GROUP, UCID])
    const second = await recorded([3, 5], [GROUP])
    const third = await recorded([5, null], [UCID, GUID])
    const elsewhere = await recorded([0, 3], [{ kind: 'csGroup', value: 'another-group-of-another' }])
    expect(await relatedTo(first)).toEqual([
      [second, 'after'],
      [third, 'after'],
    ])
    expect(await relatedTo(third)).toEqual([
      [first, 'before'],
      [second, 'before'],
    ])
    const details = await showRecording(tested.database, second)
    expect(details?.related.map(({ sharedIds, through }) => ({ sharedIds, through }))).toEqual([
      { sharedIds: [GROUP], through: null },
      { sharedIds: [UCID], through: first },
    ])
    expect(await relatedTo(elsewhere)).toEqual([])
  })

  it('the recordings of one story are listed by any of them, and by any id in any spelling', async () => {
    const guid: CorrelationId = { kind: 'guid', value: '0c0d5588129711e6802ed57225290999' }
    const ucid: CorrelationId = { kind: 'ucid', value: '00001062071351849999' }
    const first = await recorded([0, 3], [guid, ucid])
    const second = await recorded([3, 5], [guid])
    expect(await listed({ linked: first })).toEqual([second, first])
    expect(await listed({ linked: '00FA080001183F509397FF' })).toEqual([])
    expect(await listed({ linked: '0001183F5093980F' })).toEqual([first])
    expect(await listed({ linked: '0C0D5588-1297-11E6-802E-D57225290999' })).toEqual([second, first])
    expect(await listed({ text: '0202200456-0311890406-2150552946-0623446425' })).toEqual([second, first])
    expect(await listed({ linked: 'nothing has this' })).toEqual([])
  })

  it('two recorders of one communication session are duplicates of each other', async () => {
    const cs: CorrelationId = { kind: 'cs', value: 'RkIYc2zmQhNaWOoyGMzC0A==' }
    const one = await recorded([0, 10], [cs])
    const other = await recorded([0, 10], [cs], { src: 'sbc-2' })
    expect(await relatedTo(one)).toEqual([[other, 'duplicate']])
  })

  it('an id that is a mere counter links only recordings of one source and about one time', async () => {
    const counter: CorrelationId = { kind: 'gcid', value: '101188' }
    const one = await recorded([0, 3], [counter])
    const soon = await recorded([30, 33], [counter])
    await recorded([600, 603], [counter])
    await recorded([1, 3], [counter], { src: 'sbc-9' })
    expect(await relatedTo(one)).toEqual([[soon, 'after']])
  })

  it('no recording of another tenant is ever related', async () => {
    const shared: CorrelationId = { kind: 'guid', value: '0c0d5588129711e6802ed57225290777' }
    const one = await recorded([0, 3], [shared])
    await recorded([3, 5], [shared], { tenant: 'somebody-else' })
    expect(await relatedTo(one)).toEqual([])
  })

  it('an id that everybody has links nobody', async () => {
    const constant: CorrelationId = { kind: 'vendorCall', value: 'the-id-of-a-whole-company' }
    const ids: string[] = []
    for (let index = 0; index <= LINKED_BY_ONE_ID_MAX; index += 1) ids.push(await recorded([index, null], [constant]))
    expect(await relatedTo(ids[0]!)).toEqual([])
    expect(await relatedTo(ids[25]!)).toEqual([])
  })

  it('the story is followed a few steps, and is bounded', async () => {
    const link = (index: number): CorrelationId => ({
      kind: 'conversation',
      value: `conversation-number-${index}-of-many`,
    })
    const chain: string[] = []
    for (let index = 0; index < 6; index += 1)
      chain.push(await recorded([index, index + 1], [link(index), link(index + 1)]))
    expect((await relatedTo(chain[0]!)).map(([id]) => id)).toEqual(chain.slice(1, 4))
    expect((await relatedTo(chain[2]!)).length).toBeLessThanOrEqual(RELATED_RECORDINGS_MAX)
  })

  it('finding what is related reads indexes, not tables', async () => {
    const { pool } = tested.database
    await pool.query('ANALYZE correlation_ids')
    const client = await pool.connect()
    try {
      await client.query('SET enable_seqscan = off')
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN SELECT recording_id FROM correlation_ids WHERE value = 'x' AND kind = 'ucid' AND recording_id < $1
         ORDER BY recording_id DESC LIMIT 50`,
        [exampleId()],
      )
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(plan).toContain('correlation_ids_value')
      expect(plan).not.toContain('Sort')
    } finally {
      client.release(true)
    }
  })

  describe('what a snapshot says beside the model', () => {
    it('is shown, and found by what it says, by what its attributes say, and by a number in it', async () => {
      const id = exampleId()
      await apply(
        openedRecord(id, { src: 'extended', dialect: 'netsapiens' }),
        snapshotRecord(id, {
          extensions: [
            extension('numbers/orig', '+1 (555) 017-1', { namespace: 'http://example.com/ns' }),
            extension('session/callData', '', {
              ownerId: 'cs-1',
              attributes: [
                { name: 'agentName', value: 'Zoë Quill' },
                { name: '__proto__', value: 'nul\0' },
              ],
            }),
          ],
          correlationIds: [{ kind: 'sipCallId', value: 'abc-17@pbx.example.com' }],
          sessionRecordings: [{ csId: 'cs-1', associateTime: '2026-03-01T09:00:01Z' }],
          participantSessions: [{ participantId: 'caller', csId: 'cs-1', associateTime: '2026-03-01T09:00:02Z' }],
        }),
      )
      const details = await showRecording(tested.database, id)
      expect(details?.dialect).toBe('netsapiens')
      expect(details?.extensions).toEqual([
        {
          ownerId: null,
          path: 'numbers/orig',
          namespace: 'http://example.com/ns',
          text: '+1 (555) 017-1',
          attributes: [],
        },
        {
          ownerId: 'cs-1',
          path: 'session/callData',
          namespace: null,
          text: '',
          attributes: [
            ['agentName', 'Zoë Quill'],
            ['__proto__', 'nul\uFFFD'],
          ],
        },
      ])
      expect(details?.participantSessions).toEqual([
        { participantId: 'caller', csId: 'cs-1', associateTime: '2026-03-01T09:00:02Z', disassociateTime: null },
      ])
      expect(details?.communicationSessions[0]).toMatchObject({
        associateTime: '2026-03-01T09:00:01Z',
        sipSessionIds: ['ab30317f1a784dc48ff824d0d3715d86'],
      })
      const found = (filters: Partial<Parameters<typeof listRecordings>[1]>) => listed({ src: 'extended', ...filters })
      expect(await found({ text: 'ZOË' })).toEqual([id])
      expect(await found({ text: 'abc-17' })).toEqual([id])
      expect(await found({ text: '+1555017' })).toEqual([id])
      expect(await found({ participant: '555 0171' })).toEqual([id])
      expect(await found({ participant: 'zoë' })).toEqual([])
      expect(await found({ text: 'netsapiens' })).toEqual([id])
    })

    it('is kept once, however often it is said', async () => {
      const id = exampleId()
      const extensions = [extension('group/customer', 'A & B <Ltd>')]
      const record = (seq: number): DatabaseRecord => snapshotRecord(id, { seq, extensions })
      await apply(openedRecord(id), record(1), record(0), record(2), record(1))
      expect((await showRecording(tested.database, id))?.extensions).toHaveLength(1)
      const { rows } = await tested.database.pool.query(
        'SELECT snapshot_seq FROM metadata_extensions WHERE recording_id = $1',
        [id],
      )
      expect(rows).toEqual([{ snapshot_seq: 0 }])
    })
  })

  it('who was on which stream is told as it becomes known, in any order, and an end is not taken back', async () => {
    const id = exampleId()
    const began = {
      ordinal: 0,
      streamId: '0',
      participantId: 'caller',
      basis: 'label',
      from: { at: exampleTime(0), clock: 'src' },
      to: undefined,
    } as const
    const facts = (more: Partial<FactsNotedRecord>): DatabaseRecord => ({
      kind: 'factsNoted',
      recordingId: id,
      correlationIds: [],
      attributions: [],
      ...more,
    })
    const ended = { ...began, to: { at: exampleTime(2), clock: 'recorder' } } as const
    await apply(
      openedRecord(id),
      facts({ attributions: [began], dialect: 'oracle' }),
      facts({ attributions: [ended], dialect: 'avaya', correlationIds: [UCID] }),
      facts({ attributions: [began] }),
    )
    const details = await showRecording(tested.database, id)
    expect(details?.attributions).toEqual([
      {
        ...{ streamId: '0', participantId: 'caller', basis: 'label' },
        ...{ from: exampleTime(0), fromClock: 'src', to: exampleTime(2), toClock: 'recorder' },
      },
    ])
    expect(details?.dialect).toBe('oracle')
    expect(details?.correlationIds).toEqual([UCID])
  })
})

describe('A database of the release before', () => {
  it('is brought up to date, and what its recordings were called links them', async () => {
    const server = await startExternalPostgres()
    const client = new Client({ connectionString: server.url })
    try {
      await client.connect()
      const migrations = readMigrations()
      await migrate(client, migrations.slice(0, 1))
      const [one, other] = [exampleId(), exampleId()]
      for (const id of [one, other]) {
        await client.query(
          `INSERT INTO recordings (recording_id, rs_id, tenant, src, sip_call_id, started_at, layout, object_prefix, recipient)
           VALUES ($1, $1, 'default', 'sbc', 'x', now(), 'separate', 'x', 'age1')`,
          [id],
        )
        await client.query(`INSERT INTO cs_groups (recording_id, cs_group_id, snapshot_seq) VALUES ($1, $2, 0)`, [
          id,
          GROUP.value,
        ])
        await client.query(
          `INSERT INTO communication_sessions (recording_id, cs_id, cs_group_id, sip_session_ids, snapshot_seq)
           VALUES ($1, 'cs-1', $2, $3, 0)`,
          [id, GROUP.value, ['AB30317F1A784DC48FF824D0D3715D86;remote=00000000000000000000000000000000']],
        )
      }
      expect(await migrate(client, migrations)).toBe(migrations.length - 1)
      const { rows } = await client.query(
        'SELECT kind, value, strong FROM correlation_ids WHERE recording_id = $1 ORDER BY kind',
        [one],
      )
      expect(rows).toEqual([
        { kind: 'cs', value: 'cs-1', strong: false },
        { kind: 'csGroup', value: GROUP.value, strong: true },
        { kind: 'sessionId', value: 'ab30317f1a784dc48ff824d0d3715d86', strong: true },
      ])
    } finally {
      await client.end()
      await server.remove()
    }
  })
})
