import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** The RTP and the RTCP socket of one media stream. */
export interface StreamSockets {
  readonly port: number
  close(): void
}

export class PortBusyError extends Error {
  readonly port: number
  constructor(port: number, cause: unknown) {
    super(`UDP port ${port} is taken`, { cause })
    this.port = port
  }
}

/**
 * Binds the pair `port`, `port + 1`; throws {@link PortBusyError} when another program has one of them, and the system's error
 * when trying other ports would not help (the address is not of this machine, no descriptor is left).
 */
export async function bindStreamSockets(options: {
  readonly address: string
  readonly port: number
  readonly receiveBufferBytes: number
  readonly onRtp: (datagram: Uint8Array) => void
  readonly onRtcp: (datagram: Uint8Array) => void
}): Promise<StreamSockets> {
  const rtp = await bind(options.address, options.port, options.onRtp)
  try {
    const rtcp = await bind(options.address, options.port + 1, options.onRtcp)
    enlarge(rtp, options.receiveBufferBytes)
    return {
      port: options.port,
      close: () => {
        rtp.close()
        rtcp.close()
      },
    }
  } catch (error) {
    rtp.close()
    throw error
  }
}

async function bind(address: string, port: number, onMessage: (datagram: Uint8Array) => void): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
  socket.on('message', onMessage)
  socket.bind({ address, port, exclusive: true })
  try {
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw isPortError(error) ? new PortBusyError(port, error) : error
  }
  // A later error (an ICMP answer, say) must not end the worker; the stream just has nothing to read.
  socket.on('error', () => {})
  return socket
}

function isPortError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES')
}

/** The kernel's default holds some 250 packets; a busy machine needs room for seconds. Refusal is no reason to fail. */
function enlarge(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes)
  } catch {
    // The limit of the system (net.core.rmem_max) stays in force.
  }
}
