import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { ANSWER_WAIT_MS_MAX, WorkerHearing } from '../../../../src/server/media/worker-hearing.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Whether the end of a recording has been waited for, after so many milliseconds in which nobody said that all is heard. */
async function isOverAfter(ms: number, timeoutMs: number | undefined, isHeard = false): Promise<boolean> {
  const command = ['transcribe']
  const hearing = new WorkerHearing({ transcriber: timeoutMs === undefined ? undefined : { command, timeoutMs } })
  let isOver = false
  void hearing.awaitAnswers((heard) => isHeard && heard()).then(() => (isOver = true))
  await vi.advanceTimersByTimeAsync(ms)
  return isOver
}

it.each([
  ['as long as the program may take', 4_999, 5_000, false],
  ['and no longer', 5_000, 5_000, true],
  ['at most so long, however long the program may take', ANSWER_WAIT_MS_MAX - 1, 60_000, false],
  ['and then no more', ANSWER_WAIT_MS_MAX, 60_000, true],
  ['not at all where nothing is transcribed', 0, undefined, true],
])('answers are waited for %s (%i ms)', async (_what, ms, timeoutMs, isOver) => {
  expect(await isOverAfter(ms, timeoutMs)).toBe(isOver)
})

it('nothing is waited for when all is heard', async () => {
  expect(await isOverAfter(0, 60_000, true)).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})
