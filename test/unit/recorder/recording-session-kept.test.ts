import { beforeAll, describe, expect, it } from 'vitest'

import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import { FindingList } from '../../../src/evidence/findings.ts'
import { checkManifest } from '../../../src/evidence/manifest-checks.ts'
import { readRtpdump, type RtpdumpRecord } from '../../../src/media/rtpdump.ts'
import type { PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import {
  EncoderStock,
  NARROWBAND_FORMATS,
  OPENED_AT_UNIX_MS,
  OPENED_US,
  packetsOf,
  planOf,
  RecordingRig,
  rtp,
  TRANSIT_US,
  type Arrival,
} from '../../support/recording-rig.ts'

const kept = { kind: 'kept', clockRate: 8_000, channels: 1 } as const
const G729: PayloadFormat = { ...kept, name: 'G729' }
const AMR_WB: PayloadFormat = { ...kept, name: 'AMR-WB', clockRate: 16_000, fmtp: 'octet-align=1' }
const WIDE: PayloadFormat = { ...kept, name: 'X-FOO', clockRate: 11_025 }
const formats = new Map<number, PayloadFormat>([...NARROWBAND_FORMATS, [18, G729], [97, AMR_WB], [98, WIDE]])
const plans = [planOf(0, { payloadTypes: formats }), planOf(1, { payloadTypes: formats })]
const [first, second] = plans as [(typeof plans)[0], (typeof plans)[0]]
const SECOND = 50

let encoders: EncoderStock

beforeAll(async () => {
  encoders = await EncoderStock.of(24)
})

/** A packet every `ms` from `fromMs` on, with the packet's number as its payload. */
function sent(options: {
  readonly payloadType: number
  readonly count: number
  readonly fromMs?: number
  readonly ms?: number
  readonly clockRate?: number
  readonly sequenceNumber?: number
  readonly timestamp?: number
  readonly plan?: (typeof plans)[0]
  readonly marker?: string
}): Arrival[] {
  const { payloadType, count, fromMs = 0, ms = 20, clockRate = 8_000, sequenceNumber = 0xfff0, plan = first } = options
  const { timestamp = 0xffff_ff00, marker = 'packet' } = options
  return Array.from({ length: count }, (_, index) => ({
    streamId: plan.streamId,
    datagram: rtp({
      payloadType,
      sequenceNumber: (sequenceNumber + index) & 0xffff,
      timestamp: (timestamp + Math.round((index * ms * clockRate) / 1_000)) >>> 0,
      payload: Buffer.from(`${marker} ${index}`),
    }),
    arrivalUs: OPENED_US + (fromMs + (index + 1) * ms) * 1_000 + TRANSIT_US,
  }))
}

function speech(seconds: number): Int16Array {
  return Int16Array.from({ length: seconds * 8_000 }, (_, i) => Math.round(8_000 * Math.sin(i / 5)))
}

async function recordsOf(rig: RecordingRig): Promise<readonly RtpdumpRecord[]> {
  return (await rig.opened('kept')).flatMap((object) => {
    const read = readRtpdump(object)
    if (!read.ok) throw new Error(read.reason)
    return read.value.records
  })
}

async function faults(body: ManifestBody): Promise<readonly string[]> {
  expect(findShapeFault(body)).toBeUndefined()
  const findings = new FindingList()
  await checkManifest(body, findings)
  return findings.findings.map(({ code }) => code)
}

function stream(body: ManifestBody, index: number) {
  const entry = body.streams[index]
  if (entry === undefined) throw new Error('no such stream')
  return entry
}

describe('a stream that is not decoded live', () => {
  it('is kept packet by packet, byte for byte, and its time is undecoded to the sample', async () => {
    const rig = new RecordingRig({ encoders, plans })
    const packets = sent({ payloadType: 18, count: 7 * SECOND })
    rig.run([...packets, ...packetsOf({ plan: second, samples: speech(7) })], 7_040_000)
    const body = rig.end(7_050_000)
    expect(await faults(body)).toEqual([])
    expect(stream(body, 0)).toMatchObject({
      codecs: ['G729'],
      packets: { received: 350, lost: 0, discarded: 0 },
      ledger: { audioSamples: 0, gapSamples: { undecoded: 336_000, lost: 0, silence: 0, noMedia: 0 } },
      gaps: [{ fromSample: 0, toSample: 336_000, cause: 'undecoded' }],
    })
    expect(stream(body, 1).ledger.gapSamples).not.toHaveProperty('undecoded')
    const records = await recordsOf(rig)
    expect(records.map(({ packet }) => Buffer.from(packet))).toEqual(
      packets.map(({ datagram }) => Buffer.from(datagram)),
    )
    expect(records.map(({ offsetMs }) => offsetMs)).toEqual(packets.map((_, index) => index * 20))
    expect(body.kept?.map(({ streamId, channel, packets: count }) => [streamId, channel, count])).toEqual([
      ['0', 0, expect.any(Number)],
      ['0', 0, expect.any(Number)],
    ])
    expect(body.kept?.reduce((sum, entry) => sum + entry.packets, 0)).toBe(350)
  })

  it('is sealed as often as other audio, and its time counts from the recording’s origin', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    rig.run(sent({ payloadType: 18, count: 11 * SECOND, fromMs: 300 }), 6_500_000)
    expect(rig.sink.of('chunk')).toHaveLength(1)
    expect(rig.sink.of('kept')).toHaveLength(1)
    const [object] = await rig.opened('kept')
    const read = readRtpdump(object ?? new Uint8Array())
    const body = rig.end(6_500_000)
    expect(read.ok && new Date(read.value.startUnixMs).toISOString()).toBe(body.originAt)
    expect(Date.parse(body.originAt ?? '')).toBe(OPENED_AT_UNIX_MS + 310)
    expect(await faults(body)).toEqual([])
  })

  it.each([
    ['of another clock rate', 97, 16_000, 20],
    ['of a clock rate that does not divide', 98, 11_025, 20],
    ['of long packets', 18, 8_000, 60],
    ['of packets of 30 ms', 18, 8_000, 30],
  ])('has its place when it is %s', async (_name, payloadType, clockRate, ms) => {
    const rig = new RecordingRig({ encoders, plans })
    const count = 4_800 / ms
    const packets = sent({ payloadType, clockRate, ms, count })
    rig.run([...packets, ...packetsOf({ plan: second, samples: speech(4.8) })], 4_840_000)
    const body = rig.end(4_850_000)
    expect(await faults(body)).toEqual([])
    // The last packet's length is what those before it had; with a clock that does not divide it is a sample off.
    const { undecoded = 0, silence } = stream(body, 0).ledger.gapSamples
    expect(Math.abs(undecoded - 230_400)).toBeLessThanOrEqual(12)
    expect(silence).toBe(0)
    const records = await recordsOf(rig)
    for (const [index, { offsetMs }] of records.entries())
      expect(Math.abs(offsetMs - index * ms)).toBeLessThanOrEqual(1)
    expect(records).toHaveLength(count)
  })

  it('loses as other audio does: what is missing is lost, not undecoded', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    const packets = sent({ payloadType: 18, count: 3 * SECOND }).filter((_, index) => index < 50 || index >= 60)
    rig.run(packets, 3_040_000)
    const body = rig.end(3_050_000)
    expect(await faults(body)).toEqual([])
    expect(stream(body, 0)).toMatchObject({
      packets: { received: 140, lost: 10 },
      // Of what is not decoded no signal can be made up.
      ledger: { concealedSamples: 0 },
      gaps: [
        { fromSample: 0, toSample: 48_000, cause: 'undecoded' },
        { fromSample: 48_000, toSample: 57_600, cause: 'lost' },
        { fromSample: 57_600, toSample: 144_000, cause: 'undecoded' },
      ],
    })
  })

  it('that pauses between its packets (DTX) is silence there', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    const spoken = sent({ payloadType: 18, count: SECOND })
    const again = sent({
      ...{ payloadType: 18, count: SECOND, fromMs: 2_000 },
      ...{ sequenceNumber: 0xfff0 + SECOND, timestamp: 0xffff_ff00 + 16_000 },
    })
    rig.run([...spoken, ...again], 3_040_000)
    const body = rig.end(3_050_000)
    expect(stream(body, 0).gaps).toEqual([
      { fromSample: 0, toSample: 48_000, cause: 'undecoded' },
      { fromSample: 48_000, toSample: 96_000, cause: 'silence' },
      { fromSample: 96_000, toSample: 144_000, cause: 'undecoded' },
    ])
  })
})

describe('a stream that changes its codec', () => {
  it('is heard while it is decoded, and kept where it is not', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    const before = packetsOf({ plan: first, samples: speech(1), sequenceNumber: 100, timestamp: 1_000 })
    const between = sent({ payloadType: 18, count: SECOND, fromMs: 1_000, sequenceNumber: 150, timestamp: 9_000 })
    const after = packetsOf({
      ...{ plan: first, samples: speech(1), fromUs: 2_000_000 },
      ...{ sequenceNumber: 200, timestamp: 17_000 },
    })
    rig.run([...before, ...between, ...after], 3_040_000)
    const body = rig.end(3_050_000)
    expect(await faults(body)).toEqual([])
    expect(stream(body, 0)).toMatchObject({
      codecs: ['PCMU', 'G729'],
      ledger: { audioSamples: 96_000 },
      gaps: [{ fromSample: 48_000, toSample: 96_000, cause: 'undecoded' }],
    })
    const records = await recordsOf(rig)
    expect(records.map(({ offsetMs }) => offsetMs)).toEqual(between.map((_, index) => 1_000 + index * 20))
    const [heard] = await rig.heard()
    const level = (from: number, to: number) =>
      (heard ?? new Int16Array()).slice(from, to).reduce((sum, sample) => Math.max(sum, Math.abs(sample)), 0)
    expect(level(1_000, 7_900)).toBeGreaterThan(6_000)
    expect(level(8_300, 15_900)).toBeLessThan(300)
    expect(level(16_200, 23_900)).toBeGreaterThan(6_000)
  })

  it('by re-INVITE, has both meanings of its payload type in the manifest', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    rig.run(sent({ payloadType: 18, count: SECOND }), 1_000_000)
    rig.recordingSession.updateStreams(
      [{ ...first, payloadTypes: new Map([[18, { ...G729, name: 'G729E' }]]) }],
      OPENED_US + 1_015_000,
    )
    const packets = sent({
      ...{ payloadType: 18, count: SECOND, fromMs: 1_000 },
      ...{ sequenceNumber: 0xfff0 + SECOND, timestamp: 0xffff_ff00 + 8_000 },
    })
    rig.run(packets, 2_040_000)
    const body = rig.end(2_050_000)
    expect(await faults(body)).toEqual([])
    expect(body.kept?.flatMap((entry) => entry.formats).map(({ encoding }) => encoding)).toEqual(['G729', 'G729E'])
  })
})

describe('a pause', () => {
  it('leaves nothing of what was spoken in it, nor of a packet that it touches', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    const packets = sent({ payloadType: 18, count: 4 * SECOND, marker: 'secret' })
    rig.run(packets, 1_015_000)
    rig.recordingSession.setPaused(true, 'api', OPENED_US + 1_015_000)
    rig.run(
      packets.filter(({ arrivalUs }) => arrivalUs > OPENED_US + 1_015_000),
      2_515_000,
    )
    rig.recordingSession.setPaused(false, 'api', OPENED_US + 2_515_000)
    rig.run(
      packets.filter(({ arrivalUs }) => arrivalUs > OPENED_US + 2_515_000),
      4_000_000,
    )
    const body = rig.end(4_050_000)
    expect(await faults(body)).toEqual([])
    const kinds = stream(body, 0).gaps.map(({ cause }) => cause)
    expect(kinds).toEqual(['undecoded', 'paused', 'undecoded'])
    const numbers = (await recordsOf(rig)).map(({ packet }) =>
      Number(Buffer.from(packet.subarray(12)).toString('latin1').split(' ')[1]),
    )
    // Spoken [20 n, 20 n + 20) ms after the opening, as far as the recorder can tell 10 ms later; paused from 1,015 to 2,515.
    const spokenInPause = numbers.filter((n) => n * 20 + 20 + 10 > 1_015 + 10 && n * 20 + 10 < 2_515)
    expect(spokenInPause).toEqual([])
    expect(numbers).toHaveLength(new Set(numbers).size)
    expect(numbers.length).toBeGreaterThanOrEqual(200 - 75 - 2)
  })
})

describe('beside a stream that is not decoded', () => {
  it('events and comfort noise are not kept', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    const packets = sent({ payloadType: 18, count: SECOND }).map((arrival, index) =>
      index % 10 === 5 ? { ...arrival, datagram: eventIn(arrival.datagram, index === 5 ? 13 : 101) } : arrival,
    )
    rig.run(packets, 1_040_000)
    const body = rig.end(1_050_000)
    expect(await faults(body)).toEqual([])
    const kinds = (await recordsOf(rig)).map(({ packet }) => (packet[1] ?? 0) & 0x7f)
    expect(kinds).toHaveLength(45)
    expect(new Set(kinds)).toEqual(new Set([18]))
  })

  it('with all streams mixed, it belongs to the one channel there is', async () => {
    const rig = new RecordingRig({ encoders, plans, facts: { layout: 'mixed' } })
    rig.run(
      [...packetsOf({ plan: first, samples: speech(1) }), ...sent({ payloadType: 18, count: SECOND, plan: second })],
      1_040_000,
    )
    const body = rig.end(1_050_000)
    expect(await faults(body)).toEqual([])
    expect(body.kept).toMatchObject([{ streamId: '1', channel: 0, packets: 50 }])
  })

  it('a recorder that fails inside still names what was kept', async () => {
    const rig = new RecordingRig({ encoders, plans: [first] })
    rig.run(sent({ payloadType: 18, count: 7 * SECOND }), 7_000_000)
    rig.recordingSession.fail(new TypeError('broken'), OPENED_US + 7_000_000)
    const body = rig.end(7_050_000)
    expect(body.state).toBe('interrupted')
    expect(await faults(body)).toEqual([])
    expect(body.kept?.length).toBeGreaterThanOrEqual(1)
    expect(rig.sink.of('kept')).toHaveLength(body.kept?.length ?? 0)
  })
})

function eventIn(datagram: Uint8Array, payloadType: number): Uint8Array {
  const changed = Uint8Array.from(datagram)
  changed[1] = payloadType
  return changed
}
