import type { OutgoingRtcp } from '../../recorder/stream-rtcp.ts'
import { openDgramSocket } from './dgram-receiver.ts'
import type { PacketHandler, PacketReceiver } from './packet-receiver.ts'

/** The RTP and the RTCP socket of one media stream. */
export interface StreamSockets {
  readonly port: number
  /** Of the RTP socket: datagrams that the kernel dropped because nobody read in time. */
  readonly overflows: number
  /** Sends one datagram; what cannot be sent is lost, as datagrams are. */
  send(outgoing: OutgoingRtcp): void
  close(): void
}

/**
 * Binds the pair `port`, `port + 1`: RTP to the receiver of the thread, RTCP to a socket of Node's own, because few packets come there
 * and answers go out of it. Throws {@link PortBusyError} when another program has one of them, and the system's error
 * when trying other ports would not help (the address is not of this machine, no descriptor is left).
 */
export async function bindStreamSockets(options: {
  readonly receiver: PacketReceiver
  readonly nowUs: () => number
  readonly address: string
  readonly port: number
  readonly receiveBufferBytes: number
  /** RTCP shares the port of RTP: then what receives RTP must be able to send from it. RFC 5761 */
  readonly isMuxed?: boolean
  readonly onRtp: PacketHandler
  readonly onRtcp: PacketHandler
}): Promise<StreamSockets> {
  const { receiver, nowUs, address, port, receiveBufferBytes, isMuxed, onRtp, onRtcp } = options
  const rtpOptions = { address, port, receiveBufferBytes, onPacket: onRtp }
  const muxed = isMuxed === true ? await openDgramSocket(rtpOptions, nowUs) : undefined
  const rtp = muxed ?? (await receiver.open(rtpOptions))
  try {
    const rtcp = await openDgramSocket({ address, port: port + 1, onPacket: onRtcp }, nowUs)
    return {
      port,
      get overflows() {
        return rtp.overflows
      },
      send: ({ bytes, address, port: toPort, via }) => {
        const from = via === 'rtp' && muxed !== undefined ? muxed.socket : rtcp.socket
        // Whoever is not there is heard of by the missing of their RTP, not by ours.
        from.send(bytes, toPort, address, () => {})
      },
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
