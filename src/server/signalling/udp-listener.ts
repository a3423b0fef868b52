import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { listenError } from './listen-error.ts'
import type { BoundAddress } from './port.ts'
import { QueueProbe } from './queue-probe.ts'

/**
 * Bytes of the receive buffer asked for: a second of 1,500 INVITEs of 2.7 kB. Linux grants at most `net.core.rmem_max`.
 */
export const UDP_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

export interface UdpListenerOptions {
  readonly address: string
  readonly port: number
  /** A datagram, whole, up to 65,507 bytes. */
  readonly receive: (datagram: Uint8Array, source: { readonly address: string; readonly port: number }) => void
  /** A datagram could not be sent, or the kernel reported an error; the socket goes on. */
  readonly fail: (error: Error) => void
  /** Monotonic microseconds. */
  readonly nowUs: () => number
  /** How long datagrams may wait in the socket before {@link UdpListener.isLate}. */
  readonly queueWaitUs: number
}

/** One UDP socket. IPv4 and IPv6 have a socket each, so that addresses are never written in the mapped form. */
export class UdpListener {
  readonly #options: UdpListenerOptions
  readonly #socket: Socket
  readonly #probe: QueueProbe

  constructor(options: UdpListenerOptions) {
    this.#options = options
    this.#probe = new QueueProbe({ limitUs: options.queueWaitUs, nowUs: options.nowUs })
    const type = isIPv6(options.address) ? 'udp6' : 'udp4'
    this.#socket = createSocket({
      type,
      ipv6Only: type === 'udp6',
      recvBufferSize: UDP_RECEIVE_BUFFER_BYTES,
      // Only addresses are sent to; Node would take each through its resolver, and the next tick.
      lookup: (host, _, callback) => callback(null, host, type === 'udp6' ? 6 : 4),
    })
  }

  /** @throws EarwitnessError as {@link SignallingPort.run} says */
  async open(): Promise<BoundAddress> {
    const { address, port, receive, fail } = this.#options
    const socket = this.#socket
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close()
        reject(listenError({ transport: 'udp', address, port }, error))
      })
      socket.bind({ address, port, exclusive: true }, resolve)
    })
    socket.removeAllListeners('error')
    socket.on('error', fail)
    socket.on('message', (datagram, source) => {
      if (!this.#probe.take(source)) receive(datagram, source)
    })
    const { address: boundAddress, port: boundPort } = socket.address()
    const bound: BoundAddress = { transport: 'udp', address: boundAddress, port: boundPort }
    await this.#probe.run(bound)
    return bound
  }

  /** Whether datagrams that are read now have waited in the socket, for longer than they may. */
  get isLate(): boolean {
    return this.#probe.isLate
  }

  /** Sends a datagram. What cannot be sent (a forged source port 0, no route) is told to `fail`. */
  send(bytes: Uint8Array, port: number, address: string): void {
    try {
      this.#socket.send(bytes, port, address, this.#handleSent)
    } catch (error) {
      this.#options.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  readonly #handleSent = (error: Error | null): void => {
    if (error !== null) this.#options.fail(error)
  }

  async close(): Promise<void> {
    this.#probe.stop()
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }
}
