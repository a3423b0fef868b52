import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

const LOOPBACK = '127.0.0.1'
const ATTEMPTS_MAX = 200
/** RFC 863 */
const DISCARD_PORT = 9

/** A UDP port on loopback that nobody uses now. Another process may take it before you do: retry when that happens. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/**
 * A UDP port on loopback at which nobody is, nor can be before `close`: what holds it hears one other address alone, and the kernel tells everybody else that the port is
 * unreachable.
 */
export async function deadUdpPort(): Promise<{ readonly port: number; readonly close: () => void }> {
  const socket = createSocket('udp4')
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  socket.connect(DISCARD_PORT, LOOPBACK)
  await once(socket, 'connect')
  return { port: socket.address().port, close: () => socket.close() }
}

/** A TCP port on loopback that nobody uses now. */
export async function freeTcpPort(): Promise<number> {
  const server = createServer()
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A port free for UDP and TCP at once, as a SIP listener wants it. */
export async function freeSipPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = await freeTcpPort()
    if (await isUdpPortFree(port)) return port
  }
  throw new Error('no port is free for both UDP and TCP on loopback')
}

/** The first of `count` adjacent free UDP ports; even, as RTP wants it (RFC 3550 11). */
export async function freeUdpPortRange(count: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const first = (await freeUdpPort()) & ~1
    if (first + count > 65_536) continue
    const free = await Promise.all(Array.from({ length: count }, (_, offset) => isUdpPortFree(first + offset)))
    if (free.every(Boolean)) return first
  }
  throw new Error(`no ${count} adjacent UDP ports are free on loopback`)
}

async function isUdpPortFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  const bound = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind(port, LOOPBACK, () => resolve(true))
  })
  socket.close()
  return bound
}
