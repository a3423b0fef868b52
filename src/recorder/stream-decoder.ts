import { decodePcma, decodePcmu } from '../media/g711.ts'
import { G722Decoder } from '../media/g722.ts'
import { decodeL16 } from '../media/l16.ts'
import { Resampler } from '../media/resampler.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'

export type LiveFormat = PayloadFormat & { readonly kind: 'audio' }

/** Of what G.722 decodes, each sample holds something of so many before it, in both of its filters: the sender's and ours. G.722 4.4 */
const G722_SPREAD = 48

const EMPTY = new Int16Array(0)

/** Turns the payloads of one format into samples of one channel, in sequence. */
interface AudioDecoder {
  /** Never throws; what cannot be decoded has no samples. */
  decode(payload: Uint8Array): Int16Array
}

/**
 * Decodes the packets of one media stream, whatever its codec is just now, to the sample rate of its timeline.
 *
 * A change of codec makes a fresh decoder. The sample rate of the timeline does not change with it: what comes at another rate is resampled, which
 * makes it 1.5 to 3 ms later, well below what clocks are corrected for.
 */
export class StreamDecoder {
  #sampleRate: number
  #format: LiveFormat | undefined
  #decoder: AudioDecoder | undefined
  #resampler: Resampler | undefined
  /** What was decoded last, and its index at the rate of its format. */
  #last: Int16Array = EMPTY
  #lastIndex = 0

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate
  }

  /** Valid until the next packet. @param timestamp RTP timestamp of the packet: the resampler counts by it */
  decode(format: LiveFormat, payload: Uint8Array, timestamp: number): Int16Array {
    if (!isSameCodec(this.#format, format)) this.#change(format)
    const samples = this.#decoder?.decode(payload) ?? EMPTY
    this.#last = samples
    this.#lastIndex = (timestamp * format.sampleRate) / format.clockRate
    return this.#resampler === undefined ? samples : this.#resampler.resample(samples, this.#lastIndex)
  }

  /** Each sample that is decoded now holds something of so many before it, at the rate of the timeline. */
  get spreadSamples(): number {
    if (this.#format === undefined) return 0
    const decoded = this.#format.codec === 'G722' ? G722_SPREAD : 0
    const filtered = 2 * (this.#resampler?.delaySamples ?? 0)
    return ((decoded + filtered) * this.#sampleRate) / this.#format.sampleRate
  }

  /** The timeline has another rate from now on. What is decoded goes on: its decoder, and the filter that follows from what it decoded last. */
  changeRate(sampleRate: number): void {
    this.#sampleRate = sampleRate
    if (this.#format === undefined) return
    this.#resample(this.#format)
    this.#resampler?.resample(this.#last, this.#lastIndex)
  }

  #change(format: LiveFormat): void {
    this.#format = format
    this.#decoder = decoderOf(format)
    this.#resample(format)
  }

  #resample(format: LiveFormat): void {
    const isSame = format.sampleRate === this.#sampleRate
    this.#resampler = isSame ? undefined : new Resampler(format.sampleRate, this.#sampleRate)
  }
}

/** Decodes into the same memory again and again: packets come by the hundred a second, and whoever hears them copies. */
class G711Decoder implements AudioDecoder {
  readonly #decode: typeof decodePcmu
  #samples = EMPTY

  constructor(decode: typeof decodePcmu) {
    this.#decode = decode
  }

  decode(payload: Uint8Array): Int16Array {
    if (this.#samples.length !== payload.length) this.#samples = new Int16Array(payload.length)
    return this.#decode(payload, this.#samples)
  }
}

function isSameCodec(left: LiveFormat | undefined, right: LiveFormat): boolean {
  if (left === right) return true
  return left?.codec === right.codec && left.clockRate === right.clockRate && left.channels === right.channels
}

function decoderOf(format: LiveFormat): AudioDecoder {
  switch (format.codec) {
    case 'PCMU':
      return new G711Decoder(decodePcmu)
    case 'PCMA':
      return new G711Decoder(decodePcma)
    case 'G722':
      return new G722Decoder()
    case 'OPUS':
      // Has a decoder of its own: see `StreamAudio`.
      return { decode: () => EMPTY }
    default:
      return { decode: (payload) => decodeL16(payload, format.channels) }
  }
}
