import { randomUUID } from 'node:crypto'
import { buildResponse, responseTarget } from '../../../src/protocol/sip/build-response.ts'
import type { SipFlow } from '../../../src/protocol/sip/flow.ts'
import type { SipHeader } from '../../../src/protocol/sip/header-list.ts'
import { inspectRequest, type RequestFacts, statusOfReject, topVia } from '../../../src/protocol/sip/inspect-request.ts'
import type { SipRequest, SipResponse } from '../../../src/protocol/sip/message.ts'
import { parseMessage } from '../../../src/protocol/sip/parse-message.ts'
import { optionTags } from '../../../src/protocol/sip/scalar-headers.ts'
import { serialize } from '../../../src/protocol/sip/serialize-message.ts'
import { formatHostPort } from '../../../src/protocol/sip/uri.ts'
import { paramValue } from '../../../src/protocol/sip/params.ts'
import { parseVia } from '../../../src/protocol/sip/via.ts'
import type { BoundAddress } from '../../../src/server/signalling/port.ts'
import { PeerDialog } from './peer-dialog.ts'
import { PeerSockets } from './peer-sockets.ts'

/** What the application says: a response or a request. */
export interface Said {
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
}

/** Where a message came from, in the words of the admin protocol: `source|bytes|protocol|address|port|time`. */
type Meta = readonly string[]

export interface PeerApplication {
  /** False when no application wants it. `dialog`: the one it is in; `isNew`: it may start one. */
  toApplication(message: {
    readonly meta: Meta
    readonly transactionId: string
    readonly dialog: PeerDialog | undefined
    readonly method: string
    readonly invite?: ServerTransaction
    readonly raw: Uint8Array
  }): boolean
  responseToApplication(message: {
    readonly meta: Meta
    readonly transactionId: string
    readonly dialog: PeerDialog
    readonly raw: Uint8Array
  }): void
}

export interface ServerTransaction {
  readonly id: string
  readonly request: SipRequest
  readonly facts: RequestFacts
  readonly flow: SipFlow
  readonly localTag: string
  dialog: PeerDialog | undefined
  last: Uint8Array | undefined
  status: number
  reliable: number
}

interface ClientTransaction {
  readonly id: string
  readonly method: string
  readonly dialog: PeerDialog
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly timer: NodeJS.Timeout
}

/** Headers that the application may not set. */
const IMMUTABLE = new Set([
  'via',
  'from',
  'to',
  'call-id',
  'cseq',
  'content-length',
  'record-route',
  'route',
  'max-forwards',
])
const OUTSIDE = new Set(['INVITE', 'OPTIONS', 'INFO', 'MESSAGE', 'NOTIFY', 'SUBSCRIBE', 'PUBLISH', 'REGISTER'])
const MIN_SESSION_SECONDS = 90

/** The SIP side of the peer: transactions and dialogs over UDP and TCP, on the project's own parser, printer and sockets. */
export class PeerStack {
  readonly #application: PeerApplication
  readonly #t1Ms: number
  readonly #sockets: PeerSockets
  readonly #transactions = new Map<string, ServerTransaction>()
  readonly #byId = new Map<string, ServerTransaction>()
  readonly #dialogs = new Map<string, PeerDialog>()
  readonly #clients = new Map<string, ClientTransaction>()
  readonly #acks = new Map<PeerDialog, number>()

  constructor(application: PeerApplication, t1Ms: number) {
    this.#application = application
    this.#t1Ms = t1Ms
    this.#sockets = new PeerSockets((bytes, flow) => this.#receive(bytes, flow))
  }

  async open(): Promise<readonly BoundAddress[]> {
    return this.#sockets.open()
  }

  async close(): Promise<void> {
    for (const { timer } of this.#clients.values()) clearTimeout(timer)
    for (const dialog of this.#dialogs.values()) clearTimeout(dialog.ackTimer)
    await this.#sockets.close()
  }

  /** What a restart of drachtio-server does to its dialogs. */
  forgetDialogs(): void {
    for (const dialog of this.#dialogs.values()) clearTimeout(dialog.ackTimer)
    this.#dialogs.clear()
  }

  /** What drachtio-server does when the session timer of a dialog has run out. */
  expireSessions(): void {
    for (const dialog of this.#dialogs.values()) this.#terminate(dialog, 'Session timer expired')
  }

  dialogById(id: string): PeerDialog | undefined {
    return this.#dialogs.get(id)
  }

  /** Sends what the application answers. A text: why not. */
  respond(
    transactionId: string,
    status: number,
    reason: string,
    said: Said,
  ): { readonly meta: Meta; readonly dialog: PeerDialog | undefined; readonly raw: Uint8Array } | string {
    const transaction = this.#byId.get(transactionId)
    if (transaction === undefined || transaction.status >= 200) return 'Response not sent due to unknown transaction'
    const { request } = transaction
    const isInvite = request.method === 'INVITE'
    if (isInvite && transaction.dialog === undefined) this.#addDialog(transaction)
    const headers = this.#headersOf(said, transaction)
    const wantsReliable = headers.some(({ name, value }) => name === 'Require' && value.includes('100rel'))
    if (isInvite && status < 200 && wantsReliable) {
      const knows = ['Require', 'Supported'].some((name) => optionTags(request.headers, name).includes('100rel'))
      if (!knows) return 'Remote endpoint does not support 100rel'
      transaction.reliable += 1
      headers.push({ name: 'RSeq', value: String(transaction.reliable) })
    }
    if (isInvite && status < 300 && !headers.some(({ name }) => name === 'Contact')) {
      headers.push({ name: 'Contact', value: `<sip:${this.#own(transaction.flow)}>` })
    }
    const raw = this.#send(transaction, status, reason, { headers, body: said.body })
    const { dialog } = transaction
    if (isInvite && dialog !== undefined && status >= 200) this.#settleInvite(transaction, dialog, status)
    return { meta: metaOf(raw, transaction.flow, 'application'), dialog, raw }
  }

  /** Sends a request of the application inside a dialog. A text: why not. */
  request(
    dialogId: string,
    method: string,
    said: Said,
  ): { readonly meta: Meta; readonly id: string; readonly raw: Uint8Array } | string {
    const dialog = this.#dialogs.get(dialogId)
    if (dialog === undefined || dialog.isOver) return 'Server error: unable to find dialog for dialog id provided'
    const headers = said.headers
      .filter(([name]) => !IMMUTABLE.has(name.toLowerCase()))
      .map(([name, value]) => ({ name: pretty(name), value: this.#localise(value, dialog.flow) }))
    const hasType = headers.some(({ name }) => name === 'Content-Type')
    if (said.body.length > 0 && !hasType) return 'Server error: missing content-type'
    const acked = method === 'ACK' ? this.#acks.get(dialog) : undefined
    const built = dialog.build(method, {
      headers,
      body: said.body,
      ...(acked === undefined ? {} : { sequence: acked }),
    })
    const id = randomUUID()
    if (method !== 'ACK') this.#addClient(dialog, method, { ...built, id })
    this.#sockets.send(built.bytes, built.target)
    return { meta: metaOf(built.bytes, dialog.flow, 'application'), id, raw: built.bytes }
  }

  #addClient(
    dialog: PeerDialog,
    method: string,
    sent: { readonly bytes: Uint8Array; readonly branch: string; readonly sequence: number; readonly id: string },
  ): void {
    const { branch, sequence, id, bytes } = sent
    const timer = setTimeout(() => {
      this.#clients.delete(branch)
      const raw = serialize({
        startLine: 'SIP/2.0 408 Request Timeout',
        headers: [
          { name: 'Call-ID', value: dialog.sipCallId },
          { name: 'CSeq', value: `${sequence} ${method}` },
        ],
      })
      this.#application.responseToApplication({
        meta: metaOf(raw, dialog.flow, 'network'),
        transactionId: id,
        dialog,
        raw,
      })
      if (method === 'BYE') this.#remove(dialog)
    }, 64 * this.#t1Ms)
    this.#clients.set(branch, { id, method, dialog, sequence, bytes, timer })
    if (method === 'INVITE') this.#acks.set(dialog, sequence)
  }

  #receive(bytes: Uint8Array, flow: SipFlow): void {
    const message = parseMessage(bytes)
    if (!message.ok) return
    // The buffer is the socket's.
    const raw = Uint8Array.from(bytes)
    if (message.value.kind === 'request') this.#request(message.value, raw, flow)
    else this.#response(message.value, raw, flow)
  }

  #request(request: SipRequest, raw: Uint8Array, flow: SipFlow): void {
    const inspected = inspectRequest(request, flow)
    if (!inspected.ok) {
      const via = topVia(request)
      const [status, reason] = statusOfReject(inspected.reason)
      if (via.ok && request.method !== 'ACK')
        this.#sockets.send(
          buildResponse(request, via.value, flow, { status, reason, toTag: undefined }),
          responseTarget(via.value, flow),
        )
      return
    }
    const facts = inspected.value
    const dialog = this.#dialogOf(facts)
    if (request.method === 'ACK') return this.#ack(request, raw, { facts, flow, dialog })
    const known = this.#transactions.get(facts.transactionKey)
    if (known !== undefined) {
      if (known.last !== undefined) this.#sockets.send(known.last, responseTarget(known.facts.via, known.flow))
      return
    }
    const transaction: ServerTransaction = {
      id: randomUUID(),
      request,
      facts,
      flow,
      localTag: randomUUID(),
      dialog,
      last: undefined,
      status: 0,
      reliable: 0,
    }
    this.#transactions.set(facts.transactionKey, transaction)
    this.#byId.set(transaction.id, transaction)
    if (request.method === 'CANCEL') return this.#cancel(transaction, raw)
    if (request.method === 'INVITE') this.#send(transaction, 100, 'Trying')
    if (dialog === undefined) return this.#outside(transaction, raw)
    this.#inside(transaction, dialog, raw)
  }

  #outside(transaction: ServerTransaction, raw: Uint8Array): void {
    const { method } = transaction.request
    if (!OUTSIDE.has(method)) return this.#refuse(transaction, 481, 'Call/Transaction Does Not Exist')
    const isTaken = this.#application.toApplication({
      meta: metaOf(raw, transaction.flow, 'network'),
      transactionId: transaction.id,
      dialog: undefined,
      method,
      raw,
    })
    if (!isTaken) this.#refuse(transaction, 503, 'Service Unavailable')
  }

  #inside(transaction: ServerTransaction, dialog: PeerDialog, raw: Uint8Array): void {
    const { request, flow } = transaction
    dialog.flow = flow
    const seconds = Number.parseInt(request.headers.first('Session-Expires') ?? '', 10)
    if ((request.method === 'INVITE' || request.method === 'UPDATE') && seconds < MIN_SESSION_SECONDS) {
      this.#send(transaction, 422, 'Session Timer Too Small', {
        headers: [{ name: 'Min-SE', value: String(MIN_SESSION_SECONDS) }],
        body: new Uint8Array(),
      })
      return
    }
    if (request.method === 'PRACK' && !this.#isAwaited(request, dialog)) {
      this.#refuse(transaction, 481, 'Call/Transaction Does Not Exist')
      return
    }
    const isTaken = this.#application.toApplication({
      meta: metaOf(raw, flow, 'network'),
      transactionId: transaction.id,
      dialog,
      method: request.method,
      raw,
    })
    if (request.method !== 'BYE') return
    this.#remove(dialog)
    if (!isTaken) this.#refuse(transaction, 481, 'Call/Transaction Does Not Exist')
  }

  /** Whether a PRACK acknowledges a provisional response of the dialog's INVITE. RFC 3262 3 */
  #isAwaited(prack: SipRequest, dialog: PeerDialog): boolean {
    const [rseq, cseq] = (prack.headers.first('RAck') ?? '').split(' ')
    return [...this.#byId.values()].some(
      ({ dialog: own, request, reliable, facts }) =>
        own === dialog &&
        request.method === 'INVITE' &&
        Number(rseq) > 0 &&
        Number(rseq) <= reliable &&
        Number(cseq) === facts.sequenceNumber,
    )
  }

  #ack(
    request: SipRequest,
    raw: Uint8Array,
    {
      facts,
      flow,
      dialog,
    }: { readonly facts: RequestFacts; readonly flow: SipFlow; readonly dialog: PeerDialog | undefined },
  ): void {
    const invite = this.#transactions.get(facts.inviteKey)
    if (dialog === undefined || (invite !== undefined && invite.status >= 300)) return
    clearTimeout(dialog.ackTimer)
    dialog.ackTimer = undefined
    this.#application.toApplication({
      meta: metaOf(raw, flow, 'network'),
      transactionId: randomUUID(),
      dialog,
      method: request.method,
      raw,
    })
  }

  #cancel(cancel: ServerTransaction, raw: Uint8Array): void {
    const invite = this.#transactions.get(cancel.facts.inviteKey)
    if (invite === undefined || invite.status >= 200) {
      this.#refuse(cancel, 481, 'Call/Transaction Does Not Exist')
      if (invite?.dialog !== undefined && invite.status < 300) this.#terminate(invite.dialog, 'CANCEL after 200 OK')
      return
    }
    this.#send(cancel, 200, 'OK')
    this.#application.toApplication({
      meta: metaOf(raw, cancel.flow, 'network'),
      transactionId: invite.id,
      dialog: invite.dialog,
      method: 'CANCEL',
      invite,
      raw,
    })
    this.#refuse(invite, 487, 'Request Terminated')
    if (invite.dialog?.isAnswered === false) this.#remove(invite.dialog)
  }

  #response(response: SipResponse, raw: Uint8Array, flow: SipFlow): void {
    const via = parseVia(response.headers.first('Via') ?? '')
    const branch = via.ok ? (paramValue(via.value.params, 'branch') ?? '') : ''
    const client = this.#clients.get(branch)
    if (client === undefined) return
    const { method, dialog, id, sequence, timer } = client
    if (response.status >= 200) {
      clearTimeout(timer)
      this.#clients.delete(branch)
    }
    if (method === 'INVITE' && response.status >= 300) {
      const ack = dialog.build('ACK', { headers: [], sequence })
      this.#sockets.send(ack.bytes, ack.target)
    }
    this.#application.responseToApplication({ meta: metaOf(raw, flow, 'network'), transactionId: id, dialog, raw })
    if (method === 'BYE' && response.status >= 200) this.#remove(dialog)
  }

  #settleInvite(transaction: ServerTransaction, dialog: PeerDialog, status: number): void {
    if (status >= 300) {
      if (!dialog.isAnswered) this.#remove(dialog)
      return
    }
    const isFirst = !dialog.isAnswered
    dialog.isAnswered = true
    const { facts, flow } = transaction
    const startedMs = performance.now()
    const again = (intervalMs: number): void => {
      dialog.ackTimer = setTimeout(() => {
        if (performance.now() - startedMs >= 64 * this.#t1Ms) {
          if (isFirst) this.#terminate(dialog, 'ACK timeout')
          return
        }
        if (flow.transport === 'udp' && transaction.last !== undefined)
          this.#sockets.send(transaction.last, responseTarget(facts.via, flow))
        again(Math.min(2 * intervalMs, 8 * this.#t1Ms))
      }, intervalMs)
    }
    again(this.#t1Ms)
  }

  /** BYE of drachtio-server's own, which it tells the application of as `unsolicited`. */
  #terminate(dialog: PeerDialog, text: string): void {
    clearTimeout(dialog.ackTimer)
    const bye = dialog.build('BYE', { headers: [{ name: 'Reason', value: `SIP ;cause=200 ;text="${text}"` }] })
    this.#sockets.send(bye.bytes, bye.target)
    this.#application.toApplication({
      meta: metaOf(bye.bytes, dialog.flow, 'application'),
      transactionId: 'unsolicited',
      dialog,
      method: 'BYE',
      raw: bye.bytes,
    })
    this.#remove(dialog)
  }

  #addDialog(transaction: ServerTransaction): void {
    const { request, facts, flow, localTag } = transaction
    const dialog = new PeerDialog(request, facts, flow, localTag)
    transaction.dialog = dialog
    this.#dialogs.set(dialog.id, dialog)
  }

  #remove(dialog: PeerDialog): void {
    clearTimeout(dialog.ackTimer)
    dialog.isOver = true
    this.#dialogs.delete(dialog.id)
    this.#acks.delete(dialog)
  }

  #dialogOf({ sipCallId, toTag, fromTag }: RequestFacts): PeerDialog | undefined {
    if (toTag === undefined) return undefined
    for (const dialog of this.#dialogs.values()) {
      if (dialog.sipCallId === sipCallId && dialog.localTag === toTag && dialog.remoteTag === fromTag) return dialog
    }
    return undefined
  }

  #refuse(transaction: ServerTransaction, status: number, reason: string): void {
    this.#send(transaction, status, reason)
  }

  #send(
    transaction: ServerTransaction,
    status: number,
    reason: string,
    content: { readonly headers: readonly SipHeader[]; readonly body: Uint8Array } = {
      headers: [],
      body: new Uint8Array(),
    },
  ): Uint8Array {
    const { request, facts, flow, localTag } = transaction
    const toTag = facts.toTag === undefined && status > 100 ? localTag : undefined
    const routes =
      status > 100 && status < 300
        ? request.headers.all('Record-Route').map((value) => ({ name: 'Record-Route', value }))
        : []
    const { headers, body } = content
    const parts = { status, reason, toTag, headers: [...routes, ...headers], ...(body.length === 0 ? {} : { body }) }
    const bytes = buildResponse(request, facts.via, flow, parts)
    transaction.last = bytes
    transaction.status = status
    this.#sockets.send(bytes, responseTarget(facts.via, flow))
    return bytes
  }

  #headersOf({ headers }: Said, { flow }: ServerTransaction): SipHeader[] {
    return headers
      .filter(([name]) => !IMMUTABLE.has(name.toLowerCase()))
      .map(([name, value]) => ({ name: pretty(name), value: this.#localise(value, flow) }))
  }

  /** drachtio-server puts its own address where it reads `@localhost`. */
  #localise(value: string, flow: SipFlow): string {
    return value.replace('@localhost', `@${this.#own(flow)}`)
  }

  #own({ localAddress, localPort }: SipFlow): string {
    return formatHostPort(localAddress, localPort)
  }
}

/** drachtio-server prints every header with capitals, whatever it was given. */
function pretty(name: string): string {
  return name.toLowerCase().replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
}

function metaOf(raw: Uint8Array, flow: SipFlow, source: 'network' | 'application'): Meta {
  return [source, String(raw.length), flow.transport, flow.address, String(flow.port), '00:00:00.000000']
}
