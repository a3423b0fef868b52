import { calculateJwkThumbprint, exportJWK, importPKCS8, importSPKI } from 'jose'

import { accepted, rejected, type Result } from '../result.ts'

/** The only algorithm of format 1: Ed25519 under its JOSE name of RFC 8037. */
export const SIGNATURE_ALGORITHM = 'EdDSA'

type WebCryptoKey = Awaited<ReturnType<typeof importSPKI>>

/** A public key that is trusted to have signed. */
export interface VerifyKey {
  /** The fingerprint: JWK thumbprint, SHA-256, base64url. RFC 7638 */
  readonly keyId: string
  readonly publicKey: WebCryptoKey
}

export interface SigningKey {
  readonly keyId: string
  readonly privateKey: WebCryptoKey
}

export type SignerKeyRejectReason = 'notPem' | 'notEd25519'

/** Reads `-----BEGIN PUBLIC KEY-----` (SPKI, Ed25519; RFC 8410). */
export async function readVerifyKey(pem: string): Promise<Result<VerifyKey, SignerKeyRejectReason>> {
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) return rejected('notPem')
  try {
    const publicKey = await importSPKI(pem.trim(), SIGNATURE_ALGORITHM, { extractable: true })
    return accepted({ keyId: await fingerprintOf(publicKey), publicKey })
  } catch {
    return rejected('notEd25519')
  }
}

/** Reads `-----BEGIN PRIVATE KEY-----` (PKCS #8, Ed25519; RFC 8410), not encrypted. */
export async function readSigningKey(pem: string): Promise<Result<SigningKey, SignerKeyRejectReason>> {
  if (!pem.includes('-----BEGIN PRIVATE KEY-----')) return rejected('notPem')
  try {
    const extractable = await importPKCS8(pem.trim(), SIGNATURE_ALGORITHM, { extractable: true })
    const keyId = await fingerprintOf(extractable)
    return accepted({ keyId, privateKey: await importPKCS8(pem.trim(), SIGNATURE_ALGORITHM) })
  } catch {
    return rejected('notEd25519')
  }
}

async function fingerprintOf(key: WebCryptoKey): Promise<string> {
  const { x } = await exportJWK(key)
  return calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: x ?? '' }, 'sha256')
}
