import { accepted, rejected, type Result } from '../../result.ts'
import { formatParams, type Params, parseParams } from './params.ts'
import { trimBlanks } from './text.ts'
import { formatHostPort, parseHostPort } from './uri.ts'

/** One Via value. @see RFC 3261 20.42 */
export interface Via {
  /** Upper case: `UDP`, `TCP`, `TLS`, … */
  readonly transport: string
  /** sent-by; IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly params: Params
}

/** A branch that begins so is unique by RFC 3261 8.1.1.7. */
export const BRANCH_COOKIE = 'z9hG4bK'

/** Parses one Via value (not a comma list). Blanks around `/` and `:` are allowed by RFC 3261 25.1 and occur. */
export function parseVia(value: string): Result<Via, 'via'> {
  const semicolon = value.indexOf(';')
  const protocolAndSentBy = semicolon === -1 ? value : value.slice(0, semicolon)
  const params = parseParams(semicolon === -1 ? '' : value.slice(semicolon))
  const firstSlash = protocolAndSentBy.indexOf('/')
  const secondSlash = protocolAndSentBy.indexOf('/', firstSlash + 1)
  if (!params.ok || firstSlash === -1 || secondSlash === -1) return rejected('via')
  const name = trimBlanks(protocolAndSentBy.slice(0, firstSlash)).toUpperCase()
  const version = trimBlanks(protocolAndSentBy.slice(firstSlash + 1, secondSlash))
  // Any version will do: a request of SIP/7.0 has its Via so, too, and is owed its 505 (RFC 4475 3.1.2.16).
  if (name !== 'SIP' || !/^[0-9]\.[0-9]$/.test(version)) return rejected('via')
  const tail = trimBlanks(protocolAndSentBy.slice(secondSlash + 1)).replaceAll('\t', ' ')
  const blank = tail.indexOf(' ')
  if (blank === -1) return rejected('via')
  const sentBy = parseHostPort(trimBlanks(tail.slice(blank)))
  if (!sentBy.ok) return rejected('via')
  return accepted({ transport: tail.slice(0, blank).toUpperCase(), ...sentBy.value, params: params.value })
}

/**
 * The Via as the server stamps it with where the request really came from.
 *
 * `received` is added when the sent-by is not that address, or whenever the client asks for `rport`, which is then filled.
 *
 * @returns undefined when nothing needs to be added
 * @see RFC 3261 18.2.1, RFC 3581 4
 */
export function stampVia(via: Via, address: string, port: number): Via | undefined {
  const wantsPort = via.params.has('rport')
  if (!wantsPort && via.host === address && !via.params.has('received')) return undefined
  const params = new Map(via.params)
  if (wantsPort) params.set('rport', String(port))
  params.set('received', address)
  return { ...via, params }
}

export function formatVia(via: Via): string {
  return `SIP/2.0/${via.transport} ${formatHostPort(via.host, via.port)}${formatParams(via.params)}`
}
