import { once } from 'node:events'
import { expect, test } from 'vitest'

import { MediaWorker, YOUNG_GENERATION_MIB } from '../../../../src/server/media/media-worker-handle.ts'
import type { WorkerSettings } from '../../../../src/server/media/worker-messages.ts'

/** Lets garbage live for a moment, and says how large the young generation has become for it. */
const SPENDTHRIFT = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { parentPort } from 'node:worker_threads'
  const living = []
  for (let round = 0; round < 300; round += 1) {
    living[round % 100] = Array.from({ length: 4_096 }, (_, index) => ({ index }))
  }
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  parentPort.postMessage(space.physical_space_size)
`

test('the young generation of a media worker stays small, however much survives in it', async () => {
  const worker = new MediaWorker({
    id: 1,
    file: new URL(`data:text/javascript,${encodeURIComponent(SPENDTHRIFT)}`),
    settings: {} as WorkerSettings,
    onMessage: () => {},
    onExit: () => {},
  })
  const [bytes] = (await once(worker.thread, 'message')) as [number]
  expect(bytes).toBeLessThanOrEqual(YOUNG_GENERATION_MIB * 2 ** 20)
  await worker.thread.terminate()
})
