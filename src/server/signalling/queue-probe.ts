import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'

import type { BoundAddress } from './port.ts'

/** Pause between the return of one probe and the next. */
const PROBE_MS = 50
/** A probe that does not come back was dropped by a full socket, as everything else was. */
const PROBE_LOST_US = 1_000_000
/** One late probe is a stall of this process, in which nothing was read at all; the second one finds a queue. */
const LATE_IN_A_ROW = 2
const PROBE = Uint8Array.of(0)

/**
 * Measures how long datagrams wait in a UDP socket of ours before they are read, by sending some there itself.
 *
 * Node does not tell when the kernel received a datagram. When more come than are handled they queue up in its buffer, for seconds if it
 * is large, and an INVITE that looks new is one that its SRC has given up. A datagram of our own waits in the same queue.
 */
export class QueueProbe {
  readonly #limitUs: number
  readonly #nowUs: () => number
  #socket: Socket | undefined
  #address = ''
  #port = 0
  #timer: NodeJS.Timeout | undefined
  /** When the probe that is under way was sent. */
  #sentUs: number | undefined
  #lateInARow = 0
  /** Where no probe ever comes back, its absence says nothing. */
  #hasReturned = false

  constructor(options: { readonly limitUs: number; readonly nowUs: () => number }) {
    this.#limitUs = options.limitUs
    this.#nowUs = options.nowUs
  }

  /** Whether what is read now has probably waited longer than the limit. */
  get isLate(): boolean {
    const isOverdue = this.#sentUs !== undefined && this.#hasReturned && this.#nowUs() - this.#sentUs > this.#limitUs
    return this.#lateInARow + (isOverdue ? 1 : 0) >= LATE_IN_A_ROW
  }

  /** Begins to probe the socket that is bound there. */
  async run(bound: BoundAddress): Promise<void> {
    const isV6 = isIPv6(bound.address)
    const isAny = bound.address === '0.0.0.0' || bound.address === '::'
    const address = isAny ? (isV6 ? '::1' : '127.0.0.1') : bound.address
    const socket = createSocket(isV6 ? 'udp6' : 'udp4')
    // Without it there is no measurement, and all else goes on.
    socket.on('error', () => {})
    await new Promise<void>((resolve) => {
      socket.once('error', resolve)
      socket.bind(0, address, resolve)
    })
    this.#socket = socket
    try {
      ;({ address: this.#address, port: this.#port } = socket.address())
    } catch {
      return
    }
    this.#timer = setInterval(() => this.#send(bound.port, address), PROBE_MS)
    this.#timer.unref()
    socket.unref()
  }

  /** Takes a datagram that arrived at the probed socket; false when it is none of ours. */
  take(source: { readonly address: string; readonly port: number }): boolean {
    if (source.port !== this.#port || source.address !== this.#address) return false
    if (this.#sentUs !== undefined) this.#note(this.#nowUs() - this.#sentUs)
    this.#hasReturned = true
    this.#sentUs = undefined
    return true
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#socket?.close()
    this.#socket = undefined
    this.#port = 0
  }

  #send(port: number, address: string): void {
    const nowUs = this.#nowUs()
    if (this.#sentUs !== undefined && nowUs - this.#sentUs < PROBE_LOST_US) return
    if (this.#sentUs !== undefined && this.#hasReturned) this.#note(PROBE_LOST_US)
    this.#sentUs = nowUs
    this.#socket?.send(PROBE, port, address, () => {})
  }

  #note(waitedUs: number): void {
    this.#lateInARow = waitedUs > this.#limitUs ? this.#lateInARow + 1 : 0
  }
}
