import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../src/errors.ts'
import type { ObjectStore } from '../../src/server/storage/object-store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The code of the error that `work` ends with; it must be one that a person can read. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof EarwitnessError)) throw new Error(`not an EarwitnessError: ${String(error)}`)
  expect(error.hint).not.toBe('')
  return error.code
}

/** What every {@link ObjectStore} promises; `open` gives the store under test, of which other tests may use other keys. */
export function describeObjectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  let count = 0
  /** A recording's prefix that nobody has used. */
  const freshPrefix = (): string => `default/2026/11/29/recording-${process.pid}-${(count += 1)}`

  describe(`${name} keeps the contract of object stores`, () => {
    it('proves that it can be written to, and leaves nothing in a listing', async () => {
      const store = await open()
      const before = await store.list('')
      await store.check()
      await store.check()
      expect(await store.list('')).toEqual(before)
    })

    it.each([0, 1, 65_536, 1_000_003])('gives back %d bytes as they were stored', async (length) => {
      const store = await open()
      const key = `${freshPrefix()}/chunk-000000.age`
      const stored = Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255)
      await store.put(key, stored)
      expect(Buffer.from((await store.get(key)) ?? []).equals(stored)).toBe(true)
    })

    it('takes the same bytes again, and keeps the first when others come', async () => {
      const store = await open()
      const key = `${freshPrefix()}/manifest.json`
      await store.put(key, bytes('first'))
      await store.put(key, bytes('first'))
      expect(await codeOf(store.put(key, bytes('other')))).toBe('storage-conflict')
      expect(await codeOf(store.put(key, bytes('much longer than the first')))).toBe('storage-conflict')
      expect(Buffer.from((await store.get(key)) ?? []).toString()).toBe('first')
    })

    it('has nothing under a name that was never given', async () => {
      const store = await open()
      expect(await store.get(`${freshPrefix()}/nothing`)).toBeUndefined()
      expect(await store.list(`${freshPrefix()}/`)).toEqual([])
    })

    it('lists by the beginning of names, in order, with sizes', async () => {
      const store = await open()
      const prefix = freshPrefix()
      for (const [name, size] of [
        ['b', 2],
        ['a.1', 1],
        ['a/2', 3],
        ['B', 0],
      ] as const) {
        await store.put(`${prefix}/${name}`, new Uint8Array(size))
      }
      await store.put(`${prefix}x/a`, new Uint8Array(1))
      const listed = async (part: string) =>
        (await store.list(prefix + part)).map(({ key, sizeBytes }) => `${key.slice(prefix.length)} ${sizeBytes}`)
      expect(await listed('/')).toEqual(['/B 0', '/a.1 1', '/a/2 3', '/b 2'])
      expect(await listed('/a')).toEqual(['/a.1 1', '/a/2 3'])
      expect(await listed('')).toEqual(['/B 0', '/a.1 1', '/a/2 3', '/b 2', 'x/a 1'])
    })

    it('destroys an object, and minds nothing when there is none', async () => {
      const store = await open()
      const key = `${freshPrefix()}/key.age`
      await store.put(key, bytes('sealed'))
      await store.delete(key)
      await store.delete(key)
      expect(await store.get(key)).toBeUndefined()
      expect(await store.list(key)).toEqual([])
    })

    it.each(['', '/a', 'a//b', '../a', 'a/../b', '.a', 'a b', '-a', 'ä', 'a'.repeat(1_025)])(
      'refuses the name %j',
      async (key) => {
        const store = await open()
        expect(await codeOf(store.put(key, bytes('x')))).toBe('storage-key-invalid')
        expect(await codeOf(store.get(key))).toBe('storage-key-invalid')
        expect(await codeOf(store.delete(key))).toBe('storage-key-invalid')
      },
    )

    it('lets one of twenty writers win', async () => {
      const store = await open()
      const key = `${freshPrefix()}/contested`
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          store.put(key, bytes(`writer ${index}`)).then(
            () => `writer ${index}`,
            (error: unknown) => (error instanceof EarwitnessError ? error.code : String(error)),
          ),
        ),
      )
      const winners = outcomes.filter((outcome) => outcome !== 'storage-conflict')
      expect(winners).toEqual([Buffer.from((await store.get(key)) ?? []).toString()])
    })
  })
}
