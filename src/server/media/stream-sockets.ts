import { openDgramSocket } from './dgram-receiver.ts'
import type { PacketHandler, PacketReceiver } from './packet-receiver.ts'

/** The RTP and the RTCP socket of one media stream. */
export interface StreamSockets {
  readonly port: number
  /** Of the RTP socket: datagrams that the kernel dropped because nobody read in time. */
  readonly overflows: number
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
  readonly onRtp: PacketHandler
  readonly onRtcp: PacketHandler
}): Promise<StreamSockets> {
  const { receiver, address, port, receiveBufferBytes, onRtp, onRtcp } = options
  const rtp = await receiver.open({ address, port, receiveBufferBytes, onPacket: onRtp })
  try {
    const rtcp = await openDgramSocket({ address, port: port + 1, onPacket: onRtcp }, options.nowUs)
    return {
      port,
      get overflows() {
        return rtp.overflows
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
