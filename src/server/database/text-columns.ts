import { createHash } from 'node:crypto'

/** Longest text of a column, in UTF-16 units; what an SRC sends beyond it stays readable in the sealed snapshot. */
export const TEXT_LENGTH_MAX = 4_096
/** Longest identifier of a key, in UTF-16 units: a B-tree entry of Postgres ends at 2,704 bytes, and keys have two. */
export const KEY_LENGTH_MAX = 200
/** What of a longer identifier stays readable in front of its hash. */
const KEY_PREFIX_LENGTH = 120
const KEY_HASH_LENGTH = 32

/**
 * Text that Postgres takes: no NUL (it refuses it), no lone surrogate, not longer than {@link TEXT_LENGTH_MAX}.
 */
export function columnText(text: string): string {
  const bounded = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text
  return bounded.replaceAll('\0', '\uFFFD').toWellFormed()
}

export function optionalText(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : columnText(text)
}

/** The same for an identifier that is part of a key: one that is too long ends in a hash, so that two never become one. */
export function keyText(identifier: string): string {
  if (identifier.length <= KEY_LENGTH_MAX) return columnText(identifier)
  const hash = createHash('sha256').update(identifier).digest('hex').slice(0, KEY_HASH_LENGTH)
  return `${columnText(identifier.slice(0, KEY_PREFIX_LENGTH))}#${hash}`
}

export function optionalKey(identifier: string | null | undefined): string | null {
  return identifier === null || identifier === undefined ? null : keyText(identifier)
}

/** A short key made of the content of a row that has no identifier of its own. */
export function contentKey(...parts: readonly (string | number | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, KEY_HASH_LENGTH)
}

/** Case, width and compatibility forms of characters do not matter in a search. Unicode NFKC. */
export function foldText(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

const NUMBER_SEPARATORS = /[\s().-]/g

/** True for what a person types as a telephone number: digits, with or without a plus and separators. */
function isNumberLike(folded: string): boolean {
  return /^\+?[\d\s().-]+$/.test(folded) && /\d/.test(folded)
}

/** What a search for participants looks through: name and AoR, and the number without its separators (RFC 3966 5.1.1). */
export function participantSearchText(aor: string, name: string | null): string {
  const folded = foldText(aor)
  const bare = folded.replace(NUMBER_SEPARATORS, '')
  const lines = [name === null ? '' : foldText(name), folded, bare === folded ? '' : bare]
  return columnText(lines.filter((line) => line !== '').join('\n'))
}

/** Digits of what may be a telephone number (E.164 has 15 at most), an extension included. */
const ADDRESS_DIGITS_MIN = 3
const ADDRESS_DIGITS_MAX = 15

/** The same of vendor data that is an address or a number; null for everything else. */
export function addressSearchText(text: string): string | null {
  const isUri = /^(?:sips?|tel):/i.test(text) || /^[^\s@]+@[^\s@]+$/.test(text)
  const digits = text.replaceAll(/\D/g, '').length
  const isNumber = isNumberLike(text) && digits >= ADDRESS_DIGITS_MIN && digits <= ADDRESS_DIGITS_MAX
  return isUri || isNumber ? participantSearchText(text, null) : null
}

/** What a search through vendor data looks at: names, text and attributes, and numbers without their separators. */
export function extensionSearchText(path: string, values: readonly string[]): string {
  const lines = values.filter((value) => value !== '').map((value) => participantSearchText(value, null))
  return columnText([foldText(path), ...lines].join('\n'))
}

/** A search term in the form of {@link participantSearchText}. */
export function foldSearchTerm(term: string): string {
  const folded = foldText(term.trim())
  return isNumberLike(folded) ? folded.replace(NUMBER_SEPARATORS, '') : folded
}

/** `LIKE` pattern for a substring; backslash is the escape character of Postgres. */
export function containsPattern(term: string): string {
  return `%${columnText(term).replaceAll(/[\\%_]/g, '\\$&')}%`
}
