import { expect, it } from 'vitest'

import { Bandwidth } from '../../../../src/server/storage/bandwidth.ts'

it('lets a second of bytes go at once, and the rest as time passes, whoever asks beside', async () => {
  let nowMs = 0
  const sleep = async (durationMs: number): Promise<void> => {
    nowMs += durationMs
  }
  const bandwidth = new Bandwidth(1_000, { nowMs: () => nowMs, sleep })
  const { signal } = new AbortController()
  await bandwidth.take(1_000, signal)
  expect(nowMs).toBe(0)
  await Promise.all([bandwidth.take(500, signal), bandwidth.take(1_500, signal)])
  // What is larger than a second of bytes leaves a debt.
  await bandwidth.take(1, signal)
  expect(nowMs).toBeGreaterThanOrEqual(2_000)
  expect(nowMs).toBeLessThan(2_100)
})

it('limits nothing at 0, and keeps nobody who is to stop', async () => {
  const never = (): Promise<void> => new Promise(() => {})
  await new Bandwidth(0, { sleep: never }).take(1e12, new AbortController().signal)
  const bandwidth = new Bandwidth(1, { nowMs: () => 0, sleep: async () => stopped.abort() })
  const stopped = new AbortController()
  await bandwidth.take(1, stopped.signal)
  await bandwidth.take(1, stopped.signal)
  expect(stopped.signal.aborted).toBe(true)
})
