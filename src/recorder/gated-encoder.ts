import { SilenceGate } from '../media/silence-gate.ts'
import type { OpusEncoder } from './opus-encoder.ts'

/** A CELT frame in which the encoder says that there is nothing: table of contents and two octets. RFC 6716 4.3 */
const SILENT_PACKET_LENGTH = 3

/** Frames of all channels of a recording; they only grow. */
export interface FrameCounts {
  encoded: number
  /** Silent frames for which a packet at hand stood, without the encoder. */
  gated: number
}

/**
 * An encoder that does not work while there is silence, see {@link SilenceGate}.
 *
 * Below the gate it is given digital silence until what it still has in its filters has faded out (about a quarter of a second) and it codes
 * "silence" by itself. From then on nothing changes in it or in a decoder, however long the silence lasts, so the packet may be repeated in its place; and
 * the next speech is encoded on as if it had worked all the time: no reset, no click.
 */
export class GatedEncoder implements OpusEncoder {
  readonly #encoder: OpusEncoder
  readonly #gate: SilenceGate
  readonly #counts: FrameCounts
  readonly #silence: Int16Array
  /** What the encoder makes of silence for now; undefined while it is not at rest. */
  #silentPacket: Uint8Array | undefined

  constructor(encoder: OpusEncoder, options: { readonly gateDbov: number; readonly counts: FrameCounts }) {
    this.#encoder = encoder
    this.#gate = new SilenceGate(options.gateDbov)
    this.#counts = options.counts
    this.#silence = new Int16Array(encoder.sampleRate / 50)
  }

  get sampleRate(): number {
    return this.#encoder.sampleRate
  }

  get preSkip(): number {
    return this.#encoder.preSkip
  }

  encode(samples: Int16Array): Uint8Array {
    if (!this.#gate.isClosed(samples)) {
      this.#silentPacket = undefined
      this.#counts.encoded += 1
      return this.#encoder.encode(samples)
    }
    if (this.#silentPacket !== undefined) {
      this.#counts.gated += 1
      return this.#silentPacket
    }
    this.#counts.encoded += 1
    const packet = this.#encoder.encode(this.#silence)
    if (packet.length <= SILENT_PACKET_LENGTH) this.#silentPacket = packet
    return packet
  }

  free(): void {
    this.#encoder.free()
  }
}
