import { connect, createServer, isIPv6, type Server, type Socket } from 'node:net'
import { StreamFramer } from '../../protocol/sip/stream-framer.ts'
import { listenError } from './listen-error.ts'
import type { BoundAddress } from './port.ts'

/** Connections of one listener, those we opened included. */
export const TCP_CONNECTIONS_MAX = 1024
/** How long a new connection may take to deliver its first message, and any connection to finish one. Milliseconds. */
export const TCP_MESSAGE_MS = 32_000
/** How long a connection may be silent between messages. A recording session may be long; then we connect anew for a BYE. */
export const TCP_IDLE_MS = 2 * 3_600_000
/** Bytes a peer may leave unread before its connection is closed. */
export const TCP_UNREAD_BYTES_MAX = 1024 * 1024
const KEEP_ALIVE_MS = 60_000
const PONG = Uint8Array.of(0x0d, 0x0a)

export type TcpDropReason = 'connectionsFull' | 'connectionIdle' | 'connectionUnread' | 'connectionFailed' | 'notSip'

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
  /** Unique over all listeners. */
  readonly nextConnectionId: () => number
  /** One message, whole. Returns false when it is not SIP: the connection is then closed. */
  readonly receive: (message: Uint8Array, peer: TcpPeer) => boolean
  readonly drop: (reason: TcpDropReason) => void
  readonly fail: (error: Error) => void
  readonly connectionsMax?: number
  readonly messageMs?: number
  readonly idleMs?: number
}

/** One listening TCP socket with its connections, and the connections we open to peers that left none. */
export class TcpListener {
  readonly #options: TcpListenerOptions
  readonly #server: Server
  readonly #connections = new Map<number, Socket>()

  constructor(options: TcpListenerOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) => {
      this.#adopt(socket)
    })
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
      server.once('error', (error) => reject(listenError({ transport: 'tcp', address, port }, error)))
      server.listen({ host: address, port, exclusive: true, ipv6Only: isIPv6(address) }, resolve)
    })
    server.removeAllListeners('error')
    server.on('error', fail)
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new TypeError('a TCP server has an address')
    return { transport: 'tcp', address: bound.address, port: bound.port }
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

  /** Opens a connection and sends a request over it; its answer comes back as any message does. */
  connectAndSend(bytes: Uint8Array, port: number, address: string): void {
    const socket = connect({
      port,
      host: address,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    })
    const countFailure = (): void => this.#options.drop('connectionFailed')
    socket.once('error', countFailure)
    socket.once('connect', () => socket.off('error', countFailure))
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
          if (!receive(item.bytes, peer)) socket.destroy()
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

function peerOf(socket: Socket, connectionId: number): TcpPeer {
  return {
    connectionId,
    address: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    localAddress: socket.localAddress ?? '',
  }
}
