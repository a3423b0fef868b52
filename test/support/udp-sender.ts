import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** A socket that sends and waits until the kernel has taken each datagram: on loopback it is in the receiver's socket then. */
export class UdpSender {
  readonly port: number
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
  }

  static async open(address = '127.0.0.1'): Promise<UdpSender> {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    socket.bind(0, address)
    await once(socket, 'listening')
    return new UdpSender(socket)
  }

  send(bytes: Uint8Array, port: number, address = '127.0.0.1'): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, port, address, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  async close(): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }
}
