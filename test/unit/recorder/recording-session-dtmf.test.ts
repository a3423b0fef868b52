import { describe, expect, it } from 'vitest'

import { signManifest, type ManifestBody } from '../../../src/evidence/manifest.ts'
import { MANIFEST_NAME } from '../../../src/evidence/object-names.ts'
import { describeVerdict, verifyRecording } from '../../../src/evidence/verify.ts'
import { DtmfDetector } from '../../../src/media/dtmf-detector.ts'
import type { DtmfPolicy } from '../../../src/recorder/recording-types.ts'
import { matchAudio, noise } from '../../support/audio.ts'
import { eventPackets, pressedKeys, type KeyOptions } from '../../support/dtmf.ts'
import {
  EncoderStock,
  OPENED_US,
  PACKET_SAMPLES,
  PACKET_US,
  packetsOf,
  planOf,
  RecordingRig,
  TRANSIT_US,
  vault,
  type Arrival,
} from '../../support/recording-rig.ts'
import { vectorSigner } from '../../vectors/evidence/sample-recording.ts'

const SECOND_US = 1_000_000
const RATE = 8_000
const PLAN = planOf(0)
const SSRC = 77

/** Loud and quiet by turns. */
function speech(seed: number, seconds: number): Int16Array {
  return noise({ seed, samples: seconds * RATE, amplitude: 0.3 }).map((sample, index) =>
    Math.round(sample * Math.abs(Math.sin(index / 1_700))),
  )
}

/** Speech with keys in the middle of it, and nothing but the keys where they are. */
function speechWithKeys(seconds: number, atSeconds: number, options: KeyOptions) {
  const samples = speech(5, seconds)
  const { samples: tones, keys } = pressedKeys({ leadMs: 0, ...options })
  samples.set(tones, atSeconds * RATE)
  const places = keys.map(({ digit, fromSample, toSample }) => ({
    digit,
    from: fromSample + atSeconds * RATE,
    to: toSample + atSeconds * RATE,
  }))
  return { samples, places }
}

async function recorded(options: {
  readonly policy: DtmfPolicy
  readonly arrivals: readonly Arrival[]
  readonly seconds: number
  readonly layout?: 'separate' | 'mixed'
}): Promise<{ readonly manifest: ManifestBody; readonly heard: Int16Array; readonly rig: RecordingRig }> {
  const { policy, layout = 'separate' } = options
  const rig = new RecordingRig({
    encoders: await EncoderStock.of(2),
    plans: [PLAN],
    facts: { dtmf: policy, layout },
  })
  rig.run(options.arrivals, (options.seconds + 0.1) * SECOND_US)
  const manifest = rig.end((options.seconds + 0.1) * SECOND_US)
  const [heard = new Int16Array(0)] = await rig.heard()
  return { manifest, heard, rig }
}

function digitsIn(samples: Int16Array): string {
  let digits = ''
  const detector = new DtmfDetector({ sampleRate: RATE, heard: ({ digit, isOver }) => isOver && (digits += digit) })
  detector.write(samples, 0)
  detector.end()
  return digits
}

function levelOf(samples: Int16Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length)
}

const countsOf = (rig: RecordingRig) => [...rig.recordingSession.streamReceivers.values()][0]?.counters.dtmf

/** A key told of by events that begins at `fromSample` of a stream from `packetsOf`, in place of its audio packets or beside them. */
function eventArrivals(digit: string, fromSample: number, packets: number, sequenceNumber: number): Arrival[] {
  return eventPackets({ digit, packets, timestamp: 0xffff_ff00 + fromSample, sequenceNumber, ssrc: SSRC }).map(
    ({ datagram, atPacket }) => ({
      streamId: PLAN.streamId,
      datagram,
      arrivalUs: OPENED_US + (fromSample / PACKET_SAMPLES + atPacket + 1) * PACKET_US + TRANSIT_US,
    }),
  )
}

describe('tones in the audio', () => {
  const digits = '4929#7'
  const { samples, places } = speechWithKeys(6, 2, { digits, onMs: 80, offMs: 60 })
  const arrivals = packetsOf({ plan: PLAN, samples, ssrc: SSRC })

  it('stay as they are under `discard`, and are counted', async () => {
    const { manifest, heard, rig } = await recorded({ policy: 'discard', arrivals, seconds: 6 })
    for (const { from, to } of places) expect(levelOf(heard.subarray(from, to))).toBeGreaterThan(3_000)
    expect(countsOf(rig)).toEqual({ event: 0, tone: digits.length })
    expect(manifest.streams[0]?.ledger.gapSamples).not.toHaveProperty('masked')
  })

  it.each(['separate', 'mixed'] as const)('are not in a recording under `mask`, layout %s', async (layout) => {
    const { manifest, heard, rig } = await recorded({ policy: 'mask', arrivals, seconds: 6, layout })
    expect(digitsIn(heard)).toBe('')
    expect(countsOf(rig)).toEqual({ event: 0, tone: digits.length })
    for (const { from, to } of places) expect(levelOf(heard.subarray(from, to))).toBeLessThan(30)
    // A guard before the first tone and after the last one, and no more.
    const [before, after] = [heard.subarray(0, 2 * RATE - 400), heard.subarray(2 * RATE + samples.length - 5 * RATE)]
    expect(matchAudio(samples.subarray(0, before.length), before, { lagMax: 80 }).correlation).toBeGreaterThan(0.9)
    const rest = samples.subarray(samples.length - after.length)
    expect(matchAudio(rest, after, { lagMax: 80 }).correlation).toBeGreaterThan(0.9)
    const [stream] = manifest.streams
    const masked = stream?.gaps.filter(({ cause }) => cause === 'masked') ?? []
    for (const { from, to } of places) {
      expect(masked.some(({ fromSample, toSample }) => fromSample <= from * 6 && to * 6 <= toSample)).toBe(true)
    }
    const gapSamples: readonly number[] = Object.values(stream?.ledger.gapSamples ?? {})
    const sum = gapSamples.reduce((total, count) => total + count, stream?.ledger.audioSamples ?? 0)
    expect(sum).toBe(manifest.durationSamples)
  })

  it('are gone to the last sample of the first packets, whatever is lost or overtakes within them', async () => {
    for (const seed of [1, 2, 3]) {
      const jittered = arrivals
        .filter((_, index) => (index * 7 + seed) % 11 !== 0)
        .map((arrival, index) => ({ ...arrival, arrivalUs: arrival.arrivalUs + ((index * 37 * seed) % 60) * 1_000 }))
      const { heard } = await recorded({ policy: 'mask', arrivals: jittered, seconds: 6 })
      expect(digitsIn(heard)).toBe('')
    }
  })

  it.each([0, 20, 40, 60, 80])(
    'are gone from their first sample on where packets come in bursts (%i ms)',
    async (ms) => {
      const burstUs = 400_000
      const bursts = arrivals.map((arrival) => {
        const us = arrival.arrivalUs - OPENED_US - ms * 1_000
        return { ...arrival, arrivalUs: OPENED_US + ms * 1_000 + Math.ceil(us / burstUs) * burstUs }
      })
      const { heard } = await recorded({ policy: 'mask', arrivals: bursts, seconds: 6 })
      const start = matchAudio(samples.subarray(0, RATE), heard.subarray(0, 2 * RATE), { lagMax: 6_000 }).lag
      for (const { from, to } of places) expect(levelOf(heard.subarray(from + start, to + start))).toBeLessThan(30)
    },
  )

  it('of a source that begins anew are masked too', async () => {
    const again = packetsOf({ plan: PLAN, samples, ssrc: SSRC + 1, timestamp: 12, fromUs: 7 * SECOND_US })
    const { heard, rig } = await recorded({ policy: 'mask', arrivals: [...arrivals, ...again], seconds: 13 })
    expect(digitsIn(heard)).toBe('')
    expect(countsOf(rig)).toEqual({ event: 0, tone: 2 * digits.length })
  })
})

describe('keys told of by telephone-events', () => {
  const samples = speech(6, 5)
  const audio = packetsOf({ plan: PLAN, samples, ssrc: SSRC })
  const pressedAt = 2 * RATE
  // Beside the audio, which goes on: numbers of their own would be a gap in the sequence, so the audio after them moves on.
  const arrivals = [
    ...audio.slice(0, 100),
    ...eventArrivals('5', pressedAt, 8, (0xfff0 + 100) & 0xffff),
    ...packetsOf({
      plan: PLAN,
      samples: samples.subarray(pressedAt),
      ssrc: SSRC,
      sequenceNumber: (0xfff0 + 110) & 0xffff,
      timestamp: (0xffff_ff00 + pressedAt) >>> 0,
      fromUs: 2 * SECOND_US + 300_000,
    }).map((arrival) => ({ ...arrival, arrivalUs: arrival.arrivalUs - 300_000 })),
  ]

  it('silence the audio of their stream while they last, under `mask`', async () => {
    const { manifest, heard, rig } = await recorded({ policy: 'mask', arrivals, seconds: 5 })
    expect(countsOf(rig)).toEqual({ event: 1, tone: 0 })
    const inside = heard.subarray(pressedAt + 80, pressedAt + 8 * PACKET_SAMPLES - 80)
    expect(levelOf(inside)).toBeLessThan(30)
    const masked = manifest.streams[0]?.gaps.filter(({ cause }) => cause === 'masked') ?? []
    expect(masked).toHaveLength(1)
    const [gap = { fromSample: 0, toSample: 0 }] = masked
    expect(gap.fromSample / 6).toBeLessThanOrEqual(pressedAt)
    expect(gap.toSample / 6).toBeGreaterThanOrEqual(pressedAt + 8 * PACKET_SAMPLES)
    expect((gap.toSample - gap.fromSample) / 48_000).toBeLessThan(0.4)
  })

  it('leave the audio alone under `discard`', async () => {
    const { manifest, rig } = await recorded({ policy: 'discard', arrivals, seconds: 5 })
    expect(countsOf(rig)).toEqual({ event: 1, tone: 0 })
    expect(manifest.streams[0]?.gaps.filter(({ cause }) => cause === 'masked')).toEqual([])
  })
})

describe('a key that is told and heard', () => {
  it('is one', async () => {
    const { samples } = speechWithKeys(4, 2, { digits: '5', onMs: 160 })
    const packets = packetsOf({ plan: PLAN, samples, ssrc: SSRC })
    // In the place of audio packets 101 to 110, whose audio the gateway no longer sends.
    const told = eventArrivals('5', 2 * RATE + 480, 6, (0xfff0 + 104) & 0xffff)
    const arrivals = [...packets.slice(0, 104), ...told, ...packets.slice(112)]
    const { heard, rig } = await recorded({ policy: 'mask', arrivals, seconds: 4 })
    const { event = 0, tone = 0 } = countsOf(rig) ?? {}
    expect(event + tone).toBe(1)
    expect(digitsIn(heard)).toBe('')
  })
})

describe('keys pressed in a pause', () => {
  it('are neither counted nor masked', async () => {
    const { samples } = speechWithKeys(6, 2.5, { digits: '123', onMs: 80, offMs: 60 })
    const arrivals = packetsOf({ plan: PLAN, samples, ssrc: SSRC })
    const told = eventArrivals('9', 3.5 * RATE, 6, 0x4000)
    const rig = new RecordingRig({ encoders: await EncoderStock.of(2), plans: [PLAN], facts: { dtmf: 'mask' } })
    rig.run(arrivals, 2 * SECOND_US)
    rig.recordingSession.setPaused(true, 'api', OPENED_US + 2 * SECOND_US)
    const later = (from: number) => (arrival: Arrival) => arrival.arrivalUs > OPENED_US + from * SECOND_US
    rig.run([...arrivals, ...told].filter(later(2)), 5 * SECOND_US)
    rig.recordingSession.setPaused(false, 'api', OPENED_US + 5 * SECOND_US)
    rig.run(arrivals.filter(later(5)), 6.1 * SECOND_US)
    expect(countsOf(rig)).toEqual({ event: 0, tone: 0 })
    const { streams } = rig.end(6.1 * SECOND_US)
    expect(streams[0]?.ledger.gapSamples).not.toHaveProperty('masked')
    expect(digitsIn((await rig.heard())[0] ?? new Int16Array(0))).toBe('')
  })
})

describe('under `store`', () => {
  const digits = '4929#7'
  const { samples, places } = speechWithKeys(8, 2, { digits, onMs: 80, offMs: 60 })
  const told = eventArrivals('8', 7 * RATE, 5, (0xfff0 + 350) & 0xffff)
  const packets = packetsOf({ plan: PLAN, samples, ssrc: SSRC })
  const arrivals = [...packets.slice(0, 350), ...told, ...packets.slice(360)]

  const recordedKeys = () => recorded({ policy: 'store', arrivals, seconds: 8 })

  it('the keys are sealed with their places, and stand nowhere else', async () => {
    const { manifest, rig } = await recordedKeys()
    const lines = Buffer.concat(await rig.opened('dtmf'))
      .toString('utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { digit: string; via: string; fromSample: number; toSample: number })
    expect(lines.map(({ digit }) => digit).join('')).toBe(`${digits}8`)
    expect(lines.map(({ via }) => via)).toEqual([...places.map(() => 'tone'), 'event'])
    for (const [index, { from, to }] of [...places, { from: 7 * RATE, to: 7 * RATE + 800 }].entries()) {
      const { fromSample = 0, toSample = 0 } = lines[index] ?? {}
      expect(Math.abs(fromSample - from * 6)).toBeLessThan(48 * 15)
      expect(Math.abs(toSample - to * 6)).toBeLessThan(48 * 15)
    }
    expect(manifest.dtmf?.map(({ name }) => name)).toEqual(['dtmf-000.age', 'dtmf-001.age'])
    expect(JSON.stringify([manifest.incidents, manifest.dtmf])).not.toContain(digits)
    expect(manifest.streams[0]?.ledger.gapSamples).not.toHaveProperty('masked')
  })

  it('nothing of them is sealed by other policies', async () => {
    for (const policy of ['discard', 'mask'] as const) {
      const { manifest, rig } = await recorded({ policy, arrivals, seconds: 8 })
      expect(manifest).not.toHaveProperty('dtmf')
      expect(rig.sink.of('dtmf')).toEqual([])
    }
  })

  it('they are verified like everything else', async () => {
    const { manifest, rig } = await recordedKeys()
    const { signingKey, verifyKey } = await vectorSigner()
    const objects = new Map(rig.sink.objects.map(({ name, bytes }) => [name, bytes]))
    objects.set(MANIFEST_NAME, new TextEncoder().encode(await signManifest(manifest, signingKey)))
    const verify = async () => {
      const verdict = await verifyRecording({
        recordingId: manifest.recordingId,
        objects: { list: async () => [...objects.keys()], get: async (name) => objects.get(name) },
        keys: [verifyKey],
        identities: [vault.identity],
      })
      return { text: describeVerdict(verdict), codes: verdict.findings.map(({ code, name }) => `${code} ${name}`) }
    }
    const intact = await verify()
    expect(intact.codes).toEqual([])
    expect(intact.text).toContain('Keys pressed: 2 of 2 objects there and unchanged')
    const [first = new Uint8Array(0), second = new Uint8Array(0)] = rig.sink.of('dtmf').map(({ bytes }) => bytes)
    objects.set('dtmf-000.age', second)
    objects.set('dtmf-001.age', first)
    expect((await verify()).codes).toEqual(['dtmf-swapped dtmf-000.age', 'dtmf-swapped dtmf-001.age'])
    objects.set('dtmf-000.age', first)
    objects.delete('dtmf-001.age')
    objects.set('dtmf-002.age', second)
    expect((await verify()).codes).toEqual(['dtmf-added dtmf-002.age', 'dtmf-missing dtmf-001.age'])
  })
})
