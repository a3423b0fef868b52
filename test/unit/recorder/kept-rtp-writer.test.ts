import { beforeEach, describe, expect, it } from 'vitest'

import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { openSealed } from '../../../src/evidence/age-open.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../../src/evidence/running-hash.ts'
import { readRtpdump } from '../../../src/media/rtpdump.ts'
import { KeptRtpWriter } from '../../../src/recorder/kept-rtp-writer.ts'
import { KEPT_BYTES_MAX, KEPT_FORMATS_MAX, type KeptPacket } from '../../../src/recorder/kept-run.ts'
import { CapturingSink, seededBytes } from '../../support/recording-rig.ts'

const ORIGIN_UNIX_MS = Date.UTC(2026, 10, 29, 9, 0, 0, 125)
const { identity, recipient } = generateIdentity(seededBytes(3))
const G729 = { kind: 'kept', name: 'G729', clockRate: 8_000, channels: 1, fmtp: 'annexb=no' } as const
const AMR = { kind: 'kept', name: 'AMR', clockRate: 8_000, channels: 1 } as const

let sink: CapturingSink
let writer: KeptRtpWriter

beforeEach(() => {
  sink = new CapturingSink()
  writer = new KeptRtpWriter({ recipient, randomBytes: seededBytes(4), sink }, () => ORIGIN_UNIX_MS)
})

function packet(index: number, change: Partial<KeptPacket> = {}): KeptPacket {
  const fromSample = index * 960
  return {
    streamId: '0',
    channel: 0,
    bytes: Uint8Array.of(0x80, 18, 0, index & 0xff),
    payloadType: 18,
    sequenceNumber: index,
    format: G729,
    startSample: fromSample,
    fromSample,
    toSample: fromSample + 960,
    ...change,
  }
}

async function opened(index: number) {
  const sealed = await openSealed(sink.of('kept')[index]?.bytes ?? new Uint8Array(), [identity])
  if (!sealed.ok) throw new Error(sealed.reason)
  const read = readRtpdump(sealed.value)
  if (!read.ok) throw new Error(read.reason)
  return read.value
}

describe('RTP that is kept', () => {
  it('is sealed by stream, with what the manifest says of it', async () => {
    for (const index of [0, 1, 2]) writer.append(packet(index))
    writer.append(packet(1, { streamId: '1', channel: 1, payloadType: 96, sequenceNumber: 500, format: AMR }))
    expect(sink.objects).toEqual([])
    writer.seal()
    expect(writer.entries).toMatchObject([
      {
        ...{ keptSeq: 0, name: 'rtp-000000.age', streamId: '0', channel: 0, packets: 3 },
        ...{ fromSample: 0, toSample: 2_880, firstSequence: 0, lastSequence: 2 },
        formats: [
          { fromSample: 0, payloadType: 18, encoding: 'G729', clockRate: 8_000, channels: 1, fmtp: 'annexb=no' },
        ],
      },
      {
        ...{ keptSeq: 1, name: 'rtp-000001.age', streamId: '1', channel: 1, packets: 1 },
        ...{ fromSample: 960, toSample: 1_920, firstSequence: 500, lastSequence: 500 },
        formats: [{ fromSample: 960, payloadType: 96, encoding: 'AMR', clockRate: 8_000, channels: 1 }],
      },
    ])
    expect(writer.entries[1]?.formats[0]).not.toHaveProperty('fmtp')
    expect(sink.of('kept').map(({ kept }) => kept)).toEqual(writer.entries)
    expect((await opened(0)).startUnixMs).toBe(ORIGIN_UNIX_MS)
    expect((await opened(0)).records).toEqual([
      { offsetMs: 0, packet: Uint8Array.of(0x80, 18, 0, 0) },
      { offsetMs: 20, packet: Uint8Array.of(0x80, 18, 0, 1) },
      { offsetMs: 40, packet: Uint8Array.of(0x80, 18, 0, 2) },
    ])
    expect((await opened(1)).records.map(({ offsetMs }) => offsetMs)).toEqual([20])
  })

  it('goes on in the next object, and one hash runs over all of them', () => {
    writer.append(packet(0))
    writer.seal()
    writer.seal()
    writer.append(packet(1))
    writer.seal()
    const [first, second] = writer.entries
    expect(writer.entries).toHaveLength(2)
    expect(first?.runningHash).toBe(nextRunningHash('rtp', RUNNING_HASH_START, first?.sha256 ?? ''))
    expect(second?.runningHash).toBe(nextRunningHash('rtp', first?.runningHash ?? '', second?.sha256 ?? ''))
    expect(second).toMatchObject({ fromSample: 960, firstSequence: 1, packets: 1 })
  })

  it('says when a payload type changed its meaning, and repeats it in the next object', () => {
    writer.append(packet(0))
    writer.append(packet(1, { format: { ...G729 } }))
    writer.append(packet(2, { format: AMR }))
    writer.append(packet(3, { format: G729, payloadType: 97 }))
    writer.seal()
    writer.append(packet(4, { format: AMR }))
    writer.seal()
    const said = writer.entries.map(({ formats }) =>
      formats.map(({ fromSample, payloadType, encoding }) => [fromSample, payloadType, encoding]),
    )
    expect(said).toEqual([
      [
        [0, 18, 'G729'],
        [1_920, 18, 'AMR'],
        [2_880, 97, 'G729'],
      ],
      [[3_840, 18, 'AMR']],
    ])
  })

  it('is sealed early rather than held beyond its bound', async () => {
    const bytes = new Uint8Array(60_000).fill(0x80)
    for (let index = 0; index < 40; index += 1) writer.append(packet(index, { bytes }))
    expect(writer.entries.length).toBe(2)
    writer.seal()
    expect(writer.entries.map(({ packets }) => packets)).toEqual([17, 17, 6])
    expect((await opened(0)).records.length * 60_000).toBeLessThan(KEPT_BYTES_MAX)
    expect((await opened(2)).records[5]?.packet).toEqual(bytes)
  })

  it('is sealed early rather than described by too many formats', () => {
    for (let index = 0; index <= KEPT_FORMATS_MAX; index += 1) {
      writer.append(packet(index, { format: { ...G729, fmtp: `x=${index}` } }))
    }
    expect(writer.entries.map(({ formats }) => formats.length)).toEqual([KEPT_FORMATS_MAX])
  })
})
