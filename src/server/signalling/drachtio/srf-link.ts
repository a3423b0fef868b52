import { Server, type Socket } from 'node:net'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import type { SipMessage, SipRequest, SipResponse } from '../../../protocol/sip/message.ts'
import type { BoundAddress } from '../port.ts'
import { AdminFrameReader } from './admin-frame-reader.ts'
import { binaryText, readAdminMessage } from './admin-message.ts'
import {
  type LibraryAgent,
  type LibraryContent,
  type LibraryRequest,
  type LibraryResponse,
  openLibrary,
} from './drachtio-library.ts'
import { readHostports } from './hostports.ts'

/**
 * Bytes of one frame of ours: drachtio-server keeps what it reads in a ring of 12,228 bytes. An answer of so many bytes would be to an offer
 * of a hundred media lines.
 */
export const FRAME_BYTES_SENT_MAX = 12_000
/** Bytes that drachtio-server may leave unread before the connection is given up. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024
/** How long drachtio-server may take to answer our secret. */
const AUTHENTICATE_MS = 10_000
/** Silence after which we ask whether drachtio-server is there; twice as much, and it is not. */
const PING_MS = 15_000

/** Requests outside of a dialog that we ask for. INFO is one whose dialog drachtio-server does not know any more: it gets 481. */
const METHODS = ['invite', 'options', 'info'] as const

/** A connection with drachtio-server, as a name. */
export type AdminConnection = Socket

/** What becomes of something we sent: taken by drachtio-server and given to the network, or not. */
export type Delivery =
  | { readonly ok: true; readonly stackDialogId: string | undefined }
  | { readonly ok: false; readonly sentence: string; readonly isUnknownDialog: boolean }

export interface Content {
  readonly headers: readonly SipHeader[]
  readonly body?: Uint8Array
}

/** A request from the network, or one that drachtio-server sent by itself and tells of. */
export interface IncomingRequest {
  readonly request: SipRequest
  /** False: it was too long, its end is missing. */
  readonly isWhole: boolean
  /** A BYE that drachtio-server sent; there is nothing to answer. */
  readonly isUnsolicited: boolean
  readonly connection: AdminConnection
  /** drachtio-server's name of the dialog, when it has one. */
  readonly stackDialogId: string | undefined
  readonly source: BoundAddress
  respond(
    answer: Content & { readonly status: number; readonly reason: string },
    done: (delivery: Delivery) => void,
  ): void
}

/** What happens to a request of ours. */
export interface Exchange {
  /** The final answer. That to an INVITE is acknowledged. */
  answered(response: SipResponse): void
  /** It did not leave drachtio-server. */
  failed(delivery: Delivery & { readonly ok: false }): void
}

/** Where the link tells what happens. It may throw: that is caught. */
export interface SrfLinkSink {
  /** drachtio-server took our secret. `sip`: where it listens, as far as it says. */
  handleUp(
    connection: AdminConnection,
    server: { readonly sip: readonly BoundAddress[]; readonly version: string },
  ): void
  handleSecretRefused(connection: AdminConnection): void
  handleDown(connection: AdminConnection): void
  handleRequest(request: IncomingRequest): void
  handleCancel(invite: IncomingRequest, cancel: SipRequest): void
  handleDropped(reason: string): void
  handleFailure(error: unknown): void
}

/**
 * drachtio-srf and its connections, with a reader and writer of our own between the two.
 *
 * The library knows the protocol: it authenticates, asks for requests, and finds the request of each answer and the message of
 * each receipt. What the messages say goes past it, as bytes. See the README.
 */
export class SrfLink {
  readonly #sink: SrfLinkSink
  readonly #newId: () => string
  readonly #asksForRequests: boolean
  readonly #server = new Server()
  readonly #agent: LibraryAgent
  readonly #readers = new Map<AdminConnection, AdminFrameReader>()
  /** Until our secret is taken. */
  readonly #patience = new Map<AdminConnection, NodeJS.Timeout>()
  readonly #up = new Set<AdminConnection>()
  /** What the frame says that the library is being told of: it calls back before it returns. */
  #current:
    | { readonly connection: AdminConnection; readonly sip: SipMessage | undefined; readonly isWhole: boolean }
    | undefined

  /** @param options `asksForRequests`: on a connection that we made, drachtio-server must be told what we want */
  constructor(
    sink: SrfLinkSink,
    options: { readonly secret: string; readonly newId: () => string; readonly asksForRequests: boolean },
  ) {
    this.#sink = sink
    this.#newId = options.newId
    this.#asksForRequests = options.asksForRequests
    this.#agent = openLibrary({
      server: this.#server,
      secret: binaryText(options.secret),
      methods: METHODS,
      handle: (request, response) => this.#handle(request, response),
    })
    this.#agent.wp._onData = (socket, bytes) => this.#guard(() => this.#receive(socket, bytes))
    this.#agent.wp.send = (socket, text) => this.#send(socket, text)
    this.#agent.on('connect', (error, hostports, version) => this.#authenticated(error, hostports ?? '', version ?? ''))
  }

  /** Takes over a connection that was just made. */
  open(connection: AdminConnection): void {
    this.#readers.set(connection, new AdminFrameReader())
    connection.setNoDelay(true)
    this.#patience.set(
      connection,
      setTimeout(() => connection.destroy(new Error('ETIMEDOUT')), AUTHENTICATE_MS),
    )
    connection.once('close', () => {
      this.#stopWaiting(connection)
      this.#readers.delete(connection)
      if (this.#up.delete(connection)) this.#guard(() => this.#sink.handleDown(connection))
    })
    // Also gives it the library's own listeners, and sends the secret.
    this.#server.emit('connection', connection)
  }

  /** Sends a request inside a dialog. */
  request(
    connection: AdminConnection,
    request: Content & { readonly method: string; readonly stackDialogId: string },
    exchange: Exchange,
  ): void {
    const { method, stackDialogId } = request
    const refuse = (sentence: string): void =>
      exchange.failed({ ok: false, sentence, isUnknownDialog: sentence.includes('unable to find dialog') })
    if (!this.#up.has(connection)) {
      refuse('the connection is gone')
      return
    }
    if (isTooLong(request)) {
      this.#sink.handleDropped('drachtioTooLong')
      refuse('too long')
      return
    }
    const message = { method, stackDialogId, _socket: connection, ...contentOf(request) }
    this.#agent.request(message, (error, sent) => {
      if (error !== null || sent === undefined) {
        refuse(error?.message ?? 'not sent')
        return
      }
      sent.on('response', (response, acknowledge) => this.#answered(response, acknowledge, exchange))
      sent.on('update', (update, response) => this.#handle(update, response))
    })
  }

  /** Ends a connection once what was written is sent. */
  close(connection: AdminConnection): void {
    connection.end(() => connection.destroy())
  }

  #receive(connection: AdminConnection, bytes: Uint8Array): void {
    const frames = this.#readers.get(connection)?.push(bytes)
    if (frames === undefined) {
      this.#sink.handleDropped('drachtioFraming')
      connection.destroy()
      return
    }
    for (const frame of frames) {
      // One message that cannot be handled must not take those after it along.
      this.#guard(() => {
        const { words, sip, reduced, isWhole } = readAdminMessage(frame)
        const isReadable = words[1] === 'response' || (words[1] === 'sip' && sip !== undefined)
        if (!isReadable) return this.#sink.handleDropped('drachtioMessage')
        this.#current = { connection, sip, isWhole }
        this.#agent.wp.emit('msg', connection, reduced)
      })
      this.#current = undefined
    }
  }

  #send(connection: AdminConnection, text: string): string {
    const id = this.#newId()
    const payload = `${id}|${text}`
    connection.write(Buffer.from(`${payload.length}#${payload}`, 'latin1'))
    if (connection.writableLength > UNREAD_BYTES_MAX) {
      this.#sink.handleDropped('drachtioUnread')
      connection.destroy()
    }
    return id
  }

  #authenticated(error: Error | null, hostports: string, version: string): void {
    const connection = this.#current?.connection
    if (connection === undefined) return
    if (error !== null) {
      this.#sink.handleSecretRefused(connection)
      connection.destroy()
      return
    }
    this.#stopWaiting(connection)
    this.#up.add(connection)
    this.#watch(connection)
    if (this.#asksForRequests) this.#agent.routeVerbs(connection)
    this.#sink.handleUp(connection, { sip: readHostports(hostports), version })
  }

  #stopWaiting(connection: AdminConnection): void {
    clearTimeout(this.#patience.get(connection))
    this.#patience.delete(connection)
  }

  /** A machine that is gone sends no FIN: asks now and then for a sign of life. */
  #watch(connection: AdminConnection): void {
    let isAsked = false
    connection.on('data', () => {
      isAsked = false
    })
    connection.on('timeout', () => {
      if (isAsked) connection.destroy(new Error('ETIMEDOUT'))
      else this.#send(connection, 'ping')
      isAsked = true
    })
    connection.setTimeout(PING_MS)
  }

  #handle(request: LibraryRequest, response: LibraryResponse): void {
    const { sip, isWhole = true } = this.#current ?? {}
    if (sip?.kind !== 'request') return
    const incoming: IncomingRequest = {
      request: sip,
      isWhole,
      isUnsolicited: request.source === 'application',
      connection: request.socket,
      stackDialogId: request.stackDialogId === '' ? undefined : request.stackDialogId,
      source: sourceOf(request),
      respond: (answer, done) => this.#respond(response, answer, done),
    }
    request.on('cancel', () => {
      const cancel = this.#current?.sip
      if (cancel?.kind === 'request') this.#sink.handleCancel(incoming, cancel)
    })
    request.on('update', (update, updateResponse) => this.#handle(update, updateResponse))
    this.#sink.handleRequest(incoming)
  }

  #respond(
    response: LibraryResponse,
    answer: Content & { readonly status: number; readonly reason: string },
    done: (delivery: Delivery) => void,
  ): void {
    if (isTooLong(answer)) {
      this.#sink.handleDropped('drachtioTooLong')
      // Whoever asked must not wait for an answer that never comes.
      const refusal = { status: 500, reason: 'Answer Too Long', headers: [] }
      if (answer.status >= 200) this.#respond(response, refusal, () => {})
      done({ ok: false, sentence: 'too long', isUnknownDialog: false })
      return
    }
    response.status = answer.status
    response.msg.reason = binaryText(oneLine(answer.reason))
    this.#agent.sendResponse(response, contentOf(answer), (error) => {
      if (error === null) done({ ok: true, stackDialogId: response.stackDialogId })
      else done({ ok: false, sentence: String(error), isUnknownDialog: false })
    })
  }

  #answered(response: LibraryResponse, acknowledge: () => void, exchange: Exchange): void {
    const sip = this.#current?.sip
    if (sip?.kind !== 'response') return
    const isInvite = sip.headers.first('CSeq')?.endsWith('INVITE') === true
    // The library makes a PRACK of it where that is due (RFC 3262 4). The ACK of a refusal is drachtio-server's.
    if ((sip.status < 200 && sip.headers.first('RSeq') !== undefined) || (isInvite && isSuccess(sip.status)))
      acknowledge()
    if (response.status >= 200) exchange.answered(sip)
  }

  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#sink.handleFailure(error)
    }
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

function isTooLong({ headers, body }: Content): boolean {
  const length = headers.reduce((sum, { name, value }) => sum + name.length + 3 * value.length + 4, body?.length ?? 0)
  return length > FRAME_BYTES_SENT_MAX
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]/gu, ' ')
}

function contentOf({ headers, body }: Content): LibraryContent {
  const values = new Map<string, string>()
  for (const { name, value } of headers) {
    const before = values.get(name)
    const text = binaryText(oneLine(value))
    // The library has one value for each name, and not every header may be joined by commas (RFC 3261 7.3.1).
    values.set(name, before === undefined ? text : `${before}\r\n${name}: ${text}`)
  }
  const content = { headers: Object.fromEntries(values) }
  return body === undefined || body.length === 0 ? content : { ...content, body: Buffer.from(body).toString('latin1') }
}

function sourceOf({ protocol, source_address: address, source_port: port }: LibraryRequest): BoundAddress {
  const transport = protocol === 'tcp' || protocol === 'tls' ? protocol : 'udp'
  return { transport, address: address.replace(/^\[|\]$/gu, ''), port }
}
