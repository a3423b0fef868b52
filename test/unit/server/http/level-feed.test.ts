import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { LevelFeed, LEVELS_INTERVAL_MS, type AskLevels } from '../../../../src/server/http/level-feed.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const LEVELS = [{ rsId: 'r', streams: [] }]

test('asks for levels only while somebody wants them', async () => {
  const ask = vi.fn<AskLevels>(async () => LEVELS)
  const feed = new LevelFeed({ ask, nowUnixMs: () => 0 })
  await vi.advanceTimersByTimeAsync(10 * LEVELS_INTERVAL_MS)
  expect(ask).toHaveBeenCalledTimes(0)
  const told: string[] = []
  const leave = feed.join((text) => told.push(text), 'all')
  const leaveToo = feed.join(() => {}, new Set(['x']))
  await vi.advanceTimersByTimeAsync(2 * LEVELS_INTERVAL_MS)
  expect(told).toEqual(Array.from({ length: 2 }, () => levelsText(0)))
  leave()
  await vi.advanceTimersByTimeAsync(LEVELS_INTERVAL_MS)
  expect(ask).toHaveBeenCalledTimes(3)
  leaveToo()
  await vi.advanceTimersByTimeAsync(10 * LEVELS_INTERVAL_MS)
  expect(ask).toHaveBeenCalledTimes(3)
  expect(told).toHaveLength(2)
})

test('does not ask again before it has its answer', async () => {
  let answer: (levels: typeof LEVELS) => void = () => {}
  const ask = vi.fn<AskLevels>(
    () =>
      new Promise<typeof LEVELS>((resolve) => {
        answer = resolve
      }),
  )
  const feed = new LevelFeed({ ask, nowUnixMs: () => 0 })
  feed.join(() => {}, 'all')
  await vi.advanceTimersByTimeAsync(5 * LEVELS_INTERVAL_MS)
  expect(ask).toHaveBeenCalledTimes(1)
  answer(LEVELS)
  await vi.advanceTimersByTimeAsync(LEVELS_INTERVAL_MS)
  expect(ask).toHaveBeenCalledTimes(2)
  feed.stop()
})

function levelsText(unixMs: number): string {
  const data = { at: new Date(unixMs).toISOString(), recordingSessions: LEVELS }
  return `event: levels\ndata: ${JSON.stringify(data)}\n\n`
}
