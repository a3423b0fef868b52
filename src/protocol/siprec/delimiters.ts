/** One boundary of a multipart body; places are character positions in it. */
export interface Delimiter {
  /** Where the content before it ends: the line end before a boundary belongs to the boundary. RFC 2046 5.1.1 */
  readonly contentEnd: number
  /** Where the content after it begins. */
  readonly lineEnd: number
  /** The last boundary, the one with two hyphens after it. */
  readonly closing: boolean
}

/** Delimiters looked at; more than any body has that is within its other limits. */
export const DELIMITERS_MAX = 1_000

/**
 * Finds the boundaries of a multipart body.
 *
 * A boundary need not stand at the beginning of a line (a part whose last line has no end is common), but its own line
 * must end after it, blanks aside; so a boundary is not confused with a longer one of which it is the beginning.
 */
export function findDelimiters(text: string, boundary: string): readonly Delimiter[] {
  const marker = `--${boundary}`
  const delimiters: Delimiter[] = []
  let at = text.indexOf(marker)
  while (at >= 0 && delimiters.length < DELIMITERS_MAX) {
    const afterMarker = at + marker.length
    const delimiter = delimiterAt(text, at, afterMarker)
    if (delimiter !== undefined) delimiters.push(delimiter)
    at = text.indexOf(marker, delimiter?.lineEnd ?? afterMarker)
  }
  return delimiters
}

function delimiterAt(text: string, at: number, afterMarker: number): Delimiter | undefined {
  const closing = text.startsWith('--', afterMarker)
  let index = closing ? afterMarker + 2 : afterMarker
  while (text.charAt(index) === ' ' || text.charAt(index) === '\t') index += 1
  const atEnd = index >= text.length
  if (!atEnd && !isLineEnd(text.charAt(index))) return undefined
  return { contentEnd: beforeLineEnd(text, at), lineEnd: afterLineEnd(text, index), closing }
}

function isLineEnd(character: string): boolean {
  return character === '\n' || character === '\r'
}

/** The position after the line end that begins at `index`, if one does. */
export function afterLineEnd(text: string, index: number): number {
  if (text.startsWith('\r\n', index)) return index + 2
  return isLineEnd(text.charAt(index)) ? index + 1 : index
}

function beforeLineEnd(text: string, index: number): number {
  if (text.slice(Math.max(0, index - 2), index) === '\r\n') return index - 2
  return index > 0 && isLineEnd(text.charAt(index - 1)) ? index - 1 : index
}
