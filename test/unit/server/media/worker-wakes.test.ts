import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { runWakes } from '../../../../src/server/media/worker-wakes.ts'

let nowUs: number
let readUs: number[]

beforeEach(() => {
  nowUs = 0
  readUs = []
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate'] })
})

afterEach(() => void vi.useRealTimers())

test('what is worked on is told by when the sockets began to be read, however late that is', () => {
  runWakes(
    100,
    () => nowUs,
    (us) => readUs.push(us),
  )
  // The poll phase, or a thread that waits for a processor: between the timer and the work.
  const stolen = vi.spyOn(globalThis, 'setImmediate').mockImplementationOnce((work, ...args: unknown[]) => {
    nowUs = 700_000
    ;(work as (...given: unknown[]) => void)(...args)
    return {} as NodeJS.Immediate
  })
  nowUs = 100_000
  vi.advanceTimersByTime(100)
  stolen.mockRestore()
  expect([readUs, nowUs]).toEqual([[100_000], 700_000])
})

test('comes again, behind the poll phase, until it is ended', () => {
  const end = runWakes(
    100,
    () => nowUs,
    (us) => readUs.push(us),
  )
  vi.advanceTimersToNextTimer()
  expect(readUs).toEqual([])
  vi.advanceTimersToNextTimer()
  expect(readUs).toEqual([0])
  nowUs = 5
  vi.advanceTimersByTime(100)
  expect(readUs).toEqual([0, 5])
  end()
  vi.advanceTimersByTime(1_000)
  expect(readUs).toEqual([0, 5])
})
