import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'

/** Length of X25519 scalars and points. RFC 7748 5 */
export const X25519_LENGTH = 32

// Keys are given to node:crypto as DER, never as JWK: exporting many JWKs has been seen to lock up. RFC 8410 7
const PKCS8_PREFIX = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20])
const SPKI_PREFIX = Uint8Array.from([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0])

/** The private key with the 32 bytes `scalar`, which node:crypto clamps when it multiplies. */
export function x25519PrivateKey(scalar: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8_PREFIX, scalar])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

export function x25519PublicKey(point: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, point]), format: 'der', type: 'spki' })
}

/** The 32 bytes of the point that belongs to a private key. */
export function x25519PublicBytes(privateKey: KeyObject): Uint8Array {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return Uint8Array.from(der.subarray(SPKI_PREFIX.length))
}

/**
 * The shared secret, or undefined when the point is of low order: everyone would know the secret. RFC 7748 6.1
 */
export function x25519SharedSecret(privateKey: KeyObject, publicKey: KeyObject): Uint8Array | undefined {
  try {
    const shared = diffieHellman({ privateKey, publicKey })
    return shared.some((byte) => byte !== 0) ? shared : undefined
  } catch {
    // OpenSSL fails the derivation when the secret would be all zeros.
    return undefined
  }
}
