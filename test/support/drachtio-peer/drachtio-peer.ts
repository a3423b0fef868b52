import { connect, createServer, type Server } from 'node:net'
import type { BoundAddress } from '../../../src/server/signalling/port.ts'
import { AdminWire, type AdminText } from './admin-wire.ts'
import type { PeerDialog } from './peer-dialog.ts'
import { type PeerApplication, PeerStack, type ServerTransaction } from './peer-stack.ts'

const LOOPBACK = '127.0.0.1'
const VERSION = 'v0.9.4'

export interface DrachtioPeerOptions {
  readonly secret?: string
  /** T1 of the SIP timers, milliseconds. */
  readonly t1Ms?: number
  /** 0 for any. */
  readonly adminPort?: number
  /** Instead of waiting for applications, connects to one for each new request, as its web callback would have it. */
  readonly routeTo?: { readonly host: string; readonly port: number }
  readonly version?: string
}

/** Stands for a drachtio-server in tests. See the README for what it is and is not. */
export class DrachtioPeer implements PeerApplication {
  readonly #secret: string
  readonly #version: string
  readonly #routeTo: { readonly host: string; readonly port: number } | undefined
  readonly #stack: PeerStack
  readonly #wires = new Set<AdminWire>()
  readonly #routes = new Map<string, Set<AdminWire>>()
  readonly #dialogs = new Map<PeerDialog, AdminWire>()
  /** Who was given a request, by its transaction. */
  readonly #given = new Map<string, AdminWire>()
  /** Who sent a request, by its transaction. */
  readonly #senders = new Map<string, AdminWire>()
  /** What waits for a connection that was just made to authenticate. */
  readonly #pending = new Map<AdminWire, () => void>()
  #server: Server | undefined
  #sip: readonly BoundAddress[] = []

  private constructor(options: DrachtioPeerOptions) {
    this.#secret = options.secret ?? 'test-secret'
    this.#version = options.version ?? VERSION
    this.#routeTo = options.routeTo
    this.#stack = new PeerStack(this, options.t1Ms ?? 500)
  }

  static async open(options: DrachtioPeerOptions = {}): Promise<DrachtioPeer> {
    const peer = new DrachtioPeer(options)
    peer.#sip = await peer.#stack.open()
    await peer.openAdmin(options.adminPort)
    return peer
  }

  /** The port applications connect to. */
  get adminPort(): number {
    const address = this.#server?.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Where SRCs send their INVITEs. */
  at(transport: 'udp' | 'tcp'): BoundAddress {
    const found = this.#sip.find((address) => address.transport === transport)
    if (found === undefined) throw new Error(`not listening on ${transport}`)
    return found
  }

  get connectionCount(): number {
    return [...this.#wires].filter((wire) => wire.isOpen).length
  }

  get stack(): PeerStack {
    return this.#stack
  }

  async openAdmin(port = 0): Promise<void> {
    const server = createServer((socket) =>
      this.#accept(new AdminWire(socket, (message, wire) => this.#read(message, wire))),
    )
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, LOOPBACK, resolve)
    })
    this.#server = server
  }

  /** Takes no connections any more and cuts those there are; SIP goes on, dialogs stay. */
  async closeAdmin(): Promise<void> {
    const closed = new Promise<void>((resolve) =>
      this.#server === undefined ? resolve() : this.#server.close(() => resolve()),
    )
    this.cutConnections()
    await closed
  }

  cutConnections(): void {
    for (const { socket } of this.#wires) socket.destroy()
    this.#wires.clear()
    this.#routes.clear()
  }

  /** Bytes as they are, to every application. */
  sendBytes(bytes: Uint8Array | string): void {
    for (const { socket } of this.#wires) socket.write(bytes)
  }

  async close(): Promise<void> {
    await this.closeAdmin()
    await this.#stack.close()
  }

  toApplication(message: Parameters<PeerApplication['toApplication']>[0]): boolean {
    const { meta, transactionId, dialog, method, invite, raw } = message
    const deliver = (wire: AdminWire): void => {
      if (dialog === undefined) wire.send(['sip', ...meta, transactionId, '', LOOPBACK, '5060', ''], raw)
      else wire.send(['sip', ...meta, transactionId, dialog.id, ''], raw)
    }
    const wire = this.#wireFor({ dialog, method, invite })
    if (wire === undefined && dialog === undefined && method !== 'CANCEL' && this.#routeTo !== undefined) {
      this.#connectOut((made) => {
        this.#given.set(transactionId, made)
        deliver(made)
      })
      return true
    }
    if (wire === undefined) return false
    this.#given.set(invite?.id ?? transactionId, wire)
    deliver(wire)
    return true
  }

  responseToApplication(message: Parameters<PeerApplication['responseToApplication']>[0]): void {
    const { meta, transactionId, dialog, raw } = message
    const wire = this.#senders.get(transactionId)
    if (wire?.isOpen === true) wire.send(['sip', ...meta, transactionId, dialog.id, ''], raw)
  }

  #wireFor(of: {
    readonly dialog: PeerDialog | undefined
    readonly method: string
    readonly invite: ServerTransaction | undefined
  }): AdminWire | undefined {
    const given = of.invite === undefined ? undefined : this.#given.get(of.invite.id)
    const own = of.dialog === undefined ? given : (this.#dialogs.get(of.dialog) ?? given)
    // A dialog belongs to the connection that answered it: drachtio-server looks for no other.
    if (of.dialog !== undefined || given !== undefined) return own?.isOpen === true ? own : undefined
    return [...(this.#routes.get(of.method.toLowerCase()) ?? [])].find((wire) => wire.isOpen)
  }

  #accept(wire: AdminWire): void {
    this.#wires.add(wire)
    wire.socket.once('close', () => this.#wires.delete(wire))
  }

  #connectOut(ready: (wire: AdminWire) => void): void {
    if (this.#routeTo === undefined) return
    const wire = new AdminWire(connect(this.#routeTo), (message, from) => this.#read(message, from))
    this.#accept(wire)
    this.#pending.set(wire, () => ready(wire))
  }

  #read(message: AdminText, wire: AdminWire): void {
    const [id = '', type = '', first = '', second = ''] = message.words
    const answer = (...words: readonly string[]): void => wire.send(['response', id, ...words])
    if (type === 'authenticate') this.#authenticate(first, wire, answer)
    else if (type === 'route') {
      const wires = this.#routes.get(first) ?? new Set()
      this.#routes.set(first, wires.add(wire))
      answer('OK')
    } else if (type === 'ping') answer('OK', 'pong')
    else if (type !== 'sip') answer('NO', 'Unknown message type')
    else if (message.startLine.startsWith('SIP/')) this.#respond(first, message, wire)
    else this.#request(second, message, wire)
  }

  #authenticate(secret: string, wire: AdminWire, answer: (...words: readonly string[]) => void): void {
    if (secret !== this.#secret) {
      answer('NO', 'incorrect secret')
      wire.socket.end()
      return
    }
    const hostports = this.#sip.map(({ transport, address, port }) => `${transport}/${address}:${port}`)
    answer('OK', hostports.join(','), this.#version)
    this.#pending.get(wire)?.()
    this.#pending.delete(wire)
  }

  #respond(transactionId: string, message: AdminText, wire: AdminWire): void {
    const [, code = '', ...reason] = message.startLine.split(' ')
    const outcome = this.#stack.respond(transactionId, Number(code), reason.join(' '), message)
    if (typeof outcome === 'string') return wire.send(['response', message.words[0] ?? '', 'NOK', outcome])
    const { meta, dialog, raw } = outcome
    if (dialog !== undefined && !this.#dialogs.has(dialog)) this.#dialogs.set(dialog, wire)
    wire.send(
      ['response', message.words[0] ?? '', 'OK', ...meta, transactionId, dialog?.id ?? '', '', 'Msg sent:', ''],
      raw,
    )
  }

  #request(dialogId: string, message: AdminText, wire: AdminWire): void {
    const [method = ''] = message.startLine.split(' ')
    const outcome = this.#stack.request(dialogId, method, message)
    if (typeof outcome === 'string') return wire.send(['response', message.words[0] ?? '', 'NOK', outcome])
    this.#senders.set(outcome.id, wire)
    wire.send(['response', message.words[0] ?? '', 'OK', ...outcome.meta, outcome.id, 'Msg sent:', ''], outcome.raw)
  }
}
