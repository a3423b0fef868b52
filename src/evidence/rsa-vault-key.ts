import { createHash, createPublicKey, type KeyObject } from 'node:crypto'

import { accepted, rejected, type Result } from '../result.ts'
import type { RsaVaultKey, VaultProvider } from './vault-recipient.ts'

/** Text of a public key file beyond this is not read: 4096 bits take 800 characters. */
export const PUBLIC_KEY_LENGTH_MAX = 16 * 1024
/** Bits of the moduli that both services offer and that last as long as recordings are kept. */
export const RSA_BITS: readonly number[] = [3072, 4096]
const EXPONENT = 65_537n
/** Keys at hand, of which a recorder has one or two. */
const KEYS_MAX = 64
const publicKeys = new Map<string, KeyObject>()

/** `privateKey`: somebody put the private half there, which belongs nowhere near a recorder. */
export type RsaVaultKeyRejectReason = 'size' | 'privateKey' | 'notPublicKey' | 'notRsa' | 'length' | 'exponent'

/**
 * Reads the public half of an RSA vault key from a PEM file (`-----BEGIN PUBLIC KEY-----`), as both services and `openssl pkey -pubout` write it. FORMAT.md 2.3
 */
export function readRsaVaultKey(pem: string, provider: VaultProvider): Result<RsaVaultKey, RsaVaultKeyRejectReason> {
  if (pem.length > PUBLIC_KEY_LENGTH_MAX) return rejected('size')
  if (pem.includes('PRIVATE KEY') || /AGE-SECRET-KEY-/iu.test(pem)) return rejected('privateKey')
  const block = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/u.exec(pem)?.[1]
  if (block === undefined) return rejected('notPublicKey')
  return rsaVaultKeyOf(Buffer.from(block, 'base64'), provider)
}

/** The same from the DER inside, as AWS KMS gives it. */
export function rsaVaultKeyOf(der: Uint8Array, provider: VaultProvider): Result<RsaVaultKey, RsaVaultKeyRejectReason> {
  if (der.length > PUBLIC_KEY_LENGTH_MAX) return rejected('size')
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  } catch {
    return rejected('notPublicKey')
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: { modulusLength = 0, publicExponent } = {} } = key
  if (type !== 'rsa') return rejected('notRsa')
  if (!RSA_BITS.includes(modulusLength)) return rejected('length', String(modulusLength))
  if (publicExponent !== EXPONENT) return rejected('exponent')
  // Written anew: whatever a tool put around it, one key has one fingerprint.
  const spki = key.export({ format: 'der', type: 'spki' })
  const fingerprint = createHash('sha256').update(spki).digest('base64').replaceAll('=', '')
  return accepted({ provider, spki: spki.toString('base64'), fingerprint })
}

/** As `openssl pkey -pubin` writes it. */
export function rsaVaultKeyPem({ spki }: RsaVaultKey): string {
  return publicKeyOf(spki).export({ format: 'pem', type: 'spki' }).toString()
}

/** Of what is encrypted to it. RFC 8017 7.1.1 */
export function ciphertextLength({ spki }: RsaVaultKey): number {
  return (publicKeyOf(spki).asymmetricKeyDetails?.modulusLength ?? 0) / 8
}

/** @param spki of {@link RsaVaultKey}; throws a RangeError for anything else */
export function publicKeyOf(spki: string): KeyObject {
  const known = publicKeys.get(spki)
  if (known !== undefined) return known
  const read = rsaVaultKeyOf(Buffer.from(spki, 'base64'), 'aws-kms')
  if (!read.ok) throw new RangeError(`Cannot seal to an RSA key: ${read.reason}.`)
  const key = createPublicKey({ key: Buffer.from(read.value.spki, 'base64'), format: 'der', type: 'spki' })
  if (publicKeys.size >= KEYS_MAX) publicKeys.clear()
  publicKeys.set(spki, key)
  return key
}
