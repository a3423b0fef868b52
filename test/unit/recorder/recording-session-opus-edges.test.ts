import fc from 'fast-check'
import { createEncoder } from 'libopus-wasm'
import { beforeAll, describe, expect, it } from 'vitest'

import { FindingList } from '../../../src/evidence/findings.ts'
import { checkManifest } from '../../../src/evidence/manifest-checks.ts'
import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { toWav } from '../../../src/cli/export/render.ts'
import { DtmfDetector } from '../../../src/media/dtmf-detector.ts'
import { encodePcmu } from '../../../src/media/g711.ts'
import { opusRedundantSamples } from '../../../src/media/opus-packet.ts'
import { readRtpdump } from '../../../src/media/rtpdump.ts'
import { readWav } from '../../../src/media/wav.ts'
import { parseRtp } from '../../../src/protocol/rtp/packet.ts'
import { payloadFormatOf, type PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import type { OpusDecoder } from '../../../src/recorder/opus-decoder.ts'
import type { DtmfPolicy, MediaStreamPlan } from '../../../src/recorder/recording-types.ts'
import { DecoderStock } from '../../../src/server/media/decoder-stock.ts'
import { createOpusEngine, type OpusEngineName } from '../../../src/server/media/opus-engine.ts'
import { matchAudio } from '../../support/audio.ts'
import { eventPayload, pressedKeys } from '../../support/dtmf.ts'
import { voice } from '../../support/opus-voice.ts'
import {
  EncoderStock,
  NARROWBAND_FORMATS,
  OPENED_US,
  PACKET_US,
  planOf,
  RecordingRig,
  rtp,
  TRANSIT_US,
  type Arrival,
} from '../../support/recording-rig.ts'

/** Opus beside other codecs, keys in it, and an engine that knows no in-band FEC. */
const RATE = 48_000
const FRAME = 960
const PCMU = 0
const OPUS = 111
const EVENT_8K = 101
const EVENT_48K = 102
const FORMATS = new Map<number, PayloadFormat>([
  ...NARROWBAND_FORMATS,
  [OPUS, payloadFormatOf({ name: 'OPUS', clockRate: RATE, channels: 2 })],
  [EVENT_48K, { kind: 'event', clockRate: RATE }],
])
const PLAN = planOf(0, { payloadTypes: FORMATS })
const SECONDS = 3
const wide = voice(RATE, SECONDS)
const narrow = voice(8_000, SECONDS)

let opusPackets: readonly Uint8Array[]
let pcmuPackets: readonly Uint8Array[]

beforeAll(async () => {
  opusPackets = await encoded(wide)
  pcmuPackets = Array.from({ length: SECONDS * 50 }, (_, index) =>
    encodePcmu(narrow.subarray(index * 160, (index + 1) * 160)),
  )
})

type Encoding = NonNullable<Parameters<typeof createEncoder>[0]>

async function encoded(samples: Int16Array, options: Encoding = {}): Promise<readonly Uint8Array[]> {
  const encoder = await createEncoder({ sampleRate: RATE, channels: 1, bitrate: 32_000, frameSize: FRAME, ...options })
  return Array.from({ length: Math.floor(samples.length / FRAME) }, (_, index) =>
    encoder.encode(samples.subarray(index * FRAME, (index + 1) * FRAME)).slice(),
  )
}

/** Packets of 20 ms, one behind the other, each of the codec that `codecAt` says; the RTP clock is that of the codec. RFC 7160 */
function spoken(codecAt: (index: number) => number): Arrival[] {
  let timestamp = 0xffff_e000
  return Array.from({ length: SECONDS * 50 }, (_, index) => {
    const payloadType = codecAt(index)
    const payload = (payloadType === OPUS ? opusPackets : pcmuPackets)[index]!
    const datagram = rtp({ payloadType, sequenceNumber: (0xfff0 + index) & 0xffff, timestamp, payload })
    timestamp = (timestamp + (payloadType === OPUS ? FRAME : 160)) >>> 0
    return { streamId: PLAN.streamId, datagram, arrivalUs: OPENED_US + (index + 1) * PACKET_US + TRANSIT_US }
  })
}

interface Recorded {
  readonly manifest: ManifestBody
  readonly heard: Int16Array
  /** Payloads that were kept. */
  readonly kept: readonly Uint8Array[]
}

async function record(
  arrivals: readonly Arrival[],
  options: {
    readonly dtmf?: DtmfPolicy
    readonly engine?: OpusEngineName
    /** Instead of what the decoder makes of a frame that is missing. */
    readonly madeUp?: (length: number) => Int16Array
    /** Plans in force from a packet on; the first from the beginning. */
    readonly plans?: readonly { readonly from: number; readonly plan: MediaStreamPlan }[]
  } = {},
): Promise<Recorded> {
  const { dtmf = 'discard', plans = [{ from: 0, plan: PLAN }] } = options
  const engine = createOpusEngine(options.engine ?? 'libopus-wasm', {
    ...{ sampleRate: 8_000, bitsPerSecond: 32_000, complexity: 5 },
  })
  const decoders = new DecoderStock(engine)
  const rig = new RecordingRig({
    encoders: await EncoderStock.of(3, 48_000, 48_000, 48_000),
    plans: [plans[0]!.plan],
    facts: { dtmf },
    takeDecoder: (rate) => makingUp(decoders.take(rate), options.madeUp),
  })
  for (const [index, { from, plan }] of plans.entries()) {
    // One more for the rate that the stream rises to.
    await decoders.stockUp([...rig.recordingSession.decodersNeeded([plan]), RATE])
    if (index > 0) rig.recordingSession.updateStreams([plan], OPENED_US + from * PACKET_US + TRANSIT_US + 1_000)
    const next = plans[index + 1]?.from
    const until = next === undefined ? SECONDS * 1_000_000 + 50_000 : next * PACKET_US + TRANSIT_US
    rig.run(arrivals.slice(from, next), until)
  }
  const manifest = rig.end(SECONDS * 1_000_000 + 50_000)
  decoders.free()
  const findings = new FindingList()
  await checkManifest(manifest, findings)
  expect(findings.findings).toEqual([])
  const dumps = (await rig.opened('kept')).map((clear) => readRtpdump(clear))
  const kept = dumps
    .flatMap((dump) => (dump.ok ? dump.value.records : []))
    .map(({ packet }) => parseRtp(packet))
    .flatMap((parsed) => (parsed.ok ? [parsed.value.payload] : []))
  const wav = readWav(await toWav(await rig.links(), 'separate'))
  return { manifest, kept, heard: wav.ok ? (wav.value.channels[0] ?? new Int16Array(0)) : new Int16Array(0) }
}

/** A frame without data is how a decoder is told of a loss. */
function makingUp(decoder: OpusDecoder | undefined, madeUp?: (length: number) => Int16Array): OpusDecoder | undefined {
  if (decoder === undefined || madeUp === undefined) return decoder
  return {
    sampleRate: decoder.sampleRate,
    decode: (packet) => {
      const samples = decoder.decode(packet)
      return packet.length === 1 ? madeUp(samples.length) : samples
    },
    decodeRedundancy: (packet, samples) => decoder.decodeRedundancy(packet, samples),
    free: () => decoder.free(),
  }
}

function expectWholeAccount({ streams: [stream], durationSamples }: ManifestBody): void {
  const gapSamples: readonly number[] = Object.values(stream?.ledger.gapSamples ?? {})
  expect(gapSamples.reduce((sum, count) => sum + count, stream?.ledger.audioSamples ?? 0)).toBe(durationSamples)
}

const inHex = (packets: readonly Uint8Array[]): string[] => packets.map((bytes) => Buffer.from(bytes).toString('hex'))

describe('a change from PCMU to Opus and back', () => {
  const codecAt = (index: number): number => (index < 50 || index >= 100 ? PCMU : OPUS)

  it('without a new offer loses nothing, to the sample', async () => {
    const { manifest, heard, kept } = await record(spoken(codecAt))
    expect(manifest.streams[0]).toMatchObject({
      codecs: ['PCMU', 'OPUS'],
      packets: { received: 150, lost: 0 },
      ledger: { audioSamples: SECONDS * RATE },
      gaps: [],
    })
    expectWholeAccount(manifest)
    expect(inHex(kept)).toEqual(inHex(opusPackets.slice(50, 100)))
    for (const second of [0, 1, 2]) {
      const [from, to] = [second * RATE + 4_800, (second + 1) * RATE - 4_800]
      const { correlation, lag } = matchAudio(wide.subarray(from, to), heard.subarray(from, to), { lagMax: 1_000 })
      expect(correlation).toBeGreaterThan(0.8)
      expect(Math.abs(lag)).toBeLessThan(RATE / 50)
    }
  })

  it('by re-INVITEs loses nothing either', async () => {
    const narrowband = planOf(0, { payloadTypes: NARROWBAND_FORMATS })
    const plans = [
      { from: 0, plan: narrowband },
      { from: 50, plan: PLAN },
      { from: 100, plan: narrowband },
    ]
    const { manifest, kept } = await record(spoken(codecAt), { plans })
    expect(manifest.streams[0]).toMatchObject({
      codecs: ['PCMU', 'OPUS'],
      packets: { received: 150, lost: 0 },
      ledger: { audioSamples: SECONDS * RATE },
      gaps: [],
    })
    expectWholeAccount(manifest)
    expect(inHex(kept)).toEqual(inHex(opusPackets.slice(50, 100)))
  })

  it('at any time, with any packets lost, leaves no sample unaccounted for', async () => {
    const codecs = fc.array(fc.constantFrom(PCMU, OPUS), { minLength: 15, maxLength: 15 })
    await fc.assert(
      fc.asyncProperty(
        codecs,
        fc.uniqueArray(fc.integer({ min: 1, max: 148 }), { maxLength: 20 }),
        async (by, lost) => {
          const arrivals = spoken((index) => by[Math.floor(index / 10)] ?? PCMU)
          const { manifest, kept } = await record(arrivals.filter((_, index) => !lost.includes(index)))
          expect(manifest.streams[0]?.packets).toMatchObject({ received: 150 - lost.length, lost: lost.length })
          expectWholeAccount(manifest)
          const came = opusPackets.filter((_, index) => by[Math.floor(index / 10)] === OPUS && !lost.includes(index))
          expect(inHex(kept)).toEqual(inHex(came))
        },
      ),
      { numRuns: 12 },
    )
  })
})

function digitsIn(samples: Int16Array): string {
  let digits = ''
  const detector = new DtmfDetector({ sampleRate: RATE, heard: ({ digit, isOver }) => isOver && (digits += digit) })
  detector.write(samples, 0)
  detector.end()
  return digits
}

async function decoded(packets: readonly Uint8Array[]): Promise<Int16Array> {
  const engine = createOpusEngine('libopus-wasm', { sampleRate: RATE, bitsPerSecond: 32_000, complexity: 5 })
  const decoder = await engine.createDecoder(RATE)
  const samples = Int16Array.from(packets.flatMap((packet) => [...decoder.decode(packet)]))
  decoder.free()
  return samples
}

describe('keys in Opus', () => {
  const digits = '4929#7'

  it.each([
    ['CELT', { application: 2051 }],
    ['SILK with FEC', { application: 2048, bitrate: 24_000, fec: true, packetLossPercent: 30 }],
  ] satisfies (readonly [string, Encoding])[])(
    'of %s are heard, and under `mask` neither in the audio nor in the packets that are kept',
    async (_, options) => {
      const samples = voice(RATE, SECONDS)
      samples.set(pressedKeys({ digits, sampleRate: RATE, onMs: 80, offMs: 60, leadMs: 40 }).samples, RATE)
      const packets = await encoded(samples, options)
      const arrivals = packets.map((payload, index) => ({
        streamId: PLAN.streamId,
        datagram: rtp({ payloadType: OPUS, sequenceNumber: index, timestamp: index * FRAME, payload }),
        arrivalUs: OPENED_US + (index + 1) * PACKET_US + TRANSIT_US,
      }))
      const open = await record(arrivals)
      expect(digitsIn(open.heard)).toBe(digits)
      expect(open.kept).toHaveLength(packets.length)
      const masked = await record(arrivals, { dtmf: 'mask' })
      expect(digitsIn(masked.heard)).toBe('')
      expect(digitsIn(await decoded(masked.kept))).toBe('')
      expect(masked.manifest.streams[0]?.ledger.gapSamples.masked).toBeGreaterThan(RATE / 2)
      expectWholeAccount(masked.manifest)
    },
  )

  it.each([
    ['its own clock', EVENT_48K, FRAME],
    ['the clock of telephones', EVENT_8K, 160],
  ])('told of beside it on %s silence it under `mask`, packets included', async (_, payloadType, step) => {
    const [pressedAt, length] = [50, 8]
    const audio = opusPackets.map((payload, index) => ({ payloadType: OPUS, timestamp: index * FRAME, payload, index }))
    const events = Array.from({ length: length + 2 }, (_event, index) => ({
      payloadType,
      timestamp: (pressedAt * step) >>> 0,
      payload: eventPayload({ digit: '5', duration: Math.min(index + 1, length) * step, isEnd: index >= length - 1 }),
      index: pressedAt + Math.min(index, length - 1) + 0.1,
    }))
    const arrivals = [...audio, ...events]
      .toSorted((left, right) => left.index - right.index)
      .map(({ index, ...packet }, sequenceNumber) => ({
        streamId: PLAN.streamId,
        datagram: rtp({ ...packet, sequenceNumber }),
        arrivalUs: OPENED_US + (index + 1) * PACKET_US + TRANSIT_US,
      }))
    const { manifest, kept } = await record(arrivals, { dtmf: 'mask' })
    const masked = manifest.streams[0]?.gaps.filter(({ cause }) => cause === 'masked') ?? []
    expect(masked).toHaveLength(1)
    expect(masked[0]?.fromSample).toBeLessThanOrEqual(pressedAt * FRAME)
    expect(masked[0]?.toSample).toBeGreaterThanOrEqual((pressedAt + length) * FRAME)
    expectWholeAccount(manifest)
    const found = new Set(inHex(kept))
    const isKept = inHex(opusPackets).map((hex) => found.has(hex))
    expect(isKept.slice(pressedAt, pressedAt + length)).not.toContain(true)
    expect(isKept.slice(0, pressedAt - 6)).not.toContain(false)
    expect(isKept.slice(pressedAt + length + 10)).not.toContain(false)
  })
})

it('a key that only the in-band FEC of other packets still knows of is masked like any other', async () => {
  const samples = voice(RATE, SECONDS).map((sample, index) => (index >= 66 * FRAME && index < 78 * FRAME ? 0 : sample))
  samples.set(pressedKeys({ digits: '5', sampleRate: RATE, onMs: 60, offMs: 0, leadMs: 0 }).samples, 70 * FRAME)
  const packets = await encoded(samples, { application: 2048, bitrate: 32_000, fec: true, packetLossPercent: 30 })
  for (const behind of [71, 73]) expect(opusRedundantSamples(packets[behind] ?? new Uint8Array(0))).toBe(FRAME)
  const came = packets
    .map((payload, index) => ({
      streamId: PLAN.streamId,
      datagram: rtp({ payloadType: OPUS, sequenceNumber: index, timestamp: index * FRAME, payload }),
      arrivalUs: OPENED_US + (index + 1) * PACKET_US + TRANSIT_US,
    }))
    .filter((_arrival, index) => index !== 70 && index !== 72)
  expect(digitsIn((await record(came)).heard)).toBe('5')
  const masked = await record(came, { dtmf: 'mask' })
  expect(digitsIn(masked.heard)).toBe('')
  expect(masked.manifest.streams[0]?.ledger.gapSamples.masked).toBeGreaterThanOrEqual(3 * FRAME)
  expectWholeAccount(masked.manifest)
})

describe('opusscript as the decoder', () => {
  it('conceals without FEC: what is lost is a gap of its own length, and counted as lost', async () => {
    const packets = await encoded(wide, { application: 2048, bitrate: 24_000, fec: true, packetLossPercent: 30 })
    const lost = new Set<number>()
    for (let index = 10; index < packets.length - 5; index += 7) {
      if (opusRedundantSamples(packets[index + 1] ?? new Uint8Array(0)) === FRAME) lost.add(index)
    }
    expect(lost.size).toBeGreaterThan(5)
    const arrivals = packets.map((payload, index) => ({
      streamId: PLAN.streamId,
      datagram: rtp({ payloadType: OPUS, sequenceNumber: index, timestamp: index * FRAME, payload }),
      arrivalUs: OPENED_US + (index + 1) * PACKET_US + TRANSIT_US,
    }))
    const came = arrivals.filter((_, index) => !lost.has(index))
    const { manifest, heard } = await record(came, { engine: 'opusscript' })
    expect(manifest.streams[0]).toMatchObject({
      packets: { received: came.length, lost: lost.size },
      ledger: { gapSamples: { lost: lost.size * FRAME }, audioSamples: came.length * FRAME },
    })
    expectWholeAccount(manifest)
    const whole = await record(arrivals, { engine: 'opusscript' })
    // SILK predicts from what it decoded last: it has to know that something is missing.
    expect(matchAudio(whole.heard, heard, { lagMax: 10 }).correlation).toBeGreaterThan(0.85)
  })
})

describe('losses that no packet knows of', () => {
  const arrivalsOf = (packets: readonly Uint8Array[]): Arrival[] =>
    packets.map((payload, index) => ({
      streamId: PLAN.streamId,
      datagram: rtp({ payloadType: OPUS, sequenceNumber: index, timestamp: index * FRAME, payload }),
      arrivalUs: OPENED_US + (index + 1) * PACKET_US + TRANSIT_US,
    }))

  it.each([
    ['SILK', 1, { application: 2048, bitrate: 16_000 }],
    ['SILK', 3, { application: 2048, bitrate: 16_000 }],
    ['CELT', 1, { application: 2051 }],
    ['CELT', 2, { application: 2051 }],
  ] satisfies (readonly [string, number, Encoding])[])(
    'of %s, %i at once, are filled by the decoder, lost and concealed to the sample',
    async (_, run, options) => {
      const packets = await encoded(wide, options)
      const isLost = (index: number): boolean => index > 40 && index < 145 && index % 13 < run
      const came = arrivalsOf(packets).filter((_arrival, index) => !isLost(index))
      const lost = packets.length - came.length
      const { manifest } = await record(came)
      expect(manifest.streams[0]).toMatchObject({
        packets: { received: came.length, lost },
        ledger: { gapSamples: { lost: lost * FRAME }, concealedSamples: lost * FRAME },
      })
      expectWholeAccount(manifest)
    },
  )

  it('of more than 60 ms are filled for the first 60 ms', async () => {
    const came = arrivalsOf(opusPackets).filter((_, index) => index < 60 || index >= 70)
    const { manifest } = await record(came)
    expect(manifest.streams[0]).toMatchObject({
      packets: { received: came.length, lost: 10 },
      ledger: { gapSamples: { lost: 10 * FRAME }, concealedSamples: (RATE * 60) / 1_000 },
    })
    expectWholeAccount(manifest)
  })

  it('do not bring back a key that is masked, whatever the decoder makes up', async () => {
    const packets = await encoded(voice(RATE, SECONDS), { application: 2051 })
    const came = arrivalsOf(packets).filter((_, index) => index < 70 || index >= 73)
    const tone = pressedKeys({ digits: '5', sampleRate: RATE, onMs: 60, offMs: 0, leadMs: 0 }).samples
    const keyMaker = (): ((length: number) => Int16Array) => {
      let at = 0
      return (length) => tone.slice(at, (at += length))
    }
    const spoken = await record(came, { dtmf: 'discard', madeUp: keyMaker() })
    expect(digitsIn(spoken.heard)).toBe('5')
    const masked = await record(came, { dtmf: 'mask', madeUp: keyMaker() })
    expect(digitsIn(masked.heard)).toBe('')
    expectWholeAccount(masked.manifest)
  })
})
