import fc from 'fast-check'
import { expect, it } from 'vitest'

import { FindingList } from '../../src/evidence/findings.ts'
import { checkManifest } from '../../src/evidence/manifest-checks.ts'
import type { Network, Phase } from '../simulation/impaired-src.ts'
import { ledgerFaults, record } from '../simulation/recorded-hour.ts'

/** EARWITNESS_COMPLETENESS_RUNS=2000 plays more of them, as long as that takes. */
const RUNS = Number(process.env['EARWITNESS_COMPLETENESS_RUNS'] ?? '20')
const TIMEOUT_MS = 60_000 + RUNS * 2_000

/** Networks far worse than any on which people would still talk. */
const network: fc.Arbitrary<Network> = fc.record({
  lossFraction: fc.double({ min: 0, max: 0.3, noNaN: true }),
  jitterUs: fc.integer({ min: 0, max: 400_000 }),
  reorderFraction: fc.double({ min: 0, max: 0.3, noNaN: true }),
  duplicateFraction: fc.double({ min: 0, max: 0.3, noNaN: true }),
})

/** Steps of the sequence that are neither loss nor reordering, on any of these networks. */
const sequenceJump = fc.oneof(fc.integer({ min: 3_100, max: 32_000 }), fc.integer({ min: -32_000, max: -200 }))
const timestampJump = fc.constantFrom(0, 98_765_432, -123_456_789)

/** Twelve seconds in one go; with a pause of the sender in the middle and another codec after it; with a restart of the sequence, of the clock too or not; with another SSRC. */
const phases: fc.Arbitrary<readonly Phase[]> = fc
  .record({
    at: fc.integer({ min: 2, max: 5 }),
    pauseSeconds: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom('whole', 'pause', 'sequence', 'source'),
    sequenceJump,
    timestampJump,
  })
  .map(({ at, pauseSeconds, kind, ...jumps }) => {
    const whole: Phase = { fromSeconds: 0, toSeconds: 12 }
    if (kind === 'whole') return [whole]
    const before = { ...whole, toSeconds: at }
    if (kind === 'pause') return [before, { ...whole, fromSeconds: at + pauseSeconds, payloadType: 8 }]
    return [before, { ...whole, fromSeconds: at, ...jumps, ...(kind === 'source' ? { ssrc: 4_711 } : {}) }]
  })

const stream = fc.record({ seed: fc.nat(), driftPpm: fc.integer({ min: -200, max: 200 }), network, phases })

it(
  'whatever the network does, every packet and every sample is accounted for, and the verifier agrees',
  async () => {
    await fc.assert(
      fc.asyncProperty(stream, stream, fc.nat(), async (one, other, seed) => {
        const streams = [one, other].map((options, voice) => ({ ...options, voice }))
        const recorded = await record({ seconds: 12.6, streams }, seed)
        expect(ledgerFaults(recorded)).toEqual([])
        const findings = new FindingList()
        await checkManifest(recorded.manifest, findings)
        expect(findings.findings).toEqual([])
        for (const { packets, reception } of recorded.manifest.streams) {
          // RTCP tells of the last run of numbers, and counts it as RFC 3550 A.3 does; the ledger has all of it, and no less.
          expect(reception?.packetsExpected).toBeLessThanOrEqual(packets.expected ?? 0)
          expect(reception?.packetsReceived).toBeLessThanOrEqual(packets.received + packets.late + packets.duplicate)
        }
      }),
      { numRuns: RUNS },
    )
  },
  TIMEOUT_MS,
)
