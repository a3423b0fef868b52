import type { RtpPacket } from '../protocol/rtp/packet.ts'
import type { HeldPacket } from './packet-challengers.ts'

/** Packets from a new SSRC before it is believed; one stray packet must not cut a stream. RFC 3550 A.1 */
export const SSRC_PROBATION_PACKETS = 2
/** How long the active SSRC has to be silent before another takes over: five packets of 20 ms. */
export const SSRC_SILENCE_US = 100_000
/** How long packets of another SSRC are kept for the case that it takes over. */
export const CANDIDATE_AGE_US = 1_000_000
/** Packets of one other SSRC that are kept for the case that it takes over. */
export const CANDIDATE_PACKETS_MAX = 16
/** SSRCs that are watched at a time; one more waits until one of them is silent. */
export const CANDIDATES_MAX = 4

/**
 * Keeps the last packets of SSRCs that are not the active one, in order of arrival, for the case that one takes over. Each is believed by its own packets, so
 * that of several that send in turns the first takes over; if they displaced each other, none ever would.
 */
export class SsrcCandidates {
  readonly #held = new Map<number, HeldPacket[]>()
  #dropped = 0
  #hasSecondSource = false

  /** Packets that were given up. */
  get dropped(): number {
    return this.#dropped
  }

  /** A whole buffer of one came within a second, and the active SSRC went on all the same. */
  get hasSecondSource(): boolean {
    return this.#hasSecondSource
  }

  /**
   * `held`: kept, or dropped and counted where too many SSRCs send. After `takesOver` the caller takes what is held of this one.
   *
   * @param isActiveSilent the active SSRC sends no more: this one takes over when it is believed
   */
  note(packet: RtpPacket, arrivalUs: number, isActiveSilent: boolean): 'duplicate' | 'held' | 'takesOver' {
    this.#dropAged(arrivalUs)
    const held = this.#held.get(packet.ssrc) ?? this.#begin(packet.ssrc, arrivalUs)
    if (held === undefined) {
      this.#dropped += 1
      return 'held'
    }
    if (held.some((known) => known.packet.sequenceNumber === packet.sequenceNumber)) return 'duplicate'
    // The memory of a datagram is only lent.
    packet.payload = packet.payload.slice()
    held.push({ packet, arrivalUs })
    if (isActiveSilent && held.length >= SSRC_PROBATION_PACKETS) return 'takesOver'
    if (held.length > CANDIDATE_PACKETS_MAX) {
      this.#hasSecondSource = true
      this.#dropOldest(held)
    }
    return 'held'
  }

  /** What is held of this SSRC, oldest first. */
  take(ssrc: number): readonly HeldPacket[] {
    const held = this.#held.get(ssrc) ?? []
    this.#held.delete(ssrc)
    return held
  }

  /** Nothing more will come: what is held was not taken. */
  giveUp(): void {
    for (const ssrc of this.#held.keys()) this.#drop(ssrc)
  }

  /** Undefined when too many are watched, and none of them is silent. */
  #begin(ssrc: number, nowUs: number): HeldPacket[] | undefined {
    if (this.#held.size >= CANDIDATES_MAX) {
      const silent = [...this.#held].find(([, held]) => nowUs - (held.at(-1)?.arrivalUs ?? nowUs) >= SSRC_SILENCE_US)
      if (silent === undefined) return undefined
      this.#drop(silent[0])
    }
    const held: HeldPacket[] = []
    this.#held.set(ssrc, held)
    return held
  }

  #dropAged(nowUs: number): void {
    for (const [ssrc, held] of this.#held) {
      while (nowUs - (held[0]?.arrivalUs ?? nowUs) > CANDIDATE_AGE_US) this.#dropOldest(held)
      if (held.length === 0) this.#held.delete(ssrc)
    }
  }

  #dropOldest(held: HeldPacket[]): void {
    if (held.shift() !== undefined) this.#dropped += 1
  }

  #drop(ssrc: number): void {
    this.#dropped += this.take(ssrc).length
  }
}
