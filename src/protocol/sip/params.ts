import { accepted, rejected, type Result } from '../../result.ts'
import { endOfQuoted, trimBlanks, unquote } from './text.ts'

/** Parameters kept of one header value; a value with more is refused. */
export const PARAMS_MAX = 64

/**
 * `;name=value` parameters in order: names in lower case, values as written, quotes included; a flag has the value ''.
 * A Map, because names such as `__proto__` arrive.
 */
export type Params = ReadonlyMap<string, string>

/**
 * Parses `;name=value;flag;name="quoted;value"`. The first of two parameters with one name wins; empty ones are skipped.
 *
 * @param text empty, or beginning (after blanks) with `;`; anything before the first `;` is ignored
 * @see RFC 3261 25.1 generic-param
 */
export function parseParams(text: string): Result<Params, 'params'> {
  const params = new Map<string, string>()
  let index = text.indexOf(';')
  while (index !== -1 && index < text.length) {
    const start = index + 1
    let end = start
    let equals = -1
    while (end < text.length && text.charCodeAt(end) !== 0x3b) {
      const code = text.charCodeAt(end)
      if (code === 0x3d && equals === -1) equals = end
      if (code === 0x22) {
        end = endOfQuoted(text, end)
        if (end === -1) return rejected('params')
      } else end++
    }
    const name = trimBlanks(text.slice(start, equals === -1 ? end : equals)).toLowerCase()
    if (name !== '' && !params.has(name)) {
      if (params.size === PARAMS_MAX) return rejected('params')
      params.set(name, equals === -1 ? '' : trimBlanks(text.slice(equals + 1, end)))
    }
    index = end
  }
  return accepted(params)
}

/** Value of a parameter without its quotes; undefined when it is absent. `name` in lower case. */
export function paramValue(params: Params, name: string): string | undefined {
  const value = params.get(name)
  return value === undefined ? undefined : unquote(value)
}

export function formatParams(params: Params): string {
  let text = ''
  for (const [name, value] of params) text += value === '' ? `;${name}` : `;${name}=${value}`
  return text
}
