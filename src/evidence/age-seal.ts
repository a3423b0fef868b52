import { createCipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

import { type DecodedRecipient, decodeRecipient } from './age-keys.ts'
import { X25519_LENGTH, x25519PrivateKey, x25519PublicBytes, x25519SharedSecret } from './x25519.ts'

/** Gives `length` unpredictable bytes; deterministic in tests and vectors only. */
export type RandomBytes = (length: number) => Uint8Array

/** Recipients of one sealed object: the vault and its escrow keys. */
export const RECIPIENTS_MAX = 20

/** Public keys of recipients kept at hand: those of the vault, and of recordings under way. */
const DECODED_RECIPIENTS_MAX = 1_024
const decodedRecipients = new Map<string, DecodedRecipient>()

const VERSION_LINE = 'age-encryption.org/v1\n'
const X25519_INFO = 'age-encryption.org/v1/X25519'
const FILE_KEY_LENGTH = 16
const NONCE_LENGTH = 16
const KEY_LENGTH = 32
const TAG_LENGTH = 16
const STREAM_CHUNK_LENGTH = 64 * 1024
const ENCODED_32_LENGTH = 43
const STANZA_LENGTH = '-> X25519 '.length + ENCODED_32_LENGTH + 1 + ENCODED_32_LENGTH + 1
const MAC_LINE_LENGTH = '--- '.length + ENCODED_32_LENGTH + 1

/**
 * Seals `plaintext` as one complete binary age v1 file to every recipient (`age1…`). Synchronous, about half a
 * millisecond per call and recipient; it keeps no reference to `plaintext`, which the caller may wipe.
 *
 * Randomness is taken in this order: file key (16 bytes), one ephemeral secret per recipient (32), payload nonce (16).
 *
 * Throws a RangeError for no or more than {@link RECIPIENTS_MAX} recipients and for one that `parseRecipient` refuses:
 * recipients are to be checked when they are configured.
 *
 * @see C2SP age.md, https://age-encryption.org/v1
 */
export function sealToRecipients(
  plaintext: Uint8Array,
  recipients: readonly string[],
  randomBytes: RandomBytes,
): Uint8Array {
  if (recipients.length === 0 || recipients.length > RECIPIENTS_MAX) {
    throw new RangeError(`Sealing takes 1 to ${RECIPIENTS_MAX} recipients.`)
  }
  const stanzasFor = (fileKey: Uint8Array): readonly string[] =>
    recipients.map((recipient) => x25519Stanza(fileKey, recipientPoint(recipient), randomBytes))
  return sealWithStanzas(plaintext, stanzasFor, randomBytes)
}

/**
 * Seals `plaintext` under a fresh file key, with the stanzas that `stanzasFor` makes of it: each whole lines. Takes the file key from `randomBytes` first and the payload nonce last.
 */
export function sealWithStanzas(
  plaintext: Uint8Array,
  stanzasFor: (fileKey: Uint8Array) => readonly string[],
  randomBytes: RandomBytes,
): Uint8Array {
  const fileKey = Uint8Array.from(drawn(randomBytes, FILE_KEY_LENGTH))
  const stanzas = stanzasFor(fileKey)
  const headerStart = `${VERSION_LINE}${stanzas.join('')}---`
  const mac = createHmac('sha256', hkdf(fileKey, '', 'header'))
    .update(headerStart)
    .digest()
  const nonce = drawn(randomBytes, NONCE_LENGTH)
  const sealed = Buffer.concat([
    Buffer.from(`${headerStart} ${encode(mac)}\n`, 'latin1'),
    nonce,
    ...sealStream(plaintext, hkdf(fileKey, nonce, 'payload')),
  ])
  fileKey.fill(0)
  return sealed
}

/** Exactly how long the sealed form of `plaintextLength` bytes is. */
export function sealedSize(plaintextLength: number, recipientCount: number): number {
  const streamChunks = Math.max(1, Math.ceil(plaintextLength / STREAM_CHUNK_LENGTH))
  const header = VERSION_LINE.length + recipientCount * STANZA_LENGTH + MAC_LINE_LENGTH
  return header + NONCE_LENGTH + plaintextLength + streamChunks * TAG_LENGTH
}

/** A recipient taken apart; a recorder seals to the same ones again and again. Throws a RangeError for what is none. */
export function recipientPoint(recipient: string): DecodedRecipient {
  const known = decodedRecipients.get(recipient)
  if (known !== undefined) return known
  const decoded = decodeRecipient(recipient)
  if (!decoded.ok) throw new RangeError(`Cannot seal to a recipient: ${decoded.reason}.`)
  if (decodedRecipients.size >= DECODED_RECIPIENTS_MAX) decodedRecipients.clear()
  decodedRecipients.set(recipient, decoded.value)
  return decoded.value
}

/** The file key wrapped to one recipient, as two header lines. age.md "The X25519 recipient type" */
export function x25519Stanza(fileKey: Uint8Array, point: DecodedRecipient, randomBytes: RandomBytes): string {
  const secret = Uint8Array.from(drawn(randomBytes, X25519_LENGTH))
  const ephemeral = x25519PrivateKey(secret)
  secret.fill(0)
  const share = x25519PublicBytes(ephemeral)
  const shared = x25519SharedSecret(ephemeral, point.publicKey)
  if (shared === undefined) throw new RangeError('Cannot seal to a recipient: lowOrder.')
  const wrapKey = hkdf(shared, Buffer.concat([share, point.bytes]), X25519_INFO)
  // A wrap key is used once, so the nonce may be zero.
  const body = sealOnce(fileKey, wrapKey, new Uint8Array(12))
  shared.fill(0)
  return `-> X25519 ${encode(share)}\n${encode(body)}\n`
}

/**
 * STREAM: pieces of 64 KiB, each with an 11-byte counter and a flag on the last as its nonce. Only an empty plaintext
 * has an empty piece; an exact multiple of 64 KiB ends with a full one. age.md "Payload"
 */
function sealStream(plaintext: Uint8Array, key: KeyObject): Uint8Array[] {
  const pieces: Uint8Array[] = []
  const nonce = Buffer.alloc(12)
  let offset = 0
  do {
    const end = Math.min(offset + STREAM_CHUNK_LENGTH, plaintext.length)
    // 48 bits of counter are 16 exbibytes: more than a plaintext in memory can have.
    nonce.writeUIntBE(pieces.length, 5, 6)
    nonce[11] = end === plaintext.length ? 1 : 0
    pieces.push(sealOnce(plaintext.subarray(offset, end), key, nonce))
    offset = end
  } while (offset < plaintext.length)
  return pieces
}

function sealOnce(plaintext: Uint8Array, key: KeyObject, nonce: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_LENGTH })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Keys are key objects throughout: given as bytes, node:crypto finds out that they are none by an exception, which costs more than sealing. */
function hkdf(secret: Uint8Array, salt: Uint8Array | string, info: string): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', createSecretKey(secret), salt, info, KEY_LENGTH)))
}

/** Exactly `length` bytes. */
export function drawn(randomBytes: RandomBytes, length: number): Uint8Array {
  const bytes = randomBytes(length)
  if (bytes.length !== length) throw new RangeError('The random source gave the wrong number of bytes.')
  return bytes
}

/** Standard Base64 without padding, as age headers have it. */
function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}
