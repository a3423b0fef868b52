import { serializeCname, serializeGoodbye, serializeSenderReport } from '../../protocol/rtp/rtcp-writer.ts'
import type { SenderFacts } from './rtp-source.ts'

/** The compound RTCP packet of a sender: report and CNAME. RFC 3550 6.1 */
export function reportRtcp(facts: SenderFacts, atUnixMs: number, cname: string): Uint8Array {
  return compound(reportPackets(facts, atUnixMs, cname))
}

/** The same with a BYE, for the end of the media stream. RFC 3550 6.6 */
export function goodbyeRtcp(facts: SenderFacts, atUnixMs: number, cname: string): Uint8Array {
  return compound([...reportPackets(facts, atUnixMs, cname), serializeGoodbye([facts.ssrc])])
}

function reportPackets(facts: SenderFacts, atUnixMs: number, cname: string): readonly Uint8Array[] {
  const report = serializeSenderReport({ type: 'senderReport', ...facts, ntpAtUnixMs: atUnixMs, reports: [] })
  return [report, serializeCname(facts.ssrc, cname)]
}

function compound(packets: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(packets.flatMap((packet) => [...packet]))
}
