import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import { liveRecording, nextChunk } from './live-recordings.ts'

const first = liveRecording(1)
const second = liveRecording(2)
const NOW_UNIX_MS = Date.UTC(2026, 10, 23, 9)
const NOW = new Date(NOW_UNIX_MS).toISOString()
const [ID, OTHER_ID] = [first.facts.recordingId, second.facts.recordingId]

let dataDir: string
let journal: OpenJournal
let errors: unknown[]

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-journal-'))
  errors = []
  journal = new OpenJournal({ dataDir, onError: (error) => errors.push(error), nowUnixMs: () => NOW_UNIX_MS })
  await journal.run()
})

afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true })
})

function fail(error: unknown): never {
  throw error
}

const fileOf = (recordingId: string): string => join(dataDir, 'open', `${recordingId}.jsonl`)
const incident = (detail: string) =>
  ({ kind: 'incident', incident: { code: 'odd', at: '2026-11-23T09:00:00.000Z', detail } }) as const
/** As it is read back: with the time at which it was written. */
const written = <Entry extends object>(entry: Entry) => ({ at: NOW, ...entry })

describe('the journal of open recordings', () => {
  it('has a file for each, with a line for each object in the order of the calls', async () => {
    const chunk = nextChunk(first)
    void journal.append(ID, incident('one'))
    void journal.append(OTHER_ID, incident('elsewhere'))
    await Promise.all([journal.append(ID, { kind: 'chunk', chunk: chunk.chunk }), journal.append(ID, incident('two'))])
    const left = await journal.leftOpen()
    expect(left.map(({ recordingId }) => recordingId).toSorted()).toEqual([ID, OTHER_ID].toSorted())
    expect(left.find(({ recordingId }) => recordingId === ID)?.entries).toEqual([
      written(incident('one')),
      written({ kind: 'chunk', chunk: chunk.chunk }),
      written(incident('two')),
    ])
  })

  it('keeps order when many lines are written at once', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, index) => journal.append(ID, incident(String(index)))))
    const [left] = await journal.leftOpen()
    expect(left?.entries).toEqual(Array.from({ length: 100 }, (_, index) => written(incident(String(index)))))
  })

  it('is for its owner alone', async () => {
    await journal.append(ID, incident('one'))
    expect(statSync(fileOf(ID)).mode & 0o777).toBe(0o600)
    expect(statSync(join(dataDir, 'open')).mode & 0o777).toBe(0o700)
  })

  it('forgets a recording that is closed', async () => {
    void journal.append(ID, incident('one'))
    await journal.close(ID)
    await journal.close(ID)
    expect(readdirSync(join(dataDir, 'open'))).toEqual([])
    expect(errors).toEqual([])
  })
})

describe('closed recordings whose end is not on disk yet', () => {
  it('keep their files, up to a bound; beyond it nobody waits, and the next start finds them', async () => {
    const bounded = new OpenJournal({ dataDir, onError: fail, nowUnixMs: () => NOW_UNIX_MS, closingsMax: 1 })
    await bounded.run()
    for (const recordingId of [ID, OTHER_ID]) await bounded.append(recordingId, incident('one'))
    const said = Promise.withResolvers<void>()
    bounded.closeAfter(ID, () => said.promise)
    bounded.closeAfter(OTHER_ID, () => fail(new Error('nobody asks')))
    expect([bounded.closings, bounded.closingsLeft]).toEqual([1, 1])
    expect((await bounded.leftOpen()).map(({ recordingId }) => recordingId).toSorted()).toEqual(
      [ID, OTHER_ID].toSorted(),
    )
    said.resolve()
    await bounded.settled()
    expect((await bounded.leftOpen()).map(({ recordingId }) => recordingId)).toEqual([OTHER_ID])
    expect(bounded.closings).toBe(0)
  })
})

describe('what an earlier run left', () => {
  it('is read without a last line that was cut off', async () => {
    await journal.append(ID, incident('one'))
    appendFileSync(fileOf(ID), '{"kind":"chunk","chunk":{"chunkSeq":0,"na')
    expect(await journal.leftOpen()).toEqual([{ recordingId: ID, entries: [written(incident('one'))], lastAt: NOW }])
  })

  it('is read without lines that are no entries', async () => {
    writeFileSync(fileOf(ID), `null\n7\n"text"\n[]\n{}\n${JSON.stringify(written(incident('one')))}\n`)
    expect(await journal.leftOpen()).toEqual([{ recordingId: ID, entries: [written(incident('one'))], lastAt: NOW }])
  })

  it('is only what is named like a journal', async () => {
    for (const name of ['notes.txt', ID, `${ID}.jsonl.tmp`, '..jsonl'])
      writeFileSync(join(dataDir, 'open', name), '{}\n')
    expect(await journal.leftOpen()).toEqual([])
  })

  it('may be a file in which nothing was written yet', async () => {
    writeFileSync(fileOf(ID), '')
    expect(await journal.leftOpen()).toEqual([{ recordingId: ID, entries: [], lastAt: undefined }])
  })
})

it('a line that cannot be written is reported, and written with the next one', async () => {
  rmSync(join(dataDir, 'open'), { recursive: true })
  // Whoever must not go on before the disk has it, is told that it has not.
  expect(await journal.append(ID, incident('one'))).toBe(false)
  await journal.run()
  writeFileSync(fileOf(ID), '{"at":"half of it')
  expect(await journal.append(ID, incident('two'))).toBe(true)
  expect(errors).toHaveLength(1)
  const [left] = await journal.leftOpen()
  expect(left?.entries).toEqual([written(incident('one')), written(incident('two'))])
})
