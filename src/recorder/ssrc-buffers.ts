import { ReorderBuffer } from '../media/reorder-buffer.ts'
import type { RtpPacket } from '../protocol/rtp/packet.ts'

/** How long the buffer of an SSRC that another has taken over from is remembered, for its stragglers and for its return. */
export const FORMER_SSRC_US = 1_000_000

/**
 * The reorder buffer of the active SSRC of a media stream, and for a while that of the one before: second copies of what that sent are
 * recognised, and when it comes back it goes on where it was, so that what is missing in between is counted as lost.
 */
export class SsrcBuffers {
  #active = new ReorderBuffer()
  #ssrc: number | undefined
  #former: { readonly ssrc: number; readonly buffer: ReorderBuffer; readonly untilUs: number } | undefined
  // Of the buffers that are no longer remembered.
  #expected = 0
  #lost = 0
  #stray = 0

  get active(): ReorderBuffer {
    return this.#active
  }

  /** Undefined before the first packet. */
  get ssrc(): number | undefined {
    return this.#ssrc
  }

  /** Of all buffers: what was expected by the numbers alone. RFC 3550 A.3 */
  get expected(): number {
    return this.#expected + this.#active.counters.expected + (this.#former?.buffer.counters.expected ?? 0)
  }

  /** Of all buffers: what was missing between what was released. */
  get lost(): number {
    return this.#lost + this.#active.counters.lost + (this.#former?.buffer.counters.lost ?? 0)
  }

  /** Of all buffers: packets that jumped and were never followed up. */
  get stray(): number {
    return this.#stray + this.#active.counters.stray + (this.#former?.buffer.counters.stray ?? 0)
  }

  /** This SSRC is the active one from now on. The caller has taken everything out of the buffer of the one before. */
  begin(ssrc: number, nowUs: number): void {
    const [before, former] = [this.#ssrc, this.#former]
    this.#ssrc = ssrc
    if (before === undefined) return
    const leaving = { ssrc: before, buffer: this.#active, untilUs: nowUs + FORMER_SSRC_US }
    if (former?.ssrc === ssrc && nowUs <= former.untilUs) {
      this.#active = former.buffer
    } else {
      this.#expected += former?.buffer.counters.expected ?? 0
      this.#lost += former?.buffer.counters.lost ?? 0
      this.#stray += former?.buffer.counters.stray ?? 0
      this.#active = new ReorderBuffer()
    }
    this.#former = leaving
  }

  /** Releases what waits for its place in the sequence to nobody, so that it is in all counts. */
  countRest(): void {
    while (this.#active.pop(Infinity) !== undefined);
  }

  /** A second copy of a packet that was taken when its SSRC was the active one. */
  isCopy({ ssrc, sequenceNumber }: RtpPacket, nowUs: number): boolean {
    const former = this.#former
    return former?.ssrc === ssrc && nowUs <= former.untilUs && former.buffer.hasSeen(sequenceNumber)
  }
}
