import type { RedundantBlock } from '../../src/protocol/rtp/redundant-audio.ts'

/** The payload of these blocks, the last of them the primary. RFC 2198 3 */
export function redundantPayload(blocks: readonly RedundantBlock[]): Uint8Array {
  const headers = blocks.map(({ payloadType, timestampOffset, payload }, index) => {
    if (index === blocks.length - 1) return [payloadType]
    const word = (timestampOffset << 10) | payload.length
    return [0x80 | payloadType, (word >> 16) & 0xff, (word >> 8) & 0xff, word & 0xff]
  })
  return Uint8Array.from(Buffer.concat([Uint8Array.from(headers.flat()), ...blocks.map(({ payload }) => payload)]))
}
