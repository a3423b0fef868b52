import { createEncoder } from 'libopus-wasm'
import { beforeAll, describe, expect, it } from 'vitest'

import { FindingList } from '../../../src/evidence/findings.ts'
import { checkManifest } from '../../../src/evidence/manifest-checks.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { toWav } from '../../../src/cli/export/render.ts'
import { isOpusDtx, opusRedundantSamples } from '../../../src/media/opus-packet.ts'
import { readRtpdump } from '../../../src/media/rtpdump.ts'
import { readWav } from '../../../src/media/wav.ts'
import { parseRtp } from '../../../src/protocol/rtp/packet.ts'
import { payloadFormatOf, type PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import { DecoderStock } from '../../../src/server/media/decoder-stock.ts'
import { createOpusEngine } from '../../../src/server/media/opus-engine.ts'
import { matchAudio } from '../../support/audio.ts'
import { voice } from '../../support/opus-voice.ts'
import {
  EncoderStock,
  NARROWBAND_FORMATS,
  OPENED_US,
  planOf,
  RecordingRig,
  rtp,
  TRANSIT_US,
  type Arrival,
} from '../../support/recording-rig.ts'

const RATE = 48_000
const OPUS = payloadFormatOf({ name: 'OPUS', clockRate: RATE, channels: 2 })
const plan = planOf(0, { payloadTypes: new Map<number, PayloadFormat>([[111, OPUS], ...NARROWBAND_FORMATS]) })
const engine = createOpusEngine('libopus-wasm', { sampleRate: 48_000, bitsPerSecond: 32_000, complexity: 5 })
const speech = voice(RATE, 3)

let encoders: EncoderStock

beforeAll(async () => {
  encoders = await EncoderStock.of(0, ...Array.from({ length: 20 }, () => 48_000 as const))
})

type Encoding = Parameters<typeof createEncoder>[0] & { readonly frameMs?: number }

async function encoded(samples: Int16Array, options: Encoding = {}): Promise<readonly Uint8Array[]> {
  const { frameMs = 20, channels = 1, ...rest } = options
  const frameSize = (RATE / 1_000) * frameMs
  const encoder = await createEncoder({ sampleRate: RATE, channels, bitrate: 32_000, frameSize, ...rest })
  return Array.from({ length: Math.floor(samples.length / frameSize) }, (_, index) => {
    const frame = samples.subarray(index * frameSize, (index + 1) * frameSize)
    // The right channel is half as loud.
    const stereo = Int16Array.from({ length: frameSize * 2 }, (_sample, at) => (frame[at >> 1] ?? 0) >> (at & 1))
    return encoder.encode(channels === 2 ? stereo : frame).slice()
  })
}

function sent(packets: readonly Uint8Array[], frameMs = 20): Arrival[] {
  return packets.map((payload, index) => ({
    streamId: plan.streamId,
    datagram: rtp({
      payloadType: 111,
      sequenceNumber: (0xfff0 + index) & 0xffff,
      timestamp: (0xffff_f000 + index * frameMs * 48) >>> 0,
      payload,
    }),
    arrivalUs: OPENED_US + (index + 1) * frameMs * 1_000 + TRANSIT_US,
  }))
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
    readonly layout?: 'mixed'
    readonly decoders?: number
    readonly meanwhile?: (rig: RecordingRig) => void
  } = {},
): Promise<Recorded> {
  const decoders = new DecoderStock(engine)
  await decoders.stockUp(Array.from({ length: options.decoders ?? 1 }, () => RATE))
  const rig = new RecordingRig({
    encoders,
    plans: [plan],
    facts: { layout: options.layout ?? 'separate' },
    takeDecoder: (rate) => decoders.take(rate),
  })
  const half = arrivals.length >> 1
  rig.run(arrivals.slice(0, half), (arrivals[half]?.arrivalUs ?? OPENED_US) - OPENED_US - 1)
  options.meanwhile?.(rig)
  rig.run(arrivals.slice(half), 3_100_000)
  const manifest = rig.end(3_100_000)
  decoders.free()
  expect(findShapeFault(manifest)).toBeUndefined()
  const findings = new FindingList()
  await checkManifest(manifest, findings)
  expect(findings.findings).toEqual([])
  const dumps = (await rig.opened('kept')).map((clear) => readRtpdump(clear))
  const kept = dumps.flatMap((dump) =>
    dump.ok
      ? dump.value.records.map(({ packet }) => parseRtp(packet)).flatMap((rtp) => (rtp.ok ? [rtp.value.payload] : []))
      : [],
  )
  const wav = readWav(await toWav(await rig.links(), 'separate'))
  return { manifest, kept, heard: wav.ok ? (wav.value.channels[0] ?? new Int16Array(0)) : new Int16Array(0) }
}

function gapsOf({ manifest }: Recorded, cause: string): number {
  const [stream] = manifest.streams
  return (stream?.gaps ?? [])
    .filter((gap) => gap.cause === cause)
    .reduce((sum, { fromSample, toSample }) => sum + toSample - fromSample, 0)
}

describe('Opus', () => {
  it.each([
    ['SILK narrowband', { application: 2048, maxBandwidth: 1101, bitrate: 12_000 }],
    ['SILK of 60 ms', { application: 2048, maxBandwidth: 1103, bitrate: 16_000, frameMs: 60 }],
    ['hybrid', { application: 2048, bitrate: 32_000 }],
    ['CELT fullband', { application: 2049, bitrate: 64_000 }],
    ['CELT of 2.5 ms', { application: 2051, bitrate: 96_000, frameMs: 2.5 }],
    ['stereo', { application: 2049, bitrate: 64_000, channels: 2 }],
  ] satisfies (readonly [string, Encoding])[])('%s is heard in its place, and kept bit for bit', async (_, options) => {
    const packets = await encoded(speech, options)
    const recorded = await record(sent(packets, 'frameMs' in options ? options.frameMs : 20))
    expect(recorded.kept.map((payload) => [...payload])).toEqual(packets.map((payload) => [...payload]))
    const { correlation, lag } = matchAudio(speech, recorded.heard, { lagMax: 1_500 })
    // SILK models a voice, not its waveform.
    expect(correlation).toBeGreaterThan(0.65)
    expect(Math.abs(lag)).toBeLessThan(RATE / 50)
    expect(recorded.manifest.streams[0]).toMatchObject({
      codecs: ['OPUS'],
      packets: { received: packets.length, lost: 0 },
      ledger: { gapSamples: { lost: 0, silence: 0 } },
    })
    expect(recorded.manifest.kept?.[0]?.formats).toMatchObject([{ encoding: 'OPUS', channels: 2, decoded: true }])
  })

  it('is decoded and not kept where streams are mixed', async () => {
    const { kept, heard } = await record(sent(await encoded(speech)), { layout: 'mixed' })
    expect(kept).toEqual([])
    expect(matchAudio(speech, heard, { lagMax: 1_500 }).correlation).toBeGreaterThan(0.8)
  })

  it('is kept as it came, and called undecoded, when there is no decoder', async () => {
    const packets = await encoded(speech)
    const recorded = await record(sent(packets), { decoders: 0 })
    expect(recorded.kept).toHaveLength(packets.length)
    expect(gapsOf(recorded, 'undecoded')).toBe(packets.length * 960)
    expect(recorded.manifest.kept?.[0]?.formats[0]).not.toHaveProperty('decoded')
    expect(recorded.manifest.incidents.map(({ code }) => code)).toEqual(['opus-undecoded'])
  })

  it('keeps a packet that cannot be decoded, and its time is undecoded', async () => {
    // Code 3 that promises more frames than there are octets.
    const packets = [...(await encoded(speech))]
    packets[50] = Uint8Array.of(0xfb, 0xc3, 0xff)
    const recorded = await record(sent(packets))
    expect(recorded.kept[50]).toEqual(packets[50])
    expect(gapsOf(recorded, 'undecoded')).toBeGreaterThan(0)
    expect(gapsOf(recorded, 'lost')).toBe(0)
  })

  it('hears of a lost packet what the next one knows of it, and calls it concealed', async () => {
    const fec = { application: 2048, bitrate: 24_000, fec: true, packetLossPercent: 30 } as const
    const packets = await encoded(speech, fec)
    // A packet that the next one knows of, here and there.
    const lost = new Set<number>()
    for (let index = 10; index < packets.length - 5; index += 7) {
      if (opusRedundantSamples(packets[index + 1] ?? new Uint8Array(0)) === 960) lost.add(index)
    }
    expect(lost.size).toBeGreaterThan(5)
    const whole = await record(sent(packets))
    const recorded = await record(sent(packets).filter((_, index) => !lost.has(index)))
    expect(recorded.manifest.streams[0]).toMatchObject({
      packets: { lost: lost.size, received: packets.length - lost.size },
      ledger: { gapSamples: { lost: lost.size * 960, silence: 0 }, concealedSamples: lost.size * 960 },
    })
    expect(recorded.kept).toHaveLength(packets.length - lost.size)
    expect(matchAudio(whole.heard, recorded.heard, { lagMax: 10 }).correlation).toBeGreaterThan(0.9)
  })

  it('takes DTX for silence, whether packets say so or none comes', async () => {
    const samples = speech.slice()
    samples.fill(0, RATE, 2 * RATE)
    const packets = await encoded(samples, { application: 2048, bitrate: 16_000, dtx: true })
    const silent = packets.filter(isOpusDtx).length
    expect(silent).toBeGreaterThan(10)
    const all = await record(sent(packets))
    expect(gapsOf(all, 'silence')).toBe(silent * 960)
    expect([gapsOf(all, 'lost'), all.kept.length]).toEqual([0, packets.length])
    // The RTP clock goes on, the sequence does not: RFC 7587 3.1.3.
    const arrivals = sent(packets).filter((_, index) => !isOpusDtx(packets[index] ?? new Uint8Array(0)))
    const numbered = arrivals.map((arrival, index) => {
      const datagram = arrival.datagram.slice()
      new DataView(datagram.buffer).setUint16(2, 100 + index)
      return { ...arrival, datagram }
    })
    const few = await record(numbered)
    expect([gapsOf(few, 'silence'), gapsOf(few, 'lost')]).toEqual([silent * 960, 0])
    expect(matchAudio(samples, few.heard, { lagMax: 1_500 }).correlation).toBeGreaterThan(0.65)
  })

  it('keeps nothing that was said in a pause, not even the copy of it in the packet behind', async () => {
    const fec = { application: 2048, bitrate: 24_000, fec: true, packetLossPercent: 30 } as const
    const packets = await encoded(speech, fec)
    const arrivals = sent(packets)
    const [from, to] = [Math.round(1.5 * 50), 100]
    const recorded = await record(arrivals, {
      meanwhile: (rig) => {
        rig.recordingSession.setPaused(true, 'api', OPENED_US + from * 20_000 + TRANSIT_US)
        rig.run(arrivals.slice(from, to), to * 20_000 + TRANSIT_US)
        rig.recordingSession.setPaused(false, 'api', OPENED_US + to * 20_000 + TRANSIT_US)
      },
    })
    const kept = new Set(recorded.kept.map((payload) => Buffer.from(payload).toString('hex')))
    const isKept = packets.map((payload) => kept.has(Buffer.from(payload).toString('hex')))
    expect(isKept.slice(from, to)).toEqual(Array.from({ length: to - from }, () => false))
    expect(opusRedundantSamples(packets[to] ?? new Uint8Array(0))).toBe(960)
    expect(isKept[to]).toBe(false)
    expect(isKept.slice(0, from - 1)).not.toContain(false)
    expect(isKept.slice(to + 2)).not.toContain(false)
    expect(gapsOf(recorded, 'paused')).toBeGreaterThanOrEqual((to - from) * 960)
  })
})
