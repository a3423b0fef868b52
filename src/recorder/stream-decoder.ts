import { decodePcma, decodePcmu } from '../media/g711.ts'
import { G722Decoder } from '../media/g722.ts'
import { decodeL16 } from '../media/l16.ts'
import { Resampler } from '../media/resampler.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'

export type LiveFormat = PayloadFormat & { readonly kind: 'audio' }

/** Turns the payloads of one format into samples of one channel, in sequence. */
interface AudioDecoder {
  /** Never throws; what cannot be decoded has no samples. */
  decode(payload: Uint8Array): Int16Array
}

/**
 * Decodes the packets of one media stream, whatever its codec is just now, to the sample rate of its timeline.
 *
 * A change of codec makes a fresh decoder. The sample rate of the stream does not change with it: what comes at another rate is resampled, which
 * makes it 1.5 to 3 ms later, well below what clocks are corrected for.
 */
export class StreamDecoder {
  readonly #sampleRate: number
  #format: LiveFormat | undefined
  #decoder: AudioDecoder | undefined
  #resampler: Resampler | undefined

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate
  }

  /** @param timestamp RTP timestamp of the packet: the resampler counts by it */
  decode(format: LiveFormat, payload: Uint8Array, timestamp: number): Int16Array {
    if (!isSameCodec(this.#format, format)) this.#change(format)
    const samples = this.#decoder?.decode(payload) ?? EMPTY
    if (this.#resampler === undefined) return samples
    return this.#resampler.resample(samples, (timestamp * format.sampleRate) / format.clockRate)
  }

  #change(format: LiveFormat): void {
    this.#format = format
    this.#decoder = decoderOf(format)
    const isSame = format.sampleRate === this.#sampleRate
    this.#resampler = isSame ? undefined : new Resampler(format.sampleRate, this.#sampleRate)
  }
}

function isSameCodec(left: LiveFormat | undefined, right: LiveFormat): boolean {
  if (left === right) return true
  return left?.codec === right.codec && left.clockRate === right.clockRate && left.channels === right.channels
}

const EMPTY = new Int16Array(0)

function decoderOf(format: LiveFormat): AudioDecoder {
  switch (format.codec) {
    case 'PCMU':
      return { decode: decodePcmu }
    case 'PCMA':
      return { decode: decodePcma }
    case 'G722':
      return new G722Decoder()
    case 'OPUS':
      // Has a decoder of its own: see `StreamAudio`.
      return { decode: () => EMPTY }
    default:
      return { decode: (payload) => decodeL16(payload, format.channels) }
  }
}
