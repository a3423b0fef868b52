import { MESSAGE_BYTES_MAX } from '../../../protocol/sip/message.ts'

/** Bytes kept of one frame: the largest SIP message that is read, and the words before it. What is longer is cut, not refused. */
export const FRAME_BYTES_KEPT = MESSAGE_BYTES_MAX + 4096
/** Digits of a frame's length. A length beyond is not this protocol. */
const LENGTH_DIGITS_MAX = 9
const HASH = 0x23
const ZERO = 0x30

/** What drachtio-server sent in one piece: `msgid|type|…`, and after a CRLF a SIP message as it came from the network. */
export interface AdminFrame {
  readonly bytes: Uint8Array
  /** False when the frame was longer than {@link FRAME_BYTES_KEPT}: its end is missing. */
  readonly isWhole: boolean
}

/**
 * Cuts the byte stream of drachtio's admin protocol, `length#payload` with the length in bytes, into frames.
 *
 * drachtio-srf has a reader of its own, which makes text of the payload: what is not UTF-8 becomes U+FFFD.
 */
export class AdminFrameReader {
  #length = 0
  #digits = 0
  #payload: Uint8Array | undefined
  #filled = 0
  #missing = 0
  #isCut = false

  /** The frames that these bytes complete; undefined when this is no such stream, and the reader of no more use. */
  push(bytes: Uint8Array): readonly AdminFrame[] | undefined {
    const frames: AdminFrame[] = []
    let at = 0
    while (at < bytes.length) {
      if (this.#payload === undefined) {
        if (!this.#readLength(bytes[at] ?? 0)) return undefined
        at += 1
        continue
      }
      const part = bytes.subarray(at, at + this.#missing)
      at += part.length
      const frame = this.#fill(this.#payload, part)
      if (frame !== undefined) frames.push(frame)
    }
    return frames
  }

  #readLength(byte: number): boolean {
    if (byte === HASH && this.#digits > 0) {
      this.#missing = this.#length
      this.#payload = this.#length === 0 ? undefined : new Uint8Array(Math.min(this.#length, FRAME_BYTES_KEPT))
      this.#filled = 0
      this.#length = 0
      this.#digits = 0
      return true
    }
    const digit = byte - ZERO
    if (digit < 0 || digit > 9 || this.#digits === LENGTH_DIGITS_MAX) return false
    this.#length = this.#length * 10 + digit
    this.#digits += 1
    return true
  }

  #fill(payload: Uint8Array, part: Uint8Array): AdminFrame | undefined {
    const kept = part.subarray(0, payload.length - this.#filled)
    payload.set(kept, this.#filled)
    this.#filled += kept.length
    if (kept.length < part.length) this.#isCut = true
    this.#missing -= part.length
    if (this.#missing > 0) return undefined
    const frame = { bytes: payload, isWhole: !this.#isCut }
    this.#payload = undefined
    this.#isCut = false
    return frame
  }
}
