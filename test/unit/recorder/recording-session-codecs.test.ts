import { describe, expect, it } from 'vitest'

import { toWav } from '../../../src/cli/export/render.ts'
import { encodePcma, encodePcmu } from '../../../src/media/g711.ts'
import { readWav } from '../../../src/media/wav.ts'
import type { PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import { payloadFormatOf } from '../../../src/protocol/rtp/payload-format.ts'
import type { MediaStreamPlan } from '../../../src/recorder/recording-types.ts'
import { matchAudio, noise, tone } from '../../support/audio.ts'
import {
  EncoderStock,
  OPENED_US,
  planOf,
  RecordingRig,
  rtp,
  TRANSIT_US,
  type Arrival,
} from '../../support/recording-rig.ts'

const PACKET_MS = 20
const WIDEBAND = 16_000

const FORMATS = new Map<number, PayloadFormat>(
  [
    { payloadType: 0, name: 'PCMU', clockRate: 8_000, channels: 1 },
    { payloadType: 8, name: 'PCMA', clockRate: 8_000, channels: 1 },
    { payloadType: 96, name: 'L16', clockRate: 16_000, channels: 1 },
    { payloadType: 10, name: 'L16', clockRate: 44_100, channels: 2 },
  ].map((codec) => [codec.payloadType, payloadFormatOf(codec)]),
)

/** In this order: the first is preferred. */
function formats(...payloadTypes: readonly number[]): MediaStreamPlan['payloadTypes'] {
  return new Map(
    payloadTypes.flatMap((payloadType) => {
      const format = FORMATS.get(payloadType)
      return format === undefined ? [] : [[payloadType, format] as const]
    }),
  )
}

function encodeL16(samples: Int16Array, channels: number): Uint8Array {
  const bytes = new Uint8Array(samples.length * 2 * channels)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < samples.length * channels; i++) view.setInt16(2 * i, samples[Math.floor(i / channels)] ?? 0)
  return bytes
}

function encode(payloadType: number, samples: Int16Array): Uint8Array {
  if (payloadType === 0) return encodePcmu(samples)
  if (payloadType === 8) return encodePcma(samples)
  return encodeL16(samples, payloadType === 10 ? 2 : 1)
}

interface Stretch {
  readonly payloadType: number
  readonly samples: Int16Array
}

/** One source that changes its codec from stretch to stretch: sequence and time go on, the RTP clock begins anew with another rate (RFC 7160). */
function sent(plan: MediaStreamPlan, stretches: readonly Stretch[], fromMs = 0): Arrival[] {
  const arrivals: Arrival[] = []
  let atMs = fromMs
  let timestamp = 0xffff_f000
  let clockRate = 0
  for (const { payloadType, samples } of stretches) {
    const format = FORMATS.get(payloadType)
    if (format?.kind !== 'audio') throw new Error('not a live codec')
    if (clockRate !== format.clockRate) timestamp = (timestamp + 0x1357_9bdf) >>> 0
    clockRate = format.clockRate
    const packetSamples = (format.sampleRate * PACKET_MS) / 1_000
    for (let at = 0; at + packetSamples <= samples.length; at += packetSamples) {
      atMs += PACKET_MS
      arrivals.push({
        streamId: plan.streamId,
        datagram: rtp({
          payloadType,
          sequenceNumber: (0xfff0 + arrivals.length) & 0xffff,
          timestamp,
          payload: encode(payloadType, samples.subarray(at, at + packetSamples)),
        }),
        arrivalUs: OPENED_US + atMs * 1_000 + TRANSIT_US,
      })
      timestamp = (timestamp + (format.clockRate * PACKET_MS) / 1_000) >>> 0
    }
  }
  return arrivals
}

async function heard(
  rig: RecordingRig,
  layout: 'separate' | 'mixed' = 'separate',
): Promise<{
  readonly sampleRate: number
  readonly channels: readonly Int16Array[]
}> {
  const wav = readWav(await toWav(await rig.links(), layout))
  if (!wav.ok) throw new Error(wav.reason)
  return wav.value
}

/** Every second sample after a mean of two: what a narrowband stream has of it. */
function halved(samples: Int16Array): Int16Array {
  return Int16Array.from({ length: samples.length >> 1 }, (_, i) => samples[2 * i] ?? 0)
}

/** Root mean square of what is high in it: the second difference, which takes 500 Hz down by 28 dB and lifts 6 kHz by 11 dB. */
function highLevel(samples: Int16Array): number {
  let sum = 0
  for (let i = 2; i < samples.length; i++) {
    sum += ((samples[i] ?? 0) - 2 * (samples[i - 1] ?? 0) + (samples[i - 2] ?? 0)) ** 2
  }
  return Math.sqrt(sum / samples.length)
}

const at8 = (frequency: number, seconds: number): Int16Array =>
  tone({ frequency, sampleRate: 8_000, samples: 8_000 * seconds, amplitude: 0.3 })
const at16 = (frequency: number, seconds: number): Int16Array =>
  tone({ frequency, sampleRate: WIDEBAND, samples: WIDEBAND * seconds, amplitude: 0.3 })

describe('streams of different sample rates', () => {
  it('are each encoded at their own, and stand beside each other to the sample', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0) }), planOf(1, { payloadTypes: formats(96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(1, 16_000), plans })
    const mark = noise({ seed: 9, samples: WIDEBAND, amplitude: 0.2 })
    const [caller, callee] = [halved(mark), mark]
    const silence = new Int16Array(WIDEBAND)
    rig.run(
      [
        ...sent(plans[0]!, [{ payloadType: 0, samples: Int16Array.of(...silence.subarray(0, 8_000), ...caller) }]),
        ...sent(plans[1]!, [{ payloadType: 96, samples: Int16Array.of(...silence, ...callee) }]),
      ],
      2_050_000,
    )
    const manifest = rig.end(2_050_000)
    const { sampleRate, channels } = await heard(rig)
    expect(sampleRate).toBe(WIDEBAND)
    expect(manifest.durationSamples).toBe(96_000)
    for (const stream of manifest.streams) {
      expect(stream).toMatchObject({ ledger: { audioSamples: 96_000 }, gaps: [] })
    }
    const right = matchAudio(callee, channels[1]!.subarray(WIDEBAND), { lagMax: 100 })
    expect(right.correlation).toBeGreaterThan(0.6)
    const left = matchAudio(halved(callee), halved(channels[0]!).subarray(8_000), { lagMax: 100 })
    expect([left.lag, right.lag]).toEqual([0, 0])
  })

  it('have what a narrowband stream could not hold: a tone of 6 kHz', async () => {
    const plans = [planOf(0, { payloadTypes: formats(96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(0, 16_000), plans })
    rig.run(sent(plans[0]!, [{ payloadType: 96, samples: at16(6_000, 2) }]), 2_020_000)
    rig.end(2_020_000)
    const { channels } = await heard(rig)
    expect(highLevel(channels[0]!)).toBeGreaterThan(highLevel(at16(6_000, 2)) / 2)
  })

  it('are mixed at the highest rate among them', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0) }), planOf(1, { payloadTypes: formats(96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(0, 16_000), plans, facts: { layout: 'mixed' } })
    rig.run(
      [
        ...sent(plans[0]!, [{ payloadType: 0, samples: at8(500, 2) }]),
        ...sent(plans[1]!, [{ payloadType: 96, samples: at16(6_000, 2) }]),
      ],
      2_020_000,
    )
    rig.end(2_020_000)
    const { sampleRate, channels } = await heard(rig)
    expect([sampleRate, channels.length]).toEqual([WIDEBAND, 1])
    expect(matchAudio(at16(500, 2), channels[0]!, { lagMax: 100 }).correlation).toBeGreaterThan(0.6)
    expect(highLevel(channels[0]!)).toBeGreaterThan(highLevel(at16(6_000, 2)) / 2)
  })

  it('of 44.1 kHz and two channels become one of 48 kHz', async () => {
    const plans = [planOf(0, { payloadTypes: formats(10) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(0, 48_000), plans })
    const samples = tone({ frequency: 1_000, sampleRate: 44_100, samples: 88_200, amplitude: 0.3 })
    rig.run(sent(plans[0]!, [{ payloadType: 10, samples }]), 2_020_000)
    const manifest = rig.end(2_020_000)
    const { sampleRate, channels } = await heard(rig)
    expect(sampleRate).toBe(48_000)
    expect(manifest.streams[0]).toMatchObject({ codecs: ['L16'], ledger: { audioSamples: 96_000 }, gaps: [] })
    const expected = tone({ frequency: 1_000, sampleRate: 48_000, samples: 96_000, amplitude: 0.3 })
    expect(matchAudio(expected, channels[0]!, { lagMax: 60 }).correlation).toBeGreaterThan(0.98)
  })
})

describe('a change of the codec in mid-stream', () => {
  it('to one of another clock and sample rate and back loses nothing, and keeps pitch and place', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0, 8, 96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(1, 16_000), plans })
    const stretches = [
      { payloadType: 0, samples: at8(1_000, 1) },
      { payloadType: 96, samples: at16(1_000, 1) },
      { payloadType: 8, samples: at8(1_000, 1) },
      { payloadType: 96, samples: at16(1_000, 1) },
    ]
    rig.run(sent(plans[0]!, stretches), 4_020_000)
    const manifest = rig.end(4_020_000)
    const { channels } = await heard(rig)
    expect(manifest.streams[0]).toMatchObject({
      codecs: ['PCMU', 'L16', 'PCMA'],
      packets: { received: 200, lost: 0 },
      ledger: { audioSamples: 4 * 48_000 },
      gaps: [],
    })
    for (const second of [0, 1, 2, 3]) {
      const part = channels[0]!.subarray(second * WIDEBAND + 800, (second + 1) * WIDEBAND)
      expect(matchAudio(at16(1_000, 1), part, { lagMax: 16 }).correlation).toBeGreaterThan(0.97)
    }
  })

  it('keeps its place in time under jitter', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0, 96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(1, 16_000), plans })
    const mark = noise({ seed: 4, samples: WIDEBAND, amplitude: 0.2 })
    const stretches = [
      { payloadType: 0, samples: new Int16Array(8_000) },
      { payloadType: 96, samples: mark },
    ]
    const jittered = sent(plans[0]!, stretches).map((arrival, index) => ({
      ...arrival,
      arrivalUs: arrival.arrivalUs + ((index * 7_919) % 15_000),
    }))
    rig.run(jittered, 2_050_000)
    const manifest = rig.end(2_050_000)
    const { channels } = await heard(rig)
    expect(manifest.streams[0]?.gaps).toEqual([])
    const { lag } = matchAudio(mark, channels[0]!.subarray(WIDEBAND), { lagMax: 400 })
    expect(Math.abs(lag)).toBeLessThan(WIDEBAND / 100)
  })

  it('that a re-INVITE announces before any audio gives the stream the rate it needs, in a new link', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0) }), planOf(1, { payloadTypes: formats(0), held: true })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(3, 16_000), plans })
    rig.run(sent(plans[0]!, [{ payloadType: 0, samples: at8(500, 3) }]), 1_990_000)
    const wideband = planOf(1, { payloadTypes: formats(96, 0) })
    expect(rig.recordingSession.encodersNeeded([plans[0]!, wideband])).toEqual([8_000, 16_000])
    rig.recordingSession.updateStreams([plans[0]!, wideband], OPENED_US + 1_990_000)
    rig.run(
      [
        ...sent(plans[0]!, [{ payloadType: 0, samples: at8(500, 3) }]).slice(99),
        ...sent(wideband, [{ payloadType: 96, samples: at16(6_000, 1) }], 2_000),
      ],
      3_020_000,
    )
    const manifest = rig.end(3_020_000)
    const { channels } = await heard(rig)
    expect(await rig.links()).toHaveLength(2)
    expect(rig.encoders).toMatchObject({ taken: 4, freed: 4 })
    expect(manifest.durationSamples).toBe(3 * 48_000)
    expect(manifest.streams[1]?.gaps).toEqual([{ fromSample: 0, toSample: 2 * 48_000, cause: 'held' }])
    expect(highLevel(channels[1]!.subarray(2 * WIDEBAND))).toBeGreaterThan(highLevel(at16(6_000, 1)) / 2)
  })

  it.each(['separate', 'mixed'] as const)(
    'to a better one by re-INVITE, when there has been audio, is recorded with all that it has: %s',
    async (layout) => {
      const plans = [planOf(0, { payloadTypes: formats(0) })]
      const rig = new RecordingRig({ encoders: await EncoderStock.of(1, 16_000), plans, facts: { layout } })
      const arrivals = sent(plans[0]!, [
        { payloadType: 0, samples: at8(1_000, 1) },
        { payloadType: 96, samples: Int16Array.of(...at16(1_000, 1), ...at16(6_000, 1)) },
        { payloadType: 8, samples: at8(1_000, 1) },
      ])
      rig.run(arrivals.slice(0, 50), 1_015_000)
      const wideband = planOf(0, { payloadTypes: formats(96, 0) })
      expect(rig.recordingSession.encodersNeeded([wideband])).toEqual([16_000])
      rig.recordingSession.updateStreams([wideband], OPENED_US + 1_015_000)
      rig.run(arrivals.slice(50, 150), 3_010_000)
      // And back: nothing gets worse, no further link.
      const narrowband = planOf(0, { payloadTypes: formats(8) })
      expect(rig.recordingSession.encodersNeeded([narrowband])).toEqual([])
      rig.recordingSession.updateStreams([narrowband], OPENED_US + 3_010_000)
      rig.run(arrivals.slice(150), 4_020_000)
      const manifest = rig.end(4_020_000)
      const { sampleRate, channels } = await heard(rig, layout)
      expect(sampleRate).toBe(WIDEBAND)
      expect(await rig.links()).toHaveLength(2)
      expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
      expect(manifest.streams[0]).toMatchObject({ ledger: { audioSamples: 4 * 48_000 }, gaps: [] })
      for (const second of [0, 1, 3]) {
        const part = channels[0]!.subarray(second * WIDEBAND + 800, (second + 1) * WIDEBAND - 800)
        expect(matchAudio(at16(1_000, 1), part, { lagMax: 16 }).correlation).toBeGreaterThan(0.97)
      }
      const high = channels[0]!.subarray(2 * WIDEBAND + 800, 3 * WIDEBAND)
      expect(highLevel(high)).toBeGreaterThan(highLevel(at16(6_000, 1)) / 2)
    },
  )

  it('to a better one again and again rises to multiples only, three links at most', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(1, 16_000, 48_000), plans })
    const arrivals = sent(plans[0]!, [
      { payloadType: 0, samples: at8(1_000, 1) },
      { payloadType: 96, samples: at16(1_000, 1) },
      { payloadType: 10, samples: tone({ frequency: 1_000, sampleRate: 44_100, samples: 44_100, amplitude: 0.3 }) },
    ])
    rig.run(arrivals.slice(0, 50), 1_015_000)
    rig.recordingSession.updateStreams([planOf(0, { payloadTypes: formats(96, 0) })], OPENED_US + 1_015_000)
    rig.run(arrivals.slice(50, 100), 2_015_000)
    rig.recordingSession.updateStreams([planOf(0, { payloadTypes: formats(10, 0) })], OPENED_US + 2_015_000)
    rig.run(arrivals.slice(100), 3_020_000)
    const manifest = rig.end(3_020_000)
    const { sampleRate } = await heard(rig)
    expect([sampleRate, (await rig.links()).length]).toEqual([48_000, 3])
    expect(manifest.streams[0]).toMatchObject({ ledger: { audioSamples: 3 * 48_000 }, gaps: [] })
  })
})

describe('a better codec that stands behind another in the SDP', () => {
  it.each(['separate', 'mixed'] as const)('costs nothing as long as it is not sent: %s', async (layout) => {
    const plans = [planOf(0, { payloadTypes: formats(0, 96, 10) }), planOf(1, { payloadTypes: formats(8, 10) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(2), plans, facts: { layout } })
    rig.run(sent(plans[0]!, [{ payloadType: 0, samples: at8(1_000, 2) }]), 2_020_000)
    expect(rig.recordingSession.isWider).toBe(false)
    const manifest = rig.end(2_020_000)
    const { sampleRate } = await heard(rig, layout)
    expect([sampleRate, (await rig.links()).length]).toEqual([8_000, 1])
    expect(manifest.streams[0]).toMatchObject({ ledger: { audioSamples: 2 * 48_000 }, gaps: [] })
  })

  it.each(['separate', 'mixed'] as const)('is recorded with all it has once it comes: %s', async (layout) => {
    const plans = [planOf(0, { payloadTypes: formats(0, 96) }), planOf(1, { payloadTypes: formats(0, 96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(3, 16_000), plans, facts: { layout } })
    const other = sent(plans[1]!, [{ payloadType: 0, samples: new Int16Array(24_000) }])
    const arrivals = sent(plans[0]!, [
      { payloadType: 0, samples: at8(1_000, 1) },
      { payloadType: 96, samples: Int16Array.of(...at16(1_000, 1), ...at16(6_000, 1)) },
    ])
    rig.run([...arrivals, ...other], 3_020_000)
    const manifest = rig.end(3_020_000)
    const { sampleRate, channels } = await heard(rig, layout)
    expect([sampleRate, (await rig.links()).length]).toEqual([WIDEBAND, 2])
    expect(rig.encoders.freed).toBe(rig.encoders.taken)
    for (const stream of manifest.streams) {
      expect(stream).toMatchObject({
        packets: { received: 150, lost: 0 },
        ledger: { audioSamples: 3 * 48_000 },
        gaps: [],
      })
    }
    for (const second of [0, 1]) {
      const part = channels[0]!.subarray(second * WIDEBAND + 800, (second + 1) * WIDEBAND)
      expect(matchAudio(at16(1_000, 1), part, { lagMax: 16 }).correlation).toBeGreaterThan(0.97)
    }
    expect(highLevel(channels[0]!.subarray(2 * WIDEBAND + 800))).toBeGreaterThan(highLevel(at16(6_000, 1)) / 2)
  })

  it('that is sent from the first packet on opens no link of its own', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0, 96) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(0, 16_000), plans })
    rig.run(sent(plans[0]!, [{ payloadType: 96, samples: at16(1_000, 2) }]), 2_020_000)
    const manifest = rig.end(2_020_000)
    expect(await rig.links()).toHaveLength(1)
    expect(manifest.streams[0]).toMatchObject({ ledger: { audioSamples: 2 * 48_000 }, gaps: [] })
  })

  it('raises nothing that comes after what was made beforehand was counted', async () => {
    const plans = [planOf(0, { payloadTypes: formats(0, 96, 10) })]
    const rig = new RecordingRig({ encoders: await EncoderStock.of(1, 16_000), plans })
    const [{ recordingSession }, arrivals] = [
      rig,
      sent(plans[0]!, [
        { payloadType: 96, samples: at16(1_000, 1) },
        { payloadType: 10, samples: tone({ frequency: 1_000, sampleRate: 44_100, samples: 882, amplitude: 0.3 }) },
      ]),
    ]
    const take = ({ streamId, datagram, arrivalUs }: Arrival): void =>
      recordingSession.handleDatagram(streamId, datagram, arrivalUs)
    take(arrivals[0]!)
    expect(recordingSession.encodersNeeded(recordingSession.acceptWider())).toEqual([16_000])
    take(arrivals[50]!)
    recordingSession.raiseRates()
    expect([...recordingSession.streamReceivers.values()].map(({ timeline }) => timeline.sampleRate)).toEqual([16_000])
    expect(recordingSession.isWider).toBe(true)
    recordingSession.abandon()
  })
})
