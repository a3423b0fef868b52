import { createHmac } from 'node:crypto'

import { BLOCK_LENGTH, compress, INITIAL_STATE, pad, STATE_WORDS } from './sha1.ts'

/** Of the inner and of the outer key. RFC 2104 2 */
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
/** From here on `node:crypto` is faster: its blocks cost a fifth of ours, its beginning as much as 16 of them. */
const LONG_LENGTH = 1_024

/** The inner digest as the outer hash takes it: padded to a block, behind the block of the key. Used within one call only. */
const outerBlock = new DataView(new ArrayBuffer(BLOCK_LENGTH))
pad(outerBlock, STATE_WORDS * 4, BLOCK_LENGTH)

/**
 * HMAC-SHA1 (RFC 2104, RFC 3174) under one key, for short messages of which there are many.
 *
 * SHA-1 stands here once more because an `Hmac` of `node:crypto` is a native object, made, finalised and collected for every packet, and
 * hashes the key's two blocks anew: four times what the blocks of 20 ms of G.711 cost (`npm run bench:srtp`).
 */
export class HmacSha1 {
  readonly #key: Uint8Array
  /** The states behind the block of the inner key and that of the outer one. */
  readonly #inner: Int32Array
  readonly #outer: Int32Array
  readonly #state = new Int32Array(STATE_WORDS)

  /** @param key at most 64 octets; a longer one would have to be hashed before: a RangeError */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK_LENGTH) throw new RangeError('a key of HMAC-SHA1 that is longer than a block')
    this.#key = key
    this.#inner = stateBehind(key, INNER_PAD)
    this.#outer = stateBehind(key, OUTER_PAD)
  }

  /**
   * Authenticates the first `length` octets; {@link matches} and {@link code} tell the result.
   *
   * @param message is padded where it lies: `PADDING_LENGTH_MAX` octets have to follow, and lose what they held
   */
  compute(message: DataView, length: number): void {
    if (length > LONG_LENGTH) {
      this.#computeLong(message, length)
      return
    }
    const state = this.#state
    state.set(this.#inner)
    const end = pad(message, length, BLOCK_LENGTH)
    for (let at = 0; at < end; at += BLOCK_LENGTH) compress(state, message, at)
    for (let word = 0; word < STATE_WORDS; word += 1) outerBlock.setInt32(4 * word, state[word] ?? 0)
    state.set(this.#outer)
    compress(state, outerBlock, 0)
  }

  /** Whether what is from `offset` on is the beginning of the code. In constant time: each octet is looked at, whatever the first was. */
  matches(packet: Uint8Array, offset: number): boolean {
    let difference = 0
    for (let at = offset; at < packet.length; at += 1) difference |= (packet[at] ?? 0) ^ this.#octet(at - offset)
    return difference === 0
  }

  /** The first `length` octets of the code; at most 20. */
  code(length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, at) => this.#octet(at))
  }

  #octet(at: number): number {
    return ((this.#state[at >> 2] ?? 0) >>> (24 - 8 * (at & 3))) & 0xff
  }

  #computeLong({ buffer, byteOffset }: DataView, length: number): void {
    const code = createHmac('sha1', this.#key)
      .update(new Uint8Array(buffer, byteOffset, length))
      .digest()
    for (let word = 0; word < STATE_WORDS; word += 1) this.#state[word] = code.readInt32BE(4 * word)
  }
}

function stateBehind(key: Uint8Array, padding: number): Int32Array {
  const block = new Uint8Array(BLOCK_LENGTH).fill(padding)
  for (const [at, octet] of key.entries()) block[at] = octet ^ padding
  const state = Int32Array.from(INITIAL_STATE)
  compress(state, new DataView(block.buffer), 0)
  return state
}
