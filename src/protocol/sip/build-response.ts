import type { SipFlow, SipTarget } from './flow.ts'
import type { SipHeader } from './header-list.ts'
import type { SipRequest } from './message.ts'
import { serialize } from './serialize-message.ts'
import { firstListItem } from './text.ts'
import { formatVia, stampVia, type Via } from './via.ts'

const DEFAULT_PORT = 5060
const DEFAULT_TLS_PORT = 5061

/** What a response says beyond what it copies from its request. */
export interface ResponseParts {
  readonly status: number
  readonly reason: string
  /** Tag to add to a To that has none; undefined for a 100 and inside a dialog. */
  readonly toTag: string | undefined
  readonly headers?: readonly SipHeader[]
  readonly body?: Uint8Array
}

/** Builds a response. @see RFC 3261 8.2.6 */
export function buildResponse(request: SipRequest, via: Via, flow: SipFlow, parts: ResponseParts): Uint8Array {
  const { headers } = request
  const list: SipHeader[] = viaLines(headers.all('Via'), via, flow)
  for (const name of ['From', 'To', 'Call-ID', 'CSeq']) {
    const value = headers.first(name)
    if (value === undefined) continue
    const isToTag = name === 'To' && parts.toTag !== undefined
    list.push({ name, value: isToTag ? `${value};tag=${parts.toTag}` : value })
  }
  const timestamp = parts.status === 100 ? headers.first('Timestamp') : undefined
  if (timestamp !== undefined) list.push({ name: 'Timestamp', value: timestamp })
  if (parts.headers !== undefined) list.push(...parts.headers)
  const startLine = `SIP/2.0 ${parts.status} ${parts.reason}`
  return serialize({ startLine, headers: list, ...(parts.body === undefined ? {} : { body: parts.body }) })
}

function viaLines(lines: readonly string[], via: Via, flow: SipFlow): SipHeader[] {
  const stamped = stampVia(via, flow.address, flow.port)
  return lines.map((line, index) => {
    const value = index === 0 && stamped !== undefined ? formatVia(stamped) + firstListItem(line).rest : line
    return { name: 'Via', value }
  })
}

/**
 * Where the response to a request goes: back over its connection, or on UDP to the address it came from, at the port it came
 * from when the client asked for `rport`, else at the port of its sent-by.
 *
 * `maddr` is not followed: it would let anyone send our answers to anybody.
 *
 * @see RFC 3261 18.2.2, RFC 3581 4
 */
export function responseTarget(via: Via, flow: SipFlow): SipTarget {
  const sentByPort = via.port ?? (flow.transport === 'tls' ? DEFAULT_TLS_PORT : DEFAULT_PORT)
  return {
    kind: 'response',
    transport: flow.transport,
    host: flow.address,
    port: via.params.has('rport') ? flow.port : sentByPort,
    listenerId: flow.listenerId,
    connectionId: flow.connectionId,
    fallback: undefined,
  }
}
