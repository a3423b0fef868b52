import type { StreamId } from '../ids.ts'
import { SenderClock } from '../media/sender-clock.ts'
import type { PushResult } from '../media/reorder-buffer.ts'
import type { RtpPacket } from '../protocol/rtp/packet.ts'
import { ReceptionReport } from '../protocol/rtp/reception-report.ts'
import { parseRtcp, type RtcpPacket, type SenderReport } from '../protocol/rtp/rtcp.ts'
import { canonicalAddress } from '../protocol/sdp/ip-address.ts'
import type { SrtpKeys } from '../protocol/srtp/srtp-keys.ts'
import { SrtpSender } from '../protocol/srtp/srtp-sender.ts'
import { areSameKeys } from '../protocol/srtp/suites.ts'
import type { MediaTransport } from './media-transport.ts'
import type { PacketOrigin, PacketSources } from './packet-sources.ts'
import { RtcpReporter, type RtcpIdentity } from './rtcp-reporter.ts'
import { SenderLedger, type SenderTally } from './sender-ledger.ts'
import type { StreamProtection } from './stream-protection.ts'

/** How long after its BYE packets of an SSRC are stragglers; later ones say that it has not left. */
export const GOODBYE_GRACE_US = 500_000

/** Why RTCP was not believed: `source`: from nowhere it may come from · `srtcp`: not authentic · `malformed`. Metric labels. */
export type RtcpDiscardReason = 'source' | 'srtcp' | 'malformed'

/** RTCP counters of one media stream; they only grow. */
export interface RtcpCounters {
  /** Packets inside compounds, by type. */
  readonly received: Readonly<Record<RtcpPacket['type'], number>>
  readonly discarded: Readonly<Record<RtcpDiscardReason, number>>
  /** Compounds. */
  readonly sent: number
}

/** A datagram to be sent; `via` says from which of the stream's two ports. */
export interface OutgoingRtcp extends PacketOrigin {
  readonly streamId: StreamId
  readonly bytes: Uint8Array
  readonly via: 'rtp' | 'rtcp'
}

/** What of its plan concerns the RTCP of a media stream. */
interface RtcpPlan {
  readonly streamId: StreamId
  readonly transport?: MediaTransport
  readonly keys: SrtpKeys | undefined
  readonly ownKeys?: SrtpKeys
}

/**
 * The RTCP of one media stream, both ways: what the SRC says of itself, and what we tell it about how it is heard.
 *
 * Nothing is sent before a packet of the SRC was taken, and never to where neither its SDP nor a packet of its own says.
 */
export class StreamRtcp {
  readonly #sources: PacketSources
  readonly #protection: StreamProtection
  readonly #reporter: RtcpReporter | undefined
  readonly #ledger = new SenderLedger()
  #plan: RtcpPlan
  #sender: SrtpSender | undefined
  #reception: ReceptionReport | undefined
  #cname: string | undefined
  #senderClock: SenderClock | undefined
  #disagreementsBefore = 0
  #lastOrigin: PacketOrigin | undefined
  #leftUs: number | undefined
  #goodbyes = 0
  #ssrcs = 0
  readonly #received: Record<RtcpPacket['type'], number> = {
    senderReport: 0,
    receiverReport: 0,
    sourceDescription: 0,
    goodbye: 0,
    application: 0,
    extendedReport: 0,
    other: 0,
  }
  readonly #discarded: Record<RtcpDiscardReason, number> = { source: 0, srtcp: 0, malformed: 0 }

  /** @param identity undefined when nothing is to be sent */
  constructor(
    plan: RtcpPlan,
    sources: PacketSources,
    protection: StreamProtection,
    identity: RtcpIdentity | undefined,
  ) {
    this.#plan = plan
    this.#sources = sources
    this.#protection = protection
    this.#reporter = identity === undefined ? undefined : new RtcpReporter(identity)
    this.#takeKeys(undefined)
  }

  get counters(): RtcpCounters {
    return { received: this.#received, discarded: this.#discarded, sent: this.#reporter?.sent ?? 0 }
  }

  /** How the present SSRC is received; undefined before any packet. */
  get reception(): ReceptionReport | undefined {
    return this.#reception
  }

  /** Of the present SSRC, as far as it has said. */
  get cname(): string | undefined {
    return this.#cname
  }

  /** By the sender reports of the present SSRC; undefined before the first. */
  get senderClock(): SenderClock | undefined {
    return this.#senderClock
  }

  /** How often a report did not agree with the one before, of all SSRCs. */
  get disagreements(): number {
    return this.#disagreementsBefore + (this.#senderClock?.disagreements ?? 0)
  }

  /** The present SSRC has said goodbye: nothing more is to be expected of it, and another may follow at once. RFC 3550 6.6 */
  get hasLeft(): boolean {
    return this.#leftUs !== undefined
  }

  /** SSRCs that said goodbye. */
  get goodbyes(): number {
    return this.#goodbyes
  }

  /** SSRCs that were recorded, one after the other. */
  get ssrcs(): number {
    return this.#ssrcs
  }

  /** By the sender's own count; undefined when it sent no report. */
  get tally(): SenderTally | undefined {
    return this.#ledger.tally
  }

  get roundTripMs(): number {
    return this.#reporter?.roundTripMs ?? 0
  }

  replan(plan: RtcpPlan): void {
    const before = this.#plan.ownKeys
    // An answer of the SRC to an offer of ours brings none: those of the offer stay.
    const isKept = before !== undefined && plan.keys !== undefined && plan.ownKeys === undefined
    this.#plan = isKept ? { ...plan, ownKeys: before } : plan
    this.#takeKeys(before)
  }

  /** Another SSRC is recorded from here on. */
  begin(ssrc: number, clockRate: number): void {
    this.#ssrcs += 1
    this.#reception = new ReceptionReport(ssrc, clockRate)
    this.#cname = undefined
    this.#disagreementsBefore = this.disagreements
    this.#senderClock = undefined
    this.#leftUs = undefined
    this.#reporter?.noteForeignSsrc(ssrc)
  }

  /** A packet of the present SSRC arrived, and this is what the reorder buffer made of it. */
  noteArrival({ sequenceNumber, timestamp, payload }: RtpPacket, outcome: PushResult, arrivalUs: number): void {
    const reception = this.#reception
    if (reception === undefined) return
    reception.noteArrival(sequenceNumber, payload.length)
    if (outcome === 'duplicate') reception.noteDuplicate(payload.length)
    else this.#ledger.noteArrival(timestamp, reception.packetUnits, arrivalUs, payload.length)
    if (outcome === 'late') reception.noteLate()
    this.#reporter?.begin(arrivalUs)
    if (this.#leftUs !== undefined && arrivalUs - this.#leftUs > GOODBYE_GRACE_US) this.#leftUs = undefined
  }

  /** A packet of a codec arrived; one of another clock than the SSRC began with says nothing of its jitter. */
  noteTiming({ sequenceNumber, timestamp }: RtpPacket, clockRate: number, arrivalUs: number): void {
    if (this.#reception?.clockRate !== clockRate) return
    this.#reception.noteTiming(sequenceNumber, timestamp, arrivalUs)
    this.#senderClock?.notePacket(timestamp, arrivalUs)
  }

  /** A datagram on the RTCP port, or one on the RTP port that is RTCP (RFC 5761). */
  handleDatagram(datagram: Uint8Array, arrivalUs: number, origin?: PacketOrigin): void {
    const opened = this.#protection.openRtcp(datagram, arrivalUs)
    if (!opened.ok) {
      this.#discarded.srtcp += 1
      return
    }
    const { packet, isAuthentic } = opened.value
    if (!isAuthentic && !this.#sources.isBelieved(origin, arrivalUs)) {
      this.#discarded.source += 1
      return
    }
    const parsed = parseRtcp(packet)
    if (!parsed.ok) {
      this.#discarded.malformed += 1
      return
    }
    this.#lastOrigin = origin
    this.#reporter?.noteSize(datagram.length)
    for (const part of parsed.value) {
      this.#received[part.type] += 1
      this.#take(part, arrivalUs)
    }
  }

  /** The report that is due by now, if one is and there is somewhere to send it. */
  takeDue(nowUs: number): OutgoingRtcp | undefined {
    if (this.#reporter === undefined || nowUs < this.#reporter.nextReportUs) return undefined
    return this.#address(this.#reporter.takeReport(this.#reception, nowUs))
  }

  /** Our goodbye, for those who have heard of us. RFC 3550 6.3.7 */
  takeGoodbye(nowUs: number): OutgoingRtcp | undefined {
    const bytes = this.#reporter?.takeGoodbye(this.#reception, nowUs)
    return bytes === undefined ? undefined : this.#address(bytes)
  }

  #take(packet: RtcpPacket, arrivalUs: number): void {
    const ssrc = this.#reception?.ssrc
    switch (packet.type) {
      case 'senderReport':
        this.#reporter?.noteForeignSsrc(packet.ssrc)
        if (this.#reception !== undefined && packet.ssrc === ssrc) this.#takeReport(packet, this.#reception, arrivalUs)
        return
      case 'receiverReport':
        this.#reporter?.noteForeignSsrc(packet.ssrc)
        return
      case 'sourceDescription':
        this.#cname = packet.sources.find((source) => source.ssrc === ssrc)?.cname ?? this.#cname
        return
      case 'goodbye':
        if (ssrc === undefined || !packet.ssrcs.includes(ssrc) || this.hasLeft) return
        this.#leftUs = arrivalUs
        this.#goodbyes += 1
        return
      case 'extendedReport':
        for (const block of packet.blocks) {
          if (block.type === 'delaySinceLastReceiverReport') this.#reporter?.noteDelays(block, arrivalUs)
        }
        break
      case 'application':
      case 'other':
    }
  }

  #takeReport(report: SenderReport, reception: ReceptionReport, arrivalUs: number): void {
    reception.noteSenderReport(report.ntpMiddle, arrivalUs)
    this.#ledger.noteReport(report, reception, arrivalUs)
    this.#senderClock ??= new SenderClock(reception.clockRate)
    this.#senderClock.noteReport(report, arrivalUs)
  }

  #address(clear: Uint8Array): OutgoingRtcp | undefined {
    const target = this.#target
    // What is agreed to be secret is not told in clear. RFC 3711
    if (target === undefined || (this.#plan.keys !== undefined && this.#sender === undefined)) return undefined
    const bytes = this.#sender?.protectRtcp(clear) ?? clear
    return { streamId: this.#plan.streamId, bytes, ...target }
  }

  /**
   * Where the SDP says when RTP comes from the address that it names. When it does not, the SRC is not where it believes to be
   * (translated addresses): then where its RTCP comes from, else beside its RTP. RFC 3605, RFC 4961, RFC 5761
   */
  get #target(): Pick<OutgoingRtcp, 'address' | 'port' | 'via'> | undefined {
    const { active } = this.#sources
    const { transport } = this.#plan
    if (active === undefined) return undefined
    const isMuxed = transport?.rtcpMux === true
    if (transport !== undefined && canonicalAddress(active.address) === canonicalAddress(transport.address ?? '')) {
      const named = isMuxed
        ? { address: canonicalAddress(transport.address ?? ''), port: transport.rtpPort, via: 'rtp' as const }
        : { address: canonicalAddress(transport.rtcpAddress ?? ''), port: transport.rtcpPort, via: 'rtcp' as const }
      if (named.address !== undefined && isPort(named.port)) return { ...named, address: named.address }
    }
    if (isMuxed) return { address: active.address, port: active.port, via: 'rtp' }
    if (this.#lastOrigin?.address === active.address) return { ...this.#lastOrigin, via: 'rtcp' }
    return isPort(active.port + 1) ? { address: active.address, port: active.port + 1, via: 'rtcp' } : undefined
  }

  #takeKeys(before: SrtpKeys | undefined): void {
    const { ownKeys } = this.#plan
    if (ownKeys === undefined) this.#sender = undefined
    else if (this.#sender === undefined || before === undefined) this.#sender = new SrtpSender(ownKeys)
    else if (!areSameKeys(before, ownKeys)) this.#sender.rekey(ownKeys)
  }
}

function isPort(port: number): boolean {
  return port > 0 && port < 65_536
}
