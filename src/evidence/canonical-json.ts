/** Nesting beyond this is refused: no format here comes near it, and recursion must have an end. */
export const JSON_DEPTH_MAX = 64

/**
 * The canonical form of a JSON value: no blanks, members sorted by UTF-16 code units, numbers and escapes as ECMAScript
 * writes them. RFC 8785 3.2
 *
 * Throws a TypeError for what JSON cannot carry unambiguously: NaN, Infinity, undefined (also as a member or an array
 * hole), bigint, symbols, functions, lone surrogates, objects that are not plain (Date, Map, class instances) and
 * nesting deeper than {@link JSON_DEPTH_MAX}. Nothing is ever dropped silently, as `JSON.stringify` would.
 */
export function canonicalJson(value: unknown): string {
  return canonicalValue(value, 0)
}

/** The value of bytes that are canonical JSON, or undefined: there is one way to write it, so that nothing can be changed unseen. Never throws. */
export function readCanonicalJson(bytes: Uint8Array): unknown {
  try {
    const json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: unknown = JSON.parse(json)
    return canonicalJson(value) === json ? value : undefined
  } catch {
    return undefined
  }
}

function canonicalValue(value: unknown, depth: number): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      // RFC 8785 3.2.2.3: the shortest form that reads back, as ECMAScript defines it; -0 becomes 0.
      if (!Number.isFinite(value)) throw new TypeError('Canonical JSON has no NaN and no Infinity.')
      return JSON.stringify(value)
    case 'string':
      return canonicalText(value)
    case 'object':
      if (depth >= JSON_DEPTH_MAX) throw new TypeError('The value is nested too deeply for canonical JSON.')
      return Array.isArray(value) ? canonicalArray(value, depth) : canonicalObject(value, depth)
    default:
      throw new TypeError(`Canonical JSON has no ${typeof value}.`)
  }
}

function canonicalText(text: string): string {
  // JSON.stringify escapes lone surrogates instead of refusing them. RFC 8785 3.2.2.2
  if (!text.isWellFormed()) throw new TypeError('Canonical JSON has no lone surrogates.')
  return JSON.stringify(text)
}

function canonicalArray(values: readonly unknown[], depth: number): string {
  const parts: string[] = []
  // Not map(): it skips holes, which then would be written as nothing.
  for (const value of values) parts.push(canonicalValue(value, depth + 1))
  return `[${parts.join(',')}]`
}

function canonicalObject(value: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError('Canonical JSON has plain objects only.')
  }
  // The default order of sort() is that of UTF-16 code units. RFC 8785 3.2.3
  const parts = Object.entries(value)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, member]) => `${canonicalText(name)}:${canonicalValue(member, depth + 1)}`)
  return `{${parts.join(',')}}`
}
