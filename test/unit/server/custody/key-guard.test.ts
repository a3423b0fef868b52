import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { beforeEach, expect, onTestFinished, test } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { guardSide, type RefusedObject } from '../../../../src/server/custody/key-guard.ts'
import { ShreddedMarks } from '../../../../src/server/custody/shredded-marks.ts'
import { RotatedMarks } from '../../../../src/server/custody/rotated-marks.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import type { ObjectStore } from '../../../../src/server/storage/object-store.ts'
import { Replicator } from '../../../../src/server/storage/replica/replicator.ts'
import { MissingList } from '../../../../src/server/storage/replica/missing-list.ts'
import { nodeSpoolFiles } from '../../../../src/server/spool/spool-files.ts'
import type { StoreSide } from '../../../../src/server/storage/store-side.ts'
import { codeOf } from '../../../support/object-store-contract.ts'
import { RECORDING_ID } from '../../../vectors/evidence/sample-recording.ts'

const OTHER_ID = '019aaff1-0680-7abc-8def-0123456789bb'
const bytes = Buffer.from('sealed')
const keyOf = (name: string, id = RECORDING_ID): string => `${recordingPrefix('default', id)}/${name}`

let dataDir: string
let marks: ShreddedMarks
let rotated: RotatedMarks
let refused: RefusedObject[]

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-guard-'))
  marks = new ShreddedMarks(dataDir)
  rotated = new RotatedMarks(dataDir)
  refused = []
})

function sideOf(store: ObjectStore): StoreSide {
  const ready = Promise.resolve(true)
  return { store, writes: store, report: () => undefined, ready, reload: () => {}, stop: () => {} }
}

function guarded(folder: string): StoreSide {
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  return guardSide(sideOf(new FolderStore(join(dataDir, folder))), {
    marks,
    rotated,
    onRefused: (one) => refused.push(one),
  })
}

test('what is not destroyed is stored', async () => {
  const { store, writes } = guarded('store')
  await marks.write(OTHER_ID, { scope: 'objects', said: [], keys: [] })
  await store.put(keyOf('key.age'), bytes)
  await writes.put(keyOf('chunk-000000.age'), bytes)
  await writes.put('ledger/logs/one.jws', bytes)
  expect((await store.list('')).length).toBe(3)
  expect(refused).toEqual([])
})

test('a destroyed key counts as stored, and is not; other objects are', async () => {
  const { store, writes } = guarded('store')
  await marks.write(RECORDING_ID, { scope: 'key', said: [], keys: [] })
  for (const name of ['key.age', 'key-001.age']) {
    await writes.put(keyOf(name), bytes)
    await store.put(keyOf(name), bytes)
  }
  const told = (name: string) => ({ recordingId: RECORDING_ID, name, mayBeLeft: false })
  expect(refused).toEqual(['key.age', 'key.age', 'key-001.age', 'key-001.age'].map(told))
  await writes.put(keyOf('chunk-000000.age'), bytes)
  expect((await store.list('')).map(({ key }) => key)).toEqual([keyOf('chunk-000000.age')])
})

test('of what is destroyed whole, only the manifest and what was decided are stored', async () => {
  const { store } = guarded('store')
  await marks.write(RECORDING_ID, { scope: 'objects', said: [], keys: [] })
  for (const name of ['chunk-000000.age', 'manifest.jws', 'custody-000.jws']) await store.put(keyOf(name), bytes)
  expect((await store.list('')).map(({ key }) => key)).toEqual([keyOf('custody-000.jws'), keyOf('manifest.jws')])
})

test('a key that is destroyed while it is on its way is destroyed again', async () => {
  const folder = new FolderStore(join(dataDir, 'store'))
  const slow: ObjectStore = {
    ...sideOf(folder).store,
    put: async (key, content) => {
      await folder.put(key, content)
      await marks.write(RECORDING_ID, { scope: 'key', said: [], keys: [] })
    },
    get: (key) => folder.get(key),
    list: (prefix) => folder.list(prefix),
    delete: (key) => folder.delete(key),
    check: () => folder.check(),
  }
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const { writes } = guardSide(sideOf(slow), { marks, rotated, onRefused: (one) => refused.push(one) })
  await writes.put(keyOf('key.age'), bytes)
  expect(await folder.list('')).toEqual([])
  expect(refused).toEqual([{ recordingId: RECORDING_ID, name: 'key.age', mayBeLeft: false }])
})

test('a key that an attempt before left there is destroyed when it comes again, and no other object is', async () => {
  const { store, writes } = guarded('store')
  const put = async () => {
    for (const name of ['key.age', 'key-001.age', 'held-key-000.age', 'chunk-000000.age']) {
      await new FolderStore(join(dataDir, 'store')).put(keyOf(name), bytes)
    }
  }
  await put()
  await rotated.write(RECORDING_ID, 1)
  for (const name of ['key.age', 'key-001.age']) await writes.put(keyOf(name), bytes)
  const left = async () => (await store.list('')).map(({ key }) => key.split('/').at(-1))
  expect(await left()).toEqual(['chunk-000000.age', 'held-key-000.age', 'key-001.age'])
  await put()
  await marks.write(RECORDING_ID, { scope: 'objects', said: [], keys: [] })
  for (const name of await left()) await writes.put(keyOf(name ?? ''), bytes)
  expect(await left()).toEqual(['chunk-000000.age'])
})

test('a store that lets go of nothing is not asked for ever, and one that does not answer is asked again', async () => {
  const { store } = sideOf(new FolderStore(join(dataDir, 'store')))
  let code = 'storage-denied'
  const denied: ObjectStore = {
    put: (key, content) => store.put(key, content),
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    delete: () => Promise.reject(new EarwitnessError(code, 'It is locked.', 'Wait.')),
    check: () => store.check(),
  }
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  await marks.write(RECORDING_ID, { scope: 'key', said: [], keys: [] })
  const { writes } = guardSide(sideOf(denied), { marks, rotated, onRefused: (one) => refused.push(one) })
  await writes.put(keyOf('key.age'), bytes)
  expect(refused).toEqual([{ recordingId: RECORDING_ID, name: 'key.age', mayBeLeft: true }])
  code = 'storage-unreachable'
  expect(await codeOf(writes.put(keyOf('key.age'), bytes))).toBe(code)
  expect(refused).toHaveLength(1)
})

test('the replicator brings a destroyed key to neither side, from memory or from the other', async () => {
  const [primary, replica] = [guarded('store'), guarded('replica')]
  await Promise.all([primary.store.check(), replica.store.check()])
  const missing = new MissingList({ folder: join(dataDir, 'missing'), files: nodeSpoolFiles, onError: () => {} })
  await missing.run()
  const gate = Promise.withResolvers<void>()
  const replicator = new Replicator({
    primary: { get: (key) => primary.store.get(key), put: (key, content) => primary.writes.put(key, content) },
    replica: {
      get: (key) => replica.store.get(key),
      put: async (key, content) => {
        await gate.promise
        await replica.writes.put(key, content)
      },
    },
    ...{ missing, durable: 'primary', uploadsMax: 2, nowUnixMs: Date.now },
    observer: { stored: () => {}, failed: () => {}, unnoted: () => {} },
  })
  replicator.run()
  await replicator.put(keyOf('key.age'), bytes)
  // Destroyed while the replica lags behind.
  await marks.write(RECORDING_ID, { scope: 'key', said: [], keys: [] })
  await primary.store.delete(keyOf('key.age'))
  gate.resolve()
  expect(await replicator.drain(60_000)).toBe(true)
  expect(await replica.store.list('')).toEqual([])
  // Left in the replica alone, which was away: it does not go back.
  await new FolderStore(join(dataDir, 'replica')).put(keyOf('key-001.age'), bytes)
  await missing.add({ key: keyOf('key-001.age'), sinceUnixMs: 1 })
  await missing.stop()
  const again = new MissingList({ folder: join(dataDir, 'missing'), files: nodeSpoolFiles, onError: () => {} })
  await again.run()
  const later = new Replicator({
    ...{ primary: primary.store, replica: replica.store, missing: again, durable: 'primary', uploadsMax: 2 },
    ...{ nowUnixMs: Date.now, observer: { stored: () => {}, failed: () => {}, unnoted: () => {} } },
  })
  later.run()
  expect(await later.drain(60_000)).toBe(true)
  expect(await primary.store.list('')).toEqual([])
  await later.stop()
})

test('a mark survives, by month, and one that cannot be read stands for everything', async () => {
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  expect(await marks.read(RECORDING_ID)).toBeUndefined()
  await marks.write(RECORDING_ID, { scope: 'key', said: ['one'], keys: [] })
  await marks.write(RECORDING_ID, { scope: 'key', said: ['one', 'two'], keys: ['aa'] })
  expect(await new ShreddedMarks(dataDir).read(RECORDING_ID)).toEqual({
    scope: 'key',
    said: ['one', 'two'],
    keys: ['aa'],
  })
  expect(await readdir(join(dataDir, 'shredded'))).toEqual(['2025-11'])
  writeFileSync(join(dataDir, 'shredded', '2025-11', RECORDING_ID), '{"scope":"key","said":["one"]}')
  expect(await marks.read(RECORDING_ID)).toEqual({ scope: 'key', said: ['one'], keys: [] })
  writeFileSync(join(dataDir, 'shredded', '2025-11', RECORDING_ID), 'half a')
  expect(await marks.read(RECORDING_ID)).toEqual({ scope: 'objects', said: [], keys: [] })
})

test('a key before the one that was sealed anew counts as stored, and is not', async () => {
  const { store, writes } = guarded('store')
  await rotated.write(RECORDING_ID, 2)
  for (const name of ['key.age', 'key-001.age', 'key-002.age', 'key-003.age', 'chunk-000000.age']) {
    await writes.put(keyOf(name), bytes)
  }
  await writes.put(keyOf('key.age', OTHER_ID), bytes)
  const names = (await store.list('')).map(({ key }) => key.split('/').slice(-2))
  expect(names).toEqual([
    ...['chunk-000000.age', 'key-002.age', 'key-003.age'].map((name) => [RECORDING_ID, name]),
    [OTHER_ID, 'key.age'],
  ])
  expect(refused.map(({ name }) => name)).toEqual(['key.age', 'key-001.age'])
})

test('what is known of a rotation is forgotten after 30 days, and one that cannot be read says nothing', async () => {
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const dayMs = 86_400_000
  await rotated.forgetOld(Date.now())
  await rotated.write(RECORDING_ID, 1)
  await rotated.forgetOld(Date.now() + 29 * dayMs)
  expect(await rotated.lowest(RECORDING_ID)).toBe(1)
  await rotated.forgetOld(Date.now() + 31 * dayMs)
  expect(await rotated.lowest(RECORDING_ID)).toBe(0)
  await rotated.write(RECORDING_ID, 1)
  writeFileSync(join(dataDir, 'rotated', '2025-11', RECORDING_ID), 'half a')
  expect(await rotated.lowest(RECORDING_ID)).toBe(0)
})
