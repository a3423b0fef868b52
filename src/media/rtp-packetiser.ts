import { serializeRtp } from '../protocol/rtp/packet.ts'

/** Where a stream of RTP begins: all of it random. RFC 3550 5.1 */
export interface RtpStart {
  readonly ssrc: number
  readonly sequenceNumber: number
  readonly timestamp: number
}

/**
 * Numbers the packets of a stream that is sent at a steady pace. Sequence numbers count packets; timestamps count ticks of the pace, whether or not
 * something was sent at each, so that what is silent is as long as it was. The first packet after a silence has the marker.
 *
 * @see RFC 3550 5.1, RFC 3551 4.1
 */
export class RtpPacketiser {
  readonly #start: RtpStart
  readonly #payloadType: number
  readonly #timestampStep: number
  #ticks = 0
  #packets = 0
  #octets = 0
  #lastTick = -2

  /** @param options.timestampStep how many units of the RTP clock a tick lasts */
  constructor(options: { readonly start: RtpStart; readonly payloadType: number; readonly timestampStep: number }) {
    this.#start = options.start
    this.#payloadType = options.payloadType
    this.#timestampStep = options.timestampStep
  }

  get ssrc(): number {
    return this.#start.ssrc
  }

  get packetCount(): number {
    return this.#packets
  }

  /** Of payload. */
  get octetCount(): number {
    return this.#octets
  }

  /** Timestamp of this tick. */
  get timestamp(): number {
    return (this.#start.timestamp + this.#ticks * this.#timestampStep) % 2 ** 32
  }

  /** Extended sequence number of the next packet; its low 16 bits are in the packet. RFC 3550 A.1 */
  get nextSequence(): number {
    return this.#start.sequenceNumber + this.#packets
  }

  /** One tick without a packet. */
  skip(): void {
    this.#ticks += 1
  }

  /** One tick, and its packet. */
  packet(payload: Uint8Array): Uint8Array {
    const datagram = serializeRtp({
      payloadType: this.#payloadType,
      marker: this.#lastTick !== this.#ticks - 1,
      sequenceNumber: this.nextSequence,
      timestamp: this.timestamp,
      ssrc: this.#start.ssrc,
      payload,
    })
    this.#lastTick = this.#ticks
    this.#ticks += 1
    this.#packets += 1
    this.#octets += payload.length
    return datagram
  }
}
