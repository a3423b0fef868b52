import { describe, expect, it } from 'vitest'

import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { QUEUE_GONE_MAX_MS } from '../../../src/media/rtp-clock.ts'
import { COMMIT_INTERVAL_US, HORIZON_US } from '../../../src/recorder/horizon.ts'
import { WAKE_INTERVAL_US } from '../../../src/recorder/recording-session.ts'
import { noise } from '../../support/audio.ts'
import type { RecordingFacts, SpoolFrame } from '../../../src/recorder/recording-types.ts'
import { pcmOf, PcmStock } from '../../support/held-recording.ts'
import { mulberry32 } from '../../support/random.ts'
import { OPENED_US, packetsOf, planOf, RecordingRig, type Arrival } from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
const [POSITIONS, RATE] = [48_000, 8_000]

function speech(index: number, seconds: number, options: { fromUs?: number; sequenceNumber?: number } = {}): Arrival[] {
  const { sequenceNumber = 0 } = options
  const samples = noise({ seed: 1 + index, samples: seconds * RATE, amplitude: 0.3 })
  return packetsOf({ plan: planOf(index), samples, ssrc: 1 + index, ...options, timestamp: sequenceNumber * 160 })
}

/** The same packets, each at another time of the call. */
function at(arrivals: readonly Arrival[], usOf: (us: number) => number): Arrival[] {
  let lastUs = 0
  return arrivals.map((arrival) => {
    lastUs = Math.max(lastUs, OPENED_US + usOf(arrival.arrivalUs - OPENED_US))
    return { ...arrival, arrivalUs: lastUs }
  })
}

function record(arrivals: readonly Arrival[], seconds: number, streams = 1): ManifestBody {
  const plans = Array.from({ length: streams }, (_, index) => planOf(index))
  const rig = new RecordingRig({ encoders: new PcmStock(), plans })
  rig.run(arrivals, seconds * SECOND_US)
  return rig.end(seconds * SECOND_US)
}

const audioSeconds = (manifest: ManifestBody, stream = 0): number =>
  (manifest.streams[stream]?.ledger.audioSamples ?? 0) / POSITIONS
const lostSeconds = (manifest: ManifestBody, stream = 0): number =>
  (manifest.streams[stream]?.ledger.gapSamples.lost ?? 0) / POSITIONS

describe('a party whose RTP runs ahead of time', () => {
  it.each([1.5, 3, 10])('%f times as fast takes nothing of what the others say', (speed) => {
    const fast = at(
      speech(1, 5 + 55 * speed),
      (us) => Math.min(us, 5 * SECOND_US) + Math.max(0, us - 5 * SECOND_US) / speed,
    )
    const manifest = record([...speech(0, 60), ...fast], 60, 2)
    expect(audioSeconds(manifest)).toBeGreaterThan(59.9)
    expect(lostSeconds(manifest)).toBe(0)
    expect(manifest.durationSamples / POSITIONS).toBeLessThanOrEqual(60 + QUEUE_GONE_MAX_MS / 1_000)
    expect(audioSeconds(manifest, 1)).toBeGreaterThan(15)
  })

  it.each([500, 2_500])('by %i packets, which a sender skips, stands where it came', (skipped) => {
    const behind = speech(1, 20, { fromUs: 10 * SECOND_US, sequenceNumber: 500 + skipped })
    const manifest = record([...speech(0, 30), ...speech(1, 10), ...behind], 30, 2)
    expect(audioSeconds(manifest)).toBeGreaterThan(29.9)
    expect(lostSeconds(manifest)).toBe(0)
    expect(audioSeconds(manifest, 1)).toBeGreaterThan(29.9)
    expect(manifest.durationSamples / POSITIONS).toBeLessThan(30.1)
  })

  it('by leaps without end does not make a recording longer', () => {
    const leaps = Array.from({ length: 100 }, (_, index) => {
      const [arrival] = speech(1, 0.02, { fromUs: index * 20_000, sequenceNumber: (index * 2_999) & 0xffff })
      return arrival
    })
    const arrivals = leaps.filter((arrival) => arrival !== undefined)
    expect(record([...speech(0, 10), ...arrivals], 10, 2).durationSamples / POSITIONS).toBeLessThan(10.1)
  })
})

describe('a queue on the way that stays', () => {
  it.each([
    ['grows within three seconds', (s: number) => Math.min(900, Math.max(0, s - 20) * 300)],
    ['grows in steps of 200 ms', (s: number) => Math.min(600, Math.max(0, Math.floor((s - 16) / 4)) * 200)],
    ['is there at once', (s: number) => (s < 20 ? 0 : 600)],
  ])('costs no audio where it %s', (_, queueMs) => {
    const arrivals = at(speech(0, 57), (us) => us + queueMs(us / SECOND_US) * 1_000)
    const manifest = record(arrivals, 60)
    expect(lostSeconds(manifest)).toBe(0)
    expect(audioSeconds(manifest)).toBeGreaterThan(56.9)
  })

  it('or passes costs none either, by a slow clock of the SRC', () => {
    const queueMs = (s: number): number => Math.max(0, Math.min(290, (s - 400) * 290, (420 - s) * 290))
    const arrivals = at(speech(0, 430), (us) => us * (1 + 500 / 1e6) + queueMs(us / SECOND_US) * 1_000)
    const manifest = record(arrivals, 431)
    expect(lostSeconds(manifest)).toBe(0)
    expect(audioSeconds(manifest)).toBeGreaterThan(429)
  })
})

/** What a look at a recording session every 100 ms or so brings to the spool, by passes that come sooner and later. */
function spool(
  arrivals: readonly Arrival[],
  seed: number,
  facts: Partial<RecordingFacts> = {},
): { pausesUs: number[]; unsealedUsMost: number } {
  const random = mulberry32(seed)
  const sealedUs: number[] = []
  let [passUs, next, sealedTo, unsealedUsMost] = [OPENED_US, 0, OPENED_US, 0]
  const plans = [planOf(0), planOf(1)]
  const handleFrame = (frame: SpoolFrame): void => {
    if (frame.kind !== 'chunk') return
    // What ends a chunk is sealed besides.
    if (sealedUs.at(-1) !== passUs) sealedUs.push(passUs)
    sealedTo = OPENED_US + (frame.toSample * SECOND_US) / POSITIONS
  }
  const { recordingSession } = new RecordingRig({ encoders: new PcmStock(), plans, facts, handleFrame })
  for (let pass = 1; pass < 600; pass += 1) {
    passUs = OPENED_US + pass * WAKE_INTERVAL_US + Math.round((random() - 0.5) * 40_000)
    unsealedUsMost = Math.max(unsealedUsMost, passUs - sealedTo)
    for (let arrival = arrivals[next]; arrival !== undefined && arrival.arrivalUs <= passUs; arrival = arrivals[++next])
      recordingSession.handleDatagram(arrival.streamId, arrival.datagram, arrival.arrivalUs)
    if (passUs >= recordingSession.nextTimeoutUs()) recordingSession.handleTimeout(passUs)
  }
  return { pausesUs: sealedUs.slice(1).map((us, index) => us - (sealedUs[index] ?? us)), unsealedUsMost }
}

/** In the order of their arrival, of several streams. */
const together = (...streams: readonly Arrival[][]): Arrival[] =>
  streams.flat().toSorted((one, other) => one.arrivalUs - other.arrivalUs)

describe('a recorder that looks at its sessions every 100 ms or so', () => {
  /** What is not committed, a wake, the passes that come late, and a frame. */
  const unsealedUsMax = HORIZON_US + COMMIT_INTERVAL_US + WAKE_INTERVAL_US + 60_000

  it.each([1, 2, 3])('seals audio that misses nothing every 500 ms or so (seed %i)', (seed) => {
    const { pausesUs, unsealedUsMost } = spool(together(speech(0, 60), speech(1, 60)), seed)
    expect(pausesUs.length).toBeGreaterThan(110)
    expect(pausesUs.length).toBeLessThan(125)
    expect(Math.max(...pausesUs)).toBeLessThanOrEqual(540_000)
    expect(unsealedUsMost).toBeLessThan(unsealedUsMax)
  })

  it.each([1, 2, 3])('seals every 300 ms or so where a stream sends nothing (seed %i)', (seed) => {
    const { pausesUs, unsealedUsMost } = spool(speech(0, 60), seed)
    expect(pausesUs.length).toBeGreaterThan(180)
    expect(Math.max(...pausesUs)).toBeLessThanOrEqual(340_000)
    expect(unsealedUsMost).toBeLessThan(unsealedUsMax)
  })

  it.each([
    ['keys are masked', { dtmf: 'mask' }],
    ['audio is held until consent', { heldUntilConsent: true }],
  ] as const)('seals every 300 ms or so where %s: what comes later counts', (_, facts) => {
    const { pausesUs } = spool(together(speech(0, 60), speech(1, 60)), 1, facts)
    expect(pausesUs.length).toBeGreaterThan(180)
    expect(Math.max(...pausesUs)).toBeLessThanOrEqual(340_000)
  })

  it.each([1, 2, 3])('leaves no more unsealed where packets are lost and speakers pause (seed %i)', (seed) => {
    const random = mulberry32(seed)
    const isSent = ({ arrivalUs }: Arrival, index: number): boolean =>
      random() > 0.03 && Math.floor((arrivalUs - OPENED_US) / (3 * SECOND_US)) % 2 === index
    const arrivals = [0, 1].map((index) => speech(index, 60).filter((arrival) => isSent(arrival, index)))
    expect(spool(together(...arrivals), seed).unsealedUsMost).toBeLessThan(unsealedUsMax)
  })

  it.each([1, 2, 3])('gives audio that is sealed sooner the same place and samples (seed %i)', async (seed) => {
    const random = mulberry32(seed)
    const arrivals = [0, 1].flatMap((index) =>
      speech(index, 20)
        .filter(() => random() > 0.01)
        .map((arrival) => ({ ...arrival, arrivalUs: arrival.arrivalUs + Math.floor(random() ** 3 * 120_000) })),
    )
    // Beside a stream that sends nothing all others wait for what may still come.
    const recorded = [
      [planOf(0), planOf(1)],
      [planOf(0), planOf(1), planOf(2)],
    ].map(async (plans) => {
      const rig = new RecordingRig({ encoders: new PcmStock(), plans })
      rig.run(arrivals, 20 * SECOND_US)
      const streams = rig.end(20 * SECOND_US).streams.slice(0, 2)
      const channels = pcmOf(Buffer.concat(await rig.opened('chunk'))).slice(0, 2)
      return { streams: streams.map(({ ledger, gaps }) => ({ ledger, gaps })), channels }
    })
    const [sooner, later] = await Promise.all(recorded)
    expect(sooner).toEqual(later)
  })
})

describe('chunks of recordings that begin together', () => {
  it('end apart, as the first of each may be shorter', () => {
    const facts = { chunkUs: 4 * SECOND_US, firstChunkUs: 2.5 * SECOND_US }
    const rig = new RecordingRig({ encoders: new PcmStock(), plans: [planOf(0)], facts })
    rig.run(speech(0, 12), 12 * SECOND_US)
    const { chunks } = rig.end(12 * SECOND_US)
    const lengths = chunks.map(({ fromSample, toSample }) => (toSample - fromSample) / POSITIONS)
    expect(lengths.map((seconds) => seconds.toFixed(1))).toEqual(['2.5', '4.0', '4.0', '1.5'])
  })
})
