/** Where a datagram came from, as the kernel says; an IPv6 address without its zone. */
export interface PacketSource {
  readonly address: string
  readonly port: number
}

/**
 * Takes one datagram. The memory of `bytes` is lent: it holds another datagram as soon as the handler returns, so whoever keeps
 * something of it keeps a copy. `arrivalUs` is monotonic and never runs backwards within one socket. `source` may be the same object
 * for many datagrams, and is not changed.
 */
export type PacketHandler = (bytes: Uint8Array, arrivalUs: number, source: PacketSource) => void

export interface PacketSocketOptions {
  readonly address: string
  readonly port: number
  /** Asked of the kernel, which may grant less; undefined leaves its default. */
  readonly receiveBufferBytes?: number
  readonly onPacket: PacketHandler
}

/** A bound socket that something is received on. */
export interface PacketSocket {
  readonly port: number
  /** Datagrams that the kernel dropped because nobody read in time; 0 where it does not tell. */
  readonly overflows: number
  /** May be called again. */
  close(): void
}

/**
 * What receives the RTP of one worker thread. Two implementations keep the same contract: `dgram`, which always works and hands over
 * each datagram as it comes, and `native`, which takes all that has come when {@link PacketReceiver.receive} is called.
 */
export interface PacketReceiver {
  readonly name: PacketReceiverName
  readonly counters: ReceiverCounters
  /** Rejects with {@link PortBusyError} when another program has the port, else with the system's error. */
  open(options: PacketSocketOptions): Promise<PacketSocket>
  /** Hands over what waits in the sockets; with `dgram` the event loop does it, and this nothing. */
  receive(): void
}

/** Of all sockets, those that are closed included. */
export interface ReceiverCounters {
  /** Datagrams dropped because they were longer than there was room for. */
  readonly truncated: number
  /** Datagrams that the kernel dropped because nobody read in time; 0 where it does not tell. */
  readonly overflows: number
}

export type PacketReceiverName = 'dgram' | 'native'

export class PortBusyError extends Error {
  readonly port: number
  constructor(port: number, cause: unknown) {
    super(`UDP port ${port} is taken`, { cause })
    this.port = port
  }
}

/** Another port may be free where this one is not. */
export function isPortError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES')
}
