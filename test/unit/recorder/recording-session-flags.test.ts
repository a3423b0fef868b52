import { describe, expect, test } from 'vitest'

import type { PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import { FLAG_INCIDENTS_MAX } from '../../../src/recorder/live-monitor.ts'
import type { AlertThresholds } from '../../../src/recorder/stream-watch.ts'
import type { MediaStreamPlan } from '../../../src/recorder/recording-types.ts'
import { tone } from '../../support/audio.ts'
import {
  EncoderStock,
  NARROWBAND_FORMATS,
  NO_ALERTS,
  OPENED_US,
  packetsOf,
  planOf,
  RecordingRig,
  rtp,
  type Arrival,
} from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
const RATE = 8_000
const ALERTS: AlertThresholds = {
  zeroPacketsUs: 4 * SECOND_US,
  oneWayUs: 3 * SECOND_US,
  stoppedUs: 5 * SECOND_US,
  silentUs: 8 * SECOND_US,
  silentLevelDbov: -70,
}

async function rigOf(plans: readonly MediaStreamPlan[], alerts = ALERTS): Promise<RecordingRig> {
  return new RecordingRig({ encoders: await EncoderStock.of(plans.length + 2), plans, alerts })
}

function speak(plan: MediaStreamPlan, seconds: number, fromSeconds = 0): Arrival[] {
  // Another source each time: the same one would begin with the numbers it has sent before.
  const samples = tone({ frequency: 440, samples: seconds * RATE, sampleRate: RATE })
  return packetsOf({ plan, samples, fromUs: fromSeconds * SECOND_US, ssrc: 1 + fromSeconds })
}

/** `+flag stream second`, by the recording's own clock. */
function flagsOf(rig: RecordingRig): string[] {
  return rig.sink.flags.map(({ flag, isRaised, streamId, at }) => {
    const second = (Date.parse(at) - Date.UTC(2026, 10, 23, 9)) / 1_000
    return `${isRaised ? '+' : '-'}${flag} ${streamId} ${second}`
  })
}

describe('while a recording session lasts', () => {
  test('a side from which nothing comes is flagged within five seconds, in events and incidents, and said once', async () => {
    const plans = [planOf(0), planOf(1)]
    const rig = await rigOf(plans)
    rig.run(speak(planOf(0), 7), 6 * SECOND_US)
    expect(flagsOf(rig)).toEqual(['+oneWay 1 3.1', '+zeroPackets 1 4.3'])
    expect(rig.sink.flags[0]).toMatchObject({ streamLabel: '2', atSample: expect.any(Number) as number })
    expect(rig.sink.incidentCodes).toEqual(['one-way', 'zero-packets'])
    const states = rig.recordingSession.monitor.states
    expect(states.map(({ flags }) => flags)).toEqual([[], ['oneWay', 'zeroPackets']])
    const manifest = rig.end(7 * SECOND_US)
    expect(manifest.incidents.map(({ code }) => code)).toEqual(['one-way', 'zero-packets'])
    const atSeconds = (manifest.incidents[0]?.atSample ?? 0) / 48_000
    expect(atSeconds).toBeGreaterThan(3)
    expect(atSeconds).toBeLessThan(3.5)
  })

  test('a flag is cleared by packets that come at last', async () => {
    const plans = [planOf(0), planOf(1)]
    const rig = await rigOf(plans)
    rig.run([...speak(planOf(0), 8), ...speak(planOf(1), 2, 5)], 7 * SECOND_US)
    expect(flagsOf(rig).slice(2)).toEqual(['-zeroPackets 1 5.2', '-oneWay 1 5.2'])
  })

  test('no packets at all: both sides are flagged, nobody is one-way, and the end says so', async () => {
    const rig = await rigOf([planOf(0), planOf(1)])
    rig.run([], 6 * SECOND_US)
    expect(flagsOf(rig)).toEqual(['+zeroPackets 0 4.3', '+zeroPackets 1 4.3'])
    expect(rig.sink.flags[0]).not.toHaveProperty('atSample')
    expect(rig.end(6 * SECOND_US).incidents.map(({ code }) => code)).toEqual([
      ...['zero-packets', 'zero-packets', 'no-media'],
    ])
  })

  test('audio that is kept as it came is not called silent, though nothing is heard of it', async () => {
    const kept: PayloadFormat = { kind: 'kept', name: 'G729', clockRate: RATE, channels: 1 }
    const plan = planOf(0, { payloadTypes: new Map([...NARROWBAND_FORMATS, [18, kept]]) })
    const rig = await rigOf([plan])
    const arrivals = Array.from({ length: 12 * 50 }, (_, index): Arrival => {
      const datagram = rtp({ payloadType: 18, sequenceNumber: index, timestamp: index * 160 })
      return { streamId: plan.streamId, datagram, arrivalUs: OPENED_US + (index + 1) * 20_000 }
    })
    rig.run(arrivals, 12 * SECOND_US)
    expect(flagsOf(rig)).toEqual([])
  })

  test('what is held is not awaited, what is paused neither', async () => {
    const held = planOf(1, { held: true })
    const rig = await rigOf([planOf(0), held])
    const arrivals = speak(planOf(0), 20)
    rig.run(arrivals.slice(0, 500), 10 * SECOND_US)
    rig.recordingSession.setPaused(true, 'api', arrivals[500]?.arrivalUs ?? 0)
    rig.run([], 25 * SECOND_US)
    expect(flagsOf(rig)).toEqual([])
  })

  test('packets that hold nothing are flagged, and the first sound clears it', async () => {
    const rig = await rigOf([planOf(0)])
    const samples = new Int16Array(14 * RATE)
    samples.set(tone({ frequency: 440, samples: 4 * RATE, sampleRate: RATE }), 10 * RATE)
    rig.run(packetsOf({ plan: planOf(0), samples }), 13 * SECOND_US)
    const [raised, cleared, ...more] = rig.sink.flags
    expect([raised, cleared, ...more]).toMatchObject([
      { flag: 'silent', isRaised: true },
      { flag: 'silent', isRaised: false },
    ])
    expect(rig.sink.incidentCodes).toEqual(['stream-silent'])
  })

  test('what is not decoded has no level, and is not called silent', async () => {
    const kept = { kind: 'kept' as const, name: 'G729', clockRate: 8_000, channels: 1 }
    const rig = await rigOf([planOf(0), planOf(1, { payloadTypes: new Map([[0, kept]]) })])
    const samples = new Int16Array(12 * RATE)
    rig.run([...speak(planOf(0), 12), ...packetsOf({ plan: planOf(1), samples })], 11 * SECOND_US)
    expect(rig.recordingSession.monitor.states[1]).toMatchObject({ levelDbov: undefined, flags: [] })
    expect(flagsOf(rig)).toEqual([])
  })

  test('packets that stop are flagged; over and over, the manifest is not filled with it', async () => {
    const rig = await rigOf([planOf(0)], { ...NO_ALERTS, stoppedUs: SECOND_US })
    const times = FLAG_INCIDENTS_MAX + 2
    const arrivals = Array.from({ length: times }, (_, index) => speak(planOf(0), 1, index * 4)).flat()
    rig.run(arrivals, times * 4 * SECOND_US)
    expect(rig.sink.flags.filter(({ isRaised }) => isRaised)).toHaveLength(times)
    expect(rig.sink.incidentCodes).toEqual(Array.from({ length: FLAG_INCIDENTS_MAX }, () => 'rtp-stopped'))
  })

  test('levels are those of what was sent, within a decibel', async () => {
    const rig = await rigOf([planOf(0), planOf(1)])
    const sent = [0.1, 0.01].map((amplitude, index) =>
      packetsOf({
        plan: planOf(index),
        samples: tone({ frequency: 1_000, amplitude, samples: 4 * RATE, sampleRate: RATE }),
      }),
    )
    rig.run(sent.flat(), 3 * SECOND_US)
    const [loud, quiet] = rig.recordingSession.monitor.states.map(({ levelDbov }) => levelDbov)
    expect(Math.abs((loud ?? 0) - -23)).toBeLessThan(1)
    expect(Math.abs((quiet ?? 0) - -43)).toBeLessThan(1)
  })
})
