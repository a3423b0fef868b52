import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { EarwitnessError } from '../../errors.ts'
import { StreamFramer } from '../../protocol/sip/stream-framer.ts'
import { bindDatagramSocket, createDatagramSocket } from './datagram-socket.ts'
import type { SipTarget } from './options.ts'
import { targetUri } from './options.ts'
import type { NextHop } from './src-dialog.ts'
import type { SrcAddress } from './src-requests.ts'

export interface SignallingEvents {
  /** A whole SIP message, and the way back to its sender. */
  handleMessage(bytes: Uint8Array, respond: (bytes: Uint8Array) => void): void
  /** The connection is gone (TCP only). */
  handleLost(): void
}

/** One socket to the recorder that all recording sessions of a run share, as those of an SBC do. */
export interface SignallingSocket {
  readonly local: SrcAddress
  send(bytes: Uint8Array, nextHop: NextHop | undefined): void
  close(): void
}

const CONNECT_PATIENCE_MS = 5_000
/** How long a refusal (ICMP port unreachable) is waited for before UDP is believed to reach somebody. */
const PROBE_MS = 150
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

/** @throws EarwitnessError `simulate-unreachable` when the name is unknown or nobody listens there */
export async function openSignallingSocket(target: SipTarget, events: SignallingEvents): Promise<SignallingSocket> {
  const found = await lookup(target.host).catch((error: unknown) => {
    throw unreachable(target, `The host name ${target.host} cannot be resolved`, error)
  })
  const remote = { host: found.address, port: target.port }
  return target.transport === 'udp' ? await openUdp(target, remote, events) : await openTcp(target, remote, events)
}

async function openUdp(target: SipTarget, remote: NextHop, events: SignallingEvents): Promise<SignallingSocket> {
  const address = await probeUdp(target, remote)
  const socket = createDatagramSocket(address, RECEIVE_BUFFER_BYTES)
  await bindDatagramSocket(socket, address)
  socket.on('error', () => undefined) // Lost datagrams are what retransmission is for.
  socket.on('message', (bytes, from) => {
    events.handleMessage(bytes, (response) => socket.send(response, from.port, from.address))
  })
  return {
    local: { transport: 'udp', address, port: socket.address().port },
    send: (bytes, nextHop) => {
      const { host, port } = nextHop ?? remote
      socket.send(bytes, port, host, () => undefined)
    },
    close: () => socket.close(),
  }
}

// A connected socket learns which of our addresses faces the recorder, and is told by the kernel when nobody listens there.
// What it sends is the keep-alive of RFC 5626 4.4.1, which every SIP element ignores.
async function probeUdp(target: SipTarget, remote: NextHop): Promise<string> {
  const probe = createDatagramSocket(remote.host)
  try {
    const connected = once(probe, 'connect')
    probe.connect(remote.port, remote.host)
    await connected
    const { address } = probe.address()
    const refusal = once(probe, 'error', { signal: AbortSignal.timeout(PROBE_MS) }).then(
      ([error]: unknown[]) => error,
      () => undefined,
    )
    probe.send('\r\n\r\n')
    const error = await refusal
    if (error !== undefined) throw unreachable(target, 'Nothing listens', error)
    return address
  } catch (error) {
    throw error instanceof EarwitnessError ? error : unreachable(target, 'Nothing can be sent', error)
  } finally {
    probe.close()
  }
}

async function openTcp(target: SipTarget, remote: NextHop, events: SignallingEvents): Promise<SignallingSocket> {
  const socket = connect({ host: remote.host, port: remote.port, noDelay: true })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_PATIENCE_MS) })
  } catch (error) {
    socket.destroy()
    throw unreachable(target, 'Nothing listens', error)
  }
  const framer = new StreamFramer()
  let closing = false
  socket.on('error', () => undefined) // 'close' follows and says it all.
  socket.on('close', () => {
    if (!closing) events.handleLost()
  })
  socket.on('data', (bytes) => {
    for (const item of framer.push(bytes)) {
      if (item.kind === 'message') events.handleMessage(item.bytes, (response) => void socket.write(response))
      else if (item.kind === 'ping') socket.write('\r\n')
      else socket.destroy()
    }
  })
  return {
    local: { transport: 'tcp', address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    send: (bytes) => void socket.write(bytes),
    close: () => {
      closing = true
      socket.end()
      socket.unref()
    },
  }
}

function unreachable(target: SipTarget, what: string, cause: unknown): EarwitnessError {
  return new EarwitnessError(
    'simulate-unreachable',
    `${what} at ${targetUri(target)} (${target.transport.toUpperCase()}).`,
    'Start the recorder (npm start), or say where it is with --to sip:HOST:PORT.',
    { cause },
  )
}
