import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

import type { PortPool } from '../media/port-pool.ts'

/** Pairs that are tried when another program has one. */
const PORT_TRIES = 8

/** The two sockets of one announcement. */
export interface AnnouncementSockets {
  /** Even; RTCP is at the next. */
  readonly port: number
  readonly rtp: Socket
  readonly rtcp: Socket
  /** Gives the ports back; once, however often it is called. */
  close(): void
}

/** Binds a pair of ports out of the pool; undefined when none is free. */
export async function openSockets(pool: PortPool, bindAddress: string): Promise<AnnouncementSockets | undefined> {
  for (let tried = 0; tried < PORT_TRIES; tried += 1) {
    const ports = pool.take(1)
    const port = ports?.[0]
    if (ports === undefined || port === undefined) return undefined
    const rtp = await bind(bindAddress, port)
    const rtcp = rtp === undefined ? undefined : await bind(bindAddress, port + 1)
    if (rtp !== undefined && rtcp !== undefined) {
      let isOpen = true
      const close = (): void => {
        if (!isOpen) return
        isOpen = false
        rtp.close()
        rtcp.close()
        pool.give(ports)
      }
      return { port, rtp, rtcp, close }
    }
    rtp?.close()
    pool.give(ports)
  }
  return undefined
}

/** Whether packets can be exchanged between a socket of ours and an address in one spelling. `::` listens to IPv4 too. RFC 4291 2.5.5.2 */
export function isReachable(address: string, bindAddress: string): boolean {
  if (isIPv6(address) || bindAddress === '::') return isIPv6(bindAddress)
  return !isIPv6(bindAddress)
}

/** An address as a socket of that family takes it: IPv4 inside IPv6. */
export function sendableAddress(address: string, isIpv6Socket: boolean): string {
  return isIpv6Socket && !isIPv6(address) ? `::ffff:${address}` : address
}

async function bind(address: string, port: number): Promise<Socket | undefined> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
  try {
    socket.bind({ address, port, exclusive: true })
    await once(socket, 'listening')
  } catch {
    socket.close()
    return undefined
  }
  // An ICMP error for a packet of ours: the caller's port is closed, which the end of the dialog will say.
  socket.on('error', () => {})
  return socket
}
