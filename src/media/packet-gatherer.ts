import { multistreamRoom, writeMultistreamPacket } from './opus-packet.ts'

const INITIAL_BYTES = 2_048
const INITIAL_PACKETS = 64

/**
 * Gathers the packets of a page in one buffer that grows to what they need and is used again for the next. Kept as objects for the second that a page
 * lasts, they would outlive the collector's young generation, and the garbage of a hundred recordings would wait long to be found.
 */
export class PacketGatherer {
  #bytes = new Uint8Array(INITIAL_BYTES)
  #ends = new Uint32Array(INITIAL_PACKETS)
  #count = 0

  get length(): number {
    return this.#count
  }

  /** Copies one packet of each stream, joined to a multistream packet; one alone stays as it is. RFC 7845 3 */
  push(packets: readonly Uint8Array[]): void {
    const start = this.#end
    this.#makeRoom(start + multistreamRoom(packets))
    this.#ends[this.#count] = writeMultistreamPacket(packets, this.#bytes, start)
    this.#count += 1
  }

  /** The packets as views, in order; valid until {@link PacketGatherer.clear}. */
  get packets(): readonly Uint8Array[] {
    const views: Uint8Array[] = []
    for (let index = 0, start = 0; index < this.#count; index += 1) {
      const end = this.#ends[index] ?? start
      views.push(this.#bytes.subarray(start, end))
      start = end
    }
    return views
  }

  /** Forgets them; their bytes, which may be clear audio, are wiped. */
  clear(): void {
    this.#bytes.fill(0, 0, this.#end)
    this.#count = 0
  }

  #makeRoom(end: number): void {
    if (end > this.#bytes.length) {
      const smaller = this.#bytes
      this.#bytes = new Uint8Array(Math.max(end, 2 * smaller.length))
      this.#bytes.set(smaller)
      smaller.fill(0)
    }
    if (this.#count === this.#ends.length) {
      const fewer = this.#ends
      this.#ends = new Uint32Array(2 * fewer.length)
      this.#ends.set(fewer)
    }
  }

  get #end(): number {
    return this.#count === 0 ? 0 : (this.#ends[this.#count - 1] ?? 0)
  }
}
