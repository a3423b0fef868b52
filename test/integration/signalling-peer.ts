import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { StreamFramer } from '../../src/protocol/sip/stream-framer.ts'

/** Messages in the order of their arrival, to be awaited one by one. */
export class Inbox {
  readonly #messages: string[] = []
  readonly #waiting: ((message: string) => void)[] = []

  /** How many nobody has asked for yet. */
  get size(): number {
    return this.#messages.length
  }

  put(message: string): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#messages.push(message)
    else waiting(message)
  }

  next(): Promise<string> {
    const message = this.#messages.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The next message that begins so; those before it are dropped. */
  async nextStarting(start: string): Promise<string> {
    for (;;) {
      const message = await this.next()
      if (message.startsWith(start)) return message
    }
  }
}

/** A raw UDP endpoint: sends text as it is. */
export class UdpPeer {
  readonly inbox = new Inbox()
  readonly #socket: UdpSocket
  readonly #to: { readonly address: string; readonly port: number }

  constructor(socket: UdpSocket, to: { readonly address: string; readonly port: number }) {
    this.#socket = socket
    this.#to = to
    socket.on('message', (bytes) => this.inbox.put(bytes.toString()))
  }

  static async open(to: { readonly address: string; readonly port: number }, address = '127.0.0.1'): Promise<UdpPeer> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve) => socket.bind(0, address, resolve))
    return new UdpPeer(socket, to)
  }

  get port(): number {
    return this.#socket.address().port
  }

  send(message: string | Uint8Array): void {
    this.#socket.send(message, this.#to.port, this.#to.address)
  }

  close(): void {
    this.#socket.close()
  }
}

/** A raw TCP endpoint: writes what it is given; pings' answers arrive as `pong`, the end as `closed`. */
export class TcpPeer {
  readonly inbox = new Inbox()
  readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    const framer = new StreamFramer()
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      if (bytes.toString() === '\r\n') this.inbox.put('pong')
      else
        for (const item of framer.push(bytes))
          if (item.kind === 'message') this.inbox.put(Buffer.from(item.bytes).toString())
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.inbox.put('closed'))
  }

  static async open(to: { readonly address: string; readonly port: number }): Promise<TcpPeer> {
    const socket = connect(to.port, to.address)
    await new Promise((resolve) => socket.once('connect', resolve))
    return new TcpPeer(socket)
  }

  get port(): number {
    return this.socket.localPort ?? 0
  }

  /** Resolves when the kernel has the bytes. */
  async write(bytes: string | Uint8Array): Promise<void> {
    await new Promise((resolve) => this.socket.write(bytes, resolve))
  }

  close(): void {
    this.socket.destroy()
  }
}
