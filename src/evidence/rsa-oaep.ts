import { constants, createHash, type KeyObject, publicEncrypt } from 'node:crypto'

/** Of SHA-256. */
export const OAEP_SEED_LENGTH = 32

/**
 * RSAES-OAEP with SHA-256 for hash and MGF1, and an empty label, as AWS KMS calls it `RSAES_OAEP_SHA_256` and Vault Transit does it for RSA keys. The padding is ours and only the power is
 * OpenSSL's, which draws its seed by itself: here the same arguments must give the same bytes.
 *
 * Throws a RangeError when the message is too long for the key, or the seed has another length.
 *
 * @param seed {@link OAEP_SEED_LENGTH} unpredictable bytes, for this message alone
 * @see RFC 8017 7.1.1
 */
export function encryptRsaOaep(key: KeyObject, message: Uint8Array, seed: Uint8Array): Uint8Array {
  const length = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  const padded = padOaep(message, seed, length)
  const encrypted = publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, padded)
  padded.fill(0)
  return Uint8Array.from(encrypted)
}

/** EME-OAEP encoding: `00 || maskedSeed || maskedDB`. RFC 8017 7.1.1 step 2 */
function padOaep(message: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const zeros = length - message.length - 2 * OAEP_SEED_LENGTH - 2
  if (zeros < 0) throw new RangeError('The message is too long for this RSA key.')
  if (seed.length !== OAEP_SEED_LENGTH) throw new RangeError('The seed has another length than SHA-256.')
  const labelHash = createHash('sha256').digest()
  const block = Buffer.concat([labelHash, Buffer.alloc(zeros), Uint8Array.of(1), message])
  mask(block, seed)
  const maskedSeed = Uint8Array.from(seed)
  mask(maskedSeed, block)
  const padded = Buffer.concat([Uint8Array.of(0), maskedSeed, block])
  block.fill(0)
  return padded
}

/** XORs `bytes` with MGF1 of `seed`. RFC 8017 B.2.1 */
function mask(bytes: Uint8Array, seed: Uint8Array): void {
  const counter = Buffer.alloc(4)
  for (let offset = 0; offset < bytes.length; offset += 32) {
    counter.writeUInt32BE(offset / 32)
    const piece = createHash('sha256').update(seed).update(counter).digest()
    for (let index = 0; index < piece.length && offset + index < bytes.length; index += 1) {
      bytes[offset + index] = (bytes[offset + index] ?? 0) ^ (piece[index] ?? 0)
    }
  }
}
