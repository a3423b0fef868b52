import type { Dialog } from './dialog.ts'
import { USER_AGENT } from './capabilities.ts'
import type { SipFlow, SipTarget, SipTransport } from './flow.ts'
import type { SipHeader } from './header-list.ts'
import { parseNameAddr } from './name-addr.ts'
import { serialize } from './serialize-message.ts'
import { parseSipUri, type SipUri } from './uri.ts'
import { sessionIdHeaders } from './session-id.ts'
import { formatVia } from './via.ts'

const MAX_FORWARDS = 70
/** A request of ours that is longer goes by TCP where we have it. RFC 3261 18.1.1 */
export const UDP_REQUEST_BYTES_MAX = 1300

/** What a request of ours says. */
export interface OwnRequestParts {
  readonly method: string
  readonly branch: string
  /** From {@link Dialog.nextSequence}; that of its INVITE for an ACK. */
  readonly sequenceNumber: number
  readonly headers: readonly SipHeader[]
  readonly body?: Uint8Array
  /** Those we can send by. */
  readonly transports: ReadonlySet<SipTransport>
}

/** A request of ours, ready to be sent. */
export interface OwnRequest {
  readonly bytes: Uint8Array
  readonly target: SipTarget
}

/**
 * Builds a request inside a dialog: to the remote target, by way of the route set.
 *
 * @see RFC 3261 12.2.1.1, with strict routers (no `lr`) as written there
 */
export function buildInDialogRequest(dialog: Dialog, parts: OwnRequestParts): OwnRequest {
  const request = build(dialog, parts, undefined)
  const isTooLong = request.target.transport === 'udp' && request.bytes.length > UDP_REQUEST_BYTES_MAX
  if (!isTooLong || !parts.transports.has('tcp')) return request
  const byTcp = build(dialog, parts, 'tcp')
  return { bytes: byTcp.bytes, target: { ...byTcp.target, otherwise: request } }
}

function build(dialog: Dialog, options: OwnRequestParts, forced: SipTransport | undefined): OwnRequest {
  const { routeSet, remoteTarget, flow } = dialog
  const firstHop = routeSet[0] === undefined ? undefined : uriOf(routeSet[0])
  const isStrict = firstHop !== undefined && !firstHop.uri.params.has('lr')
  const requestUri = isStrict ? firstHop.text : remoteTarget
  const routes = isStrict ? [...routeSet.slice(1), `<${remoteTarget}>`] : routeSet
  const nextHop = targetOf(firstHop?.uri ?? uriOf(`<${remoteTarget}>`)?.uri, flow, options.transports)
  const target = forced === undefined ? nextHop : { ...nextHop, transport: forced }
  const via = formatVia({
    transport: target.transport.toUpperCase(),
    host: flow.localAddress,
    port: flow.localPort,
    params: new Map([
      ['branch', options.branch],
      ['rport', ''],
    ]),
  })
  const headers: SipHeader[] = [
    { name: 'Via', value: via },
    { name: 'Max-Forwards', value: String(MAX_FORWARDS) },
    ...routes.map((value) => ({ name: 'Route', value })),
    { name: 'From', value: dialog.localParty },
    { name: 'To', value: dialog.remoteParty },
    { name: 'Call-ID', value: dialog.sipCallId },
    { name: 'CSeq', value: `${options.sequenceNumber} ${options.method}` },
    ...sessionIdHeaders(dialog.localTag, dialog.remoteSessionId),
    USER_AGENT,
    ...options.headers,
  ]
  const startLine = `${options.method} ${requestUri} SIP/2.0`
  const body = options.body === undefined ? {} : { body: options.body }
  return { bytes: serialize({ startLine, headers, ...body }), target }
}

function uriOf(nameAddr: string): { readonly text: string; readonly uri: SipUri } | undefined {
  const parsed = parseNameAddr(nameAddr)
  const uri = parsed.ok ? parseSipUri(parsed.value.uri) : undefined
  return parsed.ok && uri?.ok === true ? { text: parsed.value.uri, uri: uri.value } : undefined
}

/**
 * Where the next hop is. Its `transport` parameter decides, else the way the dialog's latest request came (RFC 3263 would say UDP,
 * but a client that spoke TCP is there). An open connection is used again; a URI that cannot be read means the source.
 */
function targetOf(uri: SipUri | undefined, flow: SipFlow, transports: ReadonlySet<SipTransport>): SipTarget {
  const source = { address: flow.address, port: flow.port }
  const common = { kind: 'request', listenerId: flow.listenerId, connectionId: flow.connectionId } as const
  if (uri === undefined) {
    return { ...common, transport: flow.transport, host: source.address, port: source.port, fallback: undefined }
  }
  const named = uri.scheme === 'sips' ? 'tls' : knownTransport(uri.params.get('transport'))
  const transport = named !== undefined && transports.has(named) ? named : flow.transport
  const port = uri.port ?? (transport === 'tls' ? 5061 : 5060)
  return { ...common, transport, host: uri.host, port, fallback: source }
}

function knownTransport(name: string | undefined): SipTransport | undefined {
  const lower = name?.toLowerCase()
  return lower === 'udp' || lower === 'tcp' || lower === 'tls' ? lower : undefined
}
