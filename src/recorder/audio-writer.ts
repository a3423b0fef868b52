import { CHANNEL_COMMENT_PREFIX, LINK_START_COMMENT } from '../media/flatten-links.ts'
import { OggOpusWriter } from '../media/ogg-opus.ts'
import { clip, mixInto } from '../media/mix.ts'
import { PacketGatherer } from '../media/packet-gatherer.ts'
import { GatedEncoder, type FrameCounts } from './gated-encoder.ts'
import type { OpusEncoder, TakeOpusEncoder } from './opus-encoder.ts'
import type { Layout } from './recording-types.ts'

/** Opus frames are 20 ms throughout (RFC 7845 counts in 48 kHz samples: 960 a frame). */
export const FRAME_SAMPLES = 960
export const FRAME_US = 20_000
const FRAMES_PER_SECOND = 1_000_000 / FRAME_US
/** Frames in an Ogg page: one second, so that a page is what a crash can cost and the page header stays below 1 %. */
const PAGE_FRAMES = 50

/**
 * Encodes frames of one or several channels into the pages of one Ogg link (RFC 3533, RFC 7845).
 *
 * Positions are 48 kHz samples since the link began. The caller gives frames of every channel in step, each at the channel's own sample rate; mixed
 * ones have one. A shorter frame, the last, is filled up with silence.
 */
export class OggLink {
  readonly #writer: OggOpusWriter
  readonly #encoders: readonly OpusEncoder[]
  readonly #layout: Layout
  readonly #mixed: Int32Array
  readonly #preSkip: number
  readonly #startSample: number
  readonly #packets = new PacketGatherer()
  /** The packets of the frame that is being written, one of each channel. */
  readonly #frame: Uint8Array[] = []
  #framesWritten = 0
  #audioSamples = 0
  #isFree = false

  constructor(options: {
    readonly layout: Layout
    readonly labels: readonly string[]
    /** Samples per second of each stream. */
    readonly rates: readonly number[]
    readonly serialNumber: number
    /** Where this link begins on the recording timeline, at 48 kHz. */
    readonly startSample: number
    readonly takeEncoder: TakeOpusEncoder
    /** Below its level silence is recorded instead; without it, everything is encoded as it is. */
    readonly gate?: { readonly gateDbov: number; readonly counts: FrameCounts }
  }) {
    const channels = options.layout === 'mixed' ? ['mixed'] : options.labels
    this.#layout = options.layout
    this.#startSample = options.startSample
    this.#encoders = takeEncoders(options.rates.slice(0, channels.length), takerOf(options))
    // The same at every rate: 2.5 ms of a CELT-only encoder. The header has one for all channels.
    this.#preSkip = this.#encoders[0]?.preSkip ?? 0
    this.#mixed = new Int32Array(frameLength(this.#encoders[0]))
    this.#writer = new OggOpusWriter({
      serialNumber: options.serialNumber,
      streamCount: channels.length,
      inputSampleRate: Math.max(...options.rates),
      preSkip: this.#preSkip,
      comments: [
        [LINK_START_COMMENT, String(options.startSample)],
        ...channels.map((label, index) => [`${CHANNEL_COMMENT_PREFIX}${index}`, label] as const),
      ],
    })
  }

  headers(): Uint8Array {
    return this.#writer.headers()
  }

  /** Where the audio given so far ends on the recording timeline. */
  get endSample(): number {
    return this.#startSample + this.#audioSamples
  }

  /**
   * Encodes one frame of every channel; returns a page each time one is full.
   *
   * @param validSamples how much of the frame is audio, 48 kHz samples; less than all only in the last one
   */
  write(channels: readonly Int16Array[], validSamples = FRAME_SAMPLES): Uint8Array | undefined {
    this.#encode(channels)
    this.#framesWritten += 1
    this.#audioSamples += validSamples
    return this.#packets.length >= PAGE_FRAMES ? this.#takePage(false) : undefined
  }

  /** Completes the page begun, so that a chunk can end here. */
  flushPage(): Uint8Array | undefined {
    return this.#packets.length === 0 ? undefined : this.#takePage(false)
  }

  /** The decodable end: what a decoder that has every page so far can play, on the recording timeline. */
  get playableSample(): number {
    const decoded = this.#framesWritten * FRAME_SAMPLES - this.#preSkip
    return this.#startSample + Math.max(0, Math.min(decoded, this.#audioSamples))
  }

  /** Ends the link: pushes the encoder's delay out, trims the last frame by granule position (RFC 7845 4.4). */
  end(): Uint8Array {
    const silence = this.#encoders.map((encoder) => new Int16Array(frameLength(encoder)))
    while (this.#framesWritten * FRAME_SAMPLES < this.#audioSamples + this.#preSkip || this.#packets.length === 0) {
      this.#encode(silence)
      this.#framesWritten += 1
    }
    const page = this.#takePage(true)
    this.free()
    return page
  }

  /** Gives the encoders back, once. */
  free(): void {
    if (this.#isFree) return
    this.#isFree = true
    for (const encoder of this.#encoders) encoder.free()
  }

  #encode(channels: readonly Int16Array[]): void {
    if (this.#layout === 'mixed') {
      this.#mixed.fill(0)
      for (const channel of channels) mixInto(this.#mixed, channel)
      this.#frame[0] = this.#encodeOne(0, clip(this.#mixed))
    } else {
      for (let index = 0; index < channels.length; index += 1) {
        const channel = channels[index]
        if (channel !== undefined) this.#frame[index] = this.#encodeOne(index, channel)
      }
    }
    this.#packets.push(this.#frame)
  }

  #encodeOne(index: number, samples: Int16Array): Uint8Array {
    const encoder = this.#encoders[index]
    if (encoder === undefined) throw new RangeError('more channels than encoders')
    const length = frameLength(encoder)
    return encoder.encode(samples.length === length ? samples : paddedTo(length, samples))
  }

  #takePage(endOfStream: boolean): Uint8Array {
    const granulePosition = endOfStream
      ? this.#preSkip + this.#audioSamples
      : Math.min(this.#framesWritten * FRAME_SAMPLES, this.#preSkip + this.#audioSamples)
    const page = this.#writer.page(this.#packets.packets, granulePosition, { endOfStream })
    this.#packets.clear()
    return page
  }
}

function takerOf(options: {
  readonly takeEncoder: TakeOpusEncoder
  readonly gate?: { readonly gateDbov: number; readonly counts: FrameCounts }
}): TakeOpusEncoder {
  const { takeEncoder, gate } = options
  return gate === undefined ? takeEncoder : (sampleRate) => new GatedEncoder(takeEncoder(sampleRate), gate)
}

function frameLength(encoder: OpusEncoder | undefined): number {
  return (encoder?.sampleRate ?? 0) / FRAMES_PER_SECOND
}

/** All or none: when one cannot be had, the others go back. */
function takeEncoders(rates: readonly number[], take: TakeOpusEncoder): OpusEncoder[] {
  const taken: OpusEncoder[] = []
  try {
    for (const rate of rates) taken.push(take(rate))
    return taken
  } catch (error) {
    for (const encoder of taken) encoder.free()
    throw error
  }
}

/** The serial number of a link from four random bytes. RFC 3533 6 */
export function serialNumberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

/** A frame of `length` samples that begins with these. */
function paddedTo(length: number, samples: Int16Array): Int16Array {
  const frame = new Int16Array(length)
  frame.set(samples)
  return frame
}
