import { parseParameterizedValue, splitOutsideQuotes } from './header-value.ts'

/** The headers of a SIP message, by name in any case. */
export interface HeaderLookup {
  /** First value of a header. */
  header(name: string): string | undefined
  /** All values of a header, one per header line. */
  headers(name: string): readonly string[]
}

/** Header lines of one name that are looked at; the rest is ignored. */
export const HEADER_LINES_MAX = 8
/** Parameters and list entries that are looked at in one header line. */
export const HEADER_PIECES_MAX = 64
/** Characters of one header line that are looked at. */
export const HEADER_TEXT_MAX = 8_192

/** The lines of a header that are looked at. */
export function headerLines(lookup: HeaderLookup, name: string): readonly string[] {
  return lookup
    .headers(name)
    .slice(0, HEADER_LINES_MAX)
    .map((line) => line.slice(0, HEADER_TEXT_MAX))
}

/**
 * Parameters by lower-case name, of a header value and of the URI in it alike: `<sip:1@h;x-refci=7>;tag=t` has both. The first of two wins;
 * a parameter without a value has the value ''.
 */
export function parametersIn(value: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const piece of splitOutsideQuotes(value, ';').slice(1, HEADER_PIECES_MAX)) {
    const end = piece.indexOf('>')
    const parameter = end < 0 ? piece : piece.slice(0, end)
    const equals = parameter.indexOf('=')
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase()
    const text = equals < 0 ? '' : parameter.slice(equals + 1).trim()
    if (name !== '' && !parameters.has(name)) parameters.set(name, text.replaceAll('"', ''))
  }
  return parameters
}

/** One entry of a list of URIs with parameters, such as Call-Info. RFC 3261 20.9 */
export interface UriEntry {
  readonly uri: string
  /** Lower case; '' when the entry does not say. */
  readonly purpose: string
}

export function uriEntries(line: string): readonly UriEntry[] {
  return splitOutsideQuotes(line, ',')
    .slice(0, HEADER_PIECES_MAX)
    .flatMap((entry) => {
      const open = entry.indexOf('<')
      const close = entry.indexOf('>', open + 1)
      if (open < 0 || close < 0) return []
      const { parameters } = parseParameterizedValue(entry.slice(close + 1))
      return [{ uri: entry.slice(open + 1, close).trim(), purpose: parameters.get('purpose')?.toLowerCase() ?? '' }]
    })
}
