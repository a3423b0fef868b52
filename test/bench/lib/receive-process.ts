/**
 * Receives datagrams on the sockets of the media plane and does nothing with them: what receiving alone costs. A process of its own, so that
 * only that is in its CPU time. Started by `profile.ts`, which sends.
 */
import { createReceiver, chooseReceiver, type ReceiverSetting } from '../../../src/server/media/receiver-choice.ts'
import { bindStreamSockets } from '../../../src/server/media/stream-sockets.ts'
import { monotonicUs } from '../../../src/server/monotonic.ts'

const RECEIVE_BUFFER_BYTES = 1 << 20
/** As often as the media worker wakes. */
const WAKE_MS = 100

interface Ask {
  readonly ports: readonly number[]
  /** `auto` unless given. */
  readonly receiver?: ReceiverSetting
  readonly wakeMs?: number
}

let packets = 0
let before = process.cpuUsage()

async function bind({ ports, receiver: setting = 'auto', wakeMs = WAKE_MS }: Ask): Promise<void> {
  const receiver = createReceiver(chooseReceiver(setting), monotonicUs)
  for (const port of ports) {
    await bindStreamSockets({
      receiver,
      nowUs: monotonicUs,
      address: '127.0.0.1',
      port,
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      onRtp: () => {
        packets += 1
      },
      onRtcp: () => {},
    })
  }
  setInterval(() => receiver.receive(), wakeMs)
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
