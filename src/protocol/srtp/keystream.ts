import { createCipheriv, type Cipheriv } from 'node:crypto'

import type { PacketParts } from './packet-cipher.ts'

const BLOCK_LENGTH = 16
const BLOCK_WORDS = 4

/** Blocks of keystream that lie ready: 2,560 octets, for 16 packets of 20 ms of G.711. A longer packet gets what it needs. */
export const BLOCKS_AHEAD = 160

/** Input of the block cipher: used within one call only, and so there is one for all. */
const counterBlocks = new DataView(new ArrayBuffer(BLOCKS_AHEAD * BLOCK_LENGTH))

/**
 * The keystream of AES in counter mode under one session key. RFC 3711 4.1.1, RFC 6188 2
 *
 * It depends on nothing but SSRC and index, which count: that of the packets to come is made together with that of this one, as a
 * call into the block cipher costs more than ten packets do in it. Ready lies that of one SSRC, of the indices that follow.
 */
export class Keystream {
  /** AES-ECB kept open: setting up a cipher costs more than a packet. */
  readonly #blockCipher: Cipheriv
  /** The session salt as the three and a half words that it fills. */
  readonly #salt: Int32Array
  readonly #isAhead: boolean
  /**
   * Copied to where the one before lay. What the block cipher gives would outlive the collector's young generation, a third of a second long, and wait
   * as garbage for the whole heap to be looked through: for hundreds of streams that comes often.
   */
  #ready: Int32Array = new Int32Array(0)
  #ssrc = -1
  #firstIndex = 0
  #packets = 0
  #blocksEach = 0
  /** Blocks of the longest packet since `#ready` was made. */
  #blocksUsed = 0

  /** @param isAhead false for packets that are rare: only what is asked for is made then, and nothing kept */
  constructor(keys: { readonly encryptionKey: Uint8Array; readonly salt: Uint8Array }, isAhead: boolean) {
    const algorithm = keys.encryptionKey.length === 16 ? 'aes-128-ecb' : 'aes-256-ecb'
    this.#blockCipher = createCipheriv(algorithm, keys.encryptionKey, null).setAutoPadding(false)
    const salt = new Uint8Array(BLOCK_LENGTH)
    salt.set(keys.salt)
    const view = new DataView(salt.buffer)
    this.#salt = Int32Array.from({ length: BLOCK_WORDS }, (_, word) => view.getInt32(4 * word))
    this.#isAhead = isAhead
  }

  /**
   * Exclusive-or of the body with the keystream: encrypts and decrypts.
   *
   * @param words the packet from its first octet on, with room for whole words; in the last one octets behind the body change too
   */
  apply(words: Int32Array, parts: PacketParts): void {
    const length = parts.bodyEnd - parts.headerLength
    const first = parts.headerLength >> 2
    const count = (length + 3) >> 2
    const place = this.#isAhead ? this.#find(parts, Math.ceil(length / BLOCK_LENGTH)) : -1
    const stream = place < 0 ? this.#make(parts, Math.ceil(length / BLOCK_LENGTH), 1) : this.#ready
    const start = Math.max(0, place)
    for (let at = 0; at < count; at += 1) words[first + at] = (words[first + at] ?? 0) ^ (stream[start + at] ?? 0)
  }

  /** Where the keystream of a packet begins in `#ready`; -1 when it is not there and not worth to be. */
  #find(parts: PacketParts, blocks: number): number {
    const { ssrc, index } = parts
    const ahead = index - this.#firstIndex
    const isSame = ssrc === this.#ssrc
    // A straggler, or a duplicate under UNAUTHENTICATED_SRTP: those that follow in sequence are still to come.
    if (isSame && ahead < 0) return -1
    if (!isSame || ahead >= this.#packets || blocks > this.#blocksEach) {
      this.#blocksEach = Math.max(blocks, isSame ? this.#blocksUsed : 0)
      // The first packet of an SSRC is alone: it may be the only one, or two may take turns.
      this.#packets = isSame ? Math.max(1, Math.floor(BLOCKS_AHEAD / Math.max(1, this.#blocksEach))) : 1
      this.#keep(this.#make(parts, this.#blocksEach, this.#packets))
      this.#ssrc = ssrc
      this.#firstIndex = index
      this.#blocksUsed = blocks
      return 0
    }
    if (blocks > this.#blocksUsed) this.#blocksUsed = blocks
    return ahead * this.#blocksEach * BLOCK_WORDS
  }

  #keep(made: Int32Array): void {
    if (this.#ready.length < made.length) this.#ready = made
    else this.#ready.set(made)
  }

  /** IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16), then counting in the low 16 bits. RFC 3711 4.1.1 */
  #make({ ssrc, index }: PacketParts, blocks: number, packets: number): Int32Array {
    const length = blocks * packets * BLOCK_LENGTH
    const input = length <= counterBlocks.byteLength ? counterBlocks : new DataView(new ArrayBuffer(length))
    const salt = this.#salt
    const word0 = salt[0] ?? 0
    const word1 = (salt[1] ?? 0) ^ ssrc
    let at = 0
    for (let packet = index; packet < index + packets; packet += 1) {
      const word2 = (salt[2] ?? 0) ^ Math.floor(packet / 0x1_0000)
      const word3 = (salt[3] ?? 0) ^ ((packet % 0x1_0000) << 16)
      for (let counter = 0; counter < blocks; counter += 1) {
        input.setInt32(at, word0)
        input.setInt32(at + 4, word1)
        input.setInt32(at + 8, word2)
        input.setInt32(at + 12, word3 | counter)
        at += BLOCK_LENGTH
      }
    }
    const output = this.#blockCipher.update(new Uint8Array(input.buffer, 0, length))
    return new Int32Array(output.buffer, output.byteOffset, length >> 2)
  }
}
