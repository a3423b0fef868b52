import type { RtpPacket } from '../protocol/rtp/packet.ts'
import { MAX_DROPOUT, sequenceDistance } from '../protocol/rtp/sequence.ts'
import { canonicalAddress } from '../protocol/sdp/ip-address.ts'
import { ChallengerTable, type Challenger, type HeldPacket } from './packet-challengers.ts'

/** Where a datagram came from, as the socket says. */
export interface PacketOrigin {
  readonly address: string
  readonly port: number
}

/**
 * From where RTP is taken. `sdp`: only from the address that the SDP names. `latch`: from there, and from whoever begins to send when
 * nobody better does. `any`: from everywhere.
 */
export type SourceRule = 'sdp' | 'latch' | 'any'

/**
 * How an origin is known: named by the SDP of the media stream, the address that the SRC signals from, authentic by SRTP, or by nothing but
 * its packets.
 */
export type OriginKind = 'sdp' | 'signalling' | 'authentic' | 'latched'

/** `moved`: taken, and so are the packets that {@link PacketSources.takeHeld} gives, this one among them. `held`: may yet be taken. */
export type SourceVerdict = 'taken' | 'moved' | 'held' | 'dropped'

/** How long a new origin that nothing names is watched before it is believed: the one that SDP names may be about to send. */
export const LATCH_WAIT_US = 200_000
/** How long the present origin has to be silent before one that nothing names takes over. Less than audio waits to be committed. */
export const SOURCE_SILENCE_US = 400_000
/** The same for one that goes on with the same SSRC and sequence, or from another port of the same address. */
export const REBINDING_SILENCE_US = 100_000
/** How long the address of the SDP before is still as good: packets of it are on their way. RFC 3264 8.3.1 */
export const FORMER_ADDRESS_US = 32_000_000
/** Packets of another origin, all dropped while the present one sends, from which on audio may be getting lost. */
export const CONTEST_PACKETS = 50
/** Origins that packets were taken from, which may come back at once. */
export const HOMES_MAX = 4

/** The present origin. */
interface ActiveOrigin {
  /** As the socket writes it. */
  address: string
  port: number
  kind: OriginKind
  lastUs: number
  ssrc: number
  sequenceNumber: number
  /** Taken from this address, whatever port. */
  packets: number
}

/**
 * Decides which packets of one media stream are taken, by where they come from. Recording comes first: whatever the SRC does, its audio is
 * to be kept; and a stranger who sprays the port should get none of his in.
 *
 * - Whoever is named (by SDP, else by the signalling) is taken at once and displaces whoever is not.
 * - Whoever is not named is watched first and its packets are kept meanwhile, so that believing it late costs no audio.
 * - It displaces the present origin only when that is silent, is not one to be silent (held), or when it has given more packets before.
 *
 * Between two that nothing names, both sending, the first goes on; {@link isContested} says so. SRTP needs none of this: its packets are
 * authentic wherever they come from.
 */
export class PacketSources {
  readonly #rule: SourceRule
  readonly #signallingAddress: string | undefined
  #sdpAddress: string | undefined
  #formerAddress: string | undefined
  #formerUntilUs = 0
  #isHeld: boolean
  #active: ActiveOrigin | undefined
  readonly #challengers = new ChallengerTable()
  #taken: readonly HeldPacket[] = []
  readonly #homes: { readonly address: string; packets: number }[] = []
  readonly #kindsSeen = new Set<OriginKind>()
  #dropped = 0
  #isContested = false
  #moves = 0
  /** Of the address asked about last, which is nearly always the one asked about next. */
  #lastAddress = ''
  #lastCanonical: string | undefined

  /** @param settings without them packets are taken from everywhere */
  constructor(
    plan: { readonly transport?: { readonly address: string | undefined }; readonly held: boolean },
    settings?: { readonly sourceRule: SourceRule; readonly signallingAddress: string | undefined },
  ) {
    this.#rule = settings?.sourceRule ?? 'any'
    this.#sdpAddress = canonicalAddress(plan.transport?.address ?? '')
    this.#signallingAddress = canonicalAddress(settings?.signallingAddress ?? '')
    this.#isHeld = plan.held
  }

  /** Packets that were not taken for where they came from; those still held count when they are given up. */
  get dropped(): number {
    return this.#dropped + this.#challengers.dropped
  }

  /** How the origins are known that packets were taken from, in the order in which they came. */
  get kinds(): readonly OriginKind[] {
    return [...this.#kindsSeen]
  }

  /** Where packets come from at present. */
  get active(): (PacketOrigin & { readonly kind: OriginKind }) | undefined {
    return this.#active
  }

  /** How often an origin that nothing names has displaced another. */
  get moves(): number {
    return this.#moves
  }

  /** Two origins that nothing names sent at the same time: which one is the SRC cannot be told. */
  get isContested(): boolean {
    return this.#isContested
  }

  /** A new offer was answered. A hold that names no address leaves the former one in force. */
  replan(sdpAddress: string | undefined, isHeld: boolean, nowUs: number): void {
    this.#isHeld = isHeld
    const address = canonicalAddress(sdpAddress ?? '')
    if (address === undefined || address === this.#sdpAddress) return
    this.#formerAddress = this.#sdpAddress
    this.#formerUntilUs = nowUs + FORMER_ADDRESS_US
    this.#sdpAddress = address
  }

  /** True when a packet from here is not worth looking at. */
  isExcluded(origin: PacketOrigin | undefined, arrivalUs: number): boolean {
    if (this.#rule !== 'sdp' || origin === undefined || this.#sdpAddress === undefined) return false
    if (this.#kindOf(origin.address, arrivalUs) === 'sdp') return false
    this.#dropped += 1
    return true
  }

  /** Judges a packet in clear that looks like RTP of a payload type which was offered. Without an origin it is taken. */
  admit(packet: RtpPacket, origin: PacketOrigin | undefined, arrivalUs: number): SourceVerdict {
    if (origin === undefined) return 'taken'
    const active = this.#active
    if (active !== undefined && active.port === origin.port && active.address === origin.address) {
      this.#follow(active, packet, arrivalUs)
      return 'taken'
    }
    const kind = this.#kindOf(origin.address, arrivalUs)
    if (kind !== 'latched' || this.#rule === 'any') {
      this.#switchTo(origin, kind, packet, arrivalUs)
      return 'taken'
    }
    const challenger = this.#challengers.note(origin, packet, arrivalUs)
    if (this.#isContesting(challenger, arrivalUs)) this.#isContested = true
    if (!this.#mayTakeOver(challenger, arrivalUs)) return 'held'
    if (active !== undefined) this.#moves += 1
    this.#taken = this.#challengers.take(challenger)
    this.#switchTo(origin, 'latched', packet, arrivalUs)
    return 'moved'
  }

  /** Follows a packet that is authentic by SRTP: whoever has the keys may send from where it likes. */
  noteAuthentic(packet: RtpPacket, origin: PacketOrigin | undefined, arrivalUs: number): void {
    if (origin === undefined) return
    const active = this.#active
    if (active !== undefined && active.port === origin.port && active.address === origin.address) {
      this.#follow(active, packet, arrivalUs)
      return
    }
    const kind = this.#kindOf(origin.address, arrivalUs)
    this.#switchTo(origin, kind === 'latched' ? 'authentic' : kind, packet, arrivalUs)
  }

  /** True when RTCP in clear may be believed that comes from here. */
  isBelieved(origin: PacketOrigin | undefined, arrivalUs: number): boolean {
    if (origin === undefined || this.#rule === 'any' || origin.address === this.#active?.address) return true
    const kind = this.#kindOf(origin.address, arrivalUs)
    return kind === 'sdp' || (kind === 'signalling' && this.#rule !== 'sdp')
  }

  /** The packets of an origin that has just been believed, oldest first. They are given once. */
  takeHeld(): readonly HeldPacket[] {
    const held = this.#taken
    this.#taken = []
    return held
  }

  /** At the end: what is held of an origin that there was no time to believe, when no other ever sent. */
  takeRest(): readonly HeldPacket[] {
    const rest = this.#active === undefined ? this.#challengers.takeLongest() : []
    if (rest.length > 0) this.#kindsSeen.add('latched')
    this.#challengers.dropAll()
    return rest
  }

  #mayTakeOver(challenger: Challenger, arrivalUs: number): boolean {
    if (challenger.held.length < 2) return false
    const active = this.#active
    if (active === undefined) return arrivalUs - challenger.firstUs >= LATCH_WAIT_US
    const silenceUs = arrivalUs - active.lastUs
    if (silenceUs < REBINDING_SILENCE_US) {
      return active.kind === 'latched' && this.#packetsOf(challenger.address) > active.packets
    }
    if (challenger.address === active.address || continues(active, challenger)) return true
    return !this.#isHeld && silenceUs >= SOURCE_SILENCE_US
  }

  #isContesting(challenger: Challenger, arrivalUs: number): boolean {
    const active = this.#active
    if (active === undefined || active.kind !== 'latched') return false
    return challenger.packets >= CONTEST_PACKETS && arrivalUs - active.lastUs < REBINDING_SILENCE_US
  }

  #follow(active: ActiveOrigin, packet: RtpPacket, arrivalUs: number): void {
    active.lastUs = arrivalUs
    active.ssrc = packet.ssrc
    active.sequenceNumber = packet.sequenceNumber
    active.packets += 1
  }

  #switchTo({ address, port }: PacketOrigin, kind: OriginKind, packet: RtpPacket, arrivalUs: number): void {
    const former = this.#active
    if (former !== undefined && former.address !== address) this.#remember(former)
    const packets = former?.address === address ? former.packets : this.#packetsOf(address)
    const { ssrc, sequenceNumber } = packet
    this.#active = { address, port, kind, lastUs: arrivalUs, ssrc, sequenceNumber, packets: packets + 1 }
    this.#kindsSeen.add(kind)
  }

  #remember({ address, packets }: ActiveOrigin): void {
    const known = this.#homes.find((home) => home.address === address)
    if (known !== undefined) known.packets = packets
    else {
      if (this.#homes.length >= HOMES_MAX) this.#homes.splice(this.#leastHome(), 1)
      this.#homes.push({ address, packets })
    }
  }

  #leastHome(): number {
    const counts = this.#homes.map(({ packets }) => packets)
    return counts.indexOf(Math.min(...counts))
  }

  #packetsOf(address: string): number {
    return this.#homes.find((home) => home.address === address)?.packets ?? 0
  }

  #kindOf(address: string, arrivalUs: number): OriginKind {
    if (address !== this.#lastAddress) {
      this.#lastAddress = address
      this.#lastCanonical = canonicalAddress(address)
    }
    const canonical = this.#lastCanonical
    if (canonical === undefined) return 'latched'
    if (canonical === this.#sdpAddress) return 'sdp'
    if (canonical === this.#formerAddress && arrivalUs < this.#formerUntilUs) return 'sdp'
    return canonical === this.#signallingAddress ? 'signalling' : 'latched'
  }
}

/** The challenger goes on where the active origin stopped: only the sender, or who hears it, knows SSRC and sequence. */
function continues(active: ActiveOrigin, challenger: Challenger): boolean {
  const [first] = challenger.held
  if (first === undefined || first.packet.ssrc !== active.ssrc) return false
  const distance = sequenceDistance(active.sequenceNumber, first.packet.sequenceNumber)
  return distance > 0 && distance < MAX_DROPOUT
}
