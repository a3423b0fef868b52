import type { RtpPacket } from '../protocol/rtp/packet.ts'
import { parseRedundantAudio } from '../protocol/rtp/redundant-audio.ts'

/** What one packet of redundant audio stands for. */
export interface UnwrappedPacket {
  readonly primary: RtpPacket
  /** Of the packets before it, the nearest first; views of its payload. */
  readonly copies: readonly RtpPacket[]
}

/**
 * Makes packets of the blocks of one. That a block is of the packet so many numbers before is not said in it, but so it is sent: each packet repeats
 * those directly before. Undefined when it cannot be read. RFC 2198 3
 */
export function unwrapRedundant(packet: RtpPacket): UnwrappedPacket | undefined {
  const parsed = parseRedundantAudio(packet.payload)
  const blocks = parsed.ok ? parsed.value.toReversed() : []
  const [primary, ...copies] = blocks.map(({ payloadType, timestampOffset, payload }, back): RtpPacket => ({
    ...{ payloadType, payload, ssrc: packet.ssrc, marker: back === 0 && packet.marker },
    sequenceNumber: (packet.sequenceNumber - back) & 0xffff,
    timestamp: (packet.timestamp - timestampOffset) >>> 0,
  }))
  return primary && { primary, copies: copies.filter(({ payload }) => payload.length > 0) }
}
