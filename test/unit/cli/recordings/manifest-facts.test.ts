import { expect, test } from 'vitest'

import { describeManifestFacts, mediaFacts } from '../../../../src/cli/recordings/manifest-facts.ts'
import type { ManifestBody } from '../../../../src/evidence/manifest.ts'
import { sampleRecording } from '../../../vectors/evidence/sample-recording.ts'

const { body } = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [] })
const plain = (_style: string, text: string): string => text
const hold = { fromSample: 48_000, toSample: 96_000, cause: 'held' } as const
const rtcp = { senderReports: 2, goodbyes: 1, discarded: 0, disagreements: 0, refusals: 0, alignedSamples: 0 }
const manifest: ManifestBody = {
  ...body,
  pauses: [{ by: 'src', via: 'SDP', streamId: '1\u001b[2J', from: '2026-11-23T09:00:01.000Z', fromSample: 48_000 }],
  streams: body.streams.map((stream, index) =>
    index === 0
      ? { ...stream, gaps: [hold], rtcp: { ...rtcp, packetsSent: 10, packetsArrived: 9, alignedBy: 'arrival' } }
      : stream,
  ),
}

test('people read pauses and holds as intervals, and what was reported of each stream', () => {
  const text = describeManifestFacts(manifest, plain, undefined).join('\n')
  expect(text).toContain('pauses and holds\n')
  expect(text).toContain('to the end: asked for by the recording client, by its SDP.')
  expect(text).toContain('on hold from 1.000 s to 2.000 s.')
  expect(text).toContain("channel 0, media stream 0: By its sender's own count 9 of 10 packets arrived.")
  expect(text).toContain('It stands where it arrived.')
  expect(text).not.toContain('\u001b')
})

test('they are wrapped to the width of a terminal, not cut', () => {
  const lines = describeManifestFacts(manifest, plain, 60)
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(60)
  expect(lines.join(' ')).toContain('9 of 10 packets arrived.')
})

test('a recording of which nothing is told has no such part', () => {
  const streams = body.streams.map((stream) => ({ ...stream, gaps: [] }))
  expect(describeManifestFacts({ ...body, streams }, plain, undefined)).toEqual([])
})

test('programs get the same as data', () => {
  expect(mediaFacts(manifest)).toMatchObject({
    pauses: [{ by: 'src', via: 'SDP' }],
    unlistedPauses: 0,
    streams: [{ streamId: '0', reception: null, holds: [{ fromSample: 48_000, toSample: 96_000 }] }, {}],
  })
})
