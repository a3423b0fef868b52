import { crc32 } from 'node:zlib'

import { isUuidV7 } from '../../ids.ts'
import type { KeptRun, SpoolFrame } from '../../recorder/recording-types.ts'

/** Begins every segment; what does not begin so is no segment of ours. FORMAT.md 7 */
export const SEGMENT_HEAD = new TextEncoder().encode('earwitness-spool/1\n')
/** A frame holds less than a second of one recording, or one RTP object: more than this is damage. */
export const RECORD_BYTES_MAX = 32 * 1024 * 1024

const MAGIC = 0x45_57_53_46
const HEADER_LENGTH = 52
const KINDS = ['chunk', 'kept'] as const
/** Added to the kind of what is held until consent. A recording has one held part so far. */
const HELD_KIND = KINDS.length
const HELD = { heldSeq: 0 } as const

/** A frame and the recording that it belongs to. */
export interface FrameRecord {
  readonly recordingId: string
  readonly frame: SpoolFrame
}

/** `head`: no segment at all. `cut`: it ends within a record. `magic`, `length`, `checksum`, `content`: what stands there was not written so. */
export type TornReason = 'head' | 'cut' | 'magic' | 'length' | 'checksum' | 'content'

/** The whole records of a segment up to the first that is not, and why it is not. */
export interface SegmentScan {
  readonly records: readonly FrameRecord[]
  readonly torn?: { readonly reason: TornReason; readonly offset: number }
}

/**
 * One record: magic, CRC-32 of all that follows, kind, recording, times, lengths, what is said of an RTP object, the age file. FORMAT.md 7
 *
 * The CRC finds what a power cut or a disk has done to it. It is no protection against people: the manifest is.
 */
export function encodeRecord({ recordingId, frame }: FrameRecord): Buffer {
  const { fromSample, toSample, heldSeq } = frame.kind === 'chunk' ? frame : frame.run
  const facts = frame.kind === 'kept' ? Buffer.from(JSON.stringify(frame.run)) : Buffer.alloc(0)
  const record = Buffer.alloc(HEADER_LENGTH + facts.length + frame.bytes.length)
  record.writeUInt32BE(MAGIC, 0)
  record.writeUInt32BE(KINDS.indexOf(frame.kind) + (heldSeq === undefined ? 0 : HELD_KIND), 8)
  Buffer.from(recordingId.replaceAll('-', ''), 'hex').copy(record, 12)
  record.writeBigUInt64BE(BigInt(fromSample), 28)
  record.writeBigUInt64BE(BigInt(toSample), 36)
  record.writeUInt32BE(facts.length, 44)
  record.writeUInt32BE(frame.bytes.length, 48)
  facts.copy(record, HEADER_LENGTH)
  record.set(frame.bytes, HEADER_LENGTH + facts.length)
  record.writeUInt32BE(crc32(record.subarray(8)), 4)
  return record
}

/** Reads a segment as far as it is whole. Frames look into `bytes`. Never throws. */
export function scanSegment(bytes: Uint8Array): SegmentScan {
  const segment = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const records: FrameRecord[] = []
  if (!segment.subarray(0, SEGMENT_HEAD.length).equals(SEGMENT_HEAD)) {
    return { records, torn: { reason: 'head', offset: 0 } }
  }
  for (let offset = SEGMENT_HEAD.length; offset < segment.length;) {
    const read = readRecord(segment.subarray(offset))
    if (typeof read === 'string') return { records, torn: { reason: read, offset } }
    records.push(read.record)
    offset += read.length
  }
  return { records }
}

function readRecord(rest: Buffer): { readonly record: FrameRecord; readonly length: number } | TornReason {
  if (rest.length < HEADER_LENGTH) return 'cut'
  if (rest.readUInt32BE(0) !== MAGIC) return 'magic'
  const factsLength = rest.readUInt32BE(44)
  const length = HEADER_LENGTH + factsLength + rest.readUInt32BE(48)
  if (length > RECORD_BYTES_MAX) return 'length'
  if (rest.length < length) return 'cut'
  if (crc32(rest.subarray(8, length)) !== rest.readUInt32BE(4)) return 'checksum'
  const bytes = new Uint8Array(
    rest.buffer,
    rest.byteOffset + HEADER_LENGTH + factsLength,
    length - HEADER_LENGTH - factsLength,
  )
  const frame = frameOf(rest, rest.toString('utf8', HEADER_LENGTH, HEADER_LENGTH + factsLength), bytes)
  const hex = rest.toString('hex', 12, 28)
  const recordingId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return frame === undefined || !isUuidV7(recordingId) ? 'content' : { record: { recordingId, frame }, length }
}

function frameOf(header: Buffer, facts: string, bytes: Uint8Array): SpoolFrame | undefined {
  const fromSample = Number(header.readBigUInt64BE(28))
  const toSample = Number(header.readBigUInt64BE(36))
  const kind = header.readUInt32BE(8)
  const isHeld = kind >= HELD_KIND
  switch (KINDS[isHeld ? kind - HELD_KIND : kind]) {
    case 'chunk':
      return { kind: 'chunk', fromSample, toSample, bytes, ...(isHeld ? HELD : {}) }
    case 'kept': {
      const run = parsed(facts)
      if (run?.fromSample !== fromSample || run.toSample !== toSample) return undefined
      return (run.heldSeq !== undefined) === isHeld ? { kind: 'kept', run, bytes } : undefined
    }
    default:
      return undefined
  }
}

/** Its checksum is right, so it is what this recorder wrote, or a later release that says the same. */
function parsed(facts: string): KeptRun | undefined {
  try {
    const value: unknown = JSON.parse(facts)
    return typeof value === 'object' && value !== null && 'streamId' in value ? (value as KeptRun) : undefined
  } catch {
    return undefined
  }
}
