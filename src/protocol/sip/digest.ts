/** Names as they stand on the wire. RFC 7616 6.1, RFC 8760 2.1 */
export type DigestAlgorithm = 'SHA-512-256' | 'SHA-256' | 'MD5'

/** Strongest first: a client takes the first one it knows. RFC 8760 2.4 */
export const DIGEST_ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-512-256', 'SHA-256', 'MD5']

/** The hash of text (as UTF-8) or bytes in lower case hex. */
export type DigestHash = (algorithm: DigestAlgorithm, data: string | Uint8Array) => string

/** What an answer to a challenge is computed from; texts as they stood on the wire, without their quotes. */
export interface DigestInput {
  readonly algorithm: DigestAlgorithm
  /** H(user:realm:password) in lower case hex. */
  readonly ha1: string
  readonly method: string
  readonly uri: string
  readonly nonce: string
  /** undefined for a client of RFC 2069, which knows neither of the next two. */
  readonly qop: 'auth' | 'auth-int' | undefined
  readonly nc: string
  readonly cnonce: string
  /** Looked at for `auth-int` only. */
  readonly body: Uint8Array
}

/** The `response` that a client who knows the password gives, in lower case hex. RFC 7616 3.4.1, RFC 3261 22.4 */
export function digestResponse(hash: DigestHash, input: DigestInput): string {
  const { algorithm, ha1, method, uri, nonce, qop, nc, cnonce, body } = input
  const a2 = qop === 'auth-int' ? `${method}:${uri}:${hash(algorithm, body)}` : `${method}:${uri}`
  const ha2 = hash(algorithm, a2)
  const between = qop === undefined ? nonce : `${nonce}:${nc}:${cnonce}:${qop}`
  return hash(algorithm, `${ha1}:${between}:${ha2}`)
}

/**
 * The value of one WWW-Authenticate.
 *
 * @param challenge `realm`, `nonce` and `opaque` hold neither quotes nor backslashes
 * @see RFC 7616 3.3, RFC 3261 20.44
 */
export function formatChallenge(challenge: {
  readonly realm: string
  readonly algorithm: DigestAlgorithm
  readonly nonce: string
  readonly opaque: string
  /** The password was right, the nonce too old: the client is to try again without asking anybody. */
  readonly stale: boolean
}): string {
  const { realm, algorithm, nonce, opaque, stale } = challenge
  const parts = [`realm="${realm}"`, `nonce="${nonce}"`, `opaque="${opaque}"`]
  if (stale) parts.push('stale=true')
  return `Digest ${[...parts, `algorithm=${algorithm}`, 'qop="auth,auth-int"'].join(', ')}`
}

/** Whether two texts are equal, in a time that depends on the length of `given` alone. */
export function equalsInConstantTime(expected: string, given: string): boolean {
  let difference = expected.length ^ given.length
  for (let index = 0; index < given.length; index++) {
    difference |= given.charCodeAt(index) ^ (expected.charCodeAt(index % Math.max(1, expected.length)) | 0)
  }
  return difference === 0
}
