/** A pattern longer than this matches no address that anybody has. */
export const PARTY_PATTERN_LENGTH_MAX = 128

/** True for what {@link includesParty} can read: one "*" at most, so that no address takes long to compare. */
export function isPartyPattern(pattern: string): boolean {
  return pattern.length > 0 && pattern.length <= PARTY_PATTERN_LENGTH_MAX && /^[^\s*<>"]*\*?[^\s*<>"]*$/u.test(pattern)
}

/**
 * Whether an address of record (`sip:1001@pbx.example.com`, `tel:+4930…`) is one of the operator's own: a pattern with
 * "@" is compared with user and host, one without with the user part alone. "*" is any text, "?" any character.
 */
export function includesParty(patterns: readonly string[], aor: string): boolean {
  const address = aor
    .trim()
    .replace(/^(?:sips?|tel):/iu, '')
    .split(/[;?]/u, 1)[0]
    ?.toLowerCase()
  if (address === undefined || address === '') return false
  const user = address.split('@', 1)[0] ?? ''
  return patterns.some((pattern) => matches(pattern.toLowerCase(), pattern.includes('@') ? address : user))
}

function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern.length === text.length && fits(pattern, text, 0)
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)]
  const enough = text.length >= head.length + tail.length
  return enough && fits(head, text, 0) && fits(tail, text, text.length - tail.length)
}

function fits(pattern: string, text: string, from: number): boolean {
  for (let at = 0; at < pattern.length; at += 1) {
    if (pattern[at] !== '?' && pattern[at] !== text[from + at]) return false
  }
  return true
}
