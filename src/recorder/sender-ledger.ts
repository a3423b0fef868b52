import type { SenderReport } from '../protocol/rtp/rtcp.ts'
import type { ReceptionReport } from '../protocol/rtp/reception-report.ts'

/** How long after a sender report packets may come that it has counted already: they overtake each other, most of all in our sockets. */
export const REPORT_SETTLE_US = 500_000
/** A first report that counts so many more packets than were to be expected is of a stream that began before the fork. */
export const LATE_JOIN_PACKETS = 50
const COUNT_RANGE = 0x1_0000_0000
const NOTHING: Readonly<Counts> = { packets: 0, octets: 0 }

interface Counts {
  packets: number
  octets: number
}

/** What the SRC says it has sent, beside what came of it, as of its last sender report. */
export interface SenderTally {
  readonly senderReports: number
  readonly sent: number
  readonly received: number
  /** Of payload, without headers and padding. */
  readonly octetsSent: number
  readonly octetsReceived: number
}

/**
 * Compares what sender reports count with what has arrived: proof, by the sender's own word, of how complete a media stream is.
 * RFC 3550 6.4.1
 *
 * The SSRCs of a stream are summed up. Of one that had been sending before it reached us, only what came after its first report counts.
 */
export class SenderLedger {
  #senderReports = 0
  // Of SSRCs before the present one.
  readonly #sentBefore: Counts = { packets: 0, octets: 0 }
  readonly #receivedBefore: Counts = { packets: 0, octets: 0 }
  #ssrc: number | undefined
  #baseReceived: Readonly<Counts> = NOTHING
  readonly #sent: Counts = { packets: 0, octets: 0 }
  readonly #received: Counts = { packets: 0, octets: 0 }
  #lastCount: Readonly<Counts> = NOTHING
  #reportTimestamp = 0
  #openUntilUs = Number.NEGATIVE_INFINITY

  /** @param reception of the same SSRC */
  noteReport(report: SenderReport, reception: ReceptionReport, arrivalUs: number): void {
    if (this.#ssrc !== report.ssrc) this.#begin(report, reception)
    const step = stepOf(report.packetCount, this.#lastCount.packets)
    // A count that falls was started anew, and what it says cannot be compared any more.
    if (step >= COUNT_RANGE / 2) this.#close(receivedOf(reception))
    else {
      this.#sent.packets += step
      this.#sent.octets += octetStepOf(report.octetCount, this.#lastCount.octets)
    }
    this.#senderReports += 1
    this.#lastCount = { packets: report.packetCount, octets: report.octetCount }
    this.#received.packets = reception.distinctPackets - this.#baseReceived.packets
    this.#received.octets = reception.distinctOctets - this.#baseReceived.octets
    this.#reportTimestamp = report.rtpTimestamp
    this.#openUntilUs = arrivalUs + REPORT_SETTLE_US
  }

  /** A packet of the SSRC came that is no duplicate: one that the last report counts, if it had been spoken by then. */
  noteArrival(timestamp: number, packetUnits: number, arrivalUs: number, payloadOctets = 0): void {
    if (arrivalUs >= this.#openUntilUs) return
    const units = Number.isFinite(packetUnits) ? packetUnits : 0
    if (((timestamp + units - this.#reportTimestamp) | 0) > 0) return
    this.#received.packets += 1
    this.#received.octets += payloadOctets
  }

  /** Undefined before any report. */
  get tally(): SenderTally | undefined {
    if (this.#senderReports === 0) return undefined
    return {
      senderReports: this.#senderReports,
      sent: this.#sentBefore.packets + this.#sent.packets,
      received: this.#receivedBefore.packets + this.#received.packets,
      octetsSent: this.#sentBefore.octets + this.#sent.octets,
      octetsReceived: this.#receivedBefore.octets + this.#received.octets,
    }
  }

  #begin(report: SenderReport, reception: ReceptionReport): void {
    const expected = Math.max(reception.statistics.packetsExpected, reception.distinctPackets)
    const isLateJoin = report.packetCount > expected + LATE_JOIN_PACKETS
    this.#close(isLateJoin ? receivedOf(reception) : NOTHING)
    this.#ssrc = report.ssrc
    this.#lastCount = isLateJoin ? { packets: report.packetCount, octets: report.octetCount } : NOTHING
  }

  /** What was counted so far is done with; what comes counts from here. */
  #close(baseReceived: Readonly<Counts>): void {
    move(this.#sent, this.#sentBefore)
    move(this.#received, this.#receivedBefore)
    this.#baseReceived = baseReceived
  }
}

/** Of a counter that runs modulo 2^32. RFC 3550 6.4.1 */
function stepOf(count: number, before: number): number {
  return (count - before + COUNT_RANGE) % COUNT_RANGE
}

/** Octets follow the packets: where their count falls while that of packets grows, the sender does not count them. */
function octetStepOf(count: number, before: number): number {
  const step = stepOf(count, before)
  return step >= COUNT_RANGE / 2 ? 0 : step
}

function receivedOf({ distinctPackets, distinctOctets }: ReceptionReport): Counts {
  return { packets: distinctPackets, octets: distinctOctets }
}

function move(from: Counts, to: Counts): void {
  to.packets += from.packets
  to.octets += from.octets
  from.packets = 0
  from.octets = 0
}
