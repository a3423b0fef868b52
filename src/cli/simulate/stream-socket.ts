import type { Socket } from 'node:dgram'
import { bindDatagramSocket, createDatagramSocket } from './datagram-socket.ts'

const EVEN_PORT_ATTEMPTS_MAX = 64

/** Where the recorder wants the RTP and RTCP of one media stream. */
export interface MediaDestination {
  readonly address: string
  readonly rtpPort: number
  readonly rtcpPort: number
}

/** The SRC's socket of one media stream; RTP and RTCP leave by it. */
export interface StreamSocket {
  readonly port: number
  sendRtp(datagram: Uint8Array): void
  sendRtcp(datagram: Uint8Array): void
  aimAt(destination: MediaDestination): void
  close(): void
}

/** Binds a socket to an even port of `address`, as RTP wants it. RFC 3550 11 */
export async function openStreamSocket(address: string): Promise<StreamSocket> {
  const socket = await bindEven(address)
  let destination: MediaDestination | undefined
  socket.on('error', () => undefined) // A recorder that has closed its port already: its business.
  const send = (datagram: Uint8Array, port: number | undefined): void => {
    if (destination !== undefined) socket.send(datagram, port, destination.address)
  }
  return {
    port: socket.address().port,
    sendRtp: (datagram) => send(datagram, destination?.rtpPort),
    sendRtcp: (datagram) => send(datagram, destination?.rtcpPort),
    aimAt: (wanted) => {
      destination = wanted
    },
    close: () => socket.close(),
  }
}

async function bindEven(address: string): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    const socket = createDatagramSocket(address)
    await bindDatagramSocket(socket, address)
    if (socket.address().port % 2 === 0 || attempt === EVEN_PORT_ATTEMPTS_MAX) return socket
    socket.close()
  }
}
