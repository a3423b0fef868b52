import type { HeaderList, SipHeader } from './header-list.ts'
import { trimBlanks } from './text.ts'

const NO_UUID = '0'.repeat(32)

function isUuid(text: string): boolean {
  if (text.length !== 32) return false
  for (let index = 0; index < 32; index++) {
    const code = text.charCodeAt(index)
    if ((code < 0x30 || code > 0x39) && (code < 0x61 || code > 0x66)) return false
  }
  return true
}

/** The UUID by which the peer names itself, in lower case; undefined when it names none. RFC 7989 5 */
export function readSessionId(headers: HeaderList): string | undefined {
  const value = headers.first('Session-ID') ?? ''
  const semicolon = value.indexOf(';')
  const uuid = trimBlanks(semicolon === -1 ? value : value.slice(0, semicolon)).toLowerCase()
  return isUuid(uuid) ? uuid : undefined
}

/**
 * Session-ID of a message to a peer that named itself. Our half is our tag, which is one per dialog and unguessable, or the nil UUID
 * when it does not look like one. RFC 7989 6
 */
export function sessionIdHeaders(localTag: string, remote: string | undefined): SipHeader[] {
  if (remote === undefined) return []
  return [{ name: 'Session-ID', value: `${isUuid(localTag) ? localTag : NO_UUID};remote=${remote}` }]
}
