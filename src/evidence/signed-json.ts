import { base64url, CompactSign, compactVerify } from 'jose'

import { accepted, rejected, type Result } from '../result.ts'
import { canonicalJson, readCanonicalJson } from './canonical-json.ts'
import { SIGNATURE_ALGORITHM, type SigningKey, type VerifyKey } from './signer-keys.ts'

/** Canonical JSON as a compact JWS whose bytes are all determined: what FORMAT.md 5 asks of manifests, and ledger/FORMAT.md 2 of statements. */

/** Signs `body`; the result is ASCII and has no line break. Throws a TypeError for what canonical JSON cannot carry. */
export async function signJson(body: unknown, type: string, signer: SigningKey): Promise<string> {
  return new CompactSign(new TextEncoder().encode(canonicalJson(body)))
    .setProtectedHeader({ alg: SIGNATURE_ALGORITHM, kid: signer.keyId, typ: type })
    .sign(signer.privateKey)
}

/** What a JWS says and whose it claims to be. Nobody has checked the signature. */
export function decodeSignedJson(
  jws: string,
  type: string,
): Result<{ readonly keyId: string; readonly value: unknown }, 'notJws' | 'notCanonical'> {
  const parts = jws.split('.', 4).map(decodePart)
  const [header, payload, signature] = parts
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    return rejected('notJws')
  }
  const keyId = readHeader(header, type)
  if (keyId === undefined) return rejected('notJws')
  const value = readCanonicalJson(payload)
  return value === undefined ? rejected('notCanonical') : accepted({ keyId, value })
}

/** Checks the signature against the one of `keys` that has the id. Never throws. */
export async function checkSignature(
  jws: string,
  keyId: string,
  keys: readonly VerifyKey[],
): Promise<Result<undefined, 'signerUnknown' | 'forged'>> {
  const key = keys.find((candidate) => candidate.keyId === keyId)
  if (key === undefined) return rejected('signerUnknown')
  try {
    await compactVerify(jws, key.publicKey, { algorithms: [SIGNATURE_ALGORITHM] })
    return accepted(undefined)
  } catch {
    return rejected('forged')
  }
}

/** Strict Base64url: the one encoding of its bytes, so that no character can be changed unseen. */
function decodePart(part: string): Uint8Array | undefined {
  try {
    const bytes = base64url.decode(part)
    return base64url.encode(bytes) === part ? bytes : undefined
  } catch {
    return undefined
  }
}

/** The key id of a header that is, byte for byte, the one of the format; `crit` and other algorithms fall out with that. */
function readHeader(header: Uint8Array, type: string): string | undefined {
  const value = readCanonicalJson(header)
  const keyId: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kid') : undefined
  if (typeof keyId !== 'string') return undefined
  const expected = canonicalJson({ alg: SIGNATURE_ALGORITHM, kid: keyId, typ: type })
  return expected === canonicalJson(value) ? keyId : undefined
}
