import { BurstMetrics, GAP_PACKETS_MIN } from './burst-metrics.ts'
import { InterarrivalJitter } from './jitter.ts'
import type { ReportBlock } from './rtcp.ts'
import type { VoipMetrics } from './rtcp-xr.ts'
import { SequenceTracker, sequenceDistance, type ReceptionStatistics } from './sequence.ts'

/** Units in a second by which report blocks count delays. RFC 3550 6.4.1 */
const DELAY_UNITS_PER_SECOND = 65_536

/** What a VoIP metrics block says that is not counted here. */
export interface PlayoutFacts {
  /** 0 when it is not known. */
  readonly roundTripMs: number
  /** How far behind now the audio is taken. */
  readonly delayMs: number
  /** How long the audio can wait at most. */
  readonly delayMaxMs: number
}

/**
 * How one SSRC is received: everything that a report block and a VoIP metrics block of it say. RFC 3550 6.4.1, RFC 3611 4.7
 *
 * Packets go in twice: in order of arrival as soon as they are known to be of this SSRC, and in sequence when they are released.
 */
export class ReceptionReport {
  readonly ssrc: number
  /** Hz of the RTP timestamps. */
  readonly clockRate: number
  readonly #sequence = new SequenceTracker()
  readonly #bursts = new BurstMetrics()
  readonly #jitter: InterarrivalJitter
  #arrivals = 0
  #duplicates = 0
  #octets = 0
  #late = 0
  #lastSenderReport = 0
  #lastSenderReportUs = 0
  #previousNumber: number | undefined
  #previousTimestamp = 0
  /** The least step of the timestamp from one packet to the next: the time of a packet. */
  #packetUnits = Infinity

  constructor(ssrc: number, clockRate: number) {
    this.ssrc = ssrc
    this.clockRate = clockRate
    this.#jitter = new InterarrivalJitter(clockRate)
  }

  /** Every packet of the SSRC, duplicates and stragglers too. RFC 3550 A.3 */
  noteArrival(sequenceNumber: number, payloadOctets = 0): void {
    this.#arrivals += 1
    this.#octets += payloadOctets
    this.#sequence.update(sequenceNumber)
  }

  /** The last to arrive had come before. */
  noteDuplicate(payloadOctets = 0): void {
    this.#duplicates += 1
    this.#octets -= payloadOctets
  }

  /** Those of them whose timestamps run with time: not telephone-events, which repeat one (RFC 4733 2.2.2). RFC 3550 A.8 */
  noteTiming(sequenceNumber: number, timestamp: number, arrivalUs: number): void {
    this.#jitter.update(timestamp, arrivalUs)
    if (this.#previousNumber !== undefined && sequenceDistance(this.#previousNumber, sequenceNumber) === 1) {
      const step = (timestamp - this.#previousTimestamp) | 0
      if (step > 0) this.#packetUnits = Math.min(this.#packetUnits, step)
    }
    this.#previousNumber = sequenceNumber
    this.#previousTimestamp = timestamp
  }

  /** A packet is next in sequence, after so many that are given up. */
  noteReleased(missingBefore: number): void {
    this.#bursts.noteMissing(missingBefore)
    this.#bursts.noteReceived()
  }

  /** A packet came when it had been given up: missing already, and not lost on the way. */
  noteLate(): void {
    this.#late += 1
  }

  /** @param ntpMiddle of a sender report of the SSRC */
  noteSenderReport(ntpMiddle: number, arrivalUs: number): void {
    this.#lastSenderReport = ntpMiddle
    this.#lastSenderReportUs = arrivalUs
  }

  get statistics(): ReceptionStatistics {
    return this.#sequence.statistics
  }

  /** Packets that arrived, each once, whatever became of them. */
  get distinctPackets(): number {
    return this.#arrivals - this.#duplicates
  }

  /** Of payload, without headers and padding, of {@link distinctPackets}. RFC 3550 6.4.1 */
  get distinctOctets(): number {
    return this.#octets
  }

  /** Units of the RTP clock in a packet, as far as known; Infinity before two packets followed each other. */
  get packetUnits(): number {
    return this.#packetUnits
  }

  get jitterSeconds(): number {
    return this.#jitter.seconds
  }

  /** The next report block: its fraction lost is that since the last call. RFC 3550 6.4.1 */
  takeBlock(nowUs: number): ReportBlock {
    const { extendedHighestSequenceNumber, cumulativeLost } = this.#sequence.statistics
    const sinceUs = this.#lastSenderReport === 0 ? 0 : Math.max(0, nowUs - this.#lastSenderReportUs)
    return {
      ssrc: this.ssrc,
      fractionLost: this.#sequence.takeFractionLost(),
      cumulativeLost,
      extendedHighestSequenceNumber,
      jitter: Math.floor(this.#jitter.timestampUnits),
      lastSenderReport: this.#lastSenderReport,
      delaySinceLastSenderReport: Math.min(0xffff_ffff, Math.round((sinceUs * DELAY_UNITS_PER_SECOND) / 1_000_000)),
    }
  }

  /** RFC 3611 4.7; all since the beginning of reception. */
  voipMetrics(playout: PlayoutFacts): VoipMetrics {
    const { burstPackets, burstMissing, bursts, gapPackets, gapMissing } = this.#bursts.statistics
    const packets = burstPackets + gapPackets
    const missing = burstMissing + gapMissing
    const late = Math.min(this.#late, missing)
    const packetMs = Number.isFinite(this.#packetUnits) ? (this.#packetUnits * 1_000) / this.clockRate : 0
    return {
      type: 'voipMetrics',
      ssrc: this.ssrc,
      lossRate: share(missing - late, packets),
      discardRate: share(late, packets),
      burstDensity: share(burstMissing, burstPackets),
      gapDensity: share(gapMissing, gapPackets),
      burstMs: bursts === 0 ? 0 : (burstPackets * packetMs) / bursts,
      // A gap before each burst, and the one that lasts.
      gapMs: (gapPackets * packetMs) / (bursts + 1),
      roundTripMs: playout.roundTripMs,
      endSystemMs: playout.delayMs,
      gapMin: GAP_PACKETS_MIN,
      bufferMs: playout.delayMs,
      bufferMaxMs: playout.delayMs,
      bufferAbsoluteMaxMs: playout.delayMaxMs,
    }
  }
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
