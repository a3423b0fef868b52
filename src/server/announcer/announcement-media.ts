import type { RemoteInfo } from 'node:dgram'

import type { ReceptionNews } from '../../consent/announcement/heard-to-end.ts'
import { KeyListener } from '../../media/key-listener.ts'
import { CODEC_RATES, FRAME_MS, type PromptCodec } from '../../media/prompt-audio.ts'
import { RtpPacketiser, type RtpStart } from '../../media/rtp-packetiser.ts'
import { parseRtp } from '../../protocol/rtp/packet.ts'
import { serializeCname, serializeGoodbye, serializeSenderReport } from '../../protocol/rtp/rtcp-writer.ts'
import { parseRtcp } from '../../protocol/rtp/rtcp.ts'
import type { DtmfDigit } from '../../protocol/rtp/telephone-event.ts'
import type { ConversationLine } from '../../protocol/sdp/conversation-line.ts'
import { canonicalAddress } from '../../protocol/sdp/ip-address.ts'
import type { SrtpReceiver } from '../../protocol/srtp/srtp-receiver.ts'
import type { SrtpSender } from '../../protocol/srtp/srtp-sender.ts'
import type { AnnouncementSockets } from './announcement-sockets.ts'
import type { Paced } from './pace-timer.ts'

/** Silence before each prompt: the way of the audio is only just being opened, and the first word must not be lost. */
export const LEAD_IN_TICKS = 10
/** Sender reports every five seconds. RFC 3550 6.2 */
const REPORT_TICKS = 250

/** Why a packet that came was of no use; each is a metric label. */
export type PacketDiscard = 'source' | 'srtp' | 'rtp' | 'rtcp' | 'payloadType'

/** Which packets a prompt was sent in, in extended sequence numbers, and when the last one was. */
export interface SentRange {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly endUs: number
}

export interface AnnouncementMediaOptions {
  readonly sockets: AnnouncementSockets
  readonly line: ConversationLine<PromptCodec>
  /** Undefined: RTP in clear. */
  readonly protection: { readonly sender: SrtpSender; readonly receiver: SrtpReceiver } | undefined
  readonly start: RtpStart
  readonly cname: string
  /** Where the signalling comes from, when audio may be sent to where audio comes from; undefined when it may not. */
  readonly symmetricWith: string | undefined
  readonly pressed: (digit: DtmfDigit) => void
  /** The prompt that plays has been sent to its end. */
  readonly finished: () => void
  readonly discarded: (reason: PacketDiscard) => void
  readonly nowUs: () => number
  readonly nowUnixMs: () => number
}

/**
 * The RTP of one announcement: sends the payloads of a prompt, one at each tick, and hears keys and reports of the other side.
 *
 * Packets count only from the address in the SDP: a stranger must not be able to press a key for the caller.
 */
export class AnnouncementMedia implements Paced {
  readonly #options: AnnouncementMediaOptions
  readonly #packetiser: RtpPacketiser
  readonly #keys: KeyListener
  #line: ConversationLine<PromptCodec>
  /** Where audio comes from, once known, with symmetric RTP. RFC 4961 */
  #latched: { readonly address: string; readonly port: number } | undefined
  #payloads: readonly Uint8Array[] | undefined
  #next = 0
  #leadIn = 0
  #firstSequence = 0
  #lastRange: SentRange | undefined
  #ticksToReport = REPORT_TICKS
  #news: ReceptionNews | undefined
  #isClosed = false

  constructor(options: AnnouncementMediaOptions) {
    this.#options = options
    this.#line = options.line
    const { codec, payloadType, events } = options.line
    const timestampStep = (CODEC_RATES[codec].clock * FRAME_MS) / 1_000
    this.#packetiser = new RtpPacketiser({ start: options.start, payloadType, timestampStep })
    this.#keys = new KeyListener({ codec, eventClockRate: events?.clockRate ?? 8_000, pressed: options.pressed })
    const { rtp, rtcp } = options.sockets
    rtp.on('message', (datagram, from) => this.#receive(datagram, from, isRtcp(datagram)))
    rtcp.on('message', (datagram, from) => this.#receive(datagram, from, true))
  }

  /** How much of the prompt that plays, or played last, has been sent. */
  get playedMs(): number {
    return this.#next * FRAME_MS
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

  /** Another offer: another address, perhaps, with the same codec. */
  setLine(line: ConversationLine<PromptCodec>): void {
    this.#line = line
    this.#latched = undefined
  }

  /** Plays a prompt from its beginning. */
  play(payloads: readonly Uint8Array[]): void {
    this.#payloads = payloads
    this.#next = 0
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
    if (this.#next === 0) this.#firstSequence = this.#packetiser.nextSequence
    this.#sendRtp(this.#packetiser.packet(payload))
    this.#next += 1
    if (this.#next !== this.#payloads?.length) return
    this.#payloads = undefined
    const lastSequence = this.#packetiser.nextSequence - 1
    this.#lastRange = { firstSequence: this.#firstSequence, lastSequence, endUs: this.#options.nowUs() }
    this.#options.finished()
  }

  /** Sends a sender report, by which the other side can tell how far it has heard us. RFC 3550 6.4.1 */
  report({ isLeaving, sent }: { readonly isLeaving: boolean; readonly sent: () => void }): void {
    this.#ticksToReport = REPORT_TICKS
    const { ssrc, timestamp, packetCount, octetCount } = this.#packetiser
    const { address, rtcpPort, isMuxed } = this.#line
    const to = this.#latched?.address ?? address
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
    const packet = concatenated(parts)
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
    const address = this.#latched?.address ?? this.#line.address
    if (address === undefined) return
    const port = this.#latched?.port ?? this.#line.port
    sockets.rtp.send(protection === undefined ? packet : protection.sender.protectRtp(packet), port, address)
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
    if (this.#options.symmetricWith !== undefined) this.#latched ??= { address: from.address, port: from.port }
    const { payloadType, events } = this.#line
    if (packet.value.payloadType === events?.payloadType) this.#keys.handleEvents(packet.value, nowIsUs)
    else if (packet.value.payloadType === payloadType) this.#keys.handleAudio(packet.value)
    else return 'payloadType'
    return undefined
  }

  #takeReports(datagram: Uint8Array, arrivalUs: number): PacketDiscard | undefined {
    const packets = parseRtcp(datagram)
    if (!packets.ok) return 'rtcp'
    for (const packet of packets.value) {
      if (packet.type !== 'senderReport' && packet.type !== 'receiverReport') continue
      const block = packet.reports.find(({ ssrc }) => ssrc === this.#packetiser.ssrc)
      if (block === undefined) continue
      const { extendedHighestSequenceNumber: highestSequence, cumulativeLost } = block
      this.#news = { highestSequence, cumulativeLost, arrivalUs }
    }
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

/** RFC 5761 4 */
function isRtcp(datagram: Uint8Array): boolean {
  const second = datagram[1] ?? 0
  return second >= 192 && second <= 223
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
