import type { RtpPacket } from '../protocol/rtp/packet.ts'
import type { PacketOrigin } from './packet-sources.ts'

/** Origins watched at a time; the one unheard for longest makes room. */
export const CHALLENGERS_MAX = 4
/** Packets held of each; at 10 ms a packet more than it is ever watched for. */
export const HELD_PACKETS_MAX = 64
/** Older ones would be too late for their place when they are taken. */
export const HELD_AGE_US = 500_000

export interface HeldPacket {
  readonly packet: RtpPacket
  readonly arrivalUs: number
}

/** An origin whose packets are not taken, or not yet. */
export interface Challenger extends PacketOrigin {
  /** Arrival of the oldest packet of its present run: without a long break, of one SSRC. */
  readonly firstUs: number
  /** Of the run, those held or not. */
  readonly packets: number
  /** Oldest first. */
  readonly held: readonly HeldPacket[]
}

interface MutableChallenger extends Challenger {
  firstUs: number
  packets: number
  lastUs: number
  held: HeldPacket[]
}

/** Keeps the last packets of origins that are being watched, within bounds. */
export class ChallengerTable {
  #challengers: MutableChallenger[] = []
  #dropped = 0

  /** Packets that were given up. */
  get dropped(): number {
    return this.#dropped
  }

  /** Holds a packet. */
  note({ address, port }: PacketOrigin, packet: RtpPacket, arrivalUs: number): Challenger {
    const challenger = this.#find(address, port) ?? this.#add(address, port, arrivalUs)
    const isBroken = arrivalUs - challenger.lastUs > HELD_AGE_US || challenger.held[0]?.packet.ssrc !== packet.ssrc
    if (isBroken) {
      this.#drop(challenger, challenger.held.length)
      challenger.firstUs = arrivalUs
      challenger.packets = 0
    }
    const fresh = challenger.held.findIndex((held) => arrivalUs - held.arrivalUs <= HELD_AGE_US)
    this.#drop(challenger, fresh === -1 ? challenger.held.length : fresh)
    if (challenger.held.length >= HELD_PACKETS_MAX) this.#drop(challenger, 1)
    // The memory of a datagram is only lent.
    packet.payload = packet.payload.slice()
    challenger.held.push({ packet, arrivalUs })
    challenger.packets += 1
    challenger.lastUs = arrivalUs
    return challenger
  }

  /** What is held of it; it is watched no more. */
  take(challenger: Challenger): readonly HeldPacket[] {
    this.#challengers = this.#challengers.filter((known) => known !== challenger)
    return challenger.held
  }

  /** What is held of the one heard most. */
  takeLongest(): readonly HeldPacket[] {
    const longest = this.#challengers.toSorted((left, right) => right.packets - left.packets)[0]
    return longest === undefined ? [] : this.take(longest)
  }

  dropAll(): void {
    for (const challenger of this.#challengers) this.#drop(challenger, challenger.held.length)
    this.#challengers = []
  }

  #drop(challenger: MutableChallenger, count: number): void {
    if (count === 0) return
    challenger.held.splice(0, count)
    this.#dropped += count
  }

  #find(address: string, port: number): MutableChallenger | undefined {
    return this.#challengers.find((known) => known.port === port && known.address === address)
  }

  #add(address: string, port: number, arrivalUs: number): MutableChallenger {
    if (this.#challengers.length >= CHALLENGERS_MAX) {
      const oldest = this.#challengers.toSorted((left, right) => left.lastUs - right.lastUs)[0]
      if (oldest !== undefined) {
        this.#drop(oldest, oldest.held.length)
        this.#challengers = this.#challengers.filter((known) => known !== oldest)
      }
    }
    const challenger = { address, port, firstUs: arrivalUs, packets: 0, lastUs: arrivalUs, held: [] }
    this.#challengers.push(challenger)
    return challenger
  }
}
