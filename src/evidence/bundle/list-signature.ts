import { base64url } from 'jose'

import { accepted, rejected, type Result } from '../../result.ts'
import { checkSignature, decodeSignedJson, signJson } from '../signed-json.ts'
import type { SigningKey, VerifyKey } from '../signer-keys.ts'

/** `typ` of the protected header: a list's signature can never pass for that of a manifest or a statement. RFC 8725 3.11 */
const BUNDLE_LIST_TYPE = 'earwitness-bundle+jws'
/** Bytes of `bundle.jws`. */
export const LIST_SIGNATURE_BYTES_MAX = 4_096

/** `notJws`: no detached signature of this format. `signerUnknown`: by none of the keys. `forged`: it is not over this list. */
export type ListSignatureRejectReason = 'notJws' | 'signerUnknown' | 'forged'

/** The signature over a list, whose bytes are its payload: a JWS with detached content, RFC 7515 appendix F. FORMAT.md 3.1 */
export async function signBundleList(list: Uint8Array, signer: SigningKey): Promise<string> {
  const value: unknown = JSON.parse(new TextDecoder().decode(list))
  const [header = '', , signature = ''] = (await signJson(value, BUNDLE_LIST_TYPE, signer)).split('.')
  return `${header}..${signature}`
}

/** The fingerprint of the key that signed the list. Never throws. */
export async function checkListSignature(
  detached: Uint8Array,
  list: Uint8Array,
  keys: readonly VerifyKey[],
): Promise<Result<string, ListSignatureRejectReason>> {
  if (detached.length > LIST_SIGNATURE_BYTES_MAX) return rejected('notJws')
  const [header = '', payload, signature = '', more] = new TextDecoder('latin1').decode(detached).split('.', 4)
  if (payload !== '' || more !== undefined) return rejected('notJws')
  const jws = `${header}.${base64url.encode(list)}.${signature}`
  const decoded = decodeSignedJson(jws, BUNDLE_LIST_TYPE)
  if (!decoded.ok) return rejected('notJws')
  const { keyId } = decoded.value
  const checked = await checkSignature(jws, keyId, keys)
  return checked.ok ? accepted(keyId) : checked
}
