import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { SipFlow, SipTarget } from '../../../src/protocol/sip/flow.ts'
import type { BoundAddress } from '../../../src/server/signalling/port.ts'

const LOOPBACK = '127.0.0.1'
const UDP_LISTENER = 0
const TCP_LISTENER = 1

/** One UDP and one TCP socket on loopback. Requests of ours on TCP go over the connection of the dialog. */
export class PeerSockets {
  readonly #receive: (bytes: Uint8Array, flow: SipFlow) => void
  readonly #udp: UdpSocket = createSocket('udp4')
  readonly #tcp: Server
  readonly #connections = new Map<number, Socket>()
  #connectionCount = 0

  constructor(receive: (bytes: Uint8Array, flow: SipFlow) => void) {
    this.#receive = receive
    this.#udp.on('message', (bytes, { address, port }) =>
      receive(bytes, this.#flow({ transport: 'udp', address, port })),
    )
    this.#tcp = createServer((socket) => this.#accept(socket))
  }

  async open(): Promise<readonly BoundAddress[]> {
    this.#udp.bind(0, LOOPBACK)
    await once(this.#udp, 'listening')
    this.#tcp.listen(0, LOOPBACK)
    await once(this.#tcp, 'listening')
    return [
      { transport: 'udp', address: LOOPBACK, port: this.#portOf('udp') },
      { transport: 'tcp', address: LOOPBACK, port: this.#portOf('tcp') },
    ]
  }

  async close(): Promise<void> {
    for (const socket of this.#connections.values()) socket.destroy()
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ])
  }

  send(bytes: Uint8Array, { transport, host, port, connectionId }: SipTarget): void {
    if (transport === 'udp') this.#udp.send(bytes, port, host === 'localhost' ? LOOPBACK : host)
    else this.#connections.get(connectionId ?? -1)?.write(bytes)
  }

  #portOf(transport: 'udp' | 'tcp'): number {
    const address = transport === 'udp' ? this.#udp.address() : this.#tcp.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  #flow(from: BoundAddress, connectionId?: number): SipFlow {
    const { transport } = from
    const listenerId = transport === 'udp' ? UDP_LISTENER : TCP_LISTENER
    const localPort = this.#portOf(transport === 'udp' ? 'udp' : 'tcp')
    return { ...from, localAddress: LOOPBACK, localPort, listenerId, connectionId }
  }

  #accept(socket: Socket): void {
    const connectionId = ++this.#connectionCount
    const { remoteAddress: address = '', remotePort: port = 0 } = socket
    const flow = this.#flow({ transport: 'tcp', address, port }, connectionId)
    this.#connections.set(connectionId, socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#connections.delete(connectionId))
    let buffer = Buffer.alloc(0)
    socket.on('data', (bytes) => {
      buffer = Buffer.concat([buffer, bytes])
      for (let end = endOfMessage(buffer); end !== undefined; end = endOfMessage(buffer)) {
        this.#receive(buffer.subarray(0, end), flow)
        buffer = buffer.subarray(end)
      }
    })
  }
}

/** Where the first message ends; undefined while it is not whole. RFC 3261 18.3 */
function endOfMessage(buffer: Buffer): number | undefined {
  const headEnd = buffer.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const length = /\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)/i.exec(buffer.toString('latin1', 0, headEnd))
  const end = headEnd + 4 + Number(length?.[1] ?? 0)
  return buffer.length < end ? undefined : end
}
