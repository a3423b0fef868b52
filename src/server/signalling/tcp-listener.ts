import { connect, createServer, isIP, isIPv6, type Server, type Socket } from 'node:net'
import {
  connect as connectTls,
  type ConnectionOptions,
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls'
import type { ParsedMessage } from '../../protocol/sip/parse-message.ts'
import { StreamFramer } from '../../protocol/sip/stream-framer.ts'
import { listenError } from './listen-error.ts'
import type { BoundAddress } from './port.ts'
import { readTlsFiles, type TlsSettings } from './tls-files.ts'

/** Connections of one listener, those we opened included. */
export const TCP_CONNECTIONS_MAX = 1024
/** How long a new connection may take to deliver its first message, and any connection to finish one. Milliseconds. */
export const TCP_MESSAGE_MS = 32_000
/** How long a connection may be silent between messages. A recording session may be long; then we connect anew for a BYE. */
export const TCP_IDLE_MS = 2 * 3_600_000
/** Bytes a peer may leave unread before its connection is closed. */
export const TCP_UNREAD_BYTES_MAX = 1024 * 1024
/** How long a TLS handshake may take. Milliseconds. */
export const TLS_HANDSHAKE_MS = 10_000
/** TLS handshakes under way beside the connections of one listener; more are closed unheard. */
export const TLS_HANDSHAKES_MAX = 256
const KEEP_ALIVE_MS = 60_000
/** How long a connection that something else can stand in for may take. Milliseconds. */
export const CONNECT_MS = 2_000
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
const PONG = Uint8Array.of(0x0d, 0x0a)

export type TcpDropReason =
  | 'connectionsFull'
  | 'connectionIdle'
  | 'connectionUnread'
  | 'connectionFailed'
  | 'notSip'
  | 'tlsHandshake'

/** The peer of a connection and our end of it. */
export interface TcpPeer {
  readonly connectionId: number
  readonly address: string
  readonly port: number
  readonly localAddress: string
}

export interface TcpListenerOptions {
  readonly address: string
  readonly port: number
  /** Present for a TLS listener. */
  readonly tls?: TlsSettings
  /** Unique over all listeners. */
  readonly nextConnectionId: () => number
  /** One message, whole. Returns false when it is not SIP: the connection is then closed. */
  readonly receive: (message: ParsedMessage, peer: TcpPeer) => boolean
  readonly drop: (reason: TcpDropReason) => void
  readonly fail: (error: Error) => void
  readonly connectionsMax?: number
  readonly messageMs?: number
  readonly idleMs?: number
}

/** One listening TCP or TLS socket with its connections, and the connections we open to peers that left none. */
export class TcpListener {
  readonly #options: TcpListenerOptions
  readonly #server: Server
  readonly #secure: TlsServer | undefined
  /** The certificates in force. */
  #context: SecureContextOptions | undefined
  readonly #connections = new Map<number, Socket>()

  constructor(options: TcpListenerOptions) {
    this.#options = options
    const adopt = (socket: Socket): void => this.#adopt(socket)
    this.#context = options.tls && readTlsFiles(options.tls)
    this.#secure = this.#context && secureServer(this.#context, options, adopt)
    this.#server = this.#secure ?? createServer(SOCKET_OPTIONS, adopt)
    const connectionsMax = options.connectionsMax ?? TCP_CONNECTIONS_MAX
    if (this.#secure !== undefined) this.#server.maxConnections = connectionsMax + TLS_HANDSHAKES_MAX
  }

  /**
   * Reads the TLS files again. Connections that are open stay as they are.
   *
   * @throws EarwitnessError `sip-tls-files`; then everything stays as it was
   */
  reloadCertificates(): void {
    if (this.#options.tls === undefined) return
    this.#context = readTlsFiles(this.#options.tls)
    this.#secure?.setSecureContext(this.#context)
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Full: the connection that was silent longest goes, so that nobody can lock others out by holding connections. */
  #makeRoom(): void {
    const quietest = this.#connections.entries().next()
    if (this.#connections.size < (this.#options.connectionsMax ?? TCP_CONNECTIONS_MAX) || quietest.done === true) return
    this.#options.drop('connectionsFull')
    const [connectionId, socket] = quietest.value
    this.#connections.delete(connectionId)
    socket.destroy()
  }

  /** The connections stand in the order of their last sign of life. */
  #touch(connectionId: number, socket: Socket): void {
    this.#connections.delete(connectionId)
    this.#connections.set(connectionId, socket)
  }

  /** @throws EarwitnessError as {@link SignallingPort.run} says */
  async open(): Promise<BoundAddress> {
    const { address, port, fail } = this.#options
    const server = this.#server
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError({ transport: this.#transport, address, port }, error)))
      server.listen({ host: address, port, exclusive: true, ipv6Only: isIPv6(address) }, resolve)
    })
    server.removeAllListeners('error')
    server.on('error', fail)
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new TypeError('a TCP server has an address')
    return { transport: this.#transport, address: bound.address, port: bound.port }
  }

  get #transport(): 'tcp' | 'tls' {
    return this.#options.tls === undefined ? 'tcp' : 'tls'
  }

  /** Sends over an open connection; false when it is not there any more. */
  send(bytes: Uint8Array, connectionId: number): boolean {
    const socket = this.#connections.get(connectionId)
    if (socket === undefined || !socket.writable) return false
    socket.write(bytes)
    if (socket.writableLength > TCP_UNREAD_BYTES_MAX) {
      this.#options.drop('connectionUnread')
      socket.destroy()
    }
    return true
  }

  /**
   * Opens a connection and sends a request over it; its answer comes back as any message does.
   *
   * @param options `host`: name or address that the request goes to, which a TLS certificate must bear · `onFailed`: is told when there is
   * no connection within {@link CONNECT_MS}
   */
  connectAndSend(
    bytes: Uint8Array,
    port: number,
    address: string,
    options: { readonly host?: string; readonly onFailed?: () => void } = {},
  ): void {
    const { host = address, onFailed } = options
    const { drop } = this.#options
    const at = { ...SOCKET_OPTIONS, port, host: address }
    const context = this.#context
    const socket = context === undefined ? connect(at) : connectTls({ ...at, ...context, ...peerCheck(context, host) })
    const timer = onFailed && setTimeout(() => socket.destroy(new Error('no connection in time')), CONNECT_MS)
    const countFailure = (): void => {
      clearTimeout(timer)
      drop('connectionFailed')
      onFailed?.()
    }
    socket.once('error', countFailure)
    socket.once(context === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer)
      socket.off('error', countFailure)
    })
    this.#adopt(socket)
    socket.write(bytes)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#connections.values()) socket.destroy()
    await closed
  }

  #adopt(socket: Socket): void {
    const { receive, drop } = this.#options
    const messageMs = this.#options.messageMs ?? TCP_MESSAGE_MS
    const idleMs = this.#options.idleMs ?? TCP_IDLE_MS
    const connectionId = this.#options.nextConnectionId()
    const framer = new StreamFramer()
    // A peer that drips bytes keeps an idle timer happy, so time is given to each message as a whole.
    const expire = (): void => {
      drop('connectionIdle')
      socket.destroy()
    }
    let patience = setTimeout(expire, messageMs)
    let isMidMessage = true
    this.#makeRoom()
    this.#connections.set(connectionId, socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(patience)
      this.#connections.delete(connectionId)
    })
    socket.on('data', (bytes) => {
      const peer = peerOf(socket, connectionId)
      this.#touch(connectionId, socket)
      let isComplete = false
      for (const item of framer.push(bytes)) {
        if (item.kind === 'message') {
          isComplete = true
          if (!receive(item.parsed, peer)) socket.destroy()
        } else if (item.kind === 'ping') {
          isComplete = true
          this.send(PONG, connectionId)
        } else {
          if (item.reason === 'notSip') drop('notSip')
          socket.destroySoon()
        }
      }
      if (!isComplete && isMidMessage) return
      isMidMessage = framer.isMidMessage
      clearTimeout(patience)
      patience = setTimeout(expire, isMidMessage ? messageMs : idleMs)
    })
  }
}

function secureServer(
  context: SecureContextOptions,
  { tls, drop }: TcpListenerOptions,
  adopt: (socket: Socket) => void,
): TlsServer {
  const requestCert = tls?.requestCert === true
  const trust = { requestCert, rejectUnauthorized: requestCert, handshakeTimeout: TLS_HANDSHAKE_MS }
  const server = createTlsServer({ ...SOCKET_OPTIONS, ...context, ...trust }, adopt)
  server.on('tlsClientError', () => drop('tlsHandshake'))
  return server
}

/**
 * How the peer of a connection of ours is checked. A CA of one's own vouches for whoever it signed: the Contacts of SRCs are mostly
 * addresses, which certificates seldom bear. The public CAs sign anybody, so with them the name has to fit. RFC 5922 7
 */
function peerCheck(context: SecureContextOptions, host: string): ConnectionOptions {
  const name = isIP(host) === 0 ? { servername: host } : {}
  return context.ca === undefined ? name : { ...name, checkServerIdentity: () => undefined }
}

function peerOf(socket: Socket, connectionId: number): TcpPeer {
  return {
    connectionId,
    address: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    localAddress: socket.localAddress ?? '',
  }
}
