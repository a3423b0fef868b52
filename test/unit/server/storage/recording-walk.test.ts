import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { uuidV7 } from '../../../../src/ids.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import { keysOnTheirWay } from '../../../../src/server/vault/keys-on-their-way.ts'
import {
  pagesOf,
  RecordingWalk,
  storedTenants,
  type RecordingScope,
} from '../../../../src/server/storage/recording-walk.ts'
import { vectorRandom } from '../../../vectors/evidence/sample-recording.ts'

const ALL: RecordingScope = { tenants: undefined, fromUnixMs: undefined, untilUnixMs: undefined }
const NEW_YEAR = Date.UTC(2026, 0, 1)
const idAt = (unixMs: number): string => uuidV7(unixMs, vectorRandom(String(unixMs))(16))
const [EVE, DAY, LATE] = [idAt(NEW_YEAR - 1), idAt(NEW_YEAR), idAt(Date.UTC(2031, 5, 5))]

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'earwitness-walk-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A store and a replica, which have not the same. */
async function stores(): Promise<readonly [FolderStore, FolderStore]> {
  const [store, replica] = [new FolderStore(folder()), new FolderStore(folder())]
  const key = (tenant: string, id: string): string => `${recordingPrefix(tenant, id)}/key.age`
  await store.put(key('default', DAY), Buffer.from('x'))
  await store.put(key('left-long-ago', EVE), Buffer.from('x'))
  await store.put('ledger/logs/one/entries', Buffer.from('x'))
  await replica.put(key('only-in-replica', LATE), Buffer.from('x'))
  return [store, replica]
}

async function walked(places: readonly FolderStore[], scope: Partial<RecordingScope> = {}) {
  const walk = new RecordingWalk(places, { ...ALL, ...scope })
  const ids: string[] = []
  for await (const { recordingId } of walk.recordings()) ids.push(recordingId)
  return { ids, lookedAt: walk.lookedAt }
}

test('every tenant and day that a place has is looked at, whatever a configuration names', async () => {
  const places = await stores()
  expect(await storedTenants(places)).toEqual(['default', 'left-long-ago', 'only-in-replica'])
  const { ids, lookedAt } = await walked(places)
  expect(ids.toSorted()).toEqual([EVE, DAY, LATE].toSorted())
  expect(lookedAt).toEqual({
    ...{ isAll: true, tenants: ['default', 'left-long-ago', 'only-in-replica'], days: 3 },
    ...{ firstDay: '2025-12-31', lastDay: '2031-06-05' },
  })
})

test('what is found comes in pages, of which the last may be shorter', async () => {
  const sizes = async (count: number): Promise<readonly number[]> => {
    const pages: number[] = []
    for await (const page of pagesOf(Array(count).fill(0), 3)) pages.push(page.length)
    return pages
  }
  expect([await sizes(0), await sizes(3), await sizes(7)]).toEqual([[], [3], [3, 3, 1]])
})

test('what is chosen is a part, and is told as one', async () => {
  const places = await stores()
  expect(await walked(places, { tenants: new Set(['left-long-ago']) })).toMatchObject({
    ids: [EVE],
    lookedAt: { isAll: false, tenants: ['left-long-ago'], days: 1 },
  })
  expect(await walked(places, { fromUnixMs: NEW_YEAR })).toMatchObject({ ids: [DAY, LATE], lookedAt: { isAll: false } })
  expect(await walked(places, { fromUnixMs: NEW_YEAR + 3_600_000, untilUnixMs: NEW_YEAR + 7_200_000 })).toMatchObject({
    ids: [DAY],
  })
  expect(await walked(places, { untilUnixMs: NEW_YEAR - 1 })).toMatchObject({ ids: [EVE] })
})

test('a place that does not answer is no empty one', async () => {
  const [store] = await stores()
  const gone = new FolderStore(join(folder(), 'not-mounted'))
  await expect(storedTenants([store, gone])).rejects.toMatchObject({ code: 'storage-missing' })
  // Nor when it stops to answer on the way: what it alone has would be passed over.
  const [first, replica] = await stores()
  const halfGone = Object.assign(Object.create(replica) as FolderStore, {
    folders: (prefix: string) => replica.folders(prefix),
    list: (prefix: string) => gone.list(prefix),
  })
  await expect(walked([first, halfGone])).rejects.toMatchObject({ code: 'storage-missing' })
})

test('what this machine has not stored: open journals, and keys that wait in the spool', async () => {
  const dataDir = folder()
  expect(await keysOnTheirWay(dataDir, ALL)).toEqual(new Set())
  mkdirSync(join(dataDir, 'open'))
  mkdirSync(join(dataDir, 'spool', 'objects'), { recursive: true })
  const opened = JSON.stringify({ kind: 'opened', facts: { recordingId: DAY, tenant: 'acme' } })
  writeFileSync(join(dataDir, 'open', `${DAY}.jsonl`), `${opened}\n`)
  writeFileSync(join(dataDir, 'open', `${LATE}.jsonl`), 'half a li')
  writeFileSync(join(dataDir, 'open', 'notes.txt'), '')
  const [aside, chunk] = [idAt(NEW_YEAR + 1), idAt(NEW_YEAR + 2)]
  const spooled = (id: string, name: string): string => `${recordingPrefix('zeta', id).replaceAll('/', '~')}~${name}`
  writeFileSync(join(dataDir, 'spool', 'objects', spooled(EVE, 'key.age')), 'x')
  writeFileSync(join(dataDir, 'spool', 'objects', `.refused-${spooled(aside, 'key.age')}`), 'x')
  writeFileSync(join(dataDir, 'spool', 'objects', spooled(chunk, 'chunk-000000.age')), 'x')
  expect(await keysOnTheirWay(dataDir, ALL)).toEqual(new Set([DAY, LATE, EVE]))
  // Whose tenant nobody can tell may be of the one that is asked for.
  expect(await keysOnTheirWay(dataDir, { ...ALL, tenants: new Set(['zeta']) })).toEqual(new Set([LATE, EVE]))
  expect(await keysOnTheirWay(dataDir, { ...ALL, untilUnixMs: NEW_YEAR })).toEqual(new Set([DAY, EVE]))
})
