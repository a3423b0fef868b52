import { accepted, rejected, type Result } from '../../result.ts'
import { type Params, parseParams } from './params.ts'
import { parseDecimal, trimBlanks } from './text.ts'

/** A SIP or SIPS URI, as far as routing needs it. @see RFC 3261 19.1 */
export interface SipUri {
  readonly scheme: 'sip' | 'sips'
  /** Escapes kept; undefined when there is none. */
  readonly user: string | undefined
  /** Host name or address, IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly params: Params
}

/** A host and an optional port, as in a URI or a Via sent-by. IPv6 in brackets on the wire, without them in `host`. */
export interface HostPort {
  readonly host: string
  readonly port: number | undefined
}

const FOREIGN = /[\0- <>]/

/** The scheme of a URI in lower case, or undefined when there is no colon. */
export function uriScheme(text: string): string | undefined {
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : text.slice(0, colon).toLowerCase()
}

export function parseSipUri(text: string): Result<SipUri, 'uri'> {
  const scheme = uriScheme(text)
  // None of these is of a URI (RFC 3261 25.1), and each would break a request line of ours.
  if ((scheme !== 'sip' && scheme !== 'sips') || FOREIGN.test(text)) return rejected('uri')
  const rest = text.slice(scheme.length + 1)
  // A user part may hold `;` and `?`, so the last `@` comes first.
  const at = rest.lastIndexOf('@')
  const user = at === -1 ? undefined : rest.slice(0, at)
  const afterUser = rest.slice(at + 1)
  const headers = afterUser.indexOf('?')
  const withoutHeaders = headers === -1 ? afterUser : afterUser.slice(0, headers)
  const semicolon = withoutHeaders.indexOf(';')
  const hostPort = parseHostPort(semicolon === -1 ? withoutHeaders : withoutHeaders.slice(0, semicolon))
  const params = parseParams(semicolon === -1 ? '' : withoutHeaders.slice(semicolon))
  if (!hostPort.ok || !params.ok) return rejected('uri')
  return accepted({ scheme, user, ...hostPort.value, params: params.value })
}

/** Parses `host`, `host:port`, `[v6]`, `[v6]:port`; a bare IPv6 address (more than one colon) is taken as a host. */
export function parseHostPort(text: string): Result<HostPort, 'uri'> {
  let host = text
  let portText: string | undefined
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close === -1) return rejected('uri')
    host = text.slice(1, close)
    const tail = text.slice(close + 1)
    if (tail !== '' && !tail.startsWith(':')) return rejected('uri')
    portText = tail === '' ? undefined : tail.slice(1)
  } else {
    const colon = text.indexOf(':')
    if (colon !== -1 && colon === text.lastIndexOf(':')) {
      host = text.slice(0, colon)
      portText = text.slice(colon + 1)
    }
  }
  host = trimBlanks(host)
  if (host === '' || /[ [\]]/.test(host)) return rejected('uri')
  const digits = trimBlanks(portText ?? '')
  if (digits === '') return accepted({ host, port: undefined })
  const port = parseDecimal(digits, 65_535)
  return port === undefined || port === 0 ? rejected('uri') : accepted({ host, port })
}

export function formatHostPort(host: string, port: number | undefined): string {
  const bracketed = host.includes(':') ? `[${host}]` : host
  return port === undefined ? bracketed : `${bracketed}:${port}`
}
