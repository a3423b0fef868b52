import { parseRtp, serializeRtp } from '../../../src/protocol/rtp/packet.ts'
import { parseRtcp } from '../../../src/protocol/rtp/rtcp.ts'
import {
  serializeCname,
  serializeGoodbye,
  serializeReceiverReport,
  serializeSenderReport,
} from '../../../src/protocol/rtp/rtcp-writer.ts'
import { parseRedundantAudio, REDUNDANT_BLOCKS_MAX } from '../../../src/protocol/rtp/redundant-audio.ts'
import type { Random } from '../random.ts'
import { type FuzzTarget, invariant } from '../target.ts'

const BLOCK = {
  ssrc: 7,
  fractionLost: 3 / 256,
  cumulativeLost: -2,
  extendedHighestSequenceNumber: 70_000,
  jitter: 12,
  lastSenderReport: 1,
  delaySinceLastSenderReport: 2,
}
const voice = serializeRtp({
  payloadType: 0,
  marker: false,
  sequenceNumber: 65_535,
  timestamp: 0xffff_fff0,
  ssrc: 1,
  payload: new Uint8Array(160).fill(0xd5),
})
const compound = Buffer.concat([
  serializeSenderReport({
    type: 'senderReport',
    ssrc: 1,
    ntpAtUnixMs: 1_795_000_000_000,
    rtpTimestamp: 160,
    packetCount: 50,
    octetCount: 8_000,
    reports: [BLOCK],
  }),
  serializeCname(1, 'src@example.com'),
  serializeGoodbye([1, 2, 3]),
])

/** The same bytes are read as RTP and as RTCP, as they are on one port. RFC 5761 */
export const rtp: FuzzTarget = {
  name: 'rtp',
  corpus: [voice, compound, serializeReceiverReport({ type: 'receiverReport', ssrc: 1, reports: [BLOCK] })],
  dictionary: ['\u0001\u0004src@', '\0\0\0\0'],
  generate(random: Random) {
    const bytes = Uint8Array.from({ length: random.size(1_500) + 1 }, () => random.below(256))
    bytes[0] = 0x80 | random.below(64)
    if (random.chance(0.5)) bytes[1] = 192 + random.below(32)
    if (random.chance(0.5) && bytes.length > 4) new DataView(bytes.buffer).setUint16(2, random.below(bytes.length / 3))
    return bytes
  },
  run(input) {
    const packet = parseRtp(input)
    if (packet.ok) {
      invariant(packet.value.payload.buffer === input.buffer, 'the payload is a view of the datagram')
      const { byteOffset, length } = packet.value.payload
      invariant(
        byteOffset >= input.byteOffset + 12 && byteOffset + length <= input.byteOffset + input.length,
        'the payload is inside',
      )
      const again = parseRtp(serializeRtp(packet.value))
      const same =
        again.ok && JSON.stringify({ ...again.value, payload: 0 }) === JSON.stringify({ ...packet.value, payload: 0 })
      invariant(same && Buffer.compare(again.value.payload, packet.value.payload) === 0, 'printed, it reads the same')
    }
    const blocks = parseRedundantAudio(input)
    const octets = blocks.ok ? blocks.value.reduce((sum, { payload }) => sum + payload.length, 0) : 0
    invariant(octets <= input.length, 'blocks of redundant audio are inside and apart')
    invariant(!blocks.ok || blocks.value.length <= REDUNDANT_BLOCKS_MAX, 'no more blocks than allowed')
    const report = parseRtcp(input)
    invariant(!report.ok || report.value.length <= 32, 'no more RTCP packets than allowed')
    invariant(!(packet.ok && report.ok), 'a datagram is not both RTP and RTCP')
  },
}
