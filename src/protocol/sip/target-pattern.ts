import { accepted, rejected, type Result } from '../../result.ts'
import { parseSipUri, type SipUri } from './uri.ts'

/** URI parameters that change neither who is called nor where the request goes beyond its host: all that a target may have. */
const HARMLESS_PARAMS: ReadonlySet<string> = new Set(['transport', 'user'])
/** Characters of RFC 3261 25.1 `user` that need no escape, but those with a meaning of their own, and `+` of numbers. */
const PLAIN_USER = /^[A-Za-z0-9\-_.!~'()&=+$,*]+$/

/** Which onward targets are allowed: `sip:*@pbx.example.com`, `sip:+49*@192.0.2.1:5061`. */
export interface TargetPattern {
  readonly scheme: 'sip' | 'sips'
  readonly user: RegExp
  readonly host: string
  /** Undefined: none must be given. */
  readonly port: number | undefined
}

/** `syntax`: not `sip:USER@HOST[:PORT]`. `user`: none, or characters other than those that need no escape. `extra`: parameters or headers. */
export type TargetRejectReason = 'syntax' | 'user' | 'extra'

/** In the user part a `*` stands for any characters, none included; the host and its port must be the same. */
export function parseTargetPattern(text: string): Result<TargetPattern, TargetRejectReason> {
  const uri = plainUri(text)
  if (!uri.ok) return uri
  if (uri.value.params.size > 0) return rejected('extra')
  const { scheme, user, host, port } = uri.value
  const parts = user.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return accepted({ scheme, user: new RegExp(`^${parts.join('.*')}$`), host: host.toLowerCase(), port })
}

/**
 * The target as it may be written into Contact or Refer-To; `forbidden` when none of the patterns fits. Escapes, headers and parameters such as
 * `maddr`, by which a URI would name one place and mean another, are refused.
 *
 * @see RFC 3261 19.1.1
 */
export function allowTarget(
  text: string,
  patterns: readonly TargetPattern[],
): Result<string, TargetRejectReason | 'forbidden'> {
  const uri = plainUri(text)
  if (!uri.ok) return uri
  const { scheme, user, host, port, params } = uri.value
  if ([...params.keys()].some((name) => !HARMLESS_PARAMS.has(name)) || user.includes('*')) return rejected('extra')
  const isAllowed = patterns.some(
    (pattern) =>
      pattern.scheme === scheme &&
      pattern.host === host.toLowerCase() &&
      pattern.port === port &&
      pattern.user.test(user),
  )
  return isAllowed ? accepted(text) : rejected('forbidden')
}

function plainUri(text: string): Result<SipUri & { readonly user: string }, TargetRejectReason> {
  if (/["?,\\]/.test(text)) return rejected('extra')
  const uri = parseSipUri(text)
  if (!uri.ok) return rejected('syntax')
  const { user } = uri.value
  if (user === undefined || !PLAIN_USER.test(user)) return rejected('user')
  return accepted({ ...uri.value, user })
}
