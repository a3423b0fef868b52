import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/** Peers whose local address is remembered; the longest known one is forgotten first. */
export const LOCAL_ADDRESSES_MAX = 4096
/** Lookups under way at a time; a peer beyond gets the address of the last one found. */
export const LOCAL_ADDRESS_LOOKUPS_MAX = 64
/** Requests of one peer that may wait for its lookup. */
const WAITING_MAX = 256
/** Routes change: after this time a peer is looked up again. Milliseconds. */
const REMEMBERED_MS = 300_000
/** Any port: nothing is sent to it. RFC 863 */
const DISCARD_PORT = 9

type Waiting = (localAddress: string) => void

/**
 * Finds which of our addresses a peer reaches us at when we listen at all of them, by asking the kernel for its route to the peer
 * (a connected UDP socket; no packet is sent).
 */
export class LocalAddressFinder {
  readonly #nowUs: () => number
  readonly #known = new Map<string, { readonly localAddress: string; readonly foundUs: number }>()
  readonly #lookups = new Map<string, Waiting[]>()
  readonly #lastFound = new Map<'udp4' | 'udp6', string>()
  readonly #onOverflow: () => void

  /** @param onOverflow is told of each datagram that was not looked up, or was dropped, because of the bounds */
  constructor(nowUs: () => number, onOverflow: () => void) {
    this.#nowUs = nowUs
    this.#onOverflow = onOverflow
  }

  /** Calls back with our address: at once when it is known, later when not. Callbacks of one peer come in the order of the calls. */
  find(peerAddress: string, waiting: Waiting): void {
    const lookup = this.#lookups.get(peerAddress)
    if (lookup !== undefined) {
      if (lookup.length < WAITING_MAX) lookup.push(waiting)
      else this.#onOverflow()
      return
    }
    const known = this.#known.get(peerAddress)
    if (known !== undefined && this.#nowUs() - known.foundUs < REMEMBERED_MS * 1000) {
      waiting(known.localAddress)
      return
    }
    if (this.#lookups.size >= LOCAL_ADDRESS_LOOKUPS_MAX) {
      this.#onOverflow()
      waiting(this.#fallback(peerAddress))
      return
    }
    this.#lookups.set(peerAddress, [waiting])
    this.#lookUp(peerAddress)
  }

  #lookUp(peerAddress: string): void {
    const family = isIPv6(peerAddress) ? 'udp6' : 'udp4'
    const socket = createSocket(family)
    const finish = (localAddress: string | undefined): void => {
      socket.close()
      if (localAddress !== undefined) {
        this.#lastFound.set(family, localAddress)
        this.#remember(peerAddress, localAddress)
      }
      const waiting = this.#lookups.get(peerAddress) ?? []
      this.#lookups.delete(peerAddress)
      for (const callback of waiting) callback(localAddress ?? this.#fallback(peerAddress))
    }
    socket.once('error', () => finish(undefined))
    socket.once('connect', () => finish(withoutZone(socket.address().address)))
    socket.connect(DISCARD_PORT, peerAddress)
  }

  #remember(peerAddress: string, localAddress: string): void {
    this.#known.delete(peerAddress)
    const oldest = this.#known.keys().next()
    if (this.#known.size >= LOCAL_ADDRESSES_MAX && oldest.done !== true) this.#known.delete(oldest.value)
    this.#known.set(peerAddress, { localAddress, foundUs: this.#nowUs() })
  }

  #fallback(peerAddress: string): string {
    const isV6 = isIPv6(peerAddress)
    return this.#lastFound.get(isV6 ? 'udp6' : 'udp4') ?? (isV6 ? '::1' : '127.0.0.1')
  }
}

/** `fe80::1%eth0` without the zone, which means nothing to a peer. */
export function withoutZone(address: string): string {
  const percent = address.indexOf('%')
  return percent === -1 ? address : address.slice(0, percent)
}
