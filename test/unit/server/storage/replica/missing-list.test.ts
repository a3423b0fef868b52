import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { MissingList, SEGMENT_KEYS_MAX, SEGMENTS_MAX } from '../../../../../src/server/storage/replica/missing-list.ts'
import { SpoolDisk } from '../../../../support/spool-disk.ts'

async function opened(disk: SpoolDisk, errors: unknown[] = [], heldMax?: number): Promise<MissingList> {
  const limit = heldMax === undefined ? {} : { heldMax }
  const list = new MissingList({ folder: '/replica', files: disk, onError: (error) => errors.push(error), ...limit })
  await list.run()
  return list
}

async function allOf(disk: SpoolDisk): Promise<readonly string[]> {
  const list = await opened(disk)
  const keys: string[] = []
  while (list.hasLater) keys.push(...(await list.load()).map(({ key }) => key))
  return keys.toSorted()
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const add = (list: MissingList, key: string, sinceUnixMs = 1) => list.add({ key, sinceUnixMs })

describe('the list of what a replica lacks', () => {
  it('survives a power cut from the moment it says so, and one sync serves all who wait', async () => {
    const disk = new SpoolDisk()
    const list = await opened(disk)
    await Promise.all(['a', 'b', 'c'].map((key) => add(list, key)))
    expect(disk.operations.filter((operation) => operation === 'sync').length).toBeLessThanOrEqual(2)
    disk.cutPower(3)
    expect(await allOf(disk)).toEqual(['a', 'b', 'c'])
  })

  it('knows how many there are, and since when', async () => {
    const disk = new SpoolDisk()
    const list = await opened(disk)
    expect(list).toMatchObject({ count: 0, oldestUnixMs: undefined, hasLater: false })
    await add(list, 'a', 10)
    await add(list, 'b', 20)
    expect(await add(list, 'b', 30)).toBe('held')
    expect(list).toMatchObject({ count: 2, oldestUnixMs: 10 })
    list.done('a')
    list.done('never-there')
    expect(list).toMatchObject({ count: 1, oldestUnixMs: 20 })
    await list.stop()
    expect(await opened(disk)).toMatchObject({ count: 1, oldestUnixMs: 20, hasLater: true })
  })

  it('does not grow while all goes well', async () => {
    const disk = new SpoolDisk()
    const list = await opened(disk)
    for (let round = 0; round < 5; round += 1) {
      const keys = Array.from({ length: SEGMENT_KEYS_MAX / 2 }, (_, index) => `round-${round}/${index}`)
      await Promise.all(keys.map((key) => add(list, key)))
      for (const key of keys) list.done(key)
    }
    await list.stop()
    expect(disk.paths).toHaveLength(1)
    expect(await allOf(disk)).toEqual([])
    expect(disk.paths).toEqual([])
  })

  it('holds so many names in memory, and the rest on disk until there is room', async () => {
    const disk = new SpoolDisk()
    const list = await opened(disk, [], 10)
    const keys = Array.from({ length: 15 }, (_, index) => `many/${index}`)
    const outcomes = await Promise.all(keys.map((key) => add(list, key)))
    expect(outcomes.filter((outcome) => outcome === 'later')).toHaveLength(5)
    expect(list).toMatchObject({ count: 15, isFull: true, hasLater: true })
    for (const key of keys.slice(0, 10)) list.done(key)
    expect((await list.load()).map(({ key }) => key)).toEqual(keys.slice(10))
    for (const key of keys.slice(10)) list.done(key)
    expect(list).toMatchObject({ count: 0, isFull: false, hasLater: false })
  })

  it('has as many files when names come and go at the bound of the memory', async () => {
    const disk = new SpoolDisk()
    const list = await opened(disk, [], 10)
    const held: string[] = []
    for (let index = 0; index < 4 * SEGMENTS_MAX; index += 1) {
      const outcome = await add(list, `key-${index}`)
      expect(outcome).not.toBe('failed')
      if (outcome === 'held') held.push(`key-${index}`)
      // The replica takes one for every two that come.
      const done = index >= 10 && index % 2 === 0 ? held.shift() : undefined
      if (done !== undefined) list.done(done)
    }
    expect(disk.paths).toHaveLength(2)
    const left = await allOf(disk)
    expect(new Set(left).size).toBe(list.count)
    expect(left).toEqual(expect.arrayContaining(held))
  })

  it('says so when the disk does not take a name, and goes on in another file', async () => {
    const disk = new SpoolDisk()
    const errors: unknown[] = []
    const list = await opened(disk, errors)
    await add(list, 'a')
    disk.fails = (operation) => operation === 'sync'
    expect(await add(list, 'b')).toBe('failed')
    expect(errors).toHaveLength(1)
    disk.fails = () => false
    expect(await add(list, 'c')).toBe('held')
    expect(disk.paths).toHaveLength(2)
    disk.cutPower()
    expect(await allOf(disk)).toEqual(['a', 'c'])
  })

  it('has no more than so many files', async () => {
    const disk = new SpoolDisk()
    const list = await opened(disk)
    disk.fails = (operation) => operation === 'sync'
    for (let index = 0; index < SEGMENTS_MAX; index += 1) expect(await add(list, `key-${index}`)).toBe('failed')
    disk.fails = () => false
    expect(await add(list, 'one-more')).toBe('failed')
    list.done('key-0')
    expect(await add(list, 'one-more')).toBe('held')
  })

  it('never loses a name that is not done, whatever happens in between', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), key: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('done' as const), key: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('cut' as const), torn: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ kind: fc.constant('restart' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const disk = new SpoolDisk()
        let list = await opened(disk)
        const missing = new Set<string>()
        for (const one of steps) {
          if (one.kind === 'add') {
            await add(list, `key-${one.key}`)
            missing.add(`key-${one.key}`)
          } else if (one.kind === 'done') {
            list.done(`key-${one.key}`)
            missing.delete(`key-${one.key}`)
          } else {
            // What was under way is over: two lists never have one folder at a time.
            await settled()
            if (one.kind === 'cut') disk.cutPower(one.torn)
            else await list.stop()
            list = await opened(disk)
            while (list.hasLater) await list.load()
          }
        }
        await settled()
        disk.cutPower()
        const found = await allOf(disk)
        for (const key of missing) expect(found).toContain(key)
      }),
    )
  })
})
