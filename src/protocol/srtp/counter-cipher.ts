import { HmacSha1 } from './hmac-sha1.ts'
import type { PacketKind, SessionKeys } from './key-derivation.ts'
import { Keystream } from './keystream.ts'
import type { PacketCipher, PacketParts, SealedParts } from './packet-cipher.ts'
import { PADDING_LENGTH_MAX } from './sha1.ts'

const NO_TAG = new Uint8Array(0)
/** What is authenticated behind the body. RFC 3711 4.2 */
const WORD_LENGTH = 4
/** A packet has room for what pads it to whole blocks of SHA-1. */
const ROOM_BEHIND = WORD_LENGTH + PADDING_LENGTH_MAX
/** Longest packet whose room is kept for the next one: nearly all audio. */
const KEPT_LENGTH_MAX = 1_024
const ROOM_STEP = 128

/** Where one packet lies while it is worked on: as octets, as words, and as what SHA-1 reads. */
interface Room {
  readonly octets: Uint8Array
  readonly words: Int32Array
  readonly view: DataView
}

/**
 * AES in counter mode with HMAC-SHA1: RFC 3711 4.1.1 and 4.2.1, RFC 6188 2.
 *
 * A packet is copied once, to where it is aligned and has room behind it; there it is authenticated, then decrypted in place.
 */
export class CounterCipher implements PacketCipher {
  readonly #keystream: Keystream
  readonly #hmac: HmacSha1
  /** 0: packets are taken as they come. RFC 4568 6.3.3 */
  readonly #tagLength: number
  #room = roomFor(0)
  /** The beginning of the room, as long as the packet opened last. */
  #lent: Uint8Array = NO_TAG

  constructor(keys: SessionKeys, kind: PacketKind, tagLength: number) {
    this.#keystream = new Keystream(keys, kind === 'rtp')
    this.#hmac = new HmacSha1(keys.authenticationKey)
    this.#tagLength = tagLength
  }

  open(parts: PacketParts, tagStart: number): Uint8Array | undefined {
    const room = this.#enter(parts)
    if (this.#tagLength > 0) {
      this.#authenticate(room, parts)
      const isWhole = parts.packet.length - tagStart === this.#tagLength
      if (!isWhole || !this.#hmac.matches(parts.packet, tagStart)) return undefined
    }
    if (parts.isEncrypted) this.#keystream.apply(room.words, parts)
    return this.#lend(room, parts.bodyEnd)
  }

  seal(parts: PacketParts): SealedParts {
    const room = this.#enter(parts)
    if (parts.isEncrypted) this.#keystream.apply(room.words, parts)
    const packet = this.#lend(room, parts.bodyEnd)
    if (this.#tagLength === 0) return { packet, tag: NO_TAG }
    this.#authenticate(room, parts)
    return { packet, tag: this.#hmac.code(this.#tagLength) }
  }

  #authenticate({ view }: Room, { bodyEnd, word }: PacketParts): void {
    view.setUint32(bodyEnd, word)
    this.#hmac.compute(view, bodyEnd + WORD_LENGTH)
  }

  #enter({ packet }: PacketParts): Room {
    const { length } = packet
    let room = this.#room
    if (length + ROOM_BEHIND > room.octets.length) {
      room = roomFor(length)
      if (length <= KEPT_LENGTH_MAX) this.#room = room
    }
    room.octets.set(packet)
    return room
  }

  #lend({ octets }: Room, length: number): Uint8Array {
    if (this.#lent.length !== length || this.#lent.buffer !== octets.buffer) this.#lent = octets.subarray(0, length)
    return this.#lent
  }
}

function roomFor(length: number): Room {
  const buffer = new ArrayBuffer(Math.ceil((length + ROOM_BEHIND) / ROOM_STEP) * ROOM_STEP)
  return { octets: new Uint8Array(buffer), words: new Int32Array(buffer), view: new DataView(buffer) }
}
