import { describe, expect, it } from 'vitest'

import { CALM, wallClockMs, type ImpairedSrcOptions, type Network, type ReportHabits } from './impaired-src.ts'
import { ledgerFaults, placementOf, record, type Recorded } from './recorded-hour.ts'

/**
 * Two streams of one SRC, of which the second is longer on its way all the time. Arrival cannot tell that; sender reports can. In virtual time, through
 * the whole recording session.
 */
const SECONDS = 240
/** By when reports have been believed and the audio was moved, in its pauses. */
const SETTLED_SECONDS = 40
const DELAY_US = 60_000
const JITTERY: Network = { ...CALM, lossFraction: 0.01, jitterUs: 30_000 }
const REPORTS: ReportHabits = {}

interface Sides {
  readonly near?: Partial<ImpairedSrcOptions>
  readonly far?: Partial<ImpairedSrcOptions>
  readonly delayUs?: number
}

async function recordSides({ near = {}, far = {}, delayUs = DELAY_US }: Sides): Promise<Recorded> {
  const common = { driftPpm: 0, phases: [{ fromSeconds: 0, toSeconds: SECONDS }] }
  const streams = [
    { ...common, voice: 0, seed: 11, network: JITTERY, ...near },
    { ...common, voice: 1, seed: 12, network: { ...JITTERY, delayUs }, ...far },
  ]
  return record({ seconds: SECONDS + 0.4, streams }, 3)
}

/** By how much the marks of the second stream stand later than those of the first, ms: one number for each pair, and the mean of all. */
function apart({ manifest, channels }: Recorded, fromSeconds = SETTLED_SECONDS) {
  const [near = [], far = []] = channels.map((channel, voice) => {
    const wasSent = (at: number): boolean => at > fromSeconds
    const { errorsMs, missing } = placementOf(channel, { manifest, voice, wasSent })
    expect(missing).toBe(0)
    return errorsMs
  })
  const differences = near.map((ms, index) => (far[index] ?? Infinity) - ms)
  const mean = differences.reduce((sum, ms) => sum + ms, 0) / differences.length
  const furthest = Math.max(...differences.map(Math.abs))
  console.log(`${differences.length} pairs of marks: ${mean.toFixed(2)} ms apart, at most ${furthest.toFixed(2)}`)
  expect(differences.length).toBeGreaterThan(30)
  return { mean, furthest }
}

describe('a stream that is 60 ms longer on its way', () => {
  it('stands 60 ms later without sender reports', async () => {
    expect(Math.abs(apart(await recordSides({})).mean - 60)).toBeLessThan(5)
  })

  it('is aligned by them within 5 ms', async () => {
    const recorded = await recordSides({ near: { reports: REPORTS }, far: { reports: REPORTS } })
    expect(apart(recorded).furthest).toBeLessThanOrEqual(5)
    expect(ledgerFaults(recorded)).toEqual([])
    const aligned = recorded.manifest.streams.map(({ rtcp }) => rtcp?.alignedSamples ?? -1)
    expect(aligned[0]).toBe(0)
    expect(Math.abs((aligned[1] ?? 0) / 48 - 60)).toBeLessThan(2)
  })
})

describe('reports that are not to be believed', () => {
  const nearly = (reports: ReportHabits, delayUs = DELAY_US): Promise<Recorded> =>
    recordSides({ near: { reports: REPORTS }, far: { reports }, delayUs })
  const cases: Readonly<Record<string, ReportHabits & { readonly doubts: 'none' | 'disagreements' | 'refusals' }>> = {
    'of a sender without a clock': { wallClock: () => Number.NaN, doubts: 'none' },
    'of another clock, by their CNAME': { cname: 'other@example.com', doubts: 'none' },
    'ten seconds wrong': { wallClock: (seconds) => wallClockMs(seconds) - 10_000, doubts: 'refusals' },
    'that never agree with each other': {
      errorMs: (report) => (report % 2 === 0 ? 15 : -15),
      doubts: 'disagreements',
    },
    'of a clock that is set again and again': {
      wallClock: (seconds) => wallClockMs(seconds + seconds ** 2),
      doubts: 'disagreements',
    },
  }

  it.each(Object.entries(cases))('%s leave the streams where they arrived, and are counted', async (_name, habits) => {
    const recorded = await nearly(habits)
    expect(Math.abs(apart(recorded).mean - 60)).toBeLessThan(5)
    expect(recorded.manifest.streams.map(({ rtcp }) => rtcp?.alignedSamples)).toEqual([0, 0])
    const { disagreements = -1, refusals = -1 } = recorded.manifest.streams[1]?.rtcp ?? {}
    expect(refusals).toBe(habits.doubts === 'refusals' ? 1 : 0)
    if (habits.doubts === 'disagreements') expect(disagreements).toBeGreaterThan(10)
    else expect(disagreements).toBe(0)
  })

  it('move audio by no more than 200 ms, whatever they say', async () => {
    const far = await nearly({ wallClock: (seconds) => wallClockMs(seconds) - 190 }, 0)
    const { mean } = apart(far)
    expect(mean).toBeGreaterThan(-200)
    expect(mean).toBeLessThan(-180)
    expect(ledgerFaults(far)).toEqual([])
  })

  it('change nothing when the clock of all streams is set', async () => {
    const wallClock = (seconds: number): number => wallClockMs(seconds) + (seconds > 100 ? 3_600_000 : 0)
    const reports = { wallClock }
    expect(apart(await recordSides({ near: { reports }, far: { reports } })).furthest).toBeLessThanOrEqual(5)
  })
})
