export type SipTransport = 'udp' | 'tcp' | 'tls'

export const ALL_TRANSPORTS: ReadonlySet<SipTransport> = new Set(['udp', 'tcp', 'tls'])

/** Where a message came from, and at which of our addresses it arrived. */
export interface SipFlow {
  readonly transport: SipTransport
  /** The peer. */
  readonly address: string
  readonly port: number
  /** Our address as this peer reaches it, or the advertised one; port of the listener. */
  readonly localAddress: string
  readonly localPort: number
  /** Which listener received it; answers leave by the same one. */
  readonly listenerId: number
  /** The connection, on TCP and TLS. */
  readonly connectionId: number | undefined
  /** Names and addresses of the peer's certificate, on TLS, when it was asked for one and it was found good. */
  readonly tlsNames?: readonly string[]
}

/** Where to send a message. */
export interface SipTarget {
  readonly transport: SipTransport
  /** Address or host name, IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly listenerId: number
  /** Preferred while it is open; else a new connection to `host` and `port`, for requests only. */
  readonly connectionId: number | undefined
  /** Where to go when `host` cannot be resolved. */
  readonly fallback: { readonly address: string; readonly port: number } | undefined
  readonly kind: 'request' | 'response'
  /** The same request for UDP, when this one is for TCP because of its size. RFC 3261 18.1.1 */
  readonly otherwise?: { readonly bytes: Uint8Array; readonly target: SipTarget }
}

/** RFC 3261 18.1: retransmission is needed on unreliable transports only. */
export function isReliable(transport: SipTransport): boolean {
  return transport !== 'udp'
}
