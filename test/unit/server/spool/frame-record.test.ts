import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  encodeRecord,
  RECORD_BYTES_MAX,
  scanSegment,
  SEGMENT_HEAD,
  type FrameRecord,
} from '../../../../src/server/spool/frame-record.ts'

const ids = fc.uuid({ version: 7 })
const samples = fc.integer({ min: 0, max: 2 ** 40 })
const sealed = fc.uint8Array({ maxLength: 300 })
const held = fc.constantFrom({}, { heldSeq: 0 })
const chunkFrames = fc
  .tuple(ids, samples, samples, sealed, held)
  .map(([recordingId, fromSample, length, bytes, member]): FrameRecord => ({
    recordingId,
    frame: { kind: 'chunk', fromSample, toSample: fromSample + length, bytes, ...member },
  }))
const keptFrames = fc
  .tuple(ids, samples, sealed, held)
  .map(([recordingId, fromSample, bytes, member]): FrameRecord => ({
    recordingId,
    frame: {
      kind: 'kept',
      bytes,
      run: {
        ...{ streamId: '1', channel: 1, fromSample, toSample: fromSample + 960, packets: 1 },
        ...{ firstSequence: 65_535, lastSequence: 0 },
        formats: [{ fromSample, payloadType: 18, encoding: 'G729', clockRate: 8_000, channels: 1, fmtp: 'annexb=nö' }],
        ...member,
      },
    },
  }))
const records = fc.array(fc.oneof(chunkFrames, keptFrames), { minLength: 1, maxLength: 6 })

function segmentOf(list: readonly FrameRecord[]): Buffer {
  return Buffer.concat([SEGMENT_HEAD, ...list.map(encodeRecord)])
}

/** How many records end at or before each offset. */
function wholeBefore(list: readonly FrameRecord[], offset: number): number {
  let end = SEGMENT_HEAD.length
  return list.filter((record) => (end += encodeRecord(record).length) <= offset).length
}

function plain({ recordingId, frame }: FrameRecord): unknown {
  return { recordingId, frame: { ...frame, bytes: [...frame.bytes] } }
}

describe('a segment of the spool', () => {
  it('gives back what was written', () => {
    fc.assert(
      fc.property(records, (list) => {
        const { records: read, torn } = scanSegment(segmentOf(list))
        expect(torn).toBeUndefined()
        expect(read.map(plain)).toEqual(list.map(plain))
      }),
    )
  })

  it('cut anywhere, keeps the whole records before the cut and says so', () => {
    fc.assert(
      fc.property(records, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
        const segment = segmentOf(list)
        const length = Math.floor(share * segment.length)
        const scan = scanSegment(segment.subarray(0, length))
        const whole = wholeBefore(list, length)
        expect(scan.records.map(plain)).toEqual(list.slice(0, whole).map(plain))
        const ends = SEGMENT_HEAD.length + list.slice(0, whole).reduce((sum, one) => sum + encodeRecord(one).length, 0)
        expect(scan.torn === undefined).toBe(length === ends)
      }),
    )
  })

  it('with any bit flipped, keeps the whole records before it and says so', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(7), (list, at, bit) => {
        const segment = segmentOf(list)
        const offset = at % segment.length
        segment[offset] = (segment[offset] ?? 0) ^ (1 << bit)
        const scan = scanSegment(segment)
        expect(scan.torn).toBeDefined()
        expect(scan.records.map(plain)).toEqual(list.slice(0, wholeBefore(list, offset)).map(plain))
      }),
    )
  })

  it('of which a power cut left zeros ends where they begin', () => {
    const list = fc.sample(chunkFrames, { numRuns: 2, seed: 1 })
    const whole = segmentOf(list)
    const scan = scanSegment(Buffer.concat([whole, Buffer.alloc(4_096)]))
    expect(scan.records).toHaveLength(2)
    expect(scan.torn).toEqual({ reason: 'magic', offset: whole.length })
  })

  it('says why it ends where it does', () => {
    const [record] = fc.sample(chunkFrames, { numRuns: 1, seed: 2 })
    if (record === undefined) throw new Error('no record')
    const segment = segmentOf([record])
    expect(scanSegment(Buffer.from('something else')).torn).toEqual({ reason: 'head', offset: 0 })
    expect(scanSegment(segment.subarray(0, -1)).torn?.reason).toBe('cut')
    const long = Buffer.from(segment)
    long.writeUInt32BE(RECORD_BYTES_MAX, SEGMENT_HEAD.length + 48)
    expect(scanSegment(long).torn?.reason).toBe('length')
    const flipped = Buffer.from(segment)
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
    expect(scanSegment(flipped).torn?.reason).toBe('checksum')
    const foreign = segmentOf([{ ...record, recordingId: '01234567-0123-4123-8123-0123456789ab' }])
    expect(scanSegment(foreign).torn?.reason).toBe('content')
  })
})
