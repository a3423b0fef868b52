import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import { liveRecording } from './live-recordings.ts'

const [ID = '', OTHER_ID = ''] = [liveRecording(1), liveRecording(2)].map(({ facts }) => facts.recordingId)
const SIZE_BYTES = 4_096

let dataDir: string
let journal: OpenJournal
let errors: unknown[]

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-reserve-'))
  journal = await start()
  await journal.append(ID, incident('one'))
})

afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true })
})

/** A process begins: what is on the disk is all there is. */
async function start(): Promise<OpenJournal> {
  errors = []
  const onError = (error: unknown): void => void errors.push(error)
  const started = new OpenJournal({ dataDir, onError, nowUnixMs: () => 0, reserveBytes: SIZE_BYTES })
  await started.run()
  return started
}

const fileOf = (recordingId: string): string => join(dataDir, 'open', `${recordingId}.jsonl`)
const incident = (detail: string) => ({ kind: 'incident', incident: { code: 'odd', at: '', detail } }) as const

/** The journal of a recording gets no room any more. */
function fill(recordingId: string): void {
  renameSync(fileOf(recordingId), `${fileOf(recordingId)}.aside`)
  symlinkSync('/dev/full', fileOf(recordingId))
}

function makeRoom(recordingId: string): void {
  renameSync(`${fileOf(recordingId)}.aside`, fileOf(recordingId))
}

async function left(of: OpenJournal): Promise<readonly (readonly string[])[]> {
  const open = await of.leftOpen()
  return open.map(({ entries }) =>
    entries.flatMap((entry) => (entry.kind === 'incident' ? [entry.incident.detail] : [])),
  )
}

describe('lines that the disk has no room for', () => {
  it('are kept in room that was taken before, and the next start finds them', async () => {
    fill(ID)
    expect([await journal.append(ID, incident('two')), await journal.append(ID, incident('three'))]).toEqual([
      true,
      true,
    ])
    expect(errors).toMatchObject([{ code: 'ENOSPC' }, { code: 'ENOSPC' }])
    makeRoom(ID)
    expect(await left(await start())).toEqual([['one', 'two', 'three']])
  })

  it('are none that a disk failed under, nor those behind them: nothing is taken with a hole before it', async () => {
    renameSync(fileOf(ID), `${fileOf(ID)}.aside`)
    mkdirSync(fileOf(ID))
    expect(await journal.append(ID, incident('two'))).toBe(false)
    rmdirSync(fileOf(ID))
    symlinkSync('/dev/full', fileOf(ID))
    expect([await journal.append(ID, incident('three')), journal.reserveBytes, journal.refusals]).toEqual([false, 0, 2])
    makeRoom(ID)
    expect(await journal.append(ID, incident('four'))).toBe(true)
    expect(await left(await start())).toEqual([['one', 'two', 'three', 'four']])
  })

  it('go to the journal once there is room: from then on the reserve is free', async () => {
    fill(ID)
    await journal.append(ID, incident('two'))
    expect(journal.reserveBytes).toBeGreaterThan(0)
    makeRoom(ID)
    await journal.append(ID, incident('three'))
    expect(journal.reserveBytes).toBe(0)
    expect(readFileSync(join(dataDir, 'open.reserve'), 'utf8').trim()).toBe('')
    expect(await left(await start())).toEqual([['one', 'two', 'three']])
  })

  it('of an earlier run go there with the first line of this one', async () => {
    fill(ID)
    await journal.append(ID, incident('two'))
    makeRoom(ID)
    const next = await start()
    await next.append(ID, incident('three'))
    expect(next.reserveBytes).toBe(0)
    expect(await left(await start())).toEqual([['one', 'two', 'three']])
  })

  it('are forgotten with their recording, and none is kept of one that has no journal', async () => {
    expect(await journal.append(OTHER_ID, incident('one'))).toBe(true)
    fill(ID)
    fill(OTHER_ID)
    await journal.append(ID, incident('two'))
    await journal.append(OTHER_ID, incident('two'))
    await journal.close(ID)
    rmSync(`${fileOf(ID)}.aside`)
    makeRoom(OTHER_ID)
    expect(await left(await start())).toEqual([['one', 'two']])
    rmSync(fileOf(OTHER_ID))
    const next = await start()
    expect([await left(next), next.reserveBytes]).toEqual([[], 0])
  })

  it('are refused beyond the bound, with all of their recording that comes behind, and counted', async () => {
    fill(ID)
    expect(await journal.append(ID, incident('two'))).toBe(true)
    expect(await journal.append(ID, incident('x'.repeat(SIZE_BYTES)))).toBe(false)
    expect(await journal.append(ID, incident('three'))).toBe(false)
    expect(journal.refusals).toBe(2)
    expect(statSync(join(dataDir, 'open.reserve')).size).toBe(SIZE_BYTES)
    makeRoom(ID)
    expect(await journal.append(ID, incident('four'))).toBe(true)
    expect((await left(journal))[0]).toHaveLength(5)
  })

  it('a line that a crash cut off takes none that comes behind it', async () => {
    fill(ID)
    await journal.append(ID, incident('two'))
    const reserve = join(dataDir, 'open.reserve')
    const cut = readFileSync(reserve, 'utf8').trimEnd().slice(0, -20)
    truncateSync(reserve, 0)
    writeFileSync(reserve, cut)
    makeRoom(ID)
    const next = await start()
    expect(await left(next)).toEqual([['one']])
    await next.append(ID, incident('three'))
    fill(ID)
    await next.append(ID, incident('four'))
    makeRoom(ID)
    expect(await left(await start())).toEqual([['one', 'three', 'four']])
  })
})
