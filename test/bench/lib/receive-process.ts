/**
 * Receives datagrams on the sockets of the media plane and does nothing with them: what receiving alone costs. A process of its own, so that
 * only that is in its CPU time. Started by `profile.ts`, which sends.
 */
import { bindStreamSockets } from '../../../src/server/media/stream-sockets.ts'

const RECEIVE_BUFFER_BYTES = 1 << 20

interface Ask {
  readonly ports: readonly number[]
}

let packets = 0
let before = process.cpuUsage()

async function bind({ ports }: Ask): Promise<void> {
  for (const port of ports) {
    await bindStreamSockets({
      address: '127.0.0.1',
      port,
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      onRtp: () => {
        packets += 1
      },
      onRtcp: () => {},
    })
  }
  process.send?.('bound')
}

process.on('message', (message: Ask | 'begin' | 'report') => {
  if (message === 'begin') {
    packets = 0
    before = process.cpuUsage()
    process.send?.('begun')
  } else if (message === 'report') {
    const { user, system } = process.cpuUsage(before)
    process.send?.({ packets, cpuUs: user + system })
  } else void bind(message)
})
