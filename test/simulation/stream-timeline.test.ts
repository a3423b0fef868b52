import { describe, expect, it } from 'vitest'

import { CLOCK_RATE, simulate, type SimulatedResult, type SimulatedStream } from './stream-timeline-simulation.ts'

const SECOND = 1_000_000
const MINUTE = 60 * SECOND
const ALIGNED_MS = 20
/** What every stream's marks have in common: the least transit, unless a test changes it. */
const TRANSIT_MS = 10

/** Where marks were found against where they were made, in milliseconds: least and greatest error. */
function placement({ marks }: SimulatedResult): { readonly least: number; readonly greatest: number } {
  const errors = marks.map(({ errorUs }) => errorUs / 1_000 - TRANSIT_MS)
  return { least: Math.min(...errors), greatest: Math.max(...errors) }
}

/** The greatest distance between marks that two streams made at the same instant. */
function misalignment(left: SimulatedResult, right: SimulatedResult): number {
  const errors = new Map(left.marks.map(({ trueUs, errorUs }) => [trueUs, errorUs]))
  return right.marks.reduce((greatest, { trueUs, errorUs }) => {
    const other = errors.get(trueUs)
    return other === undefined ? greatest : Math.max(greatest, Math.abs(other - errorUs) / 1_000)
  }, 0)
}

function expectComplete(result: SimulatedResult): void {
  const { ledger, gaps, readPosition } = result.timeline
  const { gapSamples } = ledger
  expect(ledger.audioSamples + gapSamples.lost + gapSamples.silence + gapSamples.held + gapSamples.noMedia).toBe(
    readPosition,
  )
  expect(result.samples.length).toBe(readPosition)
  expect(ledger.unlistedGapSamples).toBe(0)
  let end = 0
  for (const { fromSample, toSample } of gaps) {
    expect(fromSample).toBeGreaterThanOrEqual(end)
    expect(toSample).toBeGreaterThan(fromSample)
    end = toSample
  }
  expect(gaps.reduce((sum, { fromSample, toSample }) => sum + toSample - fromSample, 0)).toBe(
    readPosition - ledger.audioSamples,
  )
  expect(ledger.writtenSamples).toBe(result.deliveredSamples)
  expect(ledger.audioSamples).toBe(
    ledger.writtenSamples -
      ledger.pendingSamples -
      ledger.lateSamples -
      ledger.overlapSamples -
      ledger.overflowSamples +
      ledger.insertedSamples -
      ledger.removedSamples,
  )
}

function only(stream: SimulatedStream, endUs: number): SimulatedResult {
  const [result] = simulate([stream], endUs)
  if (result === undefined) throw new Error('no result')
  expectComplete(result)
  return result
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('two streams through a bad network, seed %i', (seed) => {
  const endUs = 3 * MINUTE
  const bad = { lossFraction: 0.05, jitterUs: 60_000, duplicateFraction: 0.05, phases: [{ fromUs: 0, toUs: endUs }] }
  const [caller, callee] = simulate(
    [
      { ...bad, seed },
      { ...bad, seed: seed + 1_000 },
    ],
    endUs,
  )
  const results = [caller, callee].filter((result) => result !== undefined)

  it('keeps them within 20 ms of each other, and of the truth', () => {
    for (const result of results) {
      expect(result.marks.length).toBe(result.marksDelivered)
      expect(placement(result).least).toBeGreaterThan(-ALIGNED_MS / 2)
      expect(placement(result).greatest).toBeLessThan(ALIGNED_MS)
    }
    expect(caller !== undefined && callee !== undefined ? misalignment(caller, callee) : Infinity).toBeLessThan(
      ALIGNED_MS,
    )
  })

  it('loses exactly what the network lost, and counts nothing twice', () => {
    for (const result of results) {
      expectComplete(result)
      expect(result.late).toBe(0)
      expect(result.duplicate).toBeGreaterThan(300)
      expect(result.lostByBuffer).toBe(result.missing)
      expect(result.timeline.ledger.gapSamples).toMatchObject({ lost: result.missingSamples, silence: 0, held: 0 })
      expect(result.timeline.ledger).toMatchObject({ pendingSamples: 0, lateSamples: 0, overlapSamples: 0 })
    }
  })

  it('has the duration of what was sent', () => {
    for (const result of results) {
      const { gapSamples, audioSamples, insertedSamples, removedSamples } = result.timeline.ledger
      const corrected = insertedSamples - removedSamples
      expect(audioSamples + gapSamples.lost - corrected).toBe(result.deliveredSamples + result.missingSamples)
      // The first estimate of where a stream begins may be a few milliseconds off, and is put right.
      expect(Math.abs(corrected)).toBeLessThanOrEqual(160)
      expect(Math.abs(result.timeline.readPosition - 180 * CLOCK_RATE)).toBeLessThan(
        (ALIGNED_MS * CLOCK_RATE) / 1_000 + 320,
      )
    }
  })

  it('comes out the same again, sample by sample', () => {
    const [again] = simulate(
      [
        { ...bad, seed },
        { ...bad, seed: seed + 1_000 },
      ],
      endUs,
    )
    // Not toEqual: it takes seconds for millions of samples.
    expect(again?.samples.every((sample, at) => sample === caller?.samples[at])).toBe(true)
    expect(again?.samples.length).toBe(caller?.samples.length)
  })
})

describe('clocks that drift apart', () => {
  it('stay within 20 ms for an hour, at +100 and -100 ppm', { timeout: 120_000 }, () => {
    const endUs = 60 * MINUTE
    const common = { jitterUs: 30_000, lossFraction: 0.01, phases: [{ fromUs: 0, toUs: endUs }] }
    const [fast, slow] = simulate(
      [
        { ...common, seed: 1, driftPpm: 100 },
        { ...common, seed: 2, driftPpm: -100 },
      ],
      endUs,
    )
    if (fast === undefined || slow === undefined) throw new Error('no result')
    expectComplete(fast)
    expectComplete(slow)
    expect(misalignment(fast, slow)).toBeLessThan(ALIGNED_MS)
    expect(placement(fast)).toSatisfy(({ least, greatest }) => least > -10 && greatest < 10)
    expect(placement(slow)).toSatisfy(({ least, greatest }) => least > -10 && greatest < 10)
    // 100 ppm of an hour are 360 ms.
    expect(fast.timeline.ledger.removedSamples / 8).toBeGreaterThan(340)
    expect(slow.timeline.ledger.insertedSamples / 8).toBeGreaterThan(340)
    expect(fast.timeline.ledger.gapSamples.lost).toBe(fast.missingSamples)
    expect(slow.timeline.ledger.gapSamples.lost).toBe(slow.missingSamples)
  })

  it('are corrected even when nobody is ever quiet', () => {
    const endUs = 10 * MINUTE
    const common = { jitterUs: 30_000, continuous: true, phases: [{ fromUs: 0, toUs: endUs }] }
    const [fast, slow] = simulate(
      [
        { ...common, seed: 1, driftPpm: 100 },
        { ...common, seed: 2, driftPpm: -100 },
      ],
      endUs,
    )
    if (fast === undefined || slow === undefined) throw new Error('no result')
    expectComplete(fast)
    expectComplete(slow)
    expect(misalignment(fast, slow)).toBeLessThan(ALIGNED_MS)
  })
})

describe('a hold', () => {
  const held = [
    { atUs: 10.1 * SECOND, held: true },
    { atUs: 39.9 * SECOND, held: false },
  ]

  it.each([
    ['during which the RTP clock goes on', 0],
    ['during which the RTP clock stands still', -30 * CLOCK_RATE],
    ['after which the RTP clock begins anew', 1_234_567_890],
  ])('%s is silence of the right length, and recorded as held', (_, timestampJump) => {
    const result = only(
      {
        seed: 3,
        jitterUs: 60_000,
        held,
        phases: [
          { fromUs: 0, toUs: 10 * SECOND },
          { fromUs: 40 * SECOND, toUs: 50 * SECOND, timestampJump },
        ],
      },
      50 * SECOND,
    )
    expect(placement(result)).toSatisfy(({ least, greatest }) => least > -10 && greatest < ALIGNED_MS)
    expect(result.marks.length).toBe(20)
    expect(result.timeline.gaps.length).toBe(1)
    expect(Math.abs(result.timeline.ledger.gapSamples.held - 30 * CLOCK_RATE)).toBeLessThan(160)
    expect(result.timeline.ledger.audioSamples).toBe(result.deliveredSamples)
  })
})

describe('a source that restarts', () => {
  it.each([
    ['with a new SSRC, sequence and clock', { ssrc: 77, sequenceJump: 4_711, timestampJump: 3_000_000_000 }],
    ['with the same SSRC and a new sequence and clock', { sequenceJump: 20_000, timestampJump: 987_654_321 }],
    ['with a new sequence only', { sequenceJump: -30_000 }],
    ['with a new clock only', { timestampJump: -123_456_789 }],
  ])('%s loses nothing but what the network lost', (_, change) => {
    const result = only(
      {
        seed: 4,
        jitterUs: 40_000,
        phases: [
          { fromUs: 0, toUs: 20 * SECOND },
          { fromUs: 20 * SECOND, toUs: 40 * SECOND, ...change },
        ],
      },
      40 * SECOND,
    )
    expect(placement(result)).toSatisfy(({ least, greatest }) => least > -10 && greatest < ALIGNED_MS)
    expect(result.marks.length).toBe(40)
    expect(Math.abs(result.timeline.readPosition - 40 * CLOCK_RATE)).toBeLessThanOrEqual(160)
    // Two anchors may differ by a few milliseconds of jitter.
    expect(result.deliveredSamples - result.timeline.ledger.audioSamples).toBeLessThan(160)
  })
})

describe('sequence numbers and timestamps', () => {
  it('may wrap in the middle of loss and reordering', () => {
    const result = only(
      {
        seed: 5,
        jitterUs: 60_000,
        lossFraction: 0.1,
        firstSequenceNumber: 65_535 - 250,
        firstTimestamp: 0xffff_ffff - 5 * CLOCK_RATE,
        phases: [{ fromUs: 0, toUs: 10 * SECOND }],
      },
      10 * SECOND,
    )
    expect(result.timeline.ledger).toMatchObject({ resyncs: 0, gapSamples: { lost: result.missingSamples } })
    expect(result.lostByBuffer).toBe(result.missing)
  })
})

describe('a packet time that changes', () => {
  it('from 20 to 30 ms moves nothing', () => {
    const result = only(
      {
        seed: 6,
        jitterUs: 60_000,
        lossFraction: 0.05,
        phases: [
          { fromUs: 0, toUs: 12 * SECOND },
          { fromUs: 12 * SECOND, toUs: 24 * SECOND, packetMs: 30 },
        ],
      },
      24 * SECOND,
    )
    expect(result.timeline.ledger).toMatchObject({
      resyncs: 0,
      gapSamples: { lost: result.missingSamples, silence: 0 },
    })
    expect(result.timeline.ledger.audioSamples).toBe(result.deliveredSamples)
  })

  it('leaves streams of different packet times aligned', () => {
    const phases = [{ fromUs: 0, toUs: 20 * SECOND }]
    const [short, long] = simulate(
      [
        { seed: 7, jitterUs: 20_000, phases },
        { seed: 8, jitterUs: 20_000, phases: phases.map((phase) => ({ ...phase, packetMs: 60 })) },
      ],
      20 * SECOND,
    )
    expect(short !== undefined && long !== undefined ? misalignment(short, long) : Infinity).toBeLessThan(10)
  })
})

describe('a stream with pauses', () => {
  it('of its sender (DTX) keeps its time; what was lost stays lost, the rest is silence', () => {
    const phases = Array.from({ length: 30 }, (_, index) => ({
      fromUs: index * 2 * SECOND,
      toUs: index * 2 * SECOND + 1.2 * SECOND,
    }))
    const result = only({ seed: 9, jitterUs: 60_000, lossFraction: 0.05, phases }, 60 * SECOND)
    expect(placement(result)).toSatisfy(({ least, greatest }) => least > -10 && greatest < ALIGNED_MS)
    expect(result.timeline.ledger).toMatchObject({
      audioSamples: result.deliveredSamples,
      gapSamples: { lost: result.missingSamples },
    })
    expect(Math.abs(result.timeline.ledger.gapSamples.silence - 29 * 0.8 * CLOCK_RATE)).toBeLessThan(160)
  })

  it('that starts three seconds late is in its place', () => {
    const [early, late] = simulate(
      [
        { seed: 10, jitterUs: 60_000, phases: [{ fromUs: 0, toUs: 20 * SECOND }] },
        { seed: 11, jitterUs: 60_000, phases: [{ fromUs: 3 * SECOND, toUs: 20 * SECOND }] },
      ],
      20 * SECOND,
    )
    if (early === undefined || late === undefined) throw new Error('no result')
    expectComplete(late)
    expect(misalignment(early, late)).toBeLessThan(ALIGNED_MS)
    expect(late.timeline.gaps[0]).toMatchObject({ fromSample: 0, cause: 'noMedia' })
    expect(Math.abs((late.timeline.gaps[0]?.toSample ?? 0) - 3 * CLOCK_RATE)).toBeLessThan(160)
  })
})

describe('a network that changes', () => {
  it('and holds everything back for 400 ms loses nothing and moves nothing', () => {
    const result = only(
      {
        seed: 12,
        phases: [{ fromUs: 0, toUs: 20 * SECOND }],
        transitUs: (us) => (us > 8 * SECOND && us < 8.4 * SECOND ? 8.41 * SECOND - us : 10_000),
      },
      20 * SECOND,
    )
    expect(result.timeline.ledger).toMatchObject({ audioSamples: result.deliveredSamples, resyncs: 0 })
    expect(placement(result)).toSatisfy(({ least, greatest }) => greatest - least < 1)
  })

  it('and holds back more than is waited for loses that, says so, and moves nothing', () => {
    const result = only(
      {
        seed: 13,
        phases: [{ fromUs: 0, toUs: 20 * SECOND }],
        transitUs: (us) => (us > 8 * SECOND && us < 10 * SECOND ? 10.01 * SECOND - us : 10_000),
      },
      20 * SECOND,
    )
    const { lateSamples, gapSamples, resyncs } = result.timeline.ledger
    expect(resyncs).toBe(0)
    expect(lateSamples / CLOCK_RATE).toBeGreaterThan(1.2)
    expect(gapSamples.lost).toBe(lateSamples)
    expect(placement(result)).toSatisfy(({ least, greatest }) => greatest - least < 1)
  })

  it('and becomes faster after a slow start is followed without losing speech', () => {
    const result = only(
      {
        seed: 14,
        phases: [{ fromUs: 0, toUs: 60 * SECOND }],
        transitUs: (us) => (us < 3 * SECOND ? 300_000 : 10_000),
      },
      60 * SECOND,
    )
    const { overlapSamples, lateSamples, removedSamples } = result.timeline.ledger
    expect({ overlapSamples, lateSamples }).toEqual({ overlapSamples: 0, lateSamples: 0 })
    expect(removedSamples / CLOCK_RATE).toBeGreaterThan(0.27)
    expect(result.marks.filter(({ trueUs }) => trueUs > 30 * SECOND)).toSatisfy((marks: SimulatedResult['marks']) =>
      marks.every(({ trueUs, errorUs }) => trueUs > 0 && errorUs / 1_000 - 300 < ALIGNED_MS),
    )
  })
})
