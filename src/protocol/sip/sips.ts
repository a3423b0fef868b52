import type { SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { firstListItem } from './text.ts'
import { uriScheme } from './uri.ts'

/**
 * Whether our Contact for this request is to be a SIPS URI: its Request-URI is one, or its top Record-Route, or, without any, its Contact.
 *
 * @see RFC 3261 12.1.1
 */
export function asksForSips({ requestUri, headers }: SipRequest): boolean {
  if (uriScheme(requestUri) === 'sips') return true
  const next = headers.first('Record-Route') ?? headers.first('Contact')
  const nameAddr = next === undefined ? undefined : parseNameAddr(firstListItem(next).item)
  return nameAddr?.ok === true && uriScheme(nameAddr.value.uri) === 'sips'
}
