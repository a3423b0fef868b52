/** A header value with parameters: `multipart/mixed; boundary="x"`. RFC 2045 5.1 */
export interface ParameterizedValue {
  /** Lower case, without blanks around it. */
  readonly value: string
  /** By lower-case name; the first of two wins. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Parameters read of one header; the rest is ignored. */
export const PARAMETERS_MAX = 32

/** Reads the value and its parameters, quoted or not, with blanks anywhere between them. Linear; never throws. */
export function parseParameterizedValue(text: string): ParameterizedValue {
  const [value = '', ...rest] = splitOutsideQuotes(text, ';')
  const parameters = new Map<string, string>()
  for (const parameter of rest.slice(0, PARAMETERS_MAX)) {
    const equals = parameter.indexOf('=')
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase()
    if (name === '' || parameters.has(name)) continue
    parameters.set(name, equals < 0 ? '' : unquote(parameter.slice(equals + 1).trim()))
  }
  return { value: value.trim().toLowerCase(), parameters }
}

/** Splits at `separator`, except inside double quotes (RFC 3261 25.1, where a backslash escapes). */
export function splitOutsideQuotes(text: string, separator: string): readonly string[] {
  const pieces: string[] = []
  let quoted = false
  let start = 0
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index)
    if (quoted && character === '\\') index += 1
    else if (character === '"') quoted = !quoted
    else if (!quoted && character === separator) {
      pieces.push(text.slice(start, index))
      start = index + 1
    }
  }
  pieces.push(text.slice(start))
  return pieces
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text
  let value = ''
  for (let index = 1; index < text.length; index += 1) {
    const character = text.charAt(index)
    if (character === '"') break
    if (character === '\\') index += 1
    value += text.charAt(index)
  }
  return value
}
