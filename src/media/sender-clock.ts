import { TransitWindow } from './transit.ts'

/** Two sender reports tell of one clock when they are no further apart than this ... */
export const REPORTS_AGREE_US = 3_000
/** ... and this part of the time between them, by which two clocks may drift. */
const CLOCK_DRIFT_MAX = 200 / 1_000_000
/** Reports nearer to each other prove nothing: the same one may have come twice. */
export const REPORT_DISTANCE_US = 1_000_000
/** A report says nothing of packets that come longer after it. */
export const REPORT_LIFE_US = 120_000_000
/** Seconds with packets before the least transit is believed. */
export const TRANSIT_SECONDS_MIN = 4
/** The same without a packet, and it is not that of now. */
const PACKET_LIFE_US = 16_000_000

/** What a sender report says of time. RFC 3550 6.4.1 */
export interface ReportedTime {
  /** The sender's wall clock as unix milliseconds; NaN when it has none. */
  readonly ntpAtUnixMs: number
  /** The same instant in the stream's RTP time. */
  readonly rtpTimestamp: number
}

/**
 * The wall clock of the sender of one SSRC, as its reports tell it, beside ours: by how much longer its packets are on their way than those of another
 * stream of the same sender. RFC 3550 6.4.1
 *
 * A report is believed when the one before agrees with it, within {@link REPORTS_AGREE_US}. One that does not begins anew: a clock that was set, RTP time
 * that jumped, or a sender whose reports are not worth much.
 */
export class SenderClock {
  readonly #usPerTick: number
  readonly #window = new TransitWindow()
  #ntpUs = 0
  #rtpTimestamp = 0
  /** Of reports that agree. */
  #reports = 0
  #runStartUs = 0
  #lastReportUs = Number.NEGATIVE_INFINITY
  #lastPacketUs = Number.NEGATIVE_INFINITY
  #disagreements = 0

  /** @param clockRate of the RTP timestamps */
  constructor(clockRate: number) {
    this.#usPerTick = 1_000_000 / clockRate
  }

  /** Reports that did not agree with the one before. */
  get disagreements(): number {
    return this.#disagreements
  }

  /** Since when reports agree, and when the last of them came: monotonic microseconds. */
  get runStartUs(): number {
    return this.#runStartUs
  }

  get lastReportUs(): number {
    return this.#lastReportUs
  }

  noteReport({ ntpAtUnixMs, rtpTimestamp }: ReportedTime, arrivalUs: number): void {
    if (!Number.isFinite(ntpAtUnixMs)) return
    const ntpUs = ntpAtUnixMs * 1_000
    if (this.#reports > 0) {
      const passedUs = Math.abs(ntpUs - this.#ntpUs)
      if (passedUs < REPORT_DISTANCE_US) return
      const errorUs = Math.abs(ntpUs - this.#ntpOf(rtpTimestamp))
      if (errorUs > REPORTS_AGREE_US + passedUs * CLOCK_DRIFT_MAX) {
        this.#disagreements += 1
        this.#reports = 0
      }
    }
    if (this.#reports === 0) {
      this.#window.clear()
      this.#runStartUs = arrivalUs
    }
    this.#reports += 1
    this.#ntpUs = ntpUs
    this.#rtpTimestamp = rtpTimestamp
    this.#lastReportUs = arrivalUs
  }

  /** A packet whose timestamp runs with time, in order of arrival. */
  notePacket(timestamp: number, arrivalUs: number): void {
    if (this.#reports === 0 || arrivalUs - this.#lastReportUs > REPORT_LIFE_US) return
    this.#lastPacketUs = arrivalUs
    this.#window.note(arrivalUs - this.#ntpOf(timestamp), arrivalUs)
  }

  /** The reports agree, and enough packets came of late to know their least transit. */
  isKnown(nowUs: number): boolean {
    if (this.#reports < 2 || this.#window.secondsFilled < TRANSIT_SECONDS_MIN) return false
    return nowUs - this.#lastReportUs <= REPORT_LIFE_US && nowUs - this.#lastPacketUs <= PACKET_LIFE_US
  }

  /** Our clock minus the sender's, and the least transit: microseconds. It has no zero point; two of one sender have the same. */
  get offsetUs(): number {
    return this.#window.least
  }

  /** The sender's wall clock at a timestamp near that of the last report, microseconds. */
  #ntpOf(timestamp: number): number {
    return this.#ntpUs + ((timestamp - this.#rtpTimestamp) | 0) * this.#usPerTick
  }
}
