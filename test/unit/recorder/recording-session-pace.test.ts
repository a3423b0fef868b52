import { describe, expect, it } from 'vitest'

import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { QUEUE_GONE_MAX_MS } from '../../../src/media/rtp-clock.ts'
import { WAKE_INTERVAL_US } from '../../../src/recorder/recording-session.ts'
import { noise } from '../../support/audio.ts'
import { PcmStock } from '../../support/held-recording.ts'
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

describe('a recorder that looks at its sessions every 100 ms or so', () => {
  it.each([1, 2, 3])(
    'seals frames for the spool every 300 ms or so, by passes that come sooner and later (seed %i)',
    (seed) => {
      const random = mulberry32(seed)
      const sealedUs: number[] = []
      let [passUs, next] = [OPENED_US, 0]
      const handleFrame = (): void => void sealedUs.push(passUs)
      const rig = new RecordingRig({ encoders: new PcmStock(), plans: [planOf(0)], handleFrame })
      const arrivals = speech(0, 60)
      for (let pass = 1; pass < 600; pass += 1) {
        passUs = OPENED_US + pass * WAKE_INTERVAL_US + Math.round((random() - 0.5) * 40_000)
        for (
          let arrival = arrivals[next];
          arrival !== undefined && arrival.arrivalUs <= passUs;
          arrival = arrivals[++next]
        )
          rig.recordingSession.handleDatagram(arrival.streamId, arrival.datagram, arrival.arrivalUs)
        if (passUs >= rig.recordingSession.nextTimeoutUs()) rig.recordingSession.handleTimeout(passUs)
      }
      const pauses = sealedUs.slice(1).map((us, index) => us - (sealedUs[index] ?? us))
      expect(pauses.length).toBeGreaterThan(180)
      expect(Math.max(...pauses)).toBeLessThanOrEqual(340_000)
    },
  )
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
