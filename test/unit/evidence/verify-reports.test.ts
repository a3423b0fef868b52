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
const { paused: _paused, ...packets } = streams[0]?.packets ?? {}
const discarded = streams[0]?.packets.discarded ?? 0
const none = { senderReports: 0, goodbyes: 0, discarded: 0, disagreements: 0, refusals: 0, alignedSamples: 0 }
const counted = { ...none, senderReports: 2, packetsSent: 10, packetsArrived: 9 }
const reception = {
  ...{ ssrcs: 1, reportsSent: 2, packetsExpected: 10, packetsReceived: 9, jitterUs: 1_500, roundTripUs: 20_000 },
  ...{ lossRate: 26, discardRate: 0, burstDensity: 128, gapDensity: 1, burstMs: 40, gapMs: 900 },
}
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
    {
      rtcp: { ...counted, alignedSamples: 9_600, alignedBy: 'reports' },
      reception,
      sources: { kinds, dropped: discarded, moves: 1 },
    },
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
  ['more arrived than is accounted for', { rtcp: { ...counted, packetsArrived: 1_000_000 } }],
  ['octets without packets', { rtcp: { ...counted, packetsArrived: 0, octetsSent: 160, octetsArrived: 160 } }],
  ['one count of octets', { rtcp: { ...counted, octetsSent: 160 } }],
  ['an alignment by arrival', { rtcp: { ...counted, alignedSamples: 480, alignedBy: 'arrival' } }],
  ['more reported as received than came', { reception: { ...reception, packetsReceived: 1_000_000 } }],
  [
    'more reported as expected than were',
    { packets: { ...packets, expected: 9, received: 9, lost: 0, discarded: 0 }, reception },
  ],
  ['more lost than all', { reception: { ...reception, lossRate: 200, discardRate: 57 } }],
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
      rtcp: { ...counted, alignedSamples: 2_880, octetsSent: 1_600, octetsArrived: 1_440, refusals: 1 },
      reception,
      sources: { kinds: ['sdp'], dropped: 1, moves: 0 },
      packets: { ...streams[0]?.packets, discarded: 1 },
    }),
  )
  expect(text).toContain("By its sender's own count 9 of 10 packets arrived.")
  expect(text).toContain("It stands 0.060 s earlier than it arrived, as its sender's reports say.")
  expect(text).toContain('1 packet from elsewhere was dropped.')
  expect(text).toContain('Its sender counts 1600 octets of payload, and 1440 came of them.')
  expect(text).toContain('Reports told of times too far apart to align it by them: 1 time.')
  expect(text).toContain(
    'The recorder heard it with 1 of 10 packets missing, jitter 1.5 ms, round trip 20.0 ms: 10.2 % lost, 0.0 % too late, ' +
      'in bursts 50.0 % for 40 ms each, otherwise 0.4 %; it told the sender 2 times.',
  )
  expect(text).toContain('Its packets came from the address in its SDP.')
})
