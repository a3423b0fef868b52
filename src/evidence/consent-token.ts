import { accepted, rejected, type Result } from '../result.ts'
import { checkSignature, decodeSignedJson, signJson } from './signed-json.ts'
import type { SigningKey, VerifyKey } from './signer-keys.ts'

const TOKEN_TYPE = 'earwitness-consent-token+jws'
const FORMAT = 'earwitness-consent-token/1'
/** Ours have some 300 characters; a longer text is none of ours. */
const TOKEN_LENGTH_MAX = 1_024
const ANNOUNCEMENT_ID = /^[0-9a-f]{32}$/

/** How each of ours begins, in Base64url: `{"alg":"EdDSA","kid":"`. A signature of Ed25519 has 86 characters. */
const IN_TEXT = /(?<![\w-])eyJhbGciOiJFZERTQSIsImtpZCI6I[\w-]{1,200}\.[\w-]{1,600}\.[\w-]{86}(?![\w-])/g

/** What may be tokens in a text that somebody copied them into; nobody has checked them. At most `countMax`. */
export function tokensIn(text: string, countMax: number): readonly string[] {
  const found: string[] = []
  for (const [token] of text.matchAll(IN_TEXT)) {
    if (found.length >= countMax) break
    found.push(token)
  }
  return found
}

/** `token`: not one of ours in form. `signerUnknown`, `forged`: not signed by this recorder. `expired`: too old. */
export type TokenRejectReason = 'token' | 'signerUnknown' | 'forged' | 'expired'

/**
 * A token that a call takes along from its announcement to its recording: which announcement it was, and until when that counts. It says nothing about
 * anybody, and nothing about what was answered: that is in the table of whoever made it.
 *
 * @param token.announcementId 32 hex digits, unguessable
 * @returns a JWS in compact form, which may stand in a SIP header and, as it is, in the headers of a SIP URI (RFC 3261 25.1)
 */
export async function signConsentToken(
  token: { readonly announcementId: string; readonly expiresUnixMs: number },
  signer: SigningKey,
): Promise<string> {
  const { announcementId, expiresUnixMs } = token
  return signJson({ format: FORMAT, announcementId, expiresUnixMs: Math.round(expiresUnixMs) }, TOKEN_TYPE, signer)
}

/** The announcement that a token names, if this recorder signed it and it has not expired. Never throws. */
export async function readConsentToken(
  jws: string,
  keys: readonly VerifyKey[],
  nowUnixMs: number,
): Promise<Result<string, TokenRejectReason>> {
  const decoded = jws.length > TOKEN_LENGTH_MAX ? undefined : decodeSignedJson(jws.trim(), TOKEN_TYPE)
  if (decoded?.ok !== true) return rejected('token')
  const { keyId, value } = decoded.value
  const signature = await checkSignature(jws.trim(), keyId, keys)
  if (!signature.ok) return rejected(signature.reason)
  const { format, announcementId, expiresUnixMs } = value as Readonly<Record<string, unknown>>
  if (format !== FORMAT || typeof announcementId !== 'string' || !ANNOUNCEMENT_ID.test(announcementId)) {
    return rejected('token')
  }
  if (typeof expiresUnixMs !== 'number') return rejected('token')
  return expiresUnixMs < nowUnixMs ? rejected('expired') : accepted(announcementId)
}
