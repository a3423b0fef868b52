import { accepted, rejected, type Result } from '../../result.ts'

/** Blocks read of one packet; those that send it have one to three. */
export const REDUNDANT_BLOCKS_MAX = 8
/** F, payload type, timestamp offset of 14 bits and length of 10. RFC 2198 3 */
const HEADER_LENGTH = 4
const OFFSET_BITS = 10
const LENGTH_MASK = 0x3ff
const MORE = 0x80

/** One encoding of a stretch of audio. */
export interface RedundantBlock {
  readonly payloadType: number
  /** By how much its timestamp is less than that of the packet; 0 of the last block, the primary. */
  readonly timestampOffset: number
  /** A view of what was read. */
  readonly payload: Uint8Array
}

/** `short`: cut off. `tooMany`: more than {@link REDUNDANT_BLOCKS_MAX}. */
export type RedundantAudioRejectReason = 'short' | 'tooMany'

/** Reads a payload of redundant audio: its blocks, in their order; the last is the primary. Never throws, never copies. RFC 2198 3 */
export function parseRedundantAudio(
  payload: Uint8Array,
): Result<readonly RedundantBlock[], RedundantAudioRejectReason> {
  const headers: { payloadType: number; timestampOffset: number; length: number }[] = []
  let at = 0
  for (; ((payload[at] ?? 0) & MORE) !== 0; at += HEADER_LENGTH) {
    if (headers.length + 1 >= REDUNDANT_BLOCKS_MAX) return rejected('tooMany')
    if (at + HEADER_LENGTH > payload.length) return rejected('short')
    const word = ((payload[at + 1] ?? 0) << 16) | ((payload[at + 2] ?? 0) << 8) | (payload[at + 3] ?? 0)
    const payloadType = (payload[at] ?? 0) & 0x7f
    headers.push({ payloadType, timestampOffset: word >> OFFSET_BITS, length: word & LENGTH_MASK })
  }
  if (at >= payload.length) return rejected('short')
  const primary = { payloadType: (payload[at] ?? 0) & 0x7f, timestampOffset: 0 }
  at += 1
  const blocks: RedundantBlock[] = []
  for (const { length, ...block } of headers) {
    if (at + length > payload.length) return rejected('short')
    blocks.push({ ...block, payload: payload.subarray(at, at + length) })
    at += length
  }
  return accepted([...blocks, { ...primary, payload: payload.subarray(at) }])
}
