import { afterLineEnd } from './delimiters.ts'

/** Header lines read of one part; the rest is skipped. */
export const PART_HEADERS_MAX = 32

/** RFC 3261 7.3.3: the short names that can stand in a part. */
const COMPACT_NAMES: ReadonlyMap<string, string> = new Map([
  ['c', 'content-type'],
  ['e', 'content-encoding'],
  ['l', 'content-length'],
])

/**
 * Reads the header lines of the part that lies between two positions of a body, and says where its content begins:
 * after the first blank line, or at the first line that is no header (some clients leave the blank line out).
 */
export function readPartHeaders(
  text: string,
  start: number,
  end: number,
): { readonly headers: ReadonlyMap<string, string>; readonly bodyStart: number } {
  const headers = new Map<string, string>()
  let lastName: string | undefined
  let index = start
  while (index < end) {
    const lineEnd = endOfLine(text, index, end)
    const line = text.slice(index, lineEnd)
    const next = Math.min(end, afterLineEnd(text, lineEnd))
    if (line.trim() === '') return { headers, bodyStart: next }
    const isFolded = line.startsWith(' ') || line.startsWith('\t')
    const header = isFolded ? undefined : parseHeaderLine(line)
    if (header === undefined && !(isFolded && lastName !== undefined)) return { headers, bodyStart: index }
    if (header !== undefined) {
      lastName = header.name
      if (!headers.has(header.name) && headers.size < PART_HEADERS_MAX) headers.set(header.name, header.value)
    } else if (lastName !== undefined && headers.has(lastName)) {
      headers.set(lastName, `${headers.get(lastName) ?? ''} ${line.trim()}`)
    }
    index = next
  }
  return { headers, bodyStart: end }
}

function endOfLine(text: string, start: number, end: number): number {
  let index = start
  while (index < end && text.charAt(index) !== '\n' && text.charAt(index) !== '\r') index += 1
  return index
}

// RFC 3261 25.1: a token, possibly blanks, a colon. `v=0` and `<?xml` are not headers.
function parseHeaderLine(line: string): { readonly name: string; readonly value: string } | undefined {
  const colon = line.indexOf(':')
  if (colon < 1) return undefined
  const name = line.slice(0, colon).trimEnd().toLowerCase()
  if (!/^[a-z0-9.!%*_+`'~-]{1,128}$/.test(name)) return undefined
  return { name: COMPACT_NAMES.get(name) ?? name, value: line.slice(colon + 1).trim() }
}
