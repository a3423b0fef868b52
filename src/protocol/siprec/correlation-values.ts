/**
 * What can name a communication session, or a group of them, beyond one recording session:
 *
 * - `csGroup`, `cs`: ids of RFC 7865 6.2 and 6.3
 * - `sessionId`: one half of a Session-ID (RFC 7989)
 * - `ucid`: Avaya's universal call id, 20 decimal digits · `guid`: Cisco's and others', 32 hex digits
 * - `refci`, `fork`: Cisco's call reference of a forking phone, and the side of it that a dialog carries
 * - `icid`: IMS charging id (RFC 7315 5.6) · `gcid`, `trackingId`, `genesysUuid`, `conversation`, `vendorCall`: vendors' own
 * - `sipCallId`: SIP Call-ID of the communication session, not of ours
 * - `emergencyCall`, `incident`: identifiers of NENA NG9-1-1 i3
 */
export const CORRELATION_KINDS = [
  'csGroup',
  'cs',
  'sessionId',
  'ucid',
  'guid',
  'refci',
  'fork',
  'icid',
  'gcid',
  'trackingId',
  'genesysUuid',
  'conversation',
  'vendorCall',
  'sipCallId',
  'emergencyCall',
  'incident',
] as const

export type CorrelationKind = (typeof CORRELATION_KINDS)[number]

export interface CorrelationId {
  readonly kind: CorrelationKind
  /** In the form of {@link readCorrelationValue}: equal ids are equal text, however they were written. */
  readonly value: string
}

/** How the text of an id is to be read. */
export type ValueReader = 'ucid' | 'uui' | 'guid' | 'sessionId' | 'text' | 'exact'

/** Text beyond this length is no identifier. */
export const CORRELATION_TEXT_MAX = 1_024
/** Shorter text tells nothing apart. */
export const CORRELATION_VALUE_MIN = 4
export const CORRELATION_VALUE_MAX = 200
/** Values read out of one text, for example the two halves of a Session-ID. */
const VALUES_PER_TEXT_MAX = 8

/** What stands where there is no id. */
const PLACEHOLDERS: ReadonlySet<string> = new Set([
  'null',
  'none',
  'unknown',
  'undefined',
  'anonymous',
  'unavailable',
  'n/a',
  'empty',
  'default',
  'session',
  'group',
  'true',
  'false',
])

/**
 * Reads the ids in a text. `kind` is what the place of the text promises; a UCID that is a GUID (Oracle writes one where the other is
 * expected) is returned as what it is. Linear; never throws; at most a few values.
 */
export function readCorrelationValue(kind: CorrelationKind, reads: ValueReader, text: string): readonly CorrelationId[] {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed.length > CORRELATION_TEXT_MAX) return []
  const ids = valuesOf(kind, reads, trimmed)
  return ids.filter(({ value }) => isTelling(value)).slice(0, VALUES_PER_TEXT_MAX)
}

function valuesOf(kind: CorrelationKind, reads: ValueReader, text: string): readonly CorrelationId[] {
  switch (reads) {
    case 'sessionId':
      return sessionIdHalves(text).map((value) => ({ kind, value }))
    case 'uui':
      return ucidsInUui(text).map((value) => ({ kind, value }))
    case 'ucid':
      return ucidOrOther(text)
    case 'guid':
      return [{ kind, value: parseGuid(text) ?? folded(text) }]
    case 'text':
      return [{ kind, value: folded(text) }]
    case 'exact':
      return [{ kind, value: text }]
  }
}

function ucidOrOther(text: string): readonly CorrelationId[] {
  const bare = withoutParameters(text)
  const ucid = parseUcid(bare)
  if (ucid !== undefined) return [{ kind: 'ucid', value: ucid }]
  const guid = parseGuid(bare)
  return guid === undefined ? [{ kind: 'ucid', value: folded(text) }] : [{ kind: 'guid', value: guid }]
}

/** False for what many unrelated recordings would share: blanks, placeholders, zeros, one character repeated. */
function isTelling(value: string): boolean {
  if (value.length < CORRELATION_VALUE_MIN || value.length > CORRELATION_VALUE_MAX) return false
  if (PLACEHOLDERS.has(value.toLowerCase())) return false
  // Nil UUIDs and the like: the same character, separators aside.
  const first = value.charAt(0)
  for (const character of value) if (character !== first && character !== '-') return true
  return false
}

function folded(text: string): string {
  const bare = withoutParameters(text)
  const quoted = bare.length > 1 && bare.startsWith('"') && bare.endsWith('"')
  return (quoted ? bare.slice(1, -1) : bare).trim().toLowerCase()
}

function withoutParameters(text: string): string {
  const semicolon = text.indexOf(';')
  return (semicolon < 0 ? text : text.slice(0, semicolon)).trim()
}

const UUID_HEX = /^[0-9a-f]{32}$/

/** Both halves of `a;remote=b`, in lower case and without hyphens; the nil UUID is none. RFC 7989 5 */
export function sessionIdHalves(text: string): readonly string[] {
  const halves: string[] = []
  for (const piece of text.split(/[;,]/).slice(0, VALUES_PER_TEXT_MAX)) {
    const equals = piece.indexOf('=')
    if (equals >= 0 && piece.slice(0, equals).trim().toLowerCase() !== 'remote') continue
    const half = piece
      .slice(equals + 1)
      .trim()
      .replaceAll('-', '')
      .replaceAll('"', '')
      .toLowerCase()
    if (UUID_HEX.test(half) && !/^0+$/.test(half) && !halves.includes(half)) halves.push(half)
  }
  return halves
}

/** Octets of a UCID: two of the node, two of the sequence number, four of the time. */
const UCID_HEX_LENGTH = 16
/** The type of a UCID in shared user-to-user data, and its length: FA 08. */
const UCID_TLV_TYPE = 'fa'

/**
 * A UCID as 20 decimal digits: node (5), sequence number (5), time in seconds since 1970 (10). Taken as 20 digits, as the 16 hex digits
 * of its octets, and as the tagged form of user-to-user data (`FA08…`, `00FA08…`, `04FA08…`). Undefined for anything else.
 */
export function parseUcid(text: string): string | undefined {
  const bare = text.trim().replace(/^0x/i, '')
  if (/^\d{20}$/.test(bare)) return bare
  if (!/^[0-9a-f]+$/i.test(bare)) return undefined
  const hex = bare.toLowerCase()
  if (hex.length === UCID_HEX_LENGTH) return decimalUcid(hex)
  return ucidInTlv(hex) ?? ucidInTlv(hex.slice(2))
}

/** UCIDs in the value of a User-to-User header: hex octets, tagged, behind a protocol discriminator or not. RFC 7433 */
function ucidsInUui(text: string): readonly string[] {
  return text
    .split(',')
    .slice(0, VALUES_PER_TEXT_MAX)
    .flatMap((entry) => {
      const hex = withoutParameters(entry).replaceAll('"', '').toLowerCase()
      if (!/^[0-9a-f]+$/.test(hex)) return []
      const ucid = ucidInTlv(hex) ?? ucidInTlv(hex.slice(2))
      return ucid === undefined ? [] : [ucid]
    })
}

/** Walks type, length, value, all in hex; undefined when the octets are not such a list or have no UCID. */
function ucidInTlv(hex: string): string | undefined {
  for (let index = 0; index + 4 <= hex.length;) {
    const length = Number.parseInt(hex.slice(index + 2, index + 4), 16) * 2
    const value = hex.slice(index + 4, index + 4 + length)
    if (value.length < length) return undefined
    if (hex.startsWith(UCID_TLV_TYPE, index) && length === UCID_HEX_LENGTH) return decimalUcid(value)
    index += 4 + length
  }
  return undefined
}

function decimalUcid(hex: string): string {
  const part = (from: number, to: number, digits: number): string =>
    String(Number.parseInt(hex.slice(from, to), 16)).padStart(digits, '0')
  return part(0, 4, 5) + part(4, 8, 5) + part(8, 16, 10)
}

/**
 * A GUID as 32 hex digits in lower case. Taken as those digits, with hyphens anywhere or in braces (UUID, `8-8-8-8`), and as Cisco
 * writes it in SIP: four decimal numbers of 32 bits, blanks around their hyphens allowed. Undefined for anything else.
 */
export function parseGuid(text: string): string | undefined {
  const bare = text.trim().replace(/^\{|\}$/g, '').replace(/^urn:uuid:/i, '')
  const parts = bare.split('-').map((part) => part.trim())
  if (parts.length === 4 && parts.every((part) => /^\d{1,10}$/.test(part) && Number(part) <= 0xff_ff_ff_ff)) {
    // Eight digits each is what the hexadecimal form looks like too; Cisco pads the decimal one to ten.
    const isHex = parts.every((part) => part.length === 8)
    if (!isHex) return parts.map((part) => Number(part).toString(16).padStart(8, '0')).join('')
  }
  const hex = parts.join('').toLowerCase()
  return UUID_HEX.test(hex) ? hex : undefined
}
