/** A tag found at a `<`; `end` is the position after its `>`. */
export type ScannedTag =
  | {
      readonly kind: 'start' | 'empty'
      readonly name: string
      readonly attributes: Map<string, string>
      readonly end: number
    }
  | { readonly kind: 'end'; readonly name: string; readonly end: number }

/**
 * Reads the tag that begins at `at`, or undefined when what stands there is not one.
 *
 * A quote anywhere but around a value, and a `<` anywhere but between quotes, say that this is no tag. Because of that
 * no character is looked at more than three times, however many tags fail: two scans that reach the same place are
 * never both outside, both in double or both in single quotes there.
 */
export function scanTag(text: string, at: number): ScannedTag | undefined {
  const isEnd = text.charAt(at + 1) === '/'
  const nameStart = isEnd ? at + 2 : at + 1
  const nameEnd = endOfName(text, nameStart)
  const name = text.slice(nameStart, nameEnd)
  if (!isName(name)) return undefined
  if (isEnd) {
    const close = skipBlanks(text, nameEnd)
    return text.charAt(close) === '>' ? { kind: 'end', name, end: close + 1 } : undefined
  }
  const after = text.charAt(nameEnd)
  if (after !== '>' && after !== '/' && !isBlank(after)) return undefined
  return scanAttributes(text, nameEnd, name)
}

function scanAttributes(text: string, start: number, name: string): ScannedTag | undefined {
  const attributes = new Map<string, string>()
  let index = start
  for (;;) {
    index = skipBlanks(text, index)
    const character = text.charAt(index)
    if (character === '>') return { kind: 'start', name, attributes, end: index + 1 }
    if (character === '/' && text.charAt(index + 1) === '>') return { kind: 'empty', name, attributes, end: index + 2 }
    const attributeEnd = character === '/' ? index + 1 : endOfWord(text, index, true)
    if (attributeEnd === index) return undefined
    const attributeName = text.slice(index, attributeEnd)
    index = skipBlanks(text, attributeEnd)
    if (text.charAt(index) !== '=') continue
    index = skipBlanks(text, index + 1)
    const value = scanValue(text, index)
    if (value === undefined) return undefined
    if (isName(attributeName) && !attributes.has(attributeName)) attributes.set(attributeName, value.text)
    index = value.end
  }
}

function scanValue(text: string, start: number): { readonly text: string; readonly end: number } | undefined {
  const quote = text.charAt(start)
  if (quote !== '"' && quote !== "'") {
    const end = endOfWord(text, start, false)
    return { text: text.slice(start, end), end }
  }
  const close = text.indexOf(quote, start + 1)
  return close < 0 ? undefined : { text: text.slice(start + 1, close), end: close + 1 }
}

/** The end of a run of characters that are neither blank nor markup, and no `=` or `/` either if it is a name. */
function endOfWord(text: string, start: number, isNameWanted: boolean): number {
  let index = start
  while (index < text.length) {
    const character = text.charAt(index)
    if (isBlank(character) || character === '<' || character === '>' || character === '"' || character === "'") break
    if (isNameWanted && (character === '=' || character === '/')) break
    index += 1
  }
  return index
}

function skipBlanks(text: string, start: number): number {
  let index = start
  while (isBlank(text.charAt(index))) index += 1
  return index
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r'
}

function endOfName(text: string, start: number): number {
  let index = start
  while (index < text.length && isNameCode(text.charCodeAt(index))) index += 1
  return index
}

/** ASCII names only: what else XML allows, the strict parser has already seen. XML 1.0 2.3 */
function isNameCode(code: number): boolean {
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
  const isDigitOrColon = code >= 0x30 && code <= 0x3a
  return isLetter || isDigitOrColon || code === 0x5f || code === 0x2d || code === 0x2e
}

function isName(text: string): boolean {
  const code = text.charCodeAt(0)
  const startsWell = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x5f
  return startsWell && endOfName(text, 0) === text.length
}

/** Character data that any XML parser reads back: references that are none become text. */
export function escapeText(raw: string): string {
  // Most text is blanks between elements.
  if (!NEEDS_ESCAPING.test(raw)) return raw
  return keepReferences(cleanCharacters(raw)).replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

// eslint-disable-next-line no-control-regex -- these are the characters that XML forbids
const NEEDS_ESCAPING = /[&<>\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/

export function escapeAttribute(raw: string): string {
  return escapeText(raw).replaceAll('"', '&quot;')
}

const REFERENCE_LENGTH_MAX = 10
const NAMED_REFERENCES: ReadonlySet<string> = new Set(['amp', 'lt', 'gt', 'quot', 'apos'])

function keepReferences(text: string): string {
  const pieces = text.split('&')
  const first = pieces[0] ?? ''
  return (
    first +
    pieces
      .slice(1)
      .map((piece) => (startsWithReference(piece) ? `&${piece}` : `&amp;${piece}`))
      .join('')
  )
}

function startsWithReference(piece: string): boolean {
  const start = piece.slice(0, REFERENCE_LENGTH_MAX)
  const semicolon = start.indexOf(';')
  if (semicolon < 1) return false
  const body = start.slice(0, semicolon)
  if (NAMED_REFERENCES.has(body)) return true
  const decimal = /^#[0-9]+$/.test(body) ? Number(body.slice(1)) : undefined
  const code = /^#x[0-9a-f]+$/i.test(body) ? Number.parseInt(body.slice(2), 16) : decimal
  return code !== undefined && body.charAt(1) !== 'X' && isXmlCharacter(code)
}

// XML 1.0 2.2
function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x1_0000 && code <= 0x10_ffff)
}

function cleanCharacters(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are the characters that XML forbids
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
}
