import { CONCEALMENT_MAX_MS } from '../media/concealment.ts'
import { inspectOpusPacket, isOpusDtx, opusMissingFrame, opusRedundantSamples } from '../media/opus-packet.ts'
import type { ReleasedPacket } from '../media/reorder-buffer.ts'
import type { PacketMark, StreamTimeline } from '../media/stream-timeline.ts'
import { asKept, type PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { KeptPayloadFormat, KeptStream } from './kept-stream.ts'
import type { OpusDecoder, TakeOpusDecoder } from './opus-decoder.ts'
import type { LiveFormat } from './stream-decoder.ts'

/** What a malformed packet is taken to last. */
const UNKNOWN_MS = 20
const CLOCK_RATE = 48_000
/** What is decoded holds something of so much before it: what the encoder looks ahead, and the longest pitch that is repeated. RFC 6716 4.3.7.1 */
export const OPUS_SPREAD_MS = 30
/** What an encoder looks ahead, 6.5 ms, at 48 kHz: what a packet holds of the time before it without its decoder's memory. RFC 6716 2.1.8 */
const LOOKAHEAD_TICKS = 312

export function isOpus(format: PayloadFormat): format is LiveFormat & { readonly codec: 'OPUS' } {
  return format.kind === 'audio' && format.codec === 'OPUS'
}

/**
 * Takes the Opus packets of one stream, in sequence: decodes them at the rate of the timeline, and has them kept as they came beside. RFC 7587
 *
 * - A packet of DTX says that nothing is sent: its time is a gap of cause `silence`, like that in which no packet comes.
 * - What a packet knows of a lost one before it (in-band FEC) is heard in the gap, and counted as concealed. RFC 6716 2.1.7
 * - Of other losses the decoder is told, as what follows is coded upon what was before; up to {@link CONCEALMENT_MAX_MS} what it makes up for them is
 *   heard and counted in the same way, unless keys are to be masked: it could go on with one that nobody recognises. RFC 6716 4.4
 * - A packet that cannot be decoded is kept, and its time is `undecoded`.
 * - A packet with in-band FEC is not kept where its copy would tell of what was paused or masked.
 */
export class OpusStream {
  readonly #timeline: StreamTimeline
  readonly #kept: KeptStream
  readonly #hear: (samples: Int16Array, at: number) => void
  readonly #takeDecoder: TakeOpusDecoder | undefined
  readonly #isKept: boolean
  readonly #conceals: boolean
  readonly #masksKeys: boolean
  #decoder: OpusDecoder | undefined
  #hasAsked = false
  /** RTP timestamp behind the last packet, unless something else came since. */
  #end: number | undefined
  /** First octet of the last packet, when it was heard, and how long it was in 48 kHz samples. RFC 6716 3.1 */
  #lastToc: number | undefined
  #lastTicks = 0
  readonly #decodedTwins = new WeakMap<LiveFormat, KeptPayloadFormat>()
  readonly #undecodedTwins = new WeakMap<LiveFormat, KeptPayloadFormat>()
  packetsUndecoded = 0

  constructor(options: {
    readonly timeline: StreamTimeline
    readonly kept: KeptStream
    /** Takes what was decoded, and where it begins in extended RTP time. */
    readonly hear: (samples: Int16Array, at: number) => void
    readonly takeDecoder: TakeOpusDecoder | undefined
    readonly isKept: boolean
    readonly conceals: boolean
    /** Keys that are heard are to be silenced. */
    readonly masksKeys: boolean
  }) {
    this.#timeline = options.timeline
    this.#kept = options.kept
    this.#hear = options.hear
    this.#takeDecoder = options.takeDecoder
    this.#isKept = options.isKept
    this.#conceals = options.conceals
    this.#masksKeys = options.masksKeys
  }

  /** Opus came, and no decoder could be had for it. */
  get lacksDecoder(): boolean {
    return this.#hasAsked && this.#decoder === undefined
  }

  get hasDecoder(): boolean {
    return this.#decoder !== undefined
  }

  /** Asks for a decoder at the first packet; without one, all of them are kept as they came. */
  treated(format: LiveFormat): PayloadFormat {
    if (!this.#hasAsked) {
      this.#hasAsked = true
      this.#decoder = this.#takeDecoder?.(this.#timeline.sampleRate)
    }
    return this.#decoder === undefined ? this.#twinOf(format, false) : format
  }

  /** Nothing more is written. */
  free(): void {
    this.#decoder?.free()
    this.#decoder = undefined
  }

  /** Something else came, or what comes next is of another source: nothing is known of the time before it. */
  interrupt(): void {
    this.#end = undefined
  }

  /** The next packet. @param bytes all of it */
  write(next: ReleasedPacket, bytes: Uint8Array, format: LiveFormat): void {
    const { packet, arrivalUs } = next
    const info = inspectOpusPacket(packet.payload)
    const ticks = info.ok ? info.value.samples : (CLOCK_RATE * UNKNOWN_MS) / 1_000
    const redundant = info.ok ? opusRedundantSamples(packet.payload) : 0
    this.#timeline.setWrittenClock(format.clockRate)
    this.#timeline.setWrittenSpread(this.#samplesOf((CLOCK_RATE * OPUS_SPREAD_MS) / 1_000))
    const at = { timestamp: packet.timestamp, arrivalUs, lostBefore: this.#conceal(next, redundant) }
    const decoded = info.ok ? this.#decode(packet.payload) : undefined
    const isSilent = decoded !== undefined && isOpusDtx(packet.payload)
    const cause = decoded === undefined ? 'undecoded' : isSilent ? 'silence' : undefined
    const isKept = this.#isKept || cause === 'undecoded'
    const samples = cause === undefined && decoded !== undefined ? decoded : new Int16Array(this.#samplesOf(ticks))
    const mark = {
      cause,
      isKept,
      reachesBack: Math.ceil(this.#samplesOf(redundant + LOOKAHEAD_TICKS)),
    } as const
    const written = this.#timeline.writeMarked(samples, at, mark)
    this.#end = (packet.timestamp + ticks) >>> 0
    this.#lastToc = cause === undefined ? packet.payload[0] : undefined
    this.#lastTicks = ticks
    if (cause === 'undecoded') this.packetsUndecoded += 1
    if (written === undefined) return
    if (isKept) this.#kept.noteWritten(packet, bytes, this.#twinOf(format, cause !== 'undecoded'))
    if (cause === undefined) this.#hear(samples, written)
  }

  /** Fills the place of the packets lost before this one; how many of them the gap before it still stands for: all or none. */
  #conceal(next: ReleasedPacket, redundant: number): number {
    const { packet, lostBefore } = next
    if (!this.#conceals || lostBefore === 0 || this.#end === undefined) return lostBefore
    const missing = (packet.timestamp - this.#end) | 0
    const repeated = redundant > 0 && missing >= redundant ? redundant : 0
    // Otherwise some of the time is silence: DTX.
    const isAllLost = this.#lastToc !== undefined && missing === lostBefore * this.#lastTicks
    const isMadeUp = isAllLost && this.#makeUp(next, missing - repeated, repeated)
    if (repeated === 0) return isMadeUp ? 0 : lostBefore
    const timestamp = (packet.timestamp - repeated) >>> 0
    const samples = this.#tried(() => this.#decoder?.decodeRedundancy(packet.payload, this.#samplesOf(repeated)))
    if (samples === undefined) return isAllLost && this.#makeUp(next, repeated, 0) && isMadeUp ? 0 : lostBefore
    const at = { timestamp, arrivalUs: next.arrivalUs, lostBefore: isMadeUp ? 0 : lostBefore }
    const written = this.#timeline.writeMarked(samples, at, this.#madeUp)
    // It is what was said, keys among it.
    if (written !== undefined) this.#hear(samples, written)
    return 0
  }

  /**
   * Tells the decoder that `ticks` are missing, which end `before` this packet, and puts what it makes of them in their place; false when that stays
   * empty. Beyond {@link CONCEALMENT_MAX_MS} it has faded away.
   */
  #makeUp({ packet, arrivalUs }: ReleasedPacket, ticks: number, before: number): boolean {
    if (this.#lastToc === undefined || ticks === 0) return ticks === 0
    const frame = opusMissingFrame(this.#lastToc)
    const limit = (CLOCK_RATE * CONCEALMENT_MAX_MS) / 1_000
    const made = new Int16Array(this.#samplesOf(Math.min(ticks, limit)))
    let length = 0
    while (length < made.length) {
      const samples = this.#decode(frame)
      if (samples === undefined || samples.length === 0) return false
      made.set(samples.subarray(0, made.length - length), length)
      length += samples.length
    }
    if (this.#masksKeys || ticks > limit || length > made.length) return false
    const timestamp = (packet.timestamp - before - ticks) >>> 0
    this.#timeline.writeMarked(made, { timestamp, arrivalUs, lostBefore: 0 }, this.#madeUp)
    return true
  }

  /** It goes on with what was decoded before it: directly behind a pause nothing is made up. */
  get #madeUp(): PacketMark {
    return { cause: 'lost', isKept: false, reachesBack: this.#samplesOf((CLOCK_RATE * OPUS_SPREAD_MS) / 1_000) }
  }

  #decode(payload: Uint8Array): Int16Array | undefined {
    return this.#tried(() => this.#decoder?.decode(payload))
  }

  /** A decoder throws on what it cannot decode. */
  #tried(decode: () => Int16Array | undefined): Int16Array | undefined {
    try {
      return decode()
    } catch {
      return undefined
    }
  }

  #samplesOf(ticks: number): number {
    return (ticks * this.#timeline.sampleRate) / CLOCK_RATE
  }

  /** One object for each format: it is compared by every packet. */
  #twinOf(format: LiveFormat, isDecoded: boolean): KeptPayloadFormat {
    const twins = isDecoded ? this.#decodedTwins : this.#undecodedTwins
    const known = twins.get(format)
    if (known !== undefined) return known
    const twin = asKept(format, isDecoded)
    twins.set(format, twin)
    return twin
  }
}
