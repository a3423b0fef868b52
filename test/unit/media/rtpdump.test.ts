import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  readRtpdump,
  RTPDUMP_HEAD_LENGTH,
  RTPDUMP_PACKET_LENGTH_MAX,
  RTPDUMP_RECORD_HEADER_LENGTH,
  rtpdumpHead,
  writeRtpdumpRecord,
} from '../../../src/media/rtpdump.ts'
import { vectorFile } from '../../vectors/evidence/sample-recording.ts'

const START_UNIX_MS = Date.UTC(2025, 10, 23, 9, 0, 0, 250)

function fileOf(records: readonly { readonly offsetMs: number; readonly packet: Uint8Array }[]): Uint8Array {
  const length = records.reduce(
    (sum, { packet }) => sum + RTPDUMP_RECORD_HEADER_LENGTH + packet.length,
    RTPDUMP_HEAD_LENGTH,
  )
  const file = new Uint8Array(length)
  file.set(rtpdumpHead(START_UNIX_MS))
  let at = RTPDUMP_HEAD_LENGTH
  for (const { packet, offsetMs } of records) at = writeRtpdumpRecord(file, at, packet, offsetMs)
  expect(at).toBe(length)
  return file
}

describe('an rtpdump file', () => {
  it('begins as the format says, always with as many bytes', () => {
    const head = rtpdumpHead(START_UNIX_MS)
    expect(head).toHaveLength(39)
    expect(Buffer.from(head).subarray(0, 23).toString('latin1')).toBe('#!rtpplay1.0 0.0.0.0/0\n')
    const view = new DataView(head.buffer, 23)
    expect([view.getUint32(0), view.getUint32(4)]).toEqual([Math.floor(START_UNIX_MS / 1_000), 250_000])
    expect(rtpdumpHead(0)).toHaveLength(RTPDUMP_HEAD_LENGTH)
  })

  it('written elsewhere is read, and written again gives the same bytes', () => {
    for (const [object, firstMs] of [
      ['000000', 2_000],
      ['000001', 2_500],
    ] as const) {
      const file = vectorFile(`recording-2/clear/rtp-${object}.rtpdump`)
      const read = readRtpdump(file)
      if (!read.ok) throw new Error(read.reason)
      expect(read.value.startUnixMs).toBe(START_UNIX_MS)
      expect(read.value.records).toHaveLength(25)
      expect(read.value.records.map(({ offsetMs }) => offsetMs).slice(0, 2)).toEqual([firstMs, firstMs + 20])
      expect(Buffer.from(fileOf(read.value.records)).equals(file)).toBe(true)
    }
  })

  it('gives back every packet and its time', () => {
    const record = fc.record({
      offsetMs: fc.integer({ min: 0, max: 0xffff_ffff }),
      packet: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), (records) => {
        const read = readRtpdump(fileOf(records))
        expect(
          read.ok && read.value.records.map(({ offsetMs, packet }) => ({ offsetMs, packet: [...packet] })),
        ).toEqual(records.map(({ offsetMs, packet }) => ({ offsetMs, packet: [...packet] })))
      }),
    )
  })

  it('holds the longest packet, and times only within their 32 bits', () => {
    const packet = new Uint8Array(RTPDUMP_PACKET_LENGTH_MAX).fill(7)
    const read = readRtpdump(
      fileOf([
        { packet, offsetMs: 20.9 },
        { packet: packet.subarray(0, 1), offsetMs: -3 },
        { packet: packet.subarray(0, 1), offsetMs: 2 ** 40 },
      ]),
    )
    if (!read.ok) throw new Error(read.reason)
    expect(read.value.records.map(({ offsetMs }) => offsetMs)).toEqual([20, 0, 0xffff_ffff])
    expect(read.value.records[0]?.packet).toEqual(packet)
  })

  it('of other tools is read: any first line of its kind, and RTCP left out', () => {
    const file = Uint8Array.from([
      ...Buffer.from('#!rtpplay1.0 192.0.2.1/4000\n'),
      ...new Uint8Array(16),
      ...[0, 10, 0, 2, 0, 0, 0, 5, 1, 2],
      ...[0, 10, 0, 0, 0, 0, 0, 6, 200, 201],
    ])
    const read = readRtpdump(file)
    expect(read.ok && read.value.records).toEqual([{ offsetMs: 5, packet: new Uint8Array([1, 2]) }])
  })

  it('that is none, or is cut off, is refused and never throws', () => {
    const whole = fileOf([{ offsetMs: 1, packet: new Uint8Array(20) }])
    expect(readRtpdump(new Uint8Array())).toMatchObject({ reason: 'notRtpdump' })
    expect(readRtpdump(Buffer.from('#!rtpplay1.0 without an end'))).toMatchObject({ reason: 'notRtpdump' })
    expect(readRtpdump(Buffer.from('OggS\n'))).toMatchObject({ reason: 'notRtpdump' })
    for (const length of [23, 38, 40, whole.length - 1])
      expect(readRtpdump(whole.subarray(0, length))).toMatchObject({ ok: false, reason: 'cutOff' })
    expect(readRtpdump(whole.subarray(0, 39))).toMatchObject({ ok: true, value: { records: [] } })
    const short = Uint8Array.from(whole)
    short.set([0, 7], 39)
    expect(readRtpdump(short)).toMatchObject({ reason: 'record' })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
        expect(typeof readRtpdump(Buffer.concat([whole.subarray(0, 39), rest])).ok).toBe('boolean')
      }),
    )
  })
})
