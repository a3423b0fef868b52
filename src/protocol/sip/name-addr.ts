import { accepted, rejected, type Result } from '../../result.ts'
import { type Params, parseParams } from './params.ts'
import { endOfQuoted, trimBlanks, unquote } from './text.ts'

/** A From, To, Contact, Route or Record-Route value. */
export interface NameAddr {
  readonly displayName: string
  readonly uri: string
  /** Parameters of the header; those of the URI, inside `<>`, are in {@link parseSipUri}. */
  readonly params: Params
}

/**
 * Parses `"Name" <uri>;params`, `Name <uri>;params` or `uri;params`.
 *
 * @see RFC 3261 20.10: without `<>`, parameters belong to the header and not to the URI
 */
export function parseNameAddr(value: string): Result<NameAddr, 'nameAddr'> {
  const text = trimBlanks(value)
  const isQuoted = text.startsWith('"')
  const nameEnd = isQuoted ? endOfQuoted(text, 0) : 0
  if (nameEnd === -1) return rejected('nameAddr')
  const open = text.indexOf('<', nameEnd)
  if (open === -1) return isQuoted ? rejected('nameAddr') : parseAddrSpec(text)
  const close = text.indexOf('>', open)
  if (close === -1) return rejected('nameAddr')
  const params = parseParams(text.slice(close + 1))
  const uri = trimBlanks(text.slice(open + 1, close))
  if (!params.ok || uri === '') return rejected('nameAddr')
  return accepted({ displayName: unquote(trimBlanks(text.slice(0, open))), uri, params: params.value })
}

function parseAddrSpec(text: string): Result<NameAddr, 'nameAddr'> {
  const semicolon = text.indexOf(';')
  const uri = trimBlanks(semicolon === -1 ? text : text.slice(0, semicolon))
  const params = parseParams(semicolon === -1 ? '' : text.slice(semicolon))
  if (!params.ok || uri === '' || uri.includes(' ')) return rejected('nameAddr')
  return accepted({ displayName: '', uri, params: params.value })
}
