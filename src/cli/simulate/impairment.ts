import type { Random } from './random.ts'

/** What happens to the RTP packets of a media stream on their way. Fractions are 0..1. */
export interface ImpairmentProfile {
  /** Fraction of packets that never leave. */
  readonly lossFraction: number
  /** Every packet waits a random time below this; their order is kept, as in one router queue. */
  readonly jitterUs: number
  /** Fraction of packets that leave after one to {@link REORDER_DISTANCE_MAX} of their followers. */
  readonly reorderFraction: number
  /** Fraction of packets sent twice; the copy follows within {@link DUPLICATE_DELAY_MAX_US}. */
  readonly duplicateFraction: number
}

export const NO_IMPAIRMENT: ImpairmentProfile = {
  lossFraction: 0,
  jitterUs: 0,
  reorderFraction: 0,
  duplicateFraction: 0,
}
export const REORDER_DISTANCE_MAX = 3
export const DUPLICATE_DELAY_MAX_US = 40_000

export interface ScheduledPacket<Packet> {
  readonly sendAtUs: number
  readonly packet: Packet
  /** True for the second copy of a duplicated packet. */
  readonly copy: boolean
}

export interface ImpairmentCounts {
  /** Packets that leave, second copies included. */
  readonly sent: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
}

interface HeldPacket<Packet> {
  readonly packet: Packet
  followers: number
}

/**
 * The network between an SRC and the recorder, for one media stream: packets in, (time, packet) out. No clock, no socket.
 *
 * Packets go in in the order of their nominal time. What comes out of one `push` may lie later than what the next one gives:
 * sort by `sendAtUs`, keeping the order of equals. Holds at most {@link REORDER_DISTANCE_MAX} + 1 packets. The same profile
 * and numbers give the same schedule.
 */
export class ImpairedPath<Packet> {
  readonly #profile: ImpairmentProfile
  readonly #random: Random
  #held: HeldPacket<Packet>[] = []
  #lastSendAtUs = Number.NEGATIVE_INFINITY
  #sent = 0
  #lost = 0
  #duplicated = 0
  #reordered = 0

  constructor(profile: ImpairmentProfile, random: Random) {
    this.#profile = profile
    this.#random = random
  }

  get counts(): ImpairmentCounts {
    return { sent: this.#sent, lost: this.#lost, duplicated: this.#duplicated, reordered: this.#reordered }
  }

  push(packet: Packet, nominalUs: number): readonly ScheduledPacket<Packet>[] {
    // Five numbers per packet, used or not: changing one rate leaves the fate of the packets under the other rates alone.
    const [forLoss, forJitter, forReorder, forDuplicate, forDistance] = [
      this.#random(),
      this.#random(),
      this.#random(),
      this.#random(),
      this.#random(),
    ]
    if (forLoss < this.#profile.lossFraction) {
      this.#lost++
      return []
    }
    if (forReorder < this.#profile.reorderFraction && this.#held.length <= REORDER_DISTANCE_MAX) {
      this.#held.push({ packet, followers: 1 + Math.floor(forDistance * REORDER_DISTANCE_MAX) })
      return []
    }
    const sendAtUs = Math.max(this.#lastSendAtUs, Math.floor(nominalUs + forJitter * this.#profile.jitterUs))
    this.#lastSendAtUs = sendAtUs
    const scheduled: ScheduledPacket<Packet>[] = [{ sendAtUs, packet, copy: false }]
    if (forDuplicate < this.#profile.duplicateFraction) {
      this.#duplicated++
      scheduled.push({ sendAtUs: sendAtUs + Math.floor(forDistance * DUPLICATE_DELAY_MAX_US), packet, copy: true })
    }
    this.#releaseHeld(scheduled, sendAtUs)
    this.#sent += scheduled.length
    return scheduled
  }

  /** The packets still waiting for followers when the media stream ends: they leave last, and in order, so are not counted. */
  flush(nowUs: number): readonly ScheduledPacket<Packet>[] {
    const sendAtUs = Math.max(this.#lastSendAtUs, nowUs)
    const scheduled = this.#held.map(({ packet }) => ({ sendAtUs, packet, copy: false }))
    this.#held = []
    this.#sent += scheduled.length
    return scheduled
  }

  #releaseHeld(scheduled: ScheduledPacket<Packet>[], sendAtUs: number): void {
    for (const held of this.#held) {
      held.followers--
      if (held.followers > 0) continue
      this.#reordered++
      scheduled.push({ sendAtUs, packet: held.packet, copy: false })
    }
    this.#held = this.#held.filter((held) => held.followers > 0)
  }
}

export interface ImpairedSchedule<Packet> {
  readonly packets: readonly ScheduledPacket<Packet>[]
  readonly lost: readonly Packet[]
  readonly counts: ImpairmentCounts
}

/** A whole media stream at once: everything that leaves, in the order in which it leaves, and what never does. */
export function impairPackets<Packet>(
  packets: readonly { readonly packet: Packet; readonly nominalUs: number }[],
  profile: ImpairmentProfile,
  random: Random,
): ImpairedSchedule<Packet> {
  const path = new ImpairedPath<Packet>(profile, random)
  const lost: Packet[] = []
  const scheduled: ScheduledPacket<Packet>[] = []
  for (const { packet, nominalUs } of packets) {
    const lostBefore = path.counts.lost
    scheduled.push(...path.push(packet, nominalUs))
    if (path.counts.lost > lostBefore) lost.push(packet)
  }
  scheduled.push(...path.flush(packets.at(-1)?.nominalUs ?? 0))
  return { packets: scheduled.sort((left, right) => left.sendAtUs - right.sendAtUs), lost, counts: path.counts }
}

/**
 * Nominal time of the packet with this index, microseconds after the stream began, when the SRC's sampling clock runs
 * `driftPpm` parts per million fast (or slow, when negative): it fills the same samples in less (or more) time.
 */
export function nominalOffsetUs(packetIndex: number, packetTimeUs: number, driftPpm: number): number {
  return Math.round((packetIndex * packetTimeUs) / (1 + driftPpm / 1_000_000))
}
