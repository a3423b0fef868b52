import { expect, test } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { uuidV7 } from '../../../../src/ids.ts'
import { firstIdOf, storedDays, type StoredRecording } from '../../../../src/server/reindex/stored-recordings.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'

const DAY = Date.UTC(2026, 10, 23)
const HOUR_MS = 3_600_000
const idAt = (unixMs: number): string => uuidV7(unixMs, new Uint8Array(16).fill(0xff))

/** A store of keys alone; `listMax` as a real one has it. */
function storeOf(keys: readonly string[], listMax = 1_000) {
  const asked: string[] = []
  return {
    asked,
    list: async (prefix: string) => {
      asked.push(prefix)
      const found = keys.filter((key) => key.startsWith(prefix)).toSorted()
      if (found.length > listMax) throw new EarwitnessError('storage-list-too-long', 'Too many.', 'Ask for less.')
      return found.map((key) => ({ key, sizeBytes: 1 }))
    },
  }
}

async function walk(
  store: ReturnType<typeof storeOf>,
  span: Partial<Parameters<typeof storedDays>[1]> = {},
): Promise<StoredRecording[]> {
  const found: StoredRecording[] = []
  for await (const { recordings } of storedDays(store, { tenants: ['t'], fromUnixMs: DAY, toUnixMs: DAY, ...span })) {
    found.push(...recordings)
  }
  return found
}

const objectsOf = (id: string, ...names: readonly string[]): string[] =>
  names.map((name) => `${recordingPrefix('t', id)}/${name}`)

test('recordings are found by day, with or without a manifest', async () => {
  const [done, open, later] = [idAt(DAY), idAt(DAY + HOUR_MS), idAt(DAY + 24 * HOUR_MS)]
  const store = storeOf([
    ...objectsOf(done, 'key.age', 'chunk-000000.age', 'key-001.age', 'manifest.jws', 'metadata-000.age'),
    ...objectsOf(open, 'key.age'),
    ...objectsOf(later, 'manifest.jws'),
  ])
  expect(await walk(store)).toEqual([
    {
      recordingId: done,
      objectPrefix: recordingPrefix('t', done),
      hasManifest: true,
      keyNames: ['key-001.age', 'key.age'],
      custodyNames: [],
      consentNames: [],
    },
    {
      recordingId: open,
      objectPrefix: recordingPrefix('t', open),
      hasManifest: false,
      keyNames: ['key.age'],
      custodyNames: [],
      consentNames: [],
    },
  ])
  expect(await walk(store, { toUnixMs: DAY + 24 * HOUR_MS })).toHaveLength(3)
  expect(await walk(store, { tenants: ['u'] })).toEqual([])
})

test('a day with more objects than one listing takes is listed in slices, and nothing twice', async () => {
  const ids = Array.from({ length: 49 }, (_, index) =>
    idAt(Math.min(DAY + index * (HOUR_MS / 2), DAY + 24 * HOUR_MS - 1)),
  )
  const store = storeOf(
    ids.flatMap((id) => objectsOf(id, 'key.age', 'manifest.jws')),
    10,
  )
  expect((await walk(store)).map(({ recordingId }) => recordingId)).toEqual(ids)
  expect(store.asked.length).toBeLessThan(90)
})

test('what is no recording, or lies under another day, is passed over', async () => {
  const id = idAt(DAY)
  const elsewhere = idAt(DAY + 48 * HOUR_MS)
  const store = storeOf([
    't/2026/11/23/readme.txt',
    `t/2026/11/23/${elsewhere}/manifest.jws`,
    ...objectsOf(id, 'manifest.jws'),
  ])
  expect((await walk(store)).map(({ recordingId }) => recordingId)).toEqual([id])
})

test('any other failure of the store is its caller’s to see', async () => {
  const store = { ...storeOf([]), list: () => Promise.reject(new EarwitnessError('storage-away', 'Away.', 'Wait.')) }
  await expect(walk(store)).rejects.toMatchObject({ code: 'storage-away' })
})

test('the first id of a millisecond is none that sorts behind another of it', () => {
  expect(firstIdOf(DAY) < uuidV7(DAY, new Uint8Array(16))).toBe(false)
  expect(firstIdOf(DAY) <= uuidV7(DAY, new Uint8Array(16))).toBe(true)
  expect(firstIdOf(DAY) > idAt(DAY - 1)).toBe(true)
})
