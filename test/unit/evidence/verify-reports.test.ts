import { expect, test } from 'vitest'

import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { StreamEntry } from '../../../src/evidence/manifest.ts'
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
const { streams } = recording.body
const discarded = streams[0]?.packets.discarded ?? 0
const none = { senderReports: 0, goodbyes: 0, discarded: 0, disagreements: 0, refusals: 0, alignedSamples: 0 }
const counted = { ...none, senderReports: 2, packetsSent: 10, packetsArrived: 9 }
const kinds = ['sdp', 'latched'] as const

function streamsWith(change: object): StreamEntry[] {
  return streams.map((stream, at) => (at === 0 ? { ...stream, ...change } : stream))
}

async function verdictOf(change: object): Promise<Verdict> {
  await storeManifest(recording.objects, { ...recording.body, streams: streamsWith(change) })
  return verifyRecording({ recordingId: RECORDING_ID, objects: readerOf(recording.objects), keys: [verifyKey] })
}

test.each([
  ['nothing, as older manifests do', {}],
  ['that nothing was reported', { rtcp: none, sources: { kinds: [], dropped: 0, moves: 0 } }],
  [
    'as much as can be',
    { rtcp: { ...counted, alignedSamples: 9_600 }, sources: { kinds, dropped: discarded, moves: 1 } },
  ],
])('a manifest that says %s of reports and sources is right', async (_name, change) => {
  expect((await verdictOf(change)).findings).toEqual([])
})

test.each([
  ['more from elsewhere than was discarded', { sources: { kinds, dropped: discarded + 1, moves: 0 } }],
  ['reports that counted nothing', { rtcp: { ...none, senderReports: 2 } }],
  ['counts without a report', { rtcp: { ...none, packetsSent: 10, packetsArrived: 9 } }],
  ['one count of two', { rtcp: { ...none, senderReports: 2, packetsArrived: 9 } }],
  ['an alignment beyond the bound', { rtcp: { ...counted, alignedSamples: 9_601 } }],
  ['an alignment by a single report', { rtcp: { ...counted, senderReports: 1, alignedSamples: 1 } }],
])('a manifest with %s is found wrong', async (_name, change) => {
  expect((await verdictOf(change)).findings.map(({ code, name }) => `${code} ${name}`)).toEqual(['ledger-wrong 0'])
})

test.each([
  ['streams[0].sources.kinds[0]', { sources: { kinds: ['rumour'], dropped: 0, moves: 0 } }],
  ['streams[0].sources.dropped', { sources: { kinds, moves: 0 } }],
  ['streams[0].rtcp.alignedSamples', { rtcp: { ...none, alignedSamples: -1 } }],
])('what is not of this shape is found at %s', (path, change) => {
  expect(findShapeFault({ ...recording.body, streams: streamsWith(change) })).toBe(path)
})

test('the verdict tells of them', async () => {
  const text = describeVerdict(
    await verdictOf({
      rtcp: { ...counted, alignedSamples: 2_880 },
      sources: { kinds: ['sdp'], dropped: 1, moves: 0 },
      packets: { ...streams[0]?.packets, discarded: 1 },
    }),
  )
  expect(text).toContain("By its sender's own count 9 of 10 packets arrived.")
  expect(text).toContain("It stands 0.060 s earlier than it arrived, as its sender's reports say.")
  expect(text).toContain('1 packet from elsewhere was dropped.')
})
