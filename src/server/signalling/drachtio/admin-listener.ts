import { BlockList, createServer, isIPv6, type Server, type Socket } from 'node:net'
import { cannotListen } from './drachtio-errors.ts'

/** Connections of drachtio-server at a time: it makes one for each INVITE that it is told to route here. */
export const ADMIN_CONNECTIONS_MAX = 1024

/** How long the other side may take to read what was written, once we want to be gone. */
const CLOSE_MS = 1_000

export interface AdminListenerOptions {
  readonly address: string
  /** 0 for any. */
  readonly port: number
  /** Addresses and networks (CIDR) that may connect. */
  readonly allow: readonly string[]
  readonly open: (socket: Socket) => void
  /** Somebody was turned away: `drachtioForeign`, `drachtioConnectionsFull`. */
  readonly drop: (reason: string) => void
}

/**
 * Takes connections of a drachtio-server. The protocol has the side that is called send the secret, so a stranger who could
 * connect would learn it: that is what the list of allowed addresses is for.
 */
export class AdminListener {
  readonly #options: AdminListenerOptions
  readonly #server: Server
  readonly #allowed = new BlockList()
  readonly #sockets = new Set<Socket>()

  constructor(options: AdminListenerOptions) {
    this.#options = options
    for (const network of options.allow) this.#allow(network)
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** @throws EarwitnessError `drachtio-listen-failed` */
  async run(): Promise<{ readonly address: string; readonly port: number }> {
    const { address, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(cannotListen(address, port, error)))
      this.#server.listen(port, address, resolve)
    })
    // An accept that fails, for want of file descriptors, is no reason to stop.
    this.#server.on('error', () => this.#options.drop('drachtioAccept'))
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null
      ? { address: bound.address, port: bound.port }
      : { address, port }
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.end(() => socket.destroy())
    const patience = setTimeout(() => this.#sockets.forEach((socket) => socket.destroy()), CLOSE_MS)
    await closed
    clearTimeout(patience)
  }

  #allow(network: string): void {
    const [address = '', prefixLength] = network.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefixLength === undefined) this.#allowed.addAddress(address, family)
    else this.#allowed.addSubnet(address, Number(prefixLength), family)
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    const address = socket.remoteAddress ?? ''
    const isAllowed = this.#allowed.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
    if (!isAllowed || this.#sockets.size === ADMIN_CONNECTIONS_MAX) {
      this.#options.drop(isAllowed ? 'drachtioConnectionsFull' : 'drachtioForeign')
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#options.open(socket)
  }
}
