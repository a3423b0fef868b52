import {
  createCipheriv,
  createHmac,
  createSecretKey,
  timingSafeEqual,
  type Cipheriv,
  type KeyObject,
} from 'node:crypto'

import { type SessionKeys, xorUint32, xorUint48 } from './key-derivation.ts'
import type { PacketCipher, PacketParts, SealedParts } from './packet-cipher.ts'

const BLOCK_LENGTH = 16
const NO_TAG = new Uint8Array(0)

/**
 * AES in counter mode with HMAC-SHA1: RFC 3711 4.1.1 and 4.2.1, RFC 6188 2.
 *
 * The keystream comes out of one AES-ECB cipher kept open over blocks that count, a call for each packet: setting up a new
 * cipher costs more than the packet itself. Keys are handed over as key objects for the same reason (`npm run bench:srtp`).
 */
export class CounterCipher implements PacketCipher {
  readonly #blockCipher: Cipheriv
  readonly #salt: Uint8Array
  readonly #authenticationKey: KeyObject
  /** 0: packets are taken as they come. RFC 4568 6.3.3 */
  readonly #tagLength: number
  /** Input of the block cipher; grows with the longest authentic packet, so a datagram bounds it. */
  #blocks = new Uint8Array(BLOCK_LENGTH * 16)
  readonly #word = new Uint8Array(4)

  constructor(keys: SessionKeys, tagLength: number) {
    const { encryptionKey, salt, authenticationKey } = keys
    const algorithm = encryptionKey.length === 16 ? 'aes-128-ecb' : 'aes-256-ecb'
    this.#blockCipher = createCipheriv(algorithm, encryptionKey, null).setAutoPadding(false)
    this.#salt = salt
    this.#authenticationKey = createSecretKey(authenticationKey)
    this.#tagLength = tagLength
  }

  open(parts: PacketParts, tag: Uint8Array): Uint8Array | undefined {
    if (this.#tagLength > 0) {
      const expected = this.#computeTag(parts.packet.subarray(0, parts.bodyEnd), parts.word)
      if (tag.length !== expected.length || !timingSafeEqual(tag, expected)) return undefined
    }
    return this.#transform(parts)
  }

  seal(parts: PacketParts): SealedParts {
    const packet = this.#transform(parts)
    return { packet, tag: this.#tagLength === 0 ? NO_TAG : this.#computeTag(packet, parts.word) }
  }

  #computeTag(authenticated: Uint8Array, word: number): Uint8Array {
    this.#word.fill(0)
    xorUint32(this.#word, 0, word)
    const hmac = createHmac('sha1', this.#authenticationKey)
    return hmac.update(authenticated).update(this.#word).digest().subarray(0, this.#tagLength)
  }

  /** Encrypts or decrypts, which is the same: the body is exclusive-ored with the keystream. */
  #transform({ packet, headerLength, bodyEnd, ssrc, index, isEncrypted }: PacketParts): Uint8Array {
    if (!isEncrypted) return packet.slice(0, bodyEnd)
    // The header is written over blocks in front of the keystream, and so the cipher's output is the packet, without a copy.
    const headerBlocks = Math.ceil(headerLength / BLOCK_LENGTH)
    const bodyBlocks = Math.ceil((bodyEnd - headerLength) / BLOCK_LENGTH)
    const output = this.#blockCipher.update(this.#countingBlocks({ headerBlocks, bodyBlocks, ssrc, index }))
    const start = headerBlocks * BLOCK_LENGTH - headerLength
    for (let at = 0; at < headerLength; at++) output[start + at] = packet[at] ?? 0
    for (let at = headerLength; at < bodyEnd; at++) output[start + at] = (output[start + at] ?? 0) ^ (packet[at] ?? 0)
    return new Uint8Array(output.buffer, output.byteOffset + start, bodyEnd)
  }

  /** IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16), then counting in the low 16 bits. RFC 3711 4.1.1 */
  #countingBlocks(options: {
    readonly headerBlocks: number
    readonly bodyBlocks: number
    readonly ssrc: number
    readonly index: number
  }): Uint8Array {
    const { headerBlocks, bodyBlocks } = options
    const length = (headerBlocks + bodyBlocks) * BLOCK_LENGTH
    if (this.#blocks.length < length) this.#blocks = new Uint8Array(length)
    const blocks = this.#blocks
    const first = headerBlocks * BLOCK_LENGTH
    blocks.set(this.#salt, first)
    xorUint32(blocks, first + 4, options.ssrc)
    xorUint48(blocks, first + 8, options.index)
    for (let counter = 0; counter < bodyBlocks; counter++) {
      const at = first + counter * BLOCK_LENGTH
      if (counter > 0) blocks.copyWithin(at, first, first + BLOCK_LENGTH - 2)
      blocks[at + 14] = counter >>> 8
      blocks[at + 15] = counter & 0xff
    }
    return blocks.subarray(0, length)
  }
}
