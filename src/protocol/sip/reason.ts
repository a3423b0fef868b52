import type { SipHeader } from './header-list.ts'
import { parseParams, paramValue } from './params.ts'
import { firstListItem, isToken, parseDecimal, trimBlanks } from './text.ts'

const CAUSE_MAX = 999

/** Why a request was sent, in the words of who sent it. RFC 3326 */
export interface SipReason {
  /** `SIP`, `Q.850` or another, as written. */
  readonly protocol: string
  readonly cause: number | undefined
  readonly text: string | undefined
}

/** The first value of a Reason header; undefined when it cannot be read. */
export function parseReason(value: string): SipReason | undefined {
  const { item } = firstListItem(value)
  const semicolon = item.indexOf(';')
  const protocol = trimBlanks(semicolon === -1 ? item : item.slice(0, semicolon))
  const params = parseParams(semicolon === -1 ? '' : item.slice(semicolon))
  if (!isToken(protocol) || !params.ok) return undefined
  const cause = parseDecimal(paramValue(params.value, 'cause') ?? '', CAUSE_MAX)
  return { protocol, cause, text: paramValue(params.value, 'text') }
}

/** A Reason of ours. Causes below 200 are Q.850's, others SIP status codes. */
export function reasonHeader(reason: { readonly cause: number; readonly text: string }): SipHeader {
  const text = reason.text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  const protocol = reason.cause < 200 ? 'Q.850' : 'SIP'
  return { name: 'Reason', value: `${protocol};cause=${reason.cause};text="${text}"` }
}
