import type { RtpPacket } from '../protocol/rtp/packet.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'

type AudioFormat = PayloadFormat & { readonly kind: 'audio' }

/** An octet of G.722 at 64 kbit/s is an eighth of a millisecond, at whatever rate the clock counts. */
const OCTETS_PER_SECOND = 8_000
const RATES: readonly number[] = [8_000, 16_000]
/** Steps in a row that say the same: a pause of the sender may look like one by chance. */
const STEPS_MIN = 3

/**
 * At what rate the RTP clock of a G.722 stream really runs. RFC 3551 4.5.2 has it at 8,000 Hz although 16,000 samples a second are sent, and of those that write 16000 into SDP some
 * count so and some do not: what one packet takes of the clock beside its octets says it.
 */
export class G722Clock {
  #rate: number | undefined
  #last: RtpPacket | undefined
  #candidate: number | undefined
  #steps = 0

  /** A packet of G.722 was accepted, in whatever order they come. */
  note(packet: RtpPacket, { clockRate }: AudioFormat): void {
    const last = this.#last
    this.#last = packet
    if (last?.ssrc !== packet.ssrc || packet.sequenceNumber !== ((last.sequenceNumber + 1) & 0xffff)) return
    const step = (packet.timestamp - last.timestamp) >>> 0
    const rate = RATES.find((rate) => step * OCTETS_PER_SECOND === last.payload.length * rate)
    if (rate !== this.#candidate) this.#steps = 0
    this.#candidate = rate
    if (rate === undefined) return
    this.#steps += 1
    if (this.#steps >= STEPS_MIN && rate !== clockRate) this.#rate = rate
  }

  /** The format as its packets come. */
  treated(format: AudioFormat): AudioFormat {
    return this.#rate === undefined || this.#rate === format.clockRate ? format : { ...format, clockRate: this.#rate }
  }
}
