import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createDatabase, type Database } from '../../../../src/server/database/database.ts'
import { urlTarget } from '../../../../src/server/database/connection.ts'
import { RECORD_BYTES_MAX } from '../../../../src/server/database/journal-lines.ts'
import { Outbox, type OutboxOptions } from '../../../../src/server/database/outbox.ts'
import { chunkRecord, exampleId, incidentRecord } from './example-records.ts'

describe('The outbox, while no database answers,', () => {
  let dataDir: string
  let database: Database
  const logged: string[] = []
  const note = (fields: object, message: string): void => void logged.push(JSON.stringify({ ...fields, message }))
  const log = { debug: note, info: note, warn: note, error: note }
  const id = exampleId()

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'earwitness-outbox-'))
    // Nobody listens on port 1 of the loopback.
    database = createDatabase({ target: urlTarget('postgres://earwitness@127.0.0.1:1/absent'), log })
    logged.length = 0
  })

  afterEach(async () => {
    await database.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  const makeOutbox = (options: Partial<OutboxOptions> = {}): Outbox =>
    new Outbox({ database, dataDir, log, retryFirstMs: 1, retryLastMs: 5, ...options })
  const journalText = (): string =>
    readdirSync(join(dataDir, 'outbox'))
      .filter((name) => name.endsWith('.journal'))
      .map((name) => readFileSync(join(dataDir, 'outbox', name), 'utf8'))
      .join('')

  it('keeps what it was given before it ran', async () => {
    const outbox = makeOutbox()
    expect(outbox.add(chunkRecord(id, 0))).toBe(true)
    await outbox.run()
    await outbox.stop()
    expect(journalText()).toContain('chunk-000000.age')
  })

  it('has everything on disk when it has stopped, and says how much waits', async () => {
    const outbox = makeOutbox()
    await outbox.run()
    for (let chunkSeq = 0; chunkSeq < 100; chunkSeq += 1) outbox.add(chunkRecord(id, chunkSeq))
    await outbox.stop()
    expect(journalText().trim().split('\n')).toHaveLength(100)
    expect(outbox.backlogBytes).toBe(Buffer.byteLength(journalText()))
  })

  it('says when it has on disk what it was given', async () => {
    const outbox = makeOutbox()
    await outbox.written()
    outbox.add(chunkRecord(id, 0))
    const written = outbox.written().then(() => journalText())
    await outbox.run()
    expect(await written).toContain('chunk-000000.age')
    await outbox.stop()
  })

  it('says that it has not drained', async () => {
    const outbox = makeOutbox()
    await outbox.run()
    outbox.add(chunkRecord(id, 0))
    expect(await outbox.drain(20)).toBe(false)
    await outbox.stop()
    expect(await outbox.drain(60_000)).toBe(false)
  })

  it('refuses records when its journal is full, and counts and says so', async () => {
    const outbox = makeOutbox({ journalBytesMax: 1_000 })
    await outbox.run()
    const taken = Array.from({ length: 10 }, (_, chunkSeq) => outbox.add(chunkRecord(id, chunkSeq)))
    expect(taken.lastIndexOf(true)).toBeLessThan(taken.indexOf(false))
    expect(outbox.counters.refused).toBe(taken.filter((ok) => !ok).length)
    expect(outbox.state).toBe('full')
    expect(logged.filter((line) => line.includes('full'))).toHaveLength(1)
    await outbox.stop()
  })

  it('bounds what waits in memory for a disk that is slow', () => {
    const outbox = makeOutbox({ pendingBytesMax: 1_000 })
    const taken = Array.from({ length: 10 }, (_, chunkSeq) => outbox.add(chunkRecord(id, chunkSeq)))
    expect(taken[0]).toBe(true)
    expect(taken.at(-1)).toBe(false)
  })

  it('refuses a record beyond the largest size, and takes the next', () => {
    const outbox = makeOutbox()
    expect(outbox.add(incidentRecord(id, { detail: 'x'.repeat(RECORD_BYTES_MAX) }))).toBe(false)
    expect(outbox.add(chunkRecord(id, 0))).toBe(true)
    expect(outbox.counters).toMatchObject({ added: 1, refused: 1 })
  })

  it('never throws, whatever it is given', () => {
    const outbox = makeOutbox()
    const endless: { self?: unknown } = {}
    endless.self = endless
    expect(outbox.add({ ...incidentRecord(id), detail: endless as unknown as string })).toBe(false)
  })

  it('cannot run where it may not write, and says what to do', async () => {
    const outbox = makeOutbox({ dataDir: '/dev/null' })
    await expect(outbox.run()).rejects.toMatchObject({ code: 'outbox-unusable' })
  })
})
