import type { SipMessage, SipRequest, SipResponse } from '../../protocol/sip/message.ts'
import { parseNameAddr } from '../../protocol/sip/name-addr.ts'
import { NonInviteClientTransaction } from '../../protocol/sip/non-invite-client-transaction.ts'
import { listValues, parseCSeq } from '../../protocol/sip/scalar-headers.ts'
import type { SipTimers } from '../../protocol/sip/timers.ts'
import { transactionTimeoutUs } from '../../protocol/sip/timers.ts'
import { parseSipUri } from '../../protocol/sip/uri.ts'
import { BRANCH_COOKIE, parseVia } from '../../protocol/sip/via.ts'
import { InviteClientTransaction } from './invite-client-transaction.ts'
import type { OutgoingBody } from './offer.ts'
import { buildRequest, buildResponse } from './src-requests.ts'
import type { DialogIdentity } from './src-requests.ts'

/** How a recording session came to its end, seen from the SRC. */
export type SrcDialogEnd =
  | { readonly cause: 'refused'; readonly status: number }
  /** Nobody answered the INVITE, or no final answer came. */
  | { readonly cause: 'timeout' }
  | { readonly cause: 'cancelled' }
  /** Our BYE was answered, with this status. */
  | { readonly cause: 'bye'; readonly status: number }
  | { readonly cause: 'byeTimeout' }
  | { readonly cause: 'recorderBye' }
  | { readonly cause: 'connectionLost' }

/** Where in-dialog requests go over UDP: the recorder's Contact, or its first Record-Route. */
export interface NextHop {
  readonly host: string
  readonly port: number
}

/** Takes what the dialog gives out. `nextHop` is undefined until the recorder has answered: send to the target then. */
export interface SrcDialogSink {
  send(bytes: Uint8Array, nextHop: NextHop | undefined): void
  /** Answers the request being handled, back to where it came from. RFC 3261 18.2.2 */
  respond(bytes: Uint8Array): void
  /** The first 200: its SDP. The dialog has sent the ACK. */
  handleAnswer(sdp: Uint8Array, nowUs: number): void
  /** Final response to a re-INVITE, with its SDP when that is a 2xx; 408 when none came. */
  handleReinviteAnswer(status: number, sdp?: Uint8Array): void
  handleEnded(end: SrcDialogEnd, nowUs: number): void
}

export interface SrcDialogOptions {
  readonly identity: DialogIdentity
  readonly timers: SipTimers
  /** A fresh random text for each branch. */
  readonly randomToken: () => string
  readonly sink: SrcDialogSink
}

const DEFAULT_SIP_PORT = 5060
/** INVITEs of one dialog whose repeated responses are still recognised; older ones are forgotten. */
const INVITES_REMEMBERED_MAX = 8

interface OpenInvite {
  readonly branch: string
  readonly sequenceNumber: number
  readonly transaction: InviteClientTransaction
  /** The ACK to its 2xx, for when the 2xx is repeated. RFC 3261 13.2.2.4 */
  ack: Uint8Array | undefined
}

interface OpenRequest {
  readonly method: 'BYE' | 'CANCEL'
  readonly branch: string
  readonly transaction: NonInviteClientTransaction
}

/**
 * The SRC's side of one SIP dialog: places the INVITE, ACKs, re-INVITEs, answers the recorder, ends with BYE or CANCEL.
 *
 * Knows no socket and no clock: messages and time go in, bytes come out through the sink. One dialog per recording session;
 * of several 200s to one INVITE (forking) only the first makes a dialog, as an SRC talks to one recorder.
 *
 * @see RFC 3261 12, 13, 15; RFC 7866 6.1
 */
export class SrcDialog {
  readonly #options: SrcDialogOptions
  #state: 'idle' | 'inviting' | 'confirmed' | 'ending' | 'ended' = 'idle'
  #invites: OpenInvite[] = []
  #requests: OpenRequest[] = []
  #sequenceNumber = 0
  #toTag: string | undefined
  #remoteTarget: string
  #routes: readonly string[] = []
  #nextHop: NextHop | undefined
  #cancelWanted = false
  #forgetUs = Infinity

  constructor(options: SrcDialogOptions) {
    this.#options = options
    this.#remoteTarget = options.identity.recorderUri
  }

  get isEnded(): boolean {
    return this.#state === 'ended'
  }

  get isConfirmed(): boolean {
    return this.#state === 'confirmed'
  }

  /** True once repeats of the last messages can no longer arrive: the owner may drop the dialog. */
  isForgettable(nowUs: number): boolean {
    return this.#state === 'ended' && nowUs >= this.#forgetUs
  }

  get nextTimeoutUs(): number {
    const deadlines = [...this.#invites, ...this.#requests].map(({ transaction }) => transaction.nextTimeoutUs)
    return Math.min(this.#forgetUs, ...deadlines)
  }

  invite(body: OutgoingBody, nowUs: number): void {
    if (this.#state !== 'idle') return
    this.#state = 'inviting'
    this.#sendInvite(body, nowUs)
  }

  /** Sends a new offer inside the dialog; false when there is none to send it in, or another is still open (RFC 3261 14.1). */
  reinvite(body: OutgoingBody, nowUs: number): boolean {
    if (this.#state !== 'confirmed' || this.#invites.some(({ transaction }) => !transaction.isDone)) return false
    this.#sendInvite(body, nowUs)
    return true
  }

  /** Hangs up a confirmed dialog. */
  bye(body: OutgoingBody | undefined, nowUs: number): void {
    if (this.#state !== 'confirmed') return
    this.#state = 'ending'
    this.#sequenceNumber++
    const branch = this.#newBranch()
    this.#sendRequest('BYE', branch, this.#build('BYE', this.#sequenceNumber, branch, body), nowUs)
  }

  /** Takes back an INVITE that has no final answer; waits for a provisional one first. RFC 3261 9.1 */
  cancel(nowUs: number): void {
    const invite = this.#invites[0]
    if (this.#state !== 'inviting' || invite === undefined) return
    this.#cancelWanted = true
    if (invite.transaction.state === 'proceeding') this.#sendCancel(invite, nowUs)
  }

  handleMessage(message: SipMessage, nowUs: number): void {
    if (message.kind === 'request') this.#handleRequest(message, nowUs)
    else this.#handleResponse(message, nowUs)
  }

  handleTimeout(nowUs: number): void {
    for (const { transaction } of [...this.#invites]) {
      if (!transaction.handleTimeout(nowUs)) continue
      if (this.#state === 'inviting') this.#end({ cause: this.#cancelWanted ? 'cancelled' : 'timeout' }, nowUs)
      else if (this.#state === 'confirmed') this.#options.sink.handleReinviteAnswer(408)
    }
    for (const { method, transaction } of [...this.#requests]) {
      transaction.handleTimeout(nowUs)
      if (method === 'BYE' && transaction.isDone && transaction.finalStatus === undefined) {
        this.#end({ cause: 'byeTimeout' }, nowUs)
      }
    }
  }

  /** The TCP connection is gone, and with it every way to say more. */
  handleConnectionLost(nowUs: number): void {
    if (this.#state !== 'idle') this.#end({ cause: 'connectionLost' }, nowUs)
  }

  #newBranch(): string {
    return `${BRANCH_COOKIE}${this.#options.randomToken()}`
  }

  #build(method: string, sequenceNumber: number, branch: string, body?: OutgoingBody): Uint8Array {
    return buildRequest(this.#options.identity, {
      method,
      requestUri: this.#remoteTarget,
      routes: this.#routes,
      sequenceNumber,
      branch,
      toTag: this.#toTag,
      body,
    })
  }

  #transactionOptions(bytes: Uint8Array): {
    readonly bytes: Uint8Array
    readonly isReliable: boolean
    readonly timers: SipTimers
    send(bytes: Uint8Array): void
  } {
    const { identity, timers, sink } = this.#options
    const isReliable = identity.src.transport === 'tcp'
    return { bytes, isReliable, timers, send: (again) => sink.send(again, this.#nextHop) }
  }

  #sendInvite(body: OutgoingBody, nowUs: number): void {
    const sequenceNumber = ++this.#sequenceNumber
    const branch = this.#newBranch()
    const bytes = this.#build('INVITE', sequenceNumber, branch, body)
    const transaction = new InviteClientTransaction(this.#transactionOptions(bytes), nowUs)
    this.#invites.push({ branch, sequenceNumber, transaction, ack: undefined })
    if (this.#invites.length > INVITES_REMEMBERED_MAX) this.#invites.shift()
  }

  #sendRequest(method: 'BYE' | 'CANCEL', branch: string, bytes: Uint8Array, nowUs: number): void {
    const transaction = new NonInviteClientTransaction(this.#transactionOptions(bytes), nowUs)
    this.#requests.push({ method, branch, transaction })
  }

  #sendCancel(invite: OpenInvite, nowUs: number): void {
    if (this.#requests.some(({ method }) => method === 'CANCEL')) return
    this.#sendRequest('CANCEL', invite.branch, this.#build('CANCEL', invite.sequenceNumber, invite.branch), nowUs)
    invite.transaction.shortenPatience(nowUs)
  }

  #handleResponse(response: SipResponse, nowUs: number): void {
    const via = parseVia(response.headers.first('Via') ?? '')
    const cseq = parseCSeq(response.headers.first('CSeq') ?? '')
    if (!via.ok || !cseq.ok) return
    const branch = via.value.params.get('branch')
    if (cseq.value.method === 'INVITE') {
      const invite = this.#invites.find((candidate) => candidate.branch === branch)
      if (invite !== undefined) this.#handleInviteResponse(invite, response, nowUs)
      return
    }
    const request = this.#requests.find(
      (candidate) => candidate.branch === branch && candidate.method === cseq.value.method,
    )
    request?.transaction.handleResponse(response.status, nowUs)
    if (request?.method === 'BYE' && response.status >= 200) this.#end({ cause: 'bye', status: response.status }, nowUs)
  }

  #handleInviteResponse(invite: OpenInvite, response: SipResponse, nowUs: number): void {
    const responseClass = invite.transaction.handleResponse(response.status, nowUs)
    if (responseClass === 'provisional') {
      if (this.#cancelWanted && this.#state === 'inviting') this.#sendCancel(invite, nowUs)
    } else if (response.status >= 300) {
      this.#options.sink.send(this.#ackOfRefusal(invite, response), this.#nextHop)
      if (responseClass === 'final') this.#handleRefusal(response.status, nowUs)
    } else if (responseClass === 'final') {
      this.#handleSuccess(invite, response, nowUs)
    } else if (invite.ack !== undefined) {
      this.#options.sink.send(invite.ack, this.#nextHop)
    }
  }

  #handleSuccess(invite: OpenInvite, response: SipResponse, nowUs: number): void {
    this.#learnDialog(response)
    invite.ack = this.#build('ACK', invite.sequenceNumber, this.#newBranch())
    this.#options.sink.send(invite.ack, this.#nextHop)
    if (this.#state === 'confirmed') this.#options.sink.handleReinviteAnswer(response.status, response.body)
    if (this.#state !== 'inviting') return
    this.#state = 'confirmed'
    // When the 200 crossed our CANCEL there is a dialog after all, and it must be ended. RFC 3261 15
    if (this.#cancelWanted) this.bye(undefined, nowUs)
    else this.#options.sink.handleAnswer(response.body, nowUs)
  }

  // Remote target, tag and route set of the first 2xx; a re-INVITE's refreshes only the target. RFC 3261 12.1.2, 12.2.1.2
  #learnDialog(response: SipResponse): void {
    const contact = parseNameAddr(response.headers.first('Contact') ?? '')
    if (contact.ok) this.#remoteTarget = contact.value.uri
    if (this.#toTag === undefined) {
      const to = parseNameAddr(response.headers.first('To') ?? '')
      this.#toTag = to.ok ? to.value.params.get('tag') : undefined
      this.#routes = listValues(response.headers, 'Record-Route').toReversed()
    }
    const firstRoute = parseNameAddr(this.#routes[0] ?? '')
    const uri = parseSipUri(firstRoute.ok ? firstRoute.value.uri : this.#remoteTarget)
    this.#nextHop = uri.ok ? { host: uri.value.host, port: uri.value.port ?? DEFAULT_SIP_PORT } : undefined
  }

  // Same branch, same request URI, the To of the response. RFC 3261 17.1.1.3
  #ackOfRefusal(invite: OpenInvite, response: SipResponse): Uint8Array {
    const to = parseNameAddr(response.headers.first('To') ?? '')
    return buildRequest(this.#options.identity, {
      method: 'ACK',
      requestUri: this.#remoteTarget,
      routes: this.#routes,
      sequenceNumber: invite.sequenceNumber,
      branch: invite.branch,
      toTag: to.ok ? to.value.params.get('tag') : undefined,
    })
  }

  #handleRefusal(status: number, nowUs: number): void {
    if (this.#state === 'inviting') {
      this.#end(this.#cancelWanted && status === 487 ? { cause: 'cancelled' } : { cause: 'refused', status }, nowUs)
    } else if (this.#state === 'confirmed') {
      this.#options.sink.handleReinviteAnswer(status)
    }
  }

  #handleRequest(request: SipRequest, nowUs: number): void {
    if (request.method === 'ACK') return
    const [status, reason] = this.#judgeRequest(request.method)
    const { identity, sink } = this.#options
    sink.respond(buildResponse(request, status, reason, identity.fromTag))
    if (request.method !== 'BYE' || status !== 200 || this.isEnded) return
    this.#end({ cause: 'recorderBye' }, nowUs)
  }

  // An SBC is master of its media: like most of them, this SRC refuses offers that the recorder makes.
  #judgeRequest(method: string): readonly [number, string] {
    if (this.#toTag === undefined) return [481, 'Call/Transaction Does Not Exist']
    if (method === 'BYE' || method === 'OPTIONS' || method === 'INFO') return [200, 'OK']
    if (method === 'INVITE' || method === 'UPDATE') return [488, 'Not Acceptable Here']
    if (method === 'CANCEL') return [481, 'Call/Transaction Does Not Exist']
    return [405, 'Method Not Allowed']
  }

  #end(end: SrcDialogEnd, nowUs: number): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    // Answered INVITEs stay: a repeated final response must be ACKed again.
    this.#invites = this.#invites.filter(({ transaction }) => transaction.isDone)
    this.#requests = []
    this.#forgetUs = nowUs + transactionTimeoutUs(this.#options.timers)
    this.#options.sink.handleEnded(end, nowUs)
  }
}
