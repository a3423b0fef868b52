/** Packets received in a row that end a burst, as RFC 3611 4.7.2 recommends. */
export const GAP_PACKETS_MIN = 16

/** Bursts and gaps since the beginning of reception, in packets. RFC 3611 4.7.2 */
export interface BurstStatistics {
  /** Packets of bursts, received or not, and those of them that were not. */
  readonly burstPackets: number
  readonly burstMissing: number
  readonly bursts: number
  /** The same of everything between bursts. */
  readonly gapPackets: number
  readonly gapMissing: number
}

/**
 * Tells bursts of loss from single losses, as RFC 3611 4.7.2 defines them: a burst begins and ends with a missing packet, and in
 * it less than {@link GAP_PACKETS_MIN} packets in a row were received; a missing packet alone belongs to a gap.
 *
 * Feed it in sequence. Packets that came too late are missing, like those that never came.
 */
export class BurstMetrics {
  #packets = 0
  #missing = 0
  #burstPackets = 0
  #burstMissing = 0
  #bursts = 0
  // Since the first missing packet of what may become a burst.
  #runPackets = 0
  #runMissing = 0
  /** Received since the last missing one. */
  #received = GAP_PACKETS_MIN

  noteReceived(): void {
    this.#packets += 1
    this.#received += 1
    if (this.#received === GAP_PACKETS_MIN) this.#endRun()
  }

  noteMissing(count: number): void {
    if (count <= 0) return
    this.#packets += count
    this.#missing += count
    this.#runPackets += (this.#runMissing === 0 ? 0 : this.#received) + count
    this.#runMissing += count
    this.#received = 0
  }

  get statistics(): BurstStatistics {
    // What is not decided yet counts as what it is so far.
    const isBurst = this.#runMissing > 1
    const burstPackets = this.#burstPackets + (isBurst ? this.#runPackets : 0)
    const burstMissing = this.#burstMissing + (isBurst ? this.#runMissing : 0)
    return {
      burstPackets,
      burstMissing,
      bursts: this.#bursts + (isBurst ? 1 : 0),
      gapPackets: this.#packets - burstPackets,
      gapMissing: this.#missing - burstMissing,
    }
  }

  #endRun(): void {
    if (this.#runMissing > 1) {
      this.#bursts += 1
      this.#burstPackets += this.#runPackets
      this.#burstMissing += this.#runMissing
    }
    this.#runPackets = 0
    this.#runMissing = 0
  }
}
