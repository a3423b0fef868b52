import { isIPv6 } from 'node:net'
import { EarwitnessError } from '../../errors.ts'
import type { SipFlow, SipTarget } from '../../protocol/sip/flow.ts'
import type { ParsedMessage } from '../../protocol/sip/parse-message.ts'
import { parseHostPort } from '../../protocol/sip/uri.ts'
import { HostResolver } from './host-resolver.ts'
import { LocalAddressFinder, withoutZone } from './local-address.ts'
import type { BoundAddress } from './port.ts'
import { TcpListener, type TcpPeer } from './tcp-listener.ts'
import type { TlsSettings } from './tls-files.ts'
import { UdpListener } from './udp-listener.ts'

type Listener =
  | { readonly transport: 'udp'; readonly socket: UdpListener; readonly bound: BoundAddress }
  | { readonly transport: 'tcp' | 'tls'; readonly socket: TcpListener; readonly bound: BoundAddress }

const ANY_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

export interface ListenersOptions {
  readonly listen: readonly BoundAddress[]
  /** Host, or host and port, by which SRCs reach us when that is not the address of a socket. */
  readonly advertise: string | undefined
  /** Needed when a TLS address is listened at. */
  readonly tls: TlsSettings | undefined
  readonly nowUs: () => number
  /** How long datagrams may wait in a socket before {@link Listeners.isLate}. */
  readonly queueWaitUs: number
  /** Takes one datagram. Must not throw. */
  readonly receiveDatagram: (datagram: Uint8Array, flow: SipFlow) => void
  /** Takes one message of a connection; returns false when it was not SIP. Must not throw. */
  readonly receiveMessage: (message: ParsedMessage, flow: SipFlow) => boolean
  readonly drop: (reason: string) => void
  readonly fail: (error: Error) => void
}

/** All sockets of the embedded stack: gives each message its {@link SipFlow} and sends to a {@link SipTarget}. */
export class Listeners {
  readonly #options: ListenersOptions
  readonly #listeners: Listener[] = []
  readonly #localAddresses: LocalAddressFinder
  readonly #hosts: HostResolver
  readonly #advertised: { readonly host: string; readonly port: number | undefined } | undefined
  #connections = 0

  constructor(options: ListenersOptions) {
    this.#options = options
    this.#localAddresses = new LocalAddressFinder(options.nowUs, () => options.drop('localAddressOverflow'))
    this.#hosts = new HostResolver(options.nowUs)
    if (options.advertise === undefined) return
    const advertised = parseHostPort(options.advertise)
    if (!advertised.ok) {
      throw new EarwitnessError(
        'sip-advertise-invalid',
        `sip.advertise is not a host or address: ${options.advertise}`,
        'Write a name or address, with a port if it differs: recorder.example.com, 192.0.2.10:5080 or [2001:db8::10]:5080.',
      )
    }
    this.#advertised = advertised.value
  }

  /** Opens all sockets, or none. */
  async open(): Promise<readonly BoundAddress[]> {
    try {
      for (const at of this.#options.listen) this.#listeners.push(await this.#openOne(at, this.#listeners.length))
    } catch (error) {
      await this.close()
      throw error
    }
    return this.#listeners.map(({ bound }) => bound)
  }

  /** Whether the datagrams of one of the sockets have waited there for longer than they may. */
  get isLate(): boolean {
    return this.#listeners.some(({ transport, socket }) => transport === 'udp' && socket.isLate)
  }

  /**
   * Reads the files of all TLS listeners again.
   *
   * @throws EarwitnessError `sip-tls-files`; then the old certificates stay in force
   */
  reloadCertificates(): void {
    for (const { transport, socket } of this.#listeners) if (transport !== 'udp') socket.reloadCertificates()
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map(({ socket }) => socket.close()))
  }

  /** Sends a message. Never throws; what cannot be sent is counted. */
  send(bytes: Uint8Array, target: SipTarget): void {
    const own = this.#listeners[target.listenerId]
    if (own !== undefined && own.transport !== 'udp' && target.connectionId !== undefined) {
      if (own.socket.send(bytes, target.connectionId)) return
    }
    if (target.kind === 'response') {
      // RFC 3261 18.2.2 allows a new connection for it; the client that closed its own has given up instead.
      if (own?.transport === 'udp') own.socket.send(bytes, target.port, target.host)
      else this.#options.drop('connectionGone')
      return
    }
    const listener = own?.transport === target.transport ? own : this.#listenerFor(target.transport)
    if (listener === undefined) {
      this.#options.drop('transportMissing')
      return
    }
    const family = isIPv6(listener.bound.address) ? 6 : 4
    const { fallback, host, otherwise, port } = target
    const onFailed = otherwise && (() => this.send(otherwise.bytes, otherwise.target))
    const options = { host, ...(onFailed === undefined ? {} : { onFailed }) }
    this.#hosts.resolve(target.host, family, (address) => {
      if (address !== undefined) this.#sendTo(listener, bytes, { address, port }, options)
      else if (fallback !== undefined) this.#sendTo(listener, bytes, fallback, options)
      else this.#options.drop('hostUnknown')
    })
  }

  #sendTo(
    listener: Listener,
    bytes: Uint8Array,
    to: { readonly address: string; readonly port: number },
    options: { readonly host: string; readonly onFailed?: () => void },
  ): void {
    if (listener.transport === 'udp') listener.socket.send(bytes, to.port, to.address)
    else listener.socket.connectAndSend(bytes, to.port, to.address, options)
  }

  #listenerFor(transport: SipTarget['transport']): Listener | undefined {
    return this.#listeners.find((listener) => listener.transport === transport)
  }

  async #openOne(at: BoundAddress, listenerId: number): Promise<Listener> {
    const { address, port, transport } = at
    const { fail, drop, nowUs, queueWaitUs } = this.#options
    if (transport === 'udp') {
      const socket = new UdpListener({
        address,
        port,
        fail,
        nowUs,
        queueWaitUs,
        receive: (datagram, source) => this.#receiveDatagram(datagram, source, listenerId),
      })
      return { transport, socket, bound: await socket.open() }
    }
    const { tls } = this.#options
    if (transport === 'tcp' || tls !== undefined) {
      const socket = new TcpListener({
        address,
        port,
        fail,
        drop,
        ...(transport === 'tls' && tls !== undefined ? { tls } : {}),
        nextConnectionId: () => ++this.#connections,
        receive: (message, peer) => this.#receiveFromConnection(message, peer, listenerId),
      })
      return { transport, socket, bound: await socket.open() }
    }
    throw new EarwitnessError(
      'sip-tls-files',
      'SIP over TLS needs a certificate and its key.',
      'Set sip.tls.certFile and sip.tls.keyFile, or remove the tls: entries from sip.listen.',
    )
  }

  #receiveDatagram(
    datagram: Uint8Array,
    source: { readonly address: string; readonly port: number },
    listenerId: number,
  ): void {
    const bound = this.#listeners[listenerId]?.bound
    if (bound === undefined) return
    const deliver = (localAddress: string): void => {
      const flow: SipFlow = {
        transport: 'udp',
        address: source.address,
        port: source.port,
        localAddress: this.#advertised?.host ?? localAddress,
        localPort: this.#advertised?.port ?? bound.port,
        listenerId,
        connectionId: undefined,
      }
      this.#options.receiveDatagram(datagram, flow)
    }
    if (this.#advertised !== undefined || !ANY_ADDRESSES.has(bound.address)) deliver(bound.address)
    else this.#localAddresses.find(source.address, deliver)
  }

  #receiveFromConnection(message: ParsedMessage, peer: TcpPeer, listenerId: number): boolean {
    const bound = this.#listeners[listenerId]?.bound
    if (bound === undefined) return false
    return this.#options.receiveMessage(message, {
      transport: bound.transport,
      address: peer.address,
      port: peer.port,
      localAddress: this.#advertised?.host ?? withoutZone(peer.localAddress),
      localPort: this.#advertised?.port ?? bound.port,
      listenerId,
      connectionId: peer.connectionId,
      tlsNames: peer.tlsNames,
    })
  }
}
