import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

import { type PacketKind, type SessionKeys, xorUint32, xorUint48 } from './key-derivation.ts'
import type { PacketCipher, PacketParts, SealedParts } from './packet-cipher.ts'
import { AEAD_TAG_LENGTH } from './suites.ts'

const NO_TAG = new Uint8Array(0)
const TAG_OPTIONS = { authTagLength: AEAD_TAG_LENGTH }

/** AES-GCM: RFC 7714 8 (SRTP) and 9 (SRTCP). A packet that is not encrypted is authenticated all the same. */
export class AeadCipher implements PacketCipher {
  readonly #algorithm: 'aes-128-gcm' | 'aes-256-gcm'
  readonly #key: KeyObject
  readonly #salt: Uint8Array
  readonly #kind: PacketKind
  readonly #nonce = new Uint8Array(12)

  constructor(keys: SessionKeys, kind: PacketKind) {
    this.#algorithm = keys.encryptionKey.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm'
    // A key object is set up once; raw key octets would be set up for every packet, at three times its whole cost.
    this.#key = createSecretKey(keys.encryptionKey)
    this.#salt = keys.salt
    this.#kind = kind
  }

  open(parts: PacketParts): Uint8Array | undefined {
    const { packet, headerLength, bodyEnd, isEncrypted } = parts
    const tagStart = bodyEnd - AEAD_TAG_LENGTH
    if (tagStart < headerLength) return undefined
    const clearLength = isEncrypted ? headerLength : tagStart
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#nonceOf(parts), TAG_OPTIONS)
    decipher.setAAD(this.#associated(parts, clearLength))
    decipher.setAuthTag(packet.subarray(tagStart, bodyEnd))
    const body = decipher.update(packet.subarray(clearLength, tagStart))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return joined(packet.subarray(0, clearLength), body, NO_TAG)
  }

  seal(parts: PacketParts): SealedParts {
    const { packet, headerLength, bodyEnd, isEncrypted } = parts
    const clearLength = isEncrypted ? headerLength : bodyEnd
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#nonceOf(parts), TAG_OPTIONS)
    cipher.setAAD(this.#associated(parts, clearLength))
    const body = cipher.update(packet.subarray(clearLength, bodyEnd))
    cipher.final()
    return { packet: joined(packet.subarray(0, clearLength), body, cipher.getAuthTag()), tag: NO_TAG }
  }

  /** Two octets of zero, SSRC and index, exclusive-ored with the salt. RFC 7714 8.1, 9.1 */
  #nonceOf({ ssrc, index }: PacketParts): Uint8Array {
    this.#nonce.set(this.#salt)
    xorUint32(this.#nonce, 2, ssrc)
    xorUint48(this.#nonce, 6, index)
    return this.#nonce
  }

  /** What is authenticated without being encrypted; for SRTCP that takes in the word with E flag and index. RFC 7714 9.2, 9.3 */
  #associated({ packet, word }: PacketParts, clearLength: number): Uint8Array {
    const clear = packet.subarray(0, clearLength)
    if (this.#kind === 'rtp') return clear
    const associated = new Uint8Array(clearLength + 4)
    associated.set(clear)
    xorUint32(associated, clearLength, word)
    return associated
  }
}

function joined(header: Uint8Array, body: Uint8Array, tag: Uint8Array): Uint8Array {
  const packet = new Uint8Array(header.length + body.length + tag.length)
  packet.set(header)
  packet.set(body, header.length)
  packet.set(tag, header.length + body.length)
  return packet
}
