import type { KeyObject } from 'node:crypto'

import { accepted, rejected, type Result } from '../result.ts'
import type { RandomBytes } from './age-seal.ts'
import { decodeBech32, encodeBech32 } from './bech32.ts'
import { X25519_LENGTH, x25519PrivateKey, x25519PublicBytes, x25519PublicKey, x25519SharedSecret } from './x25519.ts'

/** Text of an identity file beyond this is not read. */
export const IDENTITY_FILE_LENGTH_MAX = 64 * 1024
/** Identities in one file. */
export const IDENTITIES_MAX = 100

export type RecipientRejectReason = 'notRecipient' | 'unsupportedType' | 'damaged' | 'lowOrder'
export type IdentityFileRejectReason = 'size' | 'empty' | 'notIdentity' | 'damaged' | 'tooMany'

const RECIPIENT_PREFIX = 'age'
const IDENTITY_PREFIX = 'age-secret-key-'
/** A recipient taken apart but not yet known to be fit for sealing. */
export interface DecodedRecipient {
  readonly bytes: Uint8Array
  readonly publicKey: KeyObject
}

// X25519 scalars are multiples of 8 after clamping, so any scalar takes every point of low order to zero.
const PROBE_SCALAR = new Uint8Array(X25519_LENGTH).fill(1)

/**
 * A fresh age key pair from 32 random bytes. The identity is a secret: whoever has it can open everything sealed to the
 * recipient, and a JavaScript string cannot be wiped, so let go of it at once.
 */
export function generateIdentity(randomBytes: RandomBytes): { readonly identity: string; readonly recipient: string } {
  const scalar = Uint8Array.from(randomBytes(X25519_LENGTH))
  if (scalar.length !== X25519_LENGTH) throw new RangeError('The random source gave the wrong number of bytes.')
  const identity = encodeBech32(IDENTITY_PREFIX, scalar).toUpperCase()
  const recipient = encodeBech32(RECIPIENT_PREFIX, x25519PublicBytes(x25519PrivateKey(scalar)))
  scalar.fill(0)
  return { identity, recipient }
}

/**
 * The X25519 point of `age1…`. Other kinds of age recipient (plugins, post-quantum, SSH keys) are `unsupportedType`;
 * a point of low order is refused, as sealing to it would seal to everyone.
 */
export function parseRecipient(text: string): Result<Uint8Array, RecipientRejectReason> {
  const decoded = decodeRecipient(text)
  if (!decoded.ok) return decoded
  const { bytes, publicKey } = decoded.value
  if (x25519SharedSecret(x25519PrivateKey(PROBE_SCALAR), publicKey) === undefined) return rejected('lowOrder')
  return accepted(bytes)
}

/** As {@link parseRecipient} without the test for low order, which sealing makes with its own secret anyway. */
export function decodeRecipient(text: string): Result<DecodedRecipient, Exclude<RecipientRejectReason, 'lowOrder'>> {
  if (!text.startsWith('age1')) return rejected('notRecipient')
  const decoded = decodeBech32(text)
  if (!decoded.ok) {
    // Post-quantum and plugin recipients are `age1<name>1…`, and may be longer than Bech32 allows.
    return rejected(text.indexOf('1', 'age1'.length) === -1 ? 'damaged' : 'unsupportedType')
  }
  const { prefix, bytes } = decoded.value
  if (prefix !== RECIPIENT_PREFIX) return rejected('unsupportedType')
  if (bytes.length !== X25519_LENGTH) return rejected('damaged')
  return accepted({ bytes, publicKey: x25519PublicKey(bytes) })
}

/** The recipient that belongs to `AGE-SECRET-KEY-1…`. */
export function recipientOfIdentity(identity: string): Result<string, 'damaged'> {
  const decoded = decodeBech32(identity)
  if (!decoded.ok || decoded.value.prefix !== IDENTITY_PREFIX || decoded.value.bytes.length !== X25519_LENGTH) {
    return rejected('damaged')
  }
  const privateKey = x25519PrivateKey(decoded.value.bytes)
  decoded.value.bytes.fill(0)
  return accepted(encodeBech32(RECIPIENT_PREFIX, x25519PublicBytes(privateKey)))
}

/** The text of an age identity file as `age-keygen` writes it, so that `age -d -i` reads it. */
export function identityFileText(options: {
  readonly identity: string
  readonly recipient: string
  /** RFC 3339, for the comment. */
  readonly createdAt: string
}): string {
  return `# created: ${options.createdAt}\n# public key: ${options.recipient}\n${options.identity}\n`
}

/** The identities in the text of an age identity file; comment lines and empty lines are passed over. */
export function parseIdentityFile(text: string): Result<readonly string[], IdentityFileRejectReason> {
  if (text.length > IDENTITY_FILE_LENGTH_MAX) return rejected('size')
  const identities: string[] = []
  for (const line of text.split('\n')) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    if (!trimmed.startsWith('AGE-SECRET-KEY-1')) return rejected('notIdentity')
    if (!recipientOfIdentity(trimmed).ok) return rejected('damaged')
    if (identities.length >= IDENTITIES_MAX) return rejected('tooMany')
    identities.push(trimmed)
  }
  return identities.length === 0 ? rejected('empty') : accepted(identities)
}
