import { accepted, rejected, type Result } from '../../result.ts'
import { endOfQuoted, trimBlanks, unquote } from './text.ts'

/** Parameters of one Authorization; a value with more is refused. */
export const CREDENTIAL_PARAMS_MAX = 32

/** `scheme`: not Digest · `params`: a quote that is never closed, or too many of them · `missing`: no username, nonce, uri or response. */
export type CredentialsRejectReason = 'scheme' | 'params' | 'missing'

/** What an Authorization says, quotes taken off; what is absent is ''. */
export interface DigestCredentials {
  readonly username: string
  readonly realm: string
  readonly nonce: string
  readonly uri: string
  /** In lower case. */
  readonly response: string
  /** In upper case; MD5 when the client names none (RFC 2617 3.2.2). */
  readonly algorithm: string
  /** In lower case; '' for clients of RFC 2069. */
  readonly qop: string
  readonly nc: string
  readonly cnonce: string
}

/**
 * Parses the value of an Authorization with the scheme Digest.
 *
 * Tolerates values with and without quotes, names and scheme in any case, blanks around everything, empty list items, and
 * parameters it does not know. Of two with one name the first counts. Never throws; takes linear time.
 *
 * @see RFC 3261 25.1 credentials, RFC 7616 3.4
 */
export function parseDigestCredentials(value: string): Result<DigestCredentials, CredentialsRejectReason> {
  const text = trimBlanks(value)
  const after = text.charCodeAt(6)
  if (text.slice(0, 6).toLowerCase() !== 'digest' || (after !== 0x20 && after !== 0x09)) return rejected('scheme')
  const params = readParams(text.slice(6))
  if (params === undefined) return rejected('params')
  const get = (name: string): string => params.get(name) ?? ''
  const credentials = {
    username: get('username'),
    realm: get('realm'),
    nonce: get('nonce'),
    uri: get('uri'),
    response: get('response').toLowerCase(),
    algorithm: (params.get('algorithm') ?? 'MD5').toUpperCase(),
    qop: get('qop').toLowerCase(),
    nc: get('nc'),
    cnonce: get('cnonce'),
  }
  const { username, nonce, uri, response } = credentials
  return [username, nonce, uri, response].includes('') ? rejected('missing') : accepted(credentials)
}

/** `name=value, name="value"`: names in lower case, values without their quotes. undefined when they cannot be told apart. */
function readParams(text: string): ReadonlyMap<string, string> | undefined {
  const params = new Map<string, string>()
  for (let index = 0; index < text.length;) {
    const start = index
    let equals = -1
    while (index < text.length && text.charCodeAt(index) !== 0x2c) {
      const code = text.charCodeAt(index)
      if (code === 0x3d && equals === -1) equals = index
      if (code === 0x22) {
        index = endOfQuoted(text, index)
        if (index === -1) return undefined
      } else index++
    }
    const name = trimBlanks(text.slice(start, equals === -1 ? index : equals)).toLowerCase()
    if (equals !== -1 && name !== '' && !params.has(name)) {
      if (params.size === CREDENTIAL_PARAMS_MAX) return undefined
      params.set(name, unquote(trimBlanks(text.slice(equals + 1, index))))
    }
    index++
  }
  return params
}
