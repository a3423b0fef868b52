import { TimestampUnwrapper } from '../media/transit.ts'
import type { StreamTimeline } from '../media/stream-timeline.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { RtpPacket } from '../protocol/rtp/packet.ts'

export type KeptPayloadFormat = PayloadFormat & { readonly kind: 'kept' }

/** A packet that has its place: samples of its stream's timeline. */
export interface PlacedPacket {
  /** The whole packet, in clear. */
  readonly bytes: Uint8Array
  readonly packet: RtpPacket
  readonly format: KeptPayloadFormat
  /** Where its audio begins, and the part of the timeline that it fills: later, where its beginning found its time taken. */
  readonly startSample: number
  readonly fromSample: number
  readonly toSample: number
}

/** Longest time that one packet is taken to last; a longer step of the RTP clock is a pause of the sender (DTX). */
export const KEPT_PACKET_MS_MAX = 120
/** What a packet may hold of what was said before it, as its encoder looks ahead: 5 ms of G.729 and AMR, 6.5 ms of Opus. */
const KEPT_SPREAD_MS = 10
/** What a packet is taken to last while nothing says more. RFC 3551 4.2 */
const FIRST_PACKET_MS = 20
/** How long a packet waits for the one after it, whose timestamp says how long it is: beyond the reorder window, short of the horizon. */
const WAIT_US = 350_000

interface WaitingPacket {
  readonly packet: RtpPacket
  readonly bytes: Uint8Array
  readonly format: KeptPayloadFormat
}

interface NewestPacket extends WaitingPacket {
  readonly arrivalUs: number
  readonly lostBefore: number
  /** In the timeline's clock. */
  readonly timestamp: number
}

/**
 * Takes the packets of one stream that are not decoded live through its timeline. Each takes the time that the RTP timestamps give it, as
 * silence, and comes out with its place; or not at all, when it was spoken in a pause, is late, or others have its time.
 *
 * How many wait is bounded by the timeline's own queue.
 */
export class KeptStream {
  readonly #timeline: StreamTimeline
  #clockRate: number
  readonly #onPlaced: (placed: PlacedPacket) => void
  /** In the timeline, in its order. */
  readonly #waiting: WaitingPacket[] = []
  /** The newest one, whose length is not known before the next comes. */
  #newest: NewestPacket | undefined
  #usualLength: number
  #silence: Int16Array
  #foreignRate = 0
  #unwrapper = new TimestampUnwrapper()

  /** @param options.clockRate of the timeline */
  constructor(options: {
    readonly timeline: StreamTimeline
    readonly clockRate: number
    readonly onPlaced: (placed: PlacedPacket) => void
  }) {
    this.#timeline = options.timeline
    this.#clockRate = options.clockRate
    this.#onPlaced = options.onPlaced
    this.#usualLength = (FIRST_PACKET_MS * options.clockRate) / 1_000
    this.#silence = new Int16Array(this.#usualLength)
  }

  /** The timestamp of a packet in the timeline's clock, 32 bits. To be asked in order of arrival. */
  timestampOf({ timestamp }: RtpPacket, clockRate: number): number {
    if (clockRate === this.#clockRate) return timestamp
    if (clockRate !== this.#foreignRate) {
      this.#foreignRate = clockRate
      this.#unwrapper = new TimestampUnwrapper()
    }
    return Math.floor((this.#unwrapper.unwrap(timestamp) * this.#clockRate) / clockRate) >>> 0
  }

  /** The next packet in sequence. `next` itself is not kept. */
  take(
    next: { readonly packet: RtpPacket; readonly arrivalUs: number; readonly lostBefore: number },
    bytes: Uint8Array,
    format: KeptPayloadFormat,
  ): void {
    const { packet, arrivalUs, lostBefore } = next
    const timestamp = this.timestampOf(packet, format.clockRate)
    const newest = this.#newest
    if (newest !== undefined) {
      const step = (timestamp - newest.timestamp) | 0
      const isNext = lostBefore === 0 && newest.format.clockRate === format.clockRate
      const isPacket = step > 0 && step <= (KEPT_PACKET_MS_MAX * this.#clockRate) / 1_000
      if (isNext && isPacket) this.#usualLength = step
      this.flush()
    }
    this.#newest = { packet, bytes, format, arrivalUs, lostBefore, timestamp }
  }

  /** What comes next in the stream is something else, or nothing: the newest packet lasts as long as those before. */
  flush(): void {
    const newest = this.#newest
    if (newest === undefined) return
    this.#newest = undefined
    if (this.#silence.length !== this.#usualLength) this.#silence = new Int16Array(this.#usualLength)
    const { timestamp, arrivalUs, lostBefore } = newest
    this.#timeline.setWrittenClock(this.#clockRate)
    this.#timeline.setWrittenSpread((KEPT_SPREAD_MS * this.#clockRate) / 1_000)
    if (this.#timeline.writeUndecoded(this.#silence, timestamp, arrivalUs, lostBefore)) this.#waiting.push(newest)
  }

  /** A packet that others have given its place in the timeline: it waits for it. */
  noteWritten(packet: RtpPacket, bytes: Uint8Array, format: KeptPayloadFormat): void {
    this.#waiting.push({ packet, bytes, format })
  }

  /** To be called whenever time has passed: nothing may wait until its time is read. */
  flushDue(nowUs: number): void {
    if (this.#newest !== undefined && nowUs - this.#newest.arrivalUs > WAIT_US) this.flush()
  }

  /** The timeline is about to have `factor` times as many samples a second, a whole number. */
  rescale(factor: number): void {
    this.flush()
    this.#clockRate *= factor
    this.#usualLength *= factor
    this.#foreignRate = 0
  }

  /** The timeline has come to the first packet that waits; an empty range: it has no place. */
  handlePlace(startSample: number, fromSample: number, toSample: number): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined || toSample <= fromSample) return
    const { packet, bytes, format } = waiting
    this.#onPlaced({ packet, bytes, format, startSample, fromSample, toSample })
  }
}
