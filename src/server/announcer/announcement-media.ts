import type { RemoteInfo } from 'node:dgram'

import type { ReceptionNews, SentRange } from '../../consent/announcement/heard-to-end.ts'
import { KeyListener } from '../../media/key-listener.ts'
import { concat } from '../../media/opus-headers.ts'
import { CODEC_RATES, FRAME_MS, type PromptCodec } from '../../media/prompt-audio.ts'
import { RtpPacketiser, type RtpStart } from '../../media/rtp-packetiser.ts'
import { parseRtp } from '../../protocol/rtp/packet.ts'
import { serializeCname, serializeGoodbye, serializeSenderReport } from '../../protocol/rtp/rtcp-writer.ts'
import { parseRtcp } from '../../protocol/rtp/rtcp.ts'
import type { DtmfDigit } from '../../protocol/rtp/telephone-event.ts'
import type { ConversationLine } from '../../protocol/sdp/conversation-line.ts'
import { canonicalAddress } from '../../protocol/sdp/ip-address.ts'
import { isRtcpType } from '../../protocol/srtp/packet-header.ts'
import type { SrtpReceiver } from '../../protocol/srtp/srtp-receiver.ts'
import type { SrtpSender } from '../../protocol/srtp/srtp-sender.ts'
import { type AnnouncementSockets, sendableAddress } from './announcement-sockets.ts'
import type { Paced } from './pace-timer.ts'

/** Silence before each prompt: the way of the audio is only just being opened, and the first word must not be lost. */
export const LEAD_IN_TICKS = 10
/** Sender reports every five seconds. RFC 3550 6.2 */
const REPORT_TICKS = 250

/** Packets one after the other that the socket refuses before the prompt is given up: nobody hears it. */
export const SEND_ERRORS_MAX = 5

/** Why a packet that came was of no use; each is a metric label. */
export type PacketDiscard = 'source' | 'srtp' | 'rtp' | 'rtcp' | 'payloadType'

export interface AnnouncementMediaOptions {
  readonly sockets: AnnouncementSockets
  readonly line: ConversationLine<PromptCodec>
  /** @see sendableAddress */
  readonly isIpv6: boolean
  /** Undefined: RTP in clear. */
  readonly protection: { readonly sender: SrtpSender; readonly receiver: SrtpReceiver } | undefined
  readonly start: RtpStart
  readonly cname: string
  /** Where the signalling comes from, when audio may be sent to where audio comes from; undefined when it may not. */
  readonly symmetricWith: string | undefined
  readonly pressed: (digit: DtmfDigit, way: 'event' | 'tone') => void
  /** The prompt that plays has been sent to its end. */
  readonly finished: () => void
  readonly discarded: (reason: PacketDiscard) => void
  /** The other side reported about our packets: see {@link AnnouncementMedia.news}. */
  readonly reported: () => void
  /** The socket refused a packet. */
  readonly unsent: () => void
  /** It refused {@link SEND_ERRORS_MAX} of them in a row. */
  readonly broken: () => void
  readonly nowUs: () => number
  readonly nowUnixMs: () => number
}

/**
 * The RTP of one announcement: sends the payloads of a prompt, one at each tick, and hears keys and reports of the other side.
 *
 * Packets count only from the address in the SDP, with symmetric RTP from that of the signalling too: a stranger must not be able to press a key for the
 * caller. Whoever can send from one of them can; SRTP is what keeps him out.
 */
export class AnnouncementMedia implements Paced {
  readonly #options: AnnouncementMediaOptions
  readonly #packetiser: RtpPacketiser
  readonly #keys: KeyListener
  #line: ConversationLine<PromptCodec>
  /** Where audio came from last, with symmetric RTP: after another offer late packets may still come from the former port. RFC 4961 */
  #latched: { readonly address: string; readonly port: number } | undefined
  #payloads: readonly Uint8Array[] | undefined
  #next = 0
  #leadIn = 0
  #firstSequence = 0
  /** How often it has changed where packets go, and had when the prompt began. */
  #destination = 0
  #firstDestination = 0
  /** What had been reported when the prompt began. */
  #before: ReceptionNews | undefined
  #lastRange: SentRange | undefined
  #ticksToReport = REPORT_TICKS
  #news: ReceptionNews | undefined
  /** Packets of the prompt that were refused, and those in a row. */
  #unsent = 0
  #sendErrors = 0
  /** Where packets go, as the socket takes it. */
  #to: { readonly address: string; readonly port: number } | undefined
  readonly #sent = (error: Error | null): void => this.#handleSent(error)
  #isClosed = false

  constructor(options: AnnouncementMediaOptions) {
    this.#options = options
    this.#line = options.line
    const { codec, payloadType, events } = options.line
    const timestampStep = (CODEC_RATES[codec].clock * FRAME_MS) / 1_000
    this.#packetiser = new RtpPacketiser({ start: options.start, payloadType, timestampStep })
    this.#keys = new KeyListener({ codec, eventClockRate: events?.clockRate ?? 8_000, pressed: options.pressed })
    this.setLine(options.line)
    const { rtp, rtcp } = options.sockets
    rtp.on('message', (datagram, from) => this.#receive(datagram, from, isRtcpType(datagram[1] ?? 0)))
    rtcp.on('message', (datagram, from) => this.#receive(datagram, from, true))
  }

  /** How much of the prompt that plays, or played last, has been sent; not what the system refused. */
  get playedMs(): number {
    return Math.max(0, this.#next - this.#unsent) * FRAME_MS
  }

  /** Of the prompt that was sent to its end last. */
  get lastRange(): SentRange | undefined {
    return this.#lastRange
  }

  /** What the other side reported last about our packets. */
  get news(): ReceptionNews | undefined {
    return this.#news
  }

  get packetCount(): number {
    return this.#packetiser.packetCount
  }

  /** Another offer: another address, perhaps, with the same codec. One that only refreshes the session changes nothing. RFC 4028 7.4 */
  setLine(line: ConversationLine<PromptCodec>): void {
    const isSame = line.address === this.#line.address && line.port === this.#line.port
    this.#line = line
    if (isSame && this.#latched !== undefined) return
    this.#latched = undefined
    const address = this.#sendable(line.address)
    this.#sendTo(address === undefined ? undefined : { address, port: line.port })
  }

  #sendTo(to: { readonly address: string; readonly port: number } | undefined): void {
    if (to?.address !== this.#to?.address || to?.port !== this.#to?.port) this.#destination += 1
    this.#to = to
  }

  #sendable(address: string | undefined): string | undefined {
    return address === undefined ? undefined : sendableAddress(address, this.#options.isIpv6)
  }

  /** Plays a prompt from its beginning. */
  play(payloads: readonly Uint8Array[]): void {
    this.#payloads = payloads
    this.#next = 0
    this.#unsent = 0
    this.#leadIn = LEAD_IN_TICKS
  }

  stop(): void {
    this.#payloads = undefined
  }

  tick(): void {
    this.#ticksToReport -= 1
    if (this.#ticksToReport === 0) this.report({ isLeaving: false, sent: () => {} })
    const payload = this.#leadIn > 0 ? undefined : this.#payloads?.[this.#next]
    if (payload === undefined) {
      if (this.#leadIn > 0) this.#leadIn -= 1
      this.#packetiser.skip()
      return
    }
    if (this.#next === 0) {
      this.#firstSequence = this.#packetiser.nextSequence
      this.#firstDestination = this.#destination
      this.#before = this.#news
    }
    this.#sendRtp(this.#packetiser.packet(payload))
    this.#next += 1
    if (this.#next !== this.#payloads?.length) return
    this.#payloads = undefined
    const lastSequence = this.#packetiser.nextSequence - 1
    const destination = this.#destination === this.#firstDestination ? this.#destination : undefined
    const endUs = this.#options.nowUs()
    this.#lastRange = {
      ...{ firstSequence: this.#firstSequence, lastSequence, endUs, destination },
      ...{ startSequence: this.#options.start.sequenceNumber, before: this.#before },
    }
    this.#options.finished()
  }

  /** Sends a sender report, by which the other side can tell how far it has heard us. RFC 3550 6.4.1 */
  report({ isLeaving, sent }: { readonly isLeaving: boolean; readonly sent: () => void }): void {
    this.#ticksToReport = REPORT_TICKS
    const { ssrc, timestamp, packetCount, octetCount } = this.#packetiser
    const { address, rtcpPort, isMuxed } = this.#line
    const to = this.#latched?.address ?? this.#sendable(address)
    if (packetCount === 0 || to === undefined) return sent()
    const parts = [
      serializeSenderReport({
        type: 'senderReport',
        ssrc,
        ntpAtUnixMs: this.#options.nowUnixMs(),
        rtpTimestamp: timestamp,
        packetCount,
        octetCount: octetCount % 2 ** 32,
        reports: [],
      }),
      serializeCname(ssrc, this.#options.cname),
      ...(isLeaving ? [serializeGoodbye([ssrc])] : []),
    ]
    const packet = concat(parts)
    const { sockets, protection } = this.#options
    const port = isMuxed ? (this.#latched?.port ?? rtcpPort) : rtcpPort
    const socket = isMuxed ? sockets.rtp : sockets.rtcp
    socket.send(protection === undefined ? packet : protection.sender.protectRtcp(packet), port, to, sent)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { sockets } = this.#options
    try {
      // What is sent is on its way only when the socket says so.
      this.report({ isLeaving: true, sent: () => sockets.close() })
    } catch (error) {
      sockets.close()
      throw error
    }
  }

  #sendRtp(packet: Uint8Array): void {
    const { sockets, protection } = this.#options
    const to = this.#to
    if (to === undefined) return
    const datagram = protection === undefined ? packet : protection.sender.protectRtp(packet)
    sockets.rtp.send(datagram, to.port, to.address, this.#sent)
  }

  #handleSent(error: Error | null): void {
    if (error === null) {
      this.#sendErrors = 0
      return
    }
    this.#options.unsent()
    this.#unsent += 1
    this.#sendErrors += 1
    if (this.#sendErrors === SEND_ERRORS_MAX && !this.#isClosed) this.#options.broken()
  }

  #receive(datagram: Uint8Array, from: RemoteInfo, isControl: boolean): void {
    if (this.#isClosed) return
    const reason = this.#take(datagram, from, isControl)
    if (reason !== undefined) this.#options.discarded(reason)
  }

  #take(datagram: Uint8Array, from: RemoteInfo, isControl: boolean): PacketDiscard | undefined {
    const { protection, nowUs } = this.#options
    if (!this.#isFromCaller(from)) return 'source'
    const nowIsUs = nowUs()
    const opened =
      protection === undefined
        ? ({ ok: true, value: datagram } as const)
        : isControl
          ? protection.receiver.unprotectRtcp(datagram, nowIsUs)
          : protection.receiver.unprotectRtp(datagram, nowIsUs)
    if (!opened.ok) return 'srtp'
    return isControl ? this.#takeReports(opened.value, nowIsUs) : this.#takeAudio(opened.value, from, nowIsUs)
  }

  #takeAudio(datagram: Uint8Array, from: RemoteInfo, nowIsUs: number): PacketDiscard | undefined {
    const packet = parseRtp(datagram)
    if (!packet.ok) return 'rtp'
    const { payloadType, events } = this.#line
    if (packet.value.payloadType === events?.payloadType) this.#keys.handleEvents(packet.value, nowIsUs)
    else if (packet.value.payloadType === payloadType) this.#keys.handleAudio(packet.value)
    else return 'payloadType'
    if (this.#options.symmetricWith !== undefined) this.#latch(from)
    return undefined
  }

  #latch({ address, port }: RemoteInfo): void {
    if (this.#latched?.port === port && this.#latched.address === address) return
    this.#latched = { address, port }
    this.#sendTo(this.#latched)
  }

  #takeReports(datagram: Uint8Array, arrivalUs: number): PacketDiscard | undefined {
    const packets = parseRtcp(datagram)
    if (!packets.ok) return 'rtcp'
    let isNews = false
    for (const packet of packets.value) {
      if (packet.type !== 'senderReport' && packet.type !== 'receiverReport') continue
      const block = packet.reports.find(({ ssrc }) => ssrc === this.#packetiser.ssrc)
      if (block === undefined) continue
      const { extendedHighestSequenceNumber: highestSequence, cumulativeLost } = block
      this.#news = { highestSequence, cumulativeLost, arrivalUs, destination: this.#destination }
      isNews = true
    }
    if (isNews) this.#options.reported()
    return undefined
  }

  #isFromCaller({ address }: RemoteInfo): boolean {
    const from = canonicalAddress(address)
    if (from === undefined) return false
    const { symmetricWith } = this.#options
    if (from === this.#line.address) return true
    return symmetricWith !== undefined && from === canonicalAddress(symmetricWith)
  }
}
