import { ntpMiddleOf } from '../protocol/rtp/ntp.ts'
import type { ReceptionReport } from '../protocol/rtp/reception-report.ts'
import { receiverIntervalUs } from '../protocol/rtp/rtcp-interval.ts'
import { serializeCname, serializeGoodbye, serializeReceiverReport } from '../protocol/rtp/rtcp-writer.ts'
import { serializeExtendedReport, type DelaySinceLastReceiverReport, type XrBlock } from '../protocol/rtp/rtcp-xr.ts'
import { HORIZON_US } from './horizon.ts'

/** The narrowest stream that is recorded, headers included: reports keep within their share of it. */
const SESSION_BITS_PER_SECOND = 20_000
/** IP and UDP headers count too. RFC 3550 6.2 */
const HEADER_OCTETS = 28
/** Of a first compound, before any was sent or received. */
const FIRST_AVERAGE_OCTETS = 150
/** Audio that can wait at most: the reorder buffer's 20 s. */
const DELAY_MAX_MS = 20_000
/** A longer round trip than this is none: clocks were set, or the sender quotes nonsense. */
const ROUND_TRIP_MAX_MS = 30_000
const MS_PER_UNIT = 1_000 / 65_536

/** Who we are in the RTCP of all media streams of a recording session. */
export interface RtcpIdentity {
  /** Random, and the same on every stream; it names no machine. RFC 7022 4.2 */
  readonly cname: string
  readonly randomBytes: (length: number) => Uint8Array
  /** Wall clock of a monotonic instant, unix milliseconds. */
  readonly unixMsAt: (us: number) => number
}

/**
 * Our side of the RTCP of one media stream: a receiver that never sends RTP. It says when the next report is due and what it says.
 * RFC 3550 6, RFC 3611
 */
export class RtcpReporter {
  readonly #identity: RtcpIdentity
  #ssrc: number
  /** An SSRC of ours that was given up, and that others have heard of. RFC 3550 8.2 */
  #formerSsrc: number | undefined
  #averageOctets = FIRST_AVERAGE_OCTETS
  #nextUs = Infinity
  #sent = 0
  #roundTripMs = 0

  constructor(identity: RtcpIdentity) {
    this.#identity = identity
    this.#ssrc = uint32(identity.randomBytes(4))
  }

  get ssrc(): number {
    return this.#ssrc
  }

  /** Compound packets made. */
  get sent(): number {
    return this.#sent
  }

  /** By the last DLRR that quoted us; 0 when none did. */
  get roundTripMs(): number {
    return this.#roundTripMs
  }

  /** Monotonic microseconds; Infinity before {@link begin}. */
  get nextReportUs(): number {
    return this.#nextUs
  }

  /** The first packet of the SRC came. RFC 3550 6.3.2 */
  begin(nowUs: number): void {
    if (this.#nextUs === Infinity) this.#nextUs = nowUs + this.#interval(true)
  }

  /** Somebody else has this SSRC. When it is ours, we take another. RFC 3550 8.2 */
  noteForeignSsrc(ssrc: number): void {
    if (ssrc !== this.#ssrc) return
    if (this.#sent > 0) this.#formerSsrc = ssrc
    const drawn = uint32(this.#identity.randomBytes(4))
    this.#ssrc = drawn === ssrc ? ~drawn >>> 0 : drawn
  }

  /** @param octets of a compound packet that was received or sent. RFC 3550 6.3.3 */
  noteSize(octets: number): void {
    this.#averageOctets += (octets + HEADER_OCTETS - this.#averageOctets) / 16
  }

  /** RFC 3611 4.5 */
  noteDelays({ reports }: DelaySinceLastReceiverReport, arrivalUs: number): void {
    const ours = reports.find(({ ssrc, lastReceiverReport }) => ssrc === this.#ssrc && lastReceiverReport !== 0)
    if (ours === undefined) return
    const now = ntpMiddleOf(this.#identity.unixMsAt(arrivalUs))
    const ms = ((now - ours.lastReceiverReport - ours.delay) | 0) * MS_PER_UNIT
    if (ms >= 0 && ms <= ROUND_TRIP_MAX_MS) this.#roundTripMs = ms
  }

  /** The compound packet that is due, in clear; the next one is due an interval later. */
  takeReport(reception: ReceptionReport | undefined, nowUs: number): Uint8Array {
    this.#nextUs = nowUs + this.#interval(false)
    const former = this.#formerSsrc
    this.#formerSsrc = undefined
    const packets = [...this.#report(reception, nowUs), ...(former === undefined ? [] : [serializeGoodbye([former])])]
    return this.#join(packets)
  }

  /** The last compound packet, with a BYE; undefined when nobody has heard of us. RFC 3550 6.3.7 */
  takeGoodbye(reception: ReceptionReport | undefined, nowUs: number): Uint8Array | undefined {
    this.#nextUs = Infinity
    if (this.#sent === 0) return undefined
    return this.#join([...this.#report(reception, nowUs), serializeGoodbye([this.#ssrc])])
  }

  #report(reception: ReceptionReport | undefined, nowUs: number): readonly Uint8Array[] {
    const ssrc = this.#ssrc
    const blocks: XrBlock[] = [
      { type: 'receiverReferenceTime', ntpAtUnixMs: this.#identity.unixMsAt(nowUs) },
      ...(reception === undefined ? [] : [reception.voipMetrics(this.#playout)]),
    ]
    const reports = reception === undefined ? [] : [reception.takeBlock(nowUs)]
    return [
      serializeReceiverReport({ type: 'receiverReport', ssrc, reports }),
      serializeCname(ssrc, this.#identity.cname),
      serializeExtendedReport({ type: 'extendedReport', ssrc, blocks }),
    ]
  }

  get #playout() {
    return { roundTripMs: this.#roundTripMs, delayMs: HORIZON_US / 1_000, delayMaxMs: DELAY_MAX_MS }
  }

  #join(packets: readonly Uint8Array[]): Uint8Array {
    const compound = new Uint8Array(packets.reduce((sum, packet) => sum + packet.length, 0))
    let offset = 0
    for (const packet of packets) {
      compound.set(packet, offset)
      offset += packet.length
    }
    this.#sent += 1
    this.noteSize(compound.length)
    return compound
  }

  #interval(isInitial: boolean): number {
    return receiverIntervalUs({
      sessionBitsPerSecond: SESSION_BITS_PER_SECOND,
      averageOctets: this.#averageOctets,
      isInitial,
      random: uint32(this.#identity.randomBytes(4)) / 0x1_0000_0000,
    })
  }
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}
