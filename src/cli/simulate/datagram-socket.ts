import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { lookup } from 'node:dns'
import { once } from 'node:events'
import { isIP } from 'node:net'

/**
 * A UDP socket of the family of `address`, whose `send` hands a datagram to the kernel before it returns when the destination
 * is an address. Node's own asks the resolver first, even then: slow for RTP, and what was sent last is lost by a `close`.
 */
export function createDatagramSocket(address: string, recvBufferSize?: number): Socket {
  return createSocket({
    type: isIP(address) === 6 ? 'udp6' : 'udp4',
    lookup: (host, options, callback) => {
      const family = isIP(host)
      if (family === 0) lookup(host, options, callback)
      else callback(null, host, family)
    },
    ...(recvBufferSize === undefined ? {} : { recvBufferSize }),
  })
}

/** Binds to a port of `address`; 0 is any that is free. Rejects when it is taken. */
export async function bindDatagramSocket(socket: Socket, address: string, port = 0): Promise<void> {
  // Listened for first: as the lookup answers at once, so does bind.
  const listening = once(socket, 'listening')
  socket.bind(port, address)
  await listening
}
