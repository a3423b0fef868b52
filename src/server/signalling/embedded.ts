import type { DialogId } from '../../ids.ts'
import type { Authoriser } from '../../protocol/sip/door.ts'
import type { SipFlow, SipTarget } from '../../protocol/sip/flow.ts'
import type { ParsedMessage } from '../../protocol/sip/parse-message.ts'
import { parseReason } from '../../protocol/sip/reason.ts'
import type { SipTimers } from '../../protocol/sip/timers.ts'
import { UserAgentServer } from '../../protocol/sip/user-agent-server.ts'
import type { Admission, SipDialogEnd, SipInDialogRequest, SipOffer } from '../../protocol/sip/user-agent-sink.ts'
import { Listeners } from './listeners.ts'
import type {
  BoundAddress,
  DialogEnd,
  OfferRequest,
  OwnRequest,
  OwnResponse,
  SignallingCounter,
  SignallingHandler,
  SignallingPort,
} from './port.ts'
import type { SignallingLog } from './signalling-log.ts'
import type { TlsSettings } from './tls-files.ts'

/** What fails may be repeated at will by a stranger: one log line a second, the rest is counted. */
const FAILURE_LOG_INTERVAL_US = 1_000_000
const FAILED_HANDLER_RETRY_SECONDS = 5
const QUEUE_WAIT_US = 80_000

export interface EmbeddedSignallingOptions {
  /** IPv6 addresses without brackets; port 0 for any. */
  readonly listen: readonly BoundAddress[]
  /** Host, or host and port, by which SRCs reach us when that is not the address of a socket. */
  readonly advertise?: string
  /** Needed when a TLS address is listened at. */
  readonly tls?: TlsSettings
  readonly log: SignallingLog
  /** Unguessable, different each time, letters and digits; 32 hex digits give our Session-IDs (RFC 7989). */
  readonly randomToken: () => string
  /** Decides who may open a dialog; without it everybody may. */
  readonly authoriser?: Authoriser
  /** Monotonic microseconds. */
  readonly nowUs: () => number
  readonly timers?: Partial<SipTimers>
  /** How long datagrams may wait in our socket before {@link EmbeddedSignalling.isBehind}. */
  readonly queueWaitUs?: number
}

/**
 * The embedded SIP stack: joins the pure {@link UserAgentServer} to sockets, the clock and a {@link SignallingHandler}.
 *
 * Everything that enters, a packet or a time-out, goes through one guard: an exception is logged and counted, and never leaves.
 */
export class EmbeddedSignalling implements SignallingPort {
  readonly #options: EmbeddedSignallingOptions
  readonly #userAgent: UserAgentServer
  readonly #listeners: Listeners
  readonly #byes = new Map<DialogId, (() => void)[]>()
  readonly #asked = new Map<string, (response: OwnResponse) => void>()
  #drains: (() => void)[] = []
  #addresses: readonly BoundAddress[] = []
  #handler: SignallingHandler | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAtUs = Infinity
  #nextFailureLogUs = -Infinity

  constructor(options: EmbeddedSignallingOptions) {
    this.#options = options
    this.#listeners = new Listeners({
      listen: options.listen,
      advertise: options.advertise,
      tls: options.tls,
      nowUs: options.nowUs,
      queueWaitUs: options.queueWaitUs ?? QUEUE_WAIT_US,
      receiveDatagram: (datagram, flow) =>
        this.#enter(() => this.#userAgent.receive(datagram, 'datagram', flow, options.nowUs())),
      receiveMessage: (message, flow) => this.#receiveMessage(message, flow),
      drop: (reason) => this.#count({ kind: 'dropped', reason }),
      fail: (error) => this.#fail(error, 'socketError'),
    })
    this.#userAgent = new UserAgentServer({
      randomToken: options.randomToken,
      transports: new Set(options.listen.map(({ transport }) => transport)),
      ...(options.timers === undefined ? {} : { timers: options.timers }),
      ...(options.authoriser === undefined ? {} : { authoriser: options.authoriser }),
      sink: {
        send: (bytes: Uint8Array, target: SipTarget) => this.#listeners.send(bytes, target),
        handleOffer: (offer) => this.#offer(offer),
        handleInDialog: (request) => this.#inDialog(request),
        handleConfirmed: (dialogId, receivedUs) =>
          this.#guard(() => this.#handler?.handleConfirmed(dialogId, receivedUs)),
        handleEnded: (dialogId, end) => this.#ended(dialogId, end),
        handleByeDone: (dialogId) => this.#byeDone(dialogId),
        handleOwnResponse: (key, response) => this.#answered(key, response),
        admission: (method) => this.#admission(method),
        handleCounted: (counter) => this.#count(counter),
      },
    })
  }

  async run(handler: SignallingHandler): Promise<readonly BoundAddress[]> {
    this.#handler = handler
    this.#addresses = await this.#listeners.open()
    this.#options.log.info({ addresses: this.#addresses }, 'SIP listening')
    return this.#addresses
  }

  /** What is listened at; empty before {@link run}. */
  get addresses(): readonly BoundAddress[] {
    return this.#addresses
  }

  get isBehind(): boolean {
    return this.#listeners.isLate
  }

  /** Reads the TLS files again. When they cannot be used that is logged, and the old certificates stay in force. */
  reloadCertificates(): void {
    try {
      this.#listeners.reloadCertificates()
      this.#options.log.info({}, 'SIP: TLS certificates read again')
    } catch (error) {
      this.#options.log.warn({ err: error }, 'SIP: the new TLS certificates cannot be used; the old ones stay')
    }
  }

  async bye(dialogId: DialogId, reason?: { readonly cause: number; readonly text: string }): Promise<void> {
    let isPending = false
    this.#enter(() => {
      isPending = this.#userAgent.bye(dialogId, reason, this.#options.nowUs())
    })
    if (!isPending) return
    await new Promise<void>((resolve) => {
      const waiting = this.#byes.get(dialogId)
      if (waiting === undefined) this.#byes.set(dialogId, [resolve])
      else waiting.push(resolve)
    })
  }

  async request(dialogId: DialogId, request: OwnRequest): Promise<OwnResponse> {
    const headers = (request.headers ?? []).map(([name, value]) => ({ name, value }))
    let sent: ReturnType<UserAgentServer['request']> = { status: 0 }
    this.#enter(() => {
      sent = this.#userAgent.request(dialogId, { ...request, headers }, this.#options.nowUs())
    })
    if ('status' in sent) return sent
    const { key } = sent
    return await new Promise((resolve) => this.#asked.set(key, resolve))
  }

  async drain(): Promise<void> {
    if (this.#userAgent.openCount === 0) return
    await new Promise<void>((resolve) => this.#drains.push(resolve))
  }

  async stop(): Promise<void> {
    this.#handler = undefined
    clearTimeout(this.#timer)
    this.#timerAtUs = -Infinity
    await this.#listeners.close()
    for (const waiting of this.#byes.values()) for (const resolve of waiting) resolve()
    this.#byes.clear()
    for (const key of [...this.#asked.keys()]) this.#answered(key, { status: 0 })
    this.#resolveDrains()
  }

  #receiveMessage(message: ParsedMessage, flow: SipFlow): boolean {
    let isSip = true
    this.#enter(() => {
      isSip = this.#userAgent.receiveParsed(message, flow, this.#options.nowUs())
    })
    return isSip
  }

  /** Runs something that changes the user agent, then looks after its timer and whoever waits for it to be idle. */
  #enter(action: () => void): void {
    this.#guard(action)
    this.#armTimer()
    if (this.#drains.length > 0 && this.#userAgent.openCount === 0) this.#resolveDrains()
  }

  #guard(action: () => void): boolean {
    try {
      action()
      return true
    } catch (error) {
      this.#fail(error, 'exception')
      return false
    }
  }

  #fail(error: unknown, reason: 'exception' | 'socketError'): void {
    this.#count({ kind: 'dropped', reason })
    const nowUs = this.#options.nowUs()
    if (nowUs < this.#nextFailureLogUs) return
    this.#nextFailureLogUs = nowUs + FAILURE_LOG_INTERVAL_US
    this.#options.log.warn({ err: error, reason }, 'SIP: something failed and was skipped')
  }

  #armTimer(): void {
    const next = this.#userAgent.nextTimeoutUs()
    // A timer that fires too early only looks again, so it is moved forward but never back.
    if (next === undefined || next >= this.#timerAtUs || this.#timerAtUs === -Infinity) return
    clearTimeout(this.#timer)
    this.#timerAtUs = next
    const delayMs = Math.max(0, Math.ceil((next - this.#options.nowUs()) / 1000))
    this.#timer = setTimeout(() => {
      this.#timerAtUs = Infinity
      this.#enter(() => this.#userAgent.handleTimeout(this.#options.nowUs()))
    }, delayMs)
  }

  #offer(offer: SipOffer): void {
    const handler = this.#handler
    const request = this.#offerRequest(offer)
    const isHandled = this.#guard(() => {
      if (offer.isInitial) handler?.handleInvite(request)
      else handler?.handleReinvite(request)
    })
    if (isHandled && handler !== undefined) return
    const refusal = { status: 500, reason: 'Server Internal Error' }
    const wasOpen = this.#userAgent.refuse(offer.offerId, refusal, this.#options.nowUs())
    if (!wasOpen || !offer.isInitial) return
    this.#ended(offer.dialogId, { cause: 'refused', receivedUs: this.#options.nowUs(), request: undefined })
  }

  #offerRequest(offer: SipOffer): OfferRequest {
    const { flow, request } = offer
    return {
      dialogId: offer.dialogId,
      requestUri: request.requestUri,
      sipCallId: offer.sipCallId,
      from: offer.from,
      to: offer.to,
      header: (name) => request.headers.first(name),
      headers: (name) => request.headers.all(name),
      body: request.body,
      source: {
        transport: flow.transport,
        address: flow.address,
        port: flow.port,
        tlsNames: flow.tlsNames ?? [],
        user: offer.user,
      },
      localAddress: flow.localAddress,
      receivedUs: offer.receivedUs,
      progress: (status, sdp) =>
        this.#enter(() => this.#userAgent.progress(offer.offerId, status, sdp, this.#options.nowUs())),
      answer: (sdp) => this.#enter(() => this.#userAgent.answer(offer.offerId, sdp, this.#options.nowUs())),
      refuse: (status, reason, headers = []) => {
        const refusal = { status, reason, headers: headers.map(([name, value]) => ({ name, value })) }
        this.#enter(() => this.#userAgent.refuse(offer.offerId, refusal, this.#options.nowUs()))
      },
    }
  }

  #inDialog({ dialogId, request, receivedUs }: SipInDialogRequest): void {
    const { method, headers, body } = request
    this.#guard(() =>
      this.#handler?.handleInDialog?.(dialogId, {
        method,
        header: (name) => headers.first(name),
        headers: (name) => headers.all(name),
        body,
        receivedUs,
      }),
    )
  }

  #ended(dialogId: DialogId, { cause, receivedUs, request }: SipDialogEnd): void {
    const contentType = request?.headers.first('Content-Type')
    const reason = parseReason(request?.headers.first('Reason') ?? '')
    const end: DialogEnd = {
      cause,
      receivedUs,
      ...(reason === undefined ? {} : { reason }),
      ...(contentType === undefined ? {} : { contentType }),
      ...(request === undefined || request.body.length === 0 ? {} : { body: request.body }),
    }
    this.#guard(() => this.#handler?.handleEnded(dialogId, end))
  }

  #admission(method: 'INVITE' | 'OPTIONS'): Admission {
    let admission: Admission = { status: 503, retryAfterSeconds: FAILED_HANDLER_RETRY_SECONDS }
    this.#guard(() => {
      admission = this.#handler?.optionsStatus(method) ?? admission
    })
    return admission
  }

  #byeDone(dialogId: DialogId): void {
    const waiting = this.#byes.get(dialogId)
    this.#byes.delete(dialogId)
    for (const resolve of waiting ?? []) resolve()
  }

  #answered(key: string, response: OwnResponse): void {
    const resolve = this.#asked.get(key)
    this.#asked.delete(key)
    resolve?.(response)
  }

  #resolveDrains(): void {
    const drains = this.#drains
    this.#drains = []
    for (const resolve of drains) resolve()
  }

  #count(counter: SignallingCounter): void {
    try {
      this.#handler?.handleCounted?.(counter)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'SIP: counting failed')
    }
  }
}
