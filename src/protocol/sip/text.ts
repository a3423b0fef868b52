/** Scanners for SIP header text. Each looks at every character at most a constant number of times. */

const TOKEN_PUNCTUATION = "-.!%*_+`'~"
const TOKEN_CODES: readonly boolean[] = Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  return /^[A-Za-z0-9]$/.test(character) || TOKEN_PUNCTUATION.includes(character)
})

/** True when `text` is a non-empty `token` of RFC 3261 25.1. */
export function isToken(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (TOKEN_CODES[text.charCodeAt(index)] !== true) return false
  }
  return text.length > 0
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a
}

/** Removes SP, HT, CR and LF at both ends; other Unicode blanks are part of a value. */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

/** Non-negative decimal integer up to `max`, digits only; undefined for anything else, signs and overflow included. */
export function parseDecimal(text: string, max: number): number | undefined {
  if (text.length === 0) return undefined
  let value = 0
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
    if (value > max) return undefined
  }
  return value
}

/**
 * Position just after the closing quote of the quoted-string that opens at `start`, or -1 when it is never closed.
 *
 * @see RFC 3261 25.1 quoted-string
 */
export function endOfQuoted(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x5c) index++
    else if (code === 0x22) return index + 1
  }
  return -1
}

/** The text inside a quoted-string, escapes undone; other text is returned as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== 0x22 || text.charCodeAt(text.length - 1) !== 0x22) return text
  const inner = text.slice(1, -1)
  if (!inner.includes('\\')) return inner
  let result = ''
  for (let index = 0; index < inner.length; index++) {
    if (inner.charCodeAt(index) === 0x5c) index++
    result += inner.charAt(index)
  }
  return result
}

/** End of the list item that begins at `start`: the next comma outside quotes and `<>`, or the end of the text. */
function endOfItem(text: string, start: number): number {
  let insideAngle = false
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x22) {
      const end = endOfQuoted(text, index)
      if (end === -1) return text.length
      index = end - 1
    } else if (code === 0x3c) insideAngle = true
    else if (code === 0x3e) insideAngle = false
    else if (code === 0x2c && !insideAngle) return index
  }
  return text.length
}

/** The first item of a comma list and what follows it, the comma included. */
export function firstListItem(text: string): { readonly item: string; readonly rest: string } {
  const end = endOfItem(text, 0)
  return { item: trimBlanks(text.slice(0, end)), rest: text.slice(end) }
}

/** Words between blanks, empty ones left out. */
export function splitWords(text: string): readonly string[] {
  return text
    .replaceAll('\t', ' ')
    .split(' ')
    .filter((word) => word !== '')
}

/** Items of a comma list, trimmed, empty ones left out. */
export function splitList(text: string): readonly string[] {
  const items: string[] = []
  for (let start = 0; start <= text.length;) {
    const end = endOfItem(text, start)
    const item = trimBlanks(text.slice(start, end))
    if (item !== '') items.push(item)
    start = end + 1
  }
  return items
}
