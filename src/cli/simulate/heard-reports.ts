import { ntpMiddleOf } from '../../protocol/rtp/ntp.ts'
import { parseRtcp, type ReportBlock } from '../../protocol/rtp/rtcp.ts'

/** A longer round trip than this is none: the recorder quotes nonsense. */
const ROUND_TRIP_MAX_MS = 30_000
const MS_PER_UNIT = 1_000 / 65_536

/** How a recorder says that it hears one media stream, by its last report where nothing else is said. RFC 3550 6.4.2 */
export interface HeardFacts {
  /** Report blocks about the stream. */
  readonly reports: number
  /** What came and was no RTCP, or not under the keys that were agreed. */
  readonly unreadable: number
  /** Negative when duplicates came. */
  readonly cumulativeLost: number
  /** 0..1, the greatest of any report. */
  readonly fractionLostMax: number
  readonly jitterMs: number
  /** The greatest of any report that quotes one of ours; undefined when none does. */
  readonly roundTripMs: number | undefined
  readonly goodbyes: number
}

/** Collects the receiver reports of a recorder about one media stream. */
export class HeardReports {
  readonly #clockRate: number
  #last: ReportBlock | undefined
  #reports = 0
  #unreadable = 0
  #fractionLostMax = 0
  #roundTripMs: number | undefined
  #goodbyes = 0

  /** @param clockRate of the stream's RTP timestamps */
  constructor(clockRate: number) {
    this.#clockRate = clockRate
  }

  get facts(): HeardFacts {
    return {
      reports: this.#reports,
      unreadable: this.#unreadable,
      cumulativeLost: this.#last?.cumulativeLost ?? 0,
      fractionLostMax: this.#fractionLostMax,
      jitterMs: ((this.#last?.jitter ?? 0) * 1_000) / this.#clockRate,
      roundTripMs: this.#roundTripMs,
      goodbyes: this.#goodbyes,
    }
  }

  /**
   * @param compound in clear; undefined when it could not be opened
   * @param ssrc of the stream; reports about others are passed over
   */
  note(compound: Uint8Array | undefined, ssrc: number, atUnixMs: number): void {
    const packets = compound === undefined ? undefined : parseRtcp(compound)
    if (packets?.ok !== true) {
      this.#unreadable += 1
      return
    }
    for (const packet of packets.value) {
      if (packet.type === 'goodbye') this.#goodbyes += 1
      if (packet.type !== 'receiverReport' && packet.type !== 'senderReport') continue
      for (const block of packet.reports) if (block.ssrc === ssrc) this.#noteBlock(block, atUnixMs)
    }
  }

  #noteBlock(block: ReportBlock, atUnixMs: number): void {
    this.#reports += 1
    this.#last = block
    this.#fractionLostMax = Math.max(this.#fractionLostMax, block.fractionLost)
    if (block.lastSenderReport === 0) return
    // RFC 3550 6.4.1: A - LSR - DLSR
    const units = (ntpMiddleOf(atUnixMs) - block.lastSenderReport - block.delaySinceLastSenderReport) | 0
    const ms = units * MS_PER_UNIT
    if (ms >= 0 && ms <= ROUND_TRIP_MAX_MS) this.#roundTripMs = Math.max(this.#roundTripMs ?? 0, ms)
  }
}

/** What a recorder said of all media streams of a run. */
export interface HeardSums {
  readonly reports: number
  readonly unreadable: number
  readonly cumulativeLost: number
  /** The greatest of any stream. */
  readonly fractionLostMax: number
  readonly jitterMsMax: number
  readonly roundTripMsMax: number | undefined
}

/** Undefined when no stream listened for reports. */
export function sumHeard(streams: readonly (HeardFacts | undefined)[]): HeardSums | undefined {
  const heard = streams.filter((facts) => facts !== undefined)
  if (heard.length === 0) return undefined
  const trips = heard.flatMap(({ roundTripMs }) => roundTripMs ?? [])
  return {
    reports: heard.reduce((sum, { reports }) => sum + reports, 0),
    unreadable: heard.reduce((sum, { unreadable }) => sum + unreadable, 0),
    cumulativeLost: heard.reduce((sum, { cumulativeLost }) => sum + cumulativeLost, 0),
    fractionLostMax: Math.max(...heard.map(({ fractionLostMax }) => fractionLostMax)),
    jitterMsMax: Math.max(...heard.map(({ jitterMs }) => jitterMs)),
    roundTripMsMax: trips.length === 0 ? undefined : Math.max(...trips),
  }
}
