import type { Socket } from 'node:dgram'
import { bindDatagramSocket, createDatagramSocket } from './datagram-socket.ts'

const EVEN_PORT_ATTEMPTS_MAX = 64

/** Where the recorder wants the RTP and RTCP of one media stream. */
export interface MediaDestination {
  readonly address: string
  readonly rtpPort: number
  readonly rtcpPort: number
}

/** The SRC's socket of one media stream; RTP and RTCP leave by it, RTCP by one of its own where that is listened for. */
export interface StreamSocket {
  readonly port: number
  sendRtp(datagram: Uint8Array): void
  sendRtcp(datagram: Uint8Array): void
  /** Hands over what comes on the port for RTCP; nothing does without one. */
  onRtcp(handle: (datagram: Uint8Array) => void): void
  aimAt(destination: MediaDestination): void
  close(): void
}

/**
 * Binds a socket to an even port of `address`, as RTP wants it. RFC 3550 11
 *
 * @param receivesRtcp binds the odd port above too
 */
export async function openStreamSocket(address: string, receivesRtcp = false): Promise<StreamSocket> {
  const { socket, rtcpSocket } = await bindPair(address, receivesRtcp)
  let destination: MediaDestination | undefined
  // A recorder that has closed its port already: its business.
  for (const each of [socket, rtcpSocket]) each?.on('error', () => undefined)
  const send = (from: Socket, datagram: Uint8Array, port: number | undefined): void => {
    if (destination !== undefined) from.send(datagram, port, destination.address)
  }
  return {
    port: socket.address().port,
    sendRtp: (datagram) => send(socket, datagram, destination?.rtpPort),
    sendRtcp: (datagram) => send(rtcpSocket ?? socket, datagram, destination?.rtcpPort),
    onRtcp: (handle) => void rtcpSocket?.on('message', handle),
    aimAt: (wanted) => {
      destination = wanted
    },
    close: () => {
      socket.close()
      rtcpSocket?.close()
    },
  }
}

interface SocketPair {
  readonly socket: Socket
  readonly rtcpSocket: Socket | undefined
}

async function bindPair(address: string, receivesRtcp: boolean): Promise<SocketPair> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === EVEN_PORT_ATTEMPTS_MAX
    const socket = createDatagramSocket(address)
    await bindDatagramSocket(socket, address)
    const { port } = socket.address()
    if (port % 2 === 0 || isLast) {
      const rtcpSocket = receivesRtcp ? await bindAbove(address, port + 1, isLast) : undefined
      if (rtcpSocket !== undefined || !receivesRtcp) return { socket, rtcpSocket }
    }
    socket.close()
  }
}

/** Undefined when somebody else has that port, and there is another try. */
async function bindAbove(address: string, port: number, isLast: boolean): Promise<Socket | undefined> {
  const socket = createDatagramSocket(address)
  try {
    await bindDatagramSocket(socket, address, port)
    return socket
  } catch (error) {
    socket.close()
    if (isLast) throw error
    return undefined
  }
}
