import { setImmediate as turn } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { inParallel } from '../../../src/server/in-parallel.ts'

test('every item is worked on once, in order, and so many at once', async () => {
  const [begun, counts] = [[] as number[], { now: 0, most: 0 }]
  const items = new Set(Array.from({ length: 20 }, (_, index) => index))
  await inParallel(items, 3, async (item) => {
    begun.push(item)
    counts.now += 1
    counts.most = Math.max(counts.most, counts.now)
    for (let turns = 0; turns <= item % 3; turns += 1) await turn()
    counts.now -= 1
  })
  expect(begun).toEqual([...items])
  expect(counts).toEqual({ now: 0, most: 3 })
  await inParallel([], 3, () => Promise.reject(new Error('nothing to do')))
})

test('an error is thrown when all is over that can be done', async () => {
  const ended: number[] = []
  const work = inParallel([0, 1, 2, 3, 4, 5], 2, async (item) => {
    await turn()
    if (item === 1) throw new Error('first')
    ended.push(item)
  })
  await expect(work).rejects.toThrow('first')
  expect(ended).toEqual([0, 2, 3, 4, 5])
  await expect(inParallel([0, 1, 2], 2, (item) => Promise.reject(new Error(String(item))))).rejects.toThrow('0')
})
