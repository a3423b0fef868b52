import { expect, it } from 'vitest'

import { liveRecording } from './live-recordings.ts'

it('gives each recording another length of its first chunk, of an eighth of a chunk at least', () => {
  const shares = Array.from({ length: 100 }, (_, seed) => {
    const { chunkUs, firstChunkUs = Number.NaN } = liveRecording(seed + 1).facts
    return firstChunkUs / chunkUs
  }).toSorted((a, b) => a - b)
  expect(shares[0]).toBeGreaterThanOrEqual(0.125)
  expect(shares.at(-1)).toBeLessThan(1)
  // In no twentieth of the time more than an eighth of them ends.
  for (const [index, share] of shares.entries()) expect((shares[index + 13] ?? 2) - share).toBeGreaterThan(0.05)
})
