import { expect, it } from 'vitest'

import type { GapEntry, StreamEntry } from '../../../src/evidence/manifest.ts'
import { GAPS_LISTED_MAX, withListedGaps } from '../../../src/recorder/listed-gaps.ts'
import { sampleRecording } from '../../vectors/evidence/sample-recording.ts'

const { body } = await sampleRecording({ chunks: [Buffer.from('one')], snapshots: [] })

const gapsOf = (count: number): GapEntry[] =>
  Array.from({ length: count }, (_, gap) => ({ fromSample: 3 * gap, toSample: 3 * gap + 2, cause: 'lost' }))

function streamWith(gaps: readonly GapEntry[]): StreamEntry {
  const [stream] = body.streams
  if (stream === undefined) throw new Error('no stream')
  return { ...stream, gaps, ledger: { ...stream.ledger, unlistedGapSamples: 10 } }
}

it('gaps are all listed where the manifest has room for them', () => {
  const streams = [streamWith(gapsOf(GAPS_LISTED_MAX - 1)), streamWith(gapsOf(1))]
  expect(withListedGaps(streams)).toEqual(streams)
})

it('gaps beyond it are summed, of each stream the last ones', () => {
  const share = GAPS_LISTED_MAX / 2
  const [many, few] = withListedGaps([streamWith(gapsOf(share + 3)), streamWith(gapsOf(share))])
  expect(many?.gaps).toEqual(gapsOf(share))
  expect(many?.ledger.unlistedGapSamples).toBe(10 + 3 * 2)
  expect(few?.gaps).toHaveLength(share)
  expect(few?.ledger.unlistedGapSamples).toBe(10)
})
