import { expect, test } from 'vitest'

import { INTERVALS_MAX } from '../../../src/evidence/fact-text.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { ManifestBody, StreamEntry } from '../../../src/evidence/manifest.ts'
import type { PauseEntry } from '../../../src/evidence/stream-facts.ts'
import { describeVerdict, verifyRecording, type Verdict } from '../../../src/evidence/verify.ts'
import {
  readerOf,
  RECORDING_ID,
  sampleRecording,
  storeManifest,
  vectorSigner,
} from '../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()
const recording = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [Buffer.from('<recording/>')] })
const [sample] = recording.body.streams
const [chunk] = recording.body.chunks
if (sample === undefined || chunk === undefined) throw new Error('the sample has a stream and a chunk')
const stream: StreamEntry = sample
const SECOND = 48_000
const DURATION = 20 * SECOND

/** Twenty seconds of one media stream with these gaps. */
function bodyWith(gaps: StreamEntry['gaps'], change: Partial<ManifestBody>): ManifestBody {
  const gapSamples = { lost: 0, silence: 0, held: 0, noMedia: 0, paused: 0 }
  for (const { cause, fromSample, toSample } of gaps) {
    if (cause === 'paused' || cause === 'held') gapSamples[cause] += toSample - fromSample
  }
  const audioSamples = DURATION - gapSamples.paused - gapSamples.held
  const ledger = { audioSamples, gapSamples, unlistedGapSamples: 0 }
  return {
    ...recording.body,
    durationSamples: DURATION,
    chunks: [{ ...chunk, ...{ fromSample: 0, toSample: DURATION } } as NonNullable<typeof chunk>],
    streams: [{ ...stream, ledger, gaps }],
    ...change,
  }
}

async function verdictOf(body: ManifestBody): Promise<Verdict> {
  await storeManifest(recording.objects, body)
  return verifyRecording({ recordingId: RECORDING_ID, objects: readerOf(recording.objects), keys: [verifyKey] })
}

const from = '2026-11-23T09:00:05.000Z'
const to = '2026-11-23T09:00:10.000Z'
const paused: PauseEntry = { by: 'api', from, fromSample: 5 * SECOND, to, toSample: 10 * SECOND }
const gap = { cause: 'paused', fromSample: 5 * SECOND, toSample: 10 * SECOND } as const

test.each<[string, StreamEntry['gaps'], Partial<ManifestBody>]>([
  ['no pauses, as older manifests do', [gap], {}],
  ['a pause in which nothing was recorded', [gap], { pauses: [paused] }],
  ['one whose edges lie a second apart', [{ ...gap, fromSample: 6 * SECOND }], { pauses: [paused] }],
  [
    'one that nobody took back',
    [{ ...gap, toSample: DURATION }],
    { pauses: [{ by: 'src', via: 'INFO', from, fromSample: paused.fromSample }] },
  ],
  ['one during a hold', [{ ...gap, cause: 'held' }], { pauses: [paused] }],
  ['one of this stream alone', [gap], { pauses: [{ ...paused, by: 'src', via: 'SDP', streamId: stream.streamId }] }],
  ['more pauses than are listed', [gap], { pauses: [], unlistedPauses: 1 }],
])('a manifest that tells of %s is right', async (_name, gaps, change) => {
  expect((await verdictOf(bodyWith(gaps, change))).findings).toEqual([])
})

test.each<[string, StreamEntry['gaps'], Partial<ManifestBody>]>([
  ['a pause with audio in it', [], { pauses: [paused] }],
  ['one with audio in the middle', [{ ...gap, toSample: 7 * SECOND }], { pauses: [paused] }],
  ['one that nobody asked for', [gap], { pauses: [] }],
  ['one of another stream', [gap], { pauses: [{ ...paused, streamId: 'another' }], state: 'interrupted' }],
  ['one that ends before it begins', [gap], { pauses: [paused, { ...paused, toSample: 0 }] }],
  ['one that ends before it begins by the clock', [gap], { pauses: [{ ...paused, to: from, from: to }] }],
  [
    'one that ends at no time',
    [gap],
    { pauses: [{ by: 'api', from, fromSample: paused.fromSample, toSample: 10 * SECOND }] },
  ],
  ['one past the end', [{ ...gap, toSample: DURATION }], { pauses: [{ ...paused, toSample: DURATION + 1 }] }],
])('a manifest with %s is found wrong', async (_name, gaps, change) => {
  const { findings } = await verdictOf(bodyWith(gaps, change))
  expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['pause-wrong']))
})

test('a pause that nobody can have asked for is not of this shape', () => {
  const body = bodyWith([gap], { pauses: [paused] })
  expect(findShapeFault({ ...body, pauses: [{ ...paused, by: 'nobody' }] })).toBe('pauses[0].by')
  expect(findShapeFault({ ...body, pauses: [{ ...paused, via: 'SMS' }] })).toBe('pauses[0].via')
})

test('the verdict tells pauses and holds as intervals, and who asked', async () => {
  const hold = { cause: 'held', fromSample: 12 * SECOND, toSample: 14 * SECOND } as const
  const last: PauseEntry = { by: 'src', via: 'INFO', from: '2026-11-23T09:00:18.000Z', fromSample: 18 * SECOND }
  const gaps = [gap, hold, { ...gap, fromSample: 18 * SECOND, toSample: DURATION }]
  const text = describeVerdict(await verdictOf(bodyWith(gaps, { pauses: [paused, last] })))
  expect(text).toContain(`Paused from 5.000 s (${from}) to 10.000 s (${to}): asked for by an operator.`)
  expect(text).toContain(
    'Paused from 18.000 s (2026-11-23T09:00:18.000Z) to the end: asked for by the recording client, by a header of INFO.',
  )
  expect(text).toContain('on hold from 12.000 s to 14.000 s.')
})

test('the verdict counts the pauses that it does not write out', async () => {
  const pauses = Array.from({ length: INTERVALS_MAX + 2 }, () => paused)
  const text = describeVerdict(await verdictOf(bodyWith([gap], { pauses, unlistedPauses: 3 })))
  expect(text).toContain('and 5 more pauses.')
})
