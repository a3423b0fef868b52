import fc from 'fast-check'
import { expect, test } from 'vitest'

import { FindingList } from '../../src/evidence/findings.ts'
import { checkManifest } from '../../src/evidence/manifest-checks.ts'
import type { RecordingFacts } from '../../src/recorder/recording-types.ts'
import { noise } from '../support/audio.ts'
import { openedBy, pcmBytesOf, PcmStock } from '../support/held-recording.ts'
import { OPENED_US, packetsOf, planOf, RecordingRig, type Arrival } from '../support/recording-rig.ts'

const END_US = 3_000_000
const plans = [planOf(0), planOf(1)]
const voices = [0, 1].map((index) => noise({ seed: index + 3, samples: 2 * 8_000, amplitude: 0.3 }))

/** What reaches the recorder: a second stream that may begin later, packets lost, and packets that are late. */
const network = fc.record({
  secondFromMs: fc.integer({ min: 0, max: 1_500 }),
  lost: fc.uniqueArray(fc.integer({ min: 0, max: 199 }), { maxLength: 20 }),
  delaysMs: fc.array(fc.integer({ min: 0, max: 90 }), { minLength: 1, maxLength: 20 }),
})

function arrivalsOf({
  secondFromMs,
  lost,
  delaysMs,
}: typeof network extends fc.Arbitrary<infer T> ? T : never): Arrival[] {
  const sent = voices.flatMap((samples, index) => {
    return packetsOf({ plan: planOf(index), samples, ssrc: index + 1, fromUs: index === 0 ? 0 : secondFromMs * 1_000 })
  })
  const taken = sent.filter((_, index) => !lost.includes(index))
  return taken.map((arrival, index) => ({
    ...arrival,
    arrivalUs: arrival.arrivalUs + (delaysMs[index % delaysMs.length] ?? 0) * 1_000,
  }))
}

function record(
  arrivals: readonly Arrival[],
  facts: Partial<RecordingFacts>,
  release?: { atUs: number; toldUs: number },
) {
  const rig = new RecordingRig({ encoders: new PcmStock(), plans, facts: { chunkUs: 1_500_000, ...facts } })
  const ordered = arrivals.toSorted((left, right) => left.arrivalUs - right.arrivalUs)
  if (release !== undefined) {
    const early = ordered.filter(({ arrivalUs }) => arrivalUs <= OPENED_US + release.toldUs)
    rig.run(early, release.toldUs)
    rig.recordingSession.releaseHeld(OPENED_US + release.atUs)
    ordered.splice(0, early.length)
  }
  rig.run(ordered, END_US)
  return { rig, manifest: rig.end(END_US) }
}

test('whenever consent comes, what the two keys open is to the sample what is recorded without holding, and neither opens what is the other’s', async () => {
  await fc.assert(
    fc.asyncProperty(
      network,
      fc.integer({ min: -100, max: 3_500 }),
      fc.integer({ min: 0, max: 1_500 }),
      fc.constantFrom<RecordingFacts['layout']>('separate', 'mixed'),
      async (weather, atMs, laterMs, layout) => {
        const arrivals = arrivalsOf(weather)
        const release = { atUs: atMs * 1_000, toldUs: Math.min(END_US, Math.max(0, atMs + laterMs) * 1_000) }
        const { rig, manifest } = record(arrivals, { layout, heldUntilConsent: true }, release)
        const free = record(arrivals, { layout })
        const [one, other] = [
          pcmBytesOf(Buffer.concat(await rig.opened('chunk'))),
          pcmBytesOf(Buffer.concat(await free.rig.opened('chunk'))),
        ]
        expect([one.length, one.equals(other)]).toEqual([other.length, true])
        const [held] = manifest.held ?? []
        const isHeld = (chunk: { readonly toSample: number }) => chunk.toSample <= (held?.toSample ?? 0)
        const own = await openedBy(rig, 'key', 'chunk')
        const before = await openedBy(rig, 'heldKey', 'chunk')
        for (const chunk of manifest.chunks) {
          expect([before.has(chunk.name), own.has(chunk.name)]).toEqual([isHeld(chunk), !isHeld(chunk)])
        }
        const findings = new FindingList()
        await checkManifest(manifest, findings)
        expect(findings.findings).toEqual([])
        expect(rig.encoders.freed).toBe(rig.encoders.taken)
      },
    ),
    {
      numRuns: 8,
      // A chunk is long enough just where the held time ends.
      examples: [[{ secondFromMs: 0, lost: [], delaysMs: [0] }, 1_411, 0, 'separate']],
    },
  )
})
