import type { SenderReport } from '../protocol/rtp/rtcp.ts'
import type { ReceptionReport } from '../protocol/rtp/reception-report.ts'

/** How long after a sender report packets may come that it has counted already: they overtake each other, most of all in our sockets. */
export const REPORT_SETTLE_US = 500_000
/** A first report that counts so many more packets than were to be expected is of a stream that began before the fork. */
export const LATE_JOIN_PACKETS = 50
const COUNT_RANGE = 0x1_0000_0000

/** What the SRC says it has sent, beside what came of it, as of its last sender report. */
export interface SenderTally {
  readonly senderReports: number
  readonly sent: number
  readonly received: number
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
  #sentBefore = 0
  #receivedBefore = 0
  #ssrc: number | undefined
  #baseSent = 0
  #baseReceived = 0
  #sent = 0
  #received = 0
  #lastCount = 0
  #reportTimestamp = 0
  #openUntilUs = Number.NEGATIVE_INFINITY

  /** @param reception of the same SSRC */
  noteReport(report: SenderReport, reception: ReceptionReport, arrivalUs: number): void {
    const received = reception.distinctPackets
    const isFirst = this.#ssrc !== report.ssrc
    if (isFirst) this.#begin(report, reception)
    // Modulo 2^32; a count that falls was started anew, and what it says cannot be compared any more.
    const step = isFirst ? 0 : (report.packetCount - this.#lastCount + COUNT_RANGE) % COUNT_RANGE
    if (step >= COUNT_RANGE / 2) this.#rebase(report.packetCount, received)
    else this.#sent += isFirst ? report.packetCount - this.#baseSent : step
    this.#senderReports += 1
    this.#lastCount = report.packetCount
    this.#received = received - this.#baseReceived
    this.#reportTimestamp = report.rtpTimestamp
    this.#openUntilUs = arrivalUs + REPORT_SETTLE_US
  }

  /** A packet of the SSRC came that is no duplicate: one that the last report counts, if it had been spoken by then. */
  noteArrival(timestamp: number, packetUnits: number, arrivalUs: number): void {
    if (arrivalUs >= this.#openUntilUs) return
    const units = Number.isFinite(packetUnits) ? packetUnits : 0
    if (((timestamp + units - this.#reportTimestamp) | 0) <= 0) this.#received += 1
  }

  /** Undefined before any report. */
  get tally(): SenderTally | undefined {
    if (this.#senderReports === 0) return undefined
    return {
      senderReports: this.#senderReports,
      sent: this.#sentBefore + this.#sent,
      received: this.#receivedBefore + this.#received,
    }
  }

  #begin(report: SenderReport, reception: ReceptionReport): void {
    this.#sentBefore += this.#sent
    this.#receivedBefore += this.#received
    this.#ssrc = report.ssrc
    this.#sent = 0
    const expected = Math.max(reception.statistics.packetsExpected, reception.distinctPackets)
    const isLateJoin = report.packetCount > expected + LATE_JOIN_PACKETS
    this.#baseSent = isLateJoin ? report.packetCount : 0
    this.#baseReceived = isLateJoin ? reception.distinctPackets : 0
  }

  #rebase(count: number, received: number): void {
    this.#sentBefore += this.#sent
    this.#receivedBefore += this.#received
    this.#sent = 0
    this.#baseSent = count
    this.#baseReceived = received
  }
}
