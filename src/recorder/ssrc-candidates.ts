import type { RtpPacket } from '../protocol/rtp/packet.ts'
import type { HeldPacket } from './packet-challengers.ts'

/** Packets from a new SSRC before it is believed; one stray packet must not cut a stream. RFC 3550 A.1 */
export const SSRC_PROBATION_PACKETS = 2
/** How long the active SSRC has to be silent before another takes over: five packets of 20 ms. */
export const SSRC_SILENCE_US = 100_000
/** How long packets of another SSRC are kept for the case that it takes over. */
export const CANDIDATE_AGE_US = 1_000_000
/** Packets of a second SSRC that are kept for the case that it takes over. */
export const CANDIDATE_PACKETS_MAX = 16

/** Keeps the last packets of one SSRC that is not the active one, in order of arrival, for the case that it takes over. */
export class SsrcCandidates {
  #held: HeldPacket[] = []
  #dropped = 0
  #hasSecondSource = false

  /** Packets that were given up. */
  get dropped(): number {
    return this.#dropped
  }

  /** A whole buffer of it came within a second, and the active SSRC went on all the same. */
  get hasSecondSource(): boolean {
    return this.#hasSecondSource
  }

  /** @param isActiveSilent the active SSRC sends no more: this one takes over when it is believed */
  note(packet: RtpPacket, arrivalUs: number, isActiveSilent: boolean): 'duplicate' | 'held' | 'takesOver' {
    const [oldest] = this.#held
    if (oldest?.packet.ssrc !== packet.ssrc) this.#drop()
    while (arrivalUs - (this.#held[0]?.arrivalUs ?? arrivalUs) > CANDIDATE_AGE_US) this.#dropOldest()
    if (this.#held.some((held) => held.packet.sequenceNumber === packet.sequenceNumber)) return 'duplicate'
    // The memory of a datagram is only lent.
    packet.payload = packet.payload.slice()
    this.#held.push({ packet, arrivalUs })
    if (isActiveSilent && this.#held.length >= SSRC_PROBATION_PACKETS) return 'takesOver'
    if (this.#held.length > CANDIDATE_PACKETS_MAX) {
      this.#hasSecondSource = true
      this.#dropOldest()
    }
    return 'held'
  }

  /** What is held, oldest first. */
  take(): readonly HeldPacket[] {
    const held = this.#held
    this.#held = []
    return held
  }

  /** Nothing more will come: what is held was not taken. */
  giveUp(): void {
    this.#drop()
  }

  #dropOldest(): void {
    if (this.#held.shift() !== undefined) this.#dropped += 1
  }

  #drop(): void {
    this.#dropped += this.#held.length
    this.#held = []
  }
}
