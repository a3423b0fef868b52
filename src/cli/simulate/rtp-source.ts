import type { RtpPacket } from '../../protocol/rtp/packet.ts'
import { ImpairedPath, nominalOffsetUs } from './impairment.ts'
import type { ImpairmentCounts, ImpairmentProfile, ScheduledPacket } from './impairment.ts'
import { randomUint32 } from './random.ts'
import type { Random } from './random.ts'

export const PACKET_TIME_US = 20_000
/** Samples in a packet: 20 ms at 8 kHz. One octet each in PCMU and PCMA. */
export const PACKET_SAMPLES = 160

/**
 * Packets built in one go after the process was held up; more than that, and the rest waits for the next turn.
 * 5 s: nothing is left out, however late it leaves.
 */
export const CATCH_UP_PACKETS_MAX = 250

export interface RtpSourceOptions {
  /** G.711 octets, played again and again. Not empty. */
  readonly encodedAudio: Uint8Array
  readonly payloadType: number
  readonly packetCount: number
  readonly driftPpm: number
  readonly impairment: ImpairmentProfile
  readonly random: Random
  /** Monotonic time of the first packet. */
  readonly startUs: number
}

/** What the RTCP sender report says at an instant. RFC 3550 6.4.1 */
export interface SenderFacts {
  readonly ssrc: number
  readonly rtpTimestamp: number
  readonly packetCount: number
  readonly octetCount: number
}

/**
 * The RTP of one media stream: paced by the time it is given, impaired on its way out. No clock, no socket.
 *
 * Audio, RTP clock and packet times run on while the media stream is held; sequence numbers do not, as nothing is sent.
 */
export class RtpSource {
  readonly #options: RtpSourceOptions
  readonly #path: ImpairedPath<RtpPacket>
  readonly #ssrc: number
  readonly #firstTimestamp: number
  #sequenceNumber: number
  #nextIndex = 0
  #held = false
  #marker = true
  #flushed = false
  /** Ordered by sendAtUs. */
  readonly #waiting: ScheduledPacket<RtpPacket>[] = []
  #octetsBuilt = 0
  #packetsBuilt = 0

  constructor(options: RtpSourceOptions) {
    this.#options = options
    this.#ssrc = randomUint32(options.random)
    this.#firstTimestamp = randomUint32(options.random)
    this.#sequenceNumber = randomUint32(options.random) & 0xffff
    this.#path = new ImpairedPath(options.impairment, options.random)
  }

  get counts(): ImpairmentCounts {
    return this.#path.counts
  }

  get ssrc(): number {
    return this.#ssrc
  }

  /** True when everything has left, or when everything has been built and the rest is due later. */
  get isExhausted(): boolean {
    return this.#nextIndex >= this.#options.packetCount
  }

  get isDrained(): boolean {
    return this.isExhausted && this.#waiting.length === 0
  }

  setHeld(held: boolean): void {
    if (this.#held && !held) this.#marker = true
    this.#held = held
  }

  /** Ends the media stream before its time: what has been built still leaves. */
  stop(): void {
    this.#nextIndex = this.#options.packetCount
  }

  /** Monotonic time at which {@link takeDue} will next have something to do. */
  get nextDueUs(): number {
    const waitingUs = this.#waiting[0]?.sendAtUs ?? Number.POSITIVE_INFINITY
    return this.isExhausted ? waitingUs : Math.min(waitingUs, this.#nominalUs(this.#nextIndex))
  }

  /** The packets that leave by now, in the order in which they leave. */
  takeDue(nowUs: number): readonly RtpPacket[] {
    for (let built = 0; built < CATCH_UP_PACKETS_MAX && !this.isExhausted; built++) {
      const nominalUs = this.#nominalUs(this.#nextIndex)
      if (nominalUs > nowUs) break
      if (!this.#held) this.#enqueue(this.#path.push(this.#buildPacket(), nominalUs))
      this.#nextIndex++
    }
    if (this.isExhausted && !this.#flushed) {
      this.#flushed = true
      this.#enqueue(this.#path.flush(nowUs))
    }
    const due = this.#waiting.findIndex(({ sendAtUs }) => sendAtUs > nowUs)
    return this.#waiting.splice(0, due === -1 ? this.#waiting.length : due).map(({ packet }) => packet)
  }

  senderFacts(nowUs: number): SenderFacts {
    const elapsedUs = (nowUs - this.#options.startUs) * (1 + this.#options.driftPpm / 1_000_000)
    const elapsedSamples = Math.round((elapsedUs * PACKET_SAMPLES) / PACKET_TIME_US)
    return {
      ssrc: this.#ssrc,
      rtpTimestamp: (this.#firstTimestamp + elapsedSamples) >>> 0,
      packetCount: this.#packetsBuilt,
      octetCount: this.#octetsBuilt,
    }
  }

  #nominalUs(packetIndex: number): number {
    return this.#options.startUs + nominalOffsetUs(packetIndex, PACKET_TIME_US, this.#options.driftPpm)
  }

  #buildPacket(): RtpPacket {
    const { encodedAudio, payloadType } = this.#options
    const offset = (this.#nextIndex * PACKET_SAMPLES) % encodedAudio.length
    const packet: RtpPacket = {
      payloadType,
      marker: this.#marker,
      sequenceNumber: this.#sequenceNumber,
      timestamp: (this.#firstTimestamp + this.#nextIndex * PACKET_SAMPLES) >>> 0,
      ssrc: this.#ssrc,
      payload: loopedSlice(encodedAudio, offset, PACKET_SAMPLES),
    }
    this.#marker = false
    this.#sequenceNumber = (this.#sequenceNumber + 1) & 0xffff
    this.#packetsBuilt++
    this.#octetsBuilt += PACKET_SAMPLES
    return packet
  }

  #enqueue(scheduled: readonly ScheduledPacket<RtpPacket>[]): void {
    for (const entry of scheduled) {
      let position = this.#waiting.length
      while (position > 0 && (this.#waiting[position - 1]?.sendAtUs ?? 0) > entry.sendAtUs) position--
      this.#waiting.splice(position, 0, entry)
    }
  }
}

/** `length` octets from `offset`, going on at the beginning when the end is reached. A view where it can be. */
export function loopedSlice(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  if (offset + length <= bytes.length) return bytes.subarray(offset, offset + length)
  return Uint8Array.from({ length }, (_, index) => bytes[(offset + index) % bytes.length] ?? 0)
}
