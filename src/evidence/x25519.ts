import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'

/** Length of X25519 scalars and points. RFC 7748 5 */
export const X25519_LENGTH = 32

// Keys are given to node:crypto raw: as DER they cost ten times as much to export, and exporting many JWKs has been seen to lock up.
const X25519 = { asymmetricKeyType: 'x25519' } as const

/** The private key with the 32 bytes `scalar`, which node:crypto clamps when it multiplies. */
export function x25519PrivateKey(scalar: Uint8Array): KeyObject {
  return withoutStackTraces(() => createPrivateKey({ ...X25519, key: bufferOf(scalar), format: 'raw-private' }))
}

export function x25519PublicKey(point: Uint8Array): KeyObject {
  return createPublicKey({ ...X25519, key: bufferOf(point), format: 'raw-public' })
}

/** The 32 bytes of the point that belongs to a private key. */
export function x25519PublicBytes(privateKey: KeyObject): Uint8Array {
  return Uint8Array.from(createPublicKey(privateKey).export({ format: 'raw-public' }))
}

/**
 * node:crypto finds out by an exception, and catches it, that what it is given is no key object yet: four times for one key. The stack
 * traces that nobody sees cost a third of the whole.
 */
function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The same memory. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
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
