import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

import {
  isPortError,
  PortBusyError,
  type PacketReceiver,
  type PacketSocket,
  type PacketSocketOptions,
  type PacketSource,
} from './packet-receiver.ts'

/** A socket that can send too, as RTCP must. */
export interface DgramSocket extends PacketSocket {
  readonly socket: Socket
}

/** Receives through Node's own UDP sockets: no compiler is needed, and each datagram costs a turn through the event loop. */
export class DgramReceiver implements PacketReceiver {
  readonly name = 'dgram'
  readonly counters = { truncated: 0, overflows: 0 }
  readonly #nowUs: () => number

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs
  }

  open(options: PacketSocketOptions): Promise<PacketSocket> {
    return openDgramSocket(options, this.#nowUs)
  }

  receive(): void {}
}

/** @throws PortBusyError when another program has the port; the system's error when trying others would not help */
export async function openDgramSocket(options: PacketSocketOptions, nowUs: () => number): Promise<DgramSocket> {
  const { address, port, receiveBufferBytes, onPacket } = options
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
  socket.on('message', (bytes, from) => onPacket(bytes, nowUs(), withoutZone(from)))
  socket.bind({ address, port, exclusive: true })
  try {
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw isPortError(error) ? new PortBusyError(port, error) : error
  }
  // A later error (an ICMP answer, say) must not end the worker; the stream just has nothing to read.
  socket.on('error', () => {})
  if (receiveBufferBytes !== undefined) enlarge(socket, receiveBufferBytes)
  let isOpen = true
  return {
    port,
    overflows: 0,
    socket,
    close: () => {
      if (isOpen) socket.close()
      isOpen = false
    },
  }
}

function withoutZone(from: RemoteInfo): PacketSource {
  const zoneAt = from.address.indexOf('%')
  return zoneAt < 0 ? from : { address: from.address.slice(0, zoneAt), port: from.port }
}

/** The kernel's default holds some 250 packets; a busy machine needs room for seconds. Refusal is no reason to fail. */
function enlarge(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes)
  } catch {
    // The limit of the system (net.core.rmem_max) stays in force.
  }
}
