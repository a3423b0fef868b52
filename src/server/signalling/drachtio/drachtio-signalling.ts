import { isIP } from 'node:net'
import type { DialogId } from '../../../ids.ts'
import type { Authoriser } from '../../../protocol/sip/door.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import type { SipRequest } from '../../../protocol/sip/message.ts'
import { parseReason } from '../../../protocol/sip/reason.ts'
import { formatHostPort, parseHostPort } from '../../../protocol/sip/uri.ts'
import type { Admission } from '../../../protocol/sip/user-agent-sink.ts'
import { EarwitnessError } from '../../../errors.ts'
import { LocalAddressFinder } from '../local-address.ts'
import type {
  BoundAddress,
  DialogEnd,
  OfferRequest,
  OwnRequest,
  OwnResponse,
  SignallingCounter,
  SignallingHandler,
  SignallingPort,
} from '../port.ts'
import type { SignallingLog } from '../signalling-log.ts'
import { AdminConnector } from './admin-connector.ts'
import { AdminListener } from './admin-listener.ts'
import { secretRefused, unreachable } from './drachtio-errors.ts'
import { RemoteUserAgent, type RemoteTimers } from './remote-user-agent.ts'
import type { ShownOffer } from './remote-user-agent-sink.ts'
import { type AdminConnection, type IncomingRequest, SrfLink } from './srf-link.ts'

/** What fails may be repeated at will by a stranger: one log line a second, the rest is counted. */
const FAILURE_LOG_INTERVAL_US = 1_000_000
const FAILED_HANDLER_RETRY_SECONDS = 5
const DEFAULT_TIMERS: RemoteTimers = {
  answerMs: 60_000,
  prackMs: 32_000,
  ackMs: 40_000,
  requestMs: 40_000,
  sessionSecondMs: 1_000,
}
/** How long `run` waits for drachtio-server; one that is not there yet is gone on without. */
const FIRST_CONNECT_MS = 3_000

/** How we and drachtio-server find each other. */
export type DrachtioMeeting =
  /** We connect to its admin port and stay connected. drachtio's own words call that an inbound connection. */
  | { readonly mode: 'connect'; readonly host: string; readonly port: number }
  /** It connects to us for each INVITE that its web callback routes here: an outbound connection. */
  | { readonly mode: 'listen'; readonly address: string; readonly port: number; readonly allow: readonly string[] }

export interface DrachtioSignallingOptions {
  readonly meeting: DrachtioMeeting
  readonly secret: string
  /** Host, or host and port, by which SRCs reach drachtio-server when that is not the address it sends from. */
  readonly advertise?: string
  readonly log: SignallingLog
  /** Unguessable, different each time, letters and digits; 32 hex digits give our Session-IDs (RFC 7989). */
  readonly randomToken: () => string
  /** Decides who may open a dialog; without it everybody may. */
  readonly authoriser?: Pick<Authoriser, 'authorise'>
  /** Monotonic microseconds. */
  readonly nowUs: () => number
  readonly timers?: Partial<RemoteTimers>
}

/**
 * The signalling port on a drachtio-server that runs elsewhere: it has the sockets, transactions and routes, we have the dialogs and what is
 * said in them.
 *
 * Everything that enters, a message, a time-out or a lost connection, goes through one guard: an exception is logged and counted, and
 * never leaves.
 */
export class DrachtioSignalling implements SignallingPort {
  readonly #options: DrachtioSignallingOptions
  readonly #link: SrfLink
  readonly #userAgent: RemoteUserAgent
  readonly #localAddresses: LocalAddressFinder
  readonly #meetingPoint: AdminConnector | AdminListener
  readonly #advertised: { readonly host: string; readonly port: number | undefined } | undefined
  #handler: SignallingHandler | undefined
  readonly #drains: (() => void)[] = []
  /** Where drachtio-server listens, as it says. */
  #addresses: readonly BoundAddress[] = []
  #listensAt: { readonly address: string; readonly port: number } | undefined
  #outage: EarwitnessError | undefined
  #firstOutcome: ((outage: EarwitnessError | undefined) => void) | undefined
  #nextFailureLogUs = -Infinity

  constructor(options: DrachtioSignallingOptions) {
    this.#options = options
    const { meeting, nowUs, randomToken, secret } = options
    this.#advertised = readAdvertised(options.advertise)
    this.#localAddresses = new LocalAddressFinder(nowUs, () => this.#drop('localAddressOverflow'))
    this.#link = new SrfLink(
      {
        handleUp: (connection, server) => this.#up(connection, server),
        handleSecretRefused: () => this.#secretRefused(),
        handleDown: (connection) => this.#enter(() => this.#userAgent.connectionLost(connection)),
        handleRequest: (incoming) => this.#receive(incoming),
        handleCancel: (invite, cancel) => this.#locate(invite, () => this.#userAgent.cancelled(invite, cancel)),
        handleDropped: (reason) => this.#drop(reason),
        handleFailure: (error) => this.#fail(error),
      },
      { secret, newId: randomToken, asksForRequests: meeting.mode === 'connect' },
    )
    const open = (connection: AdminConnection): void => this.#enter(() => this.#link.open(connection))
    this.#meetingPoint =
      meeting.mode === 'connect'
        ? new AdminConnector({ ...meeting, open, fail: (error) => this.#disconnected(error) })
        : new AdminListener({ ...meeting, open, drop: (reason) => this.#drop(reason) })
    this.#userAgent = new RemoteUserAgent({
      link: this.#link,
      timers: { ...DEFAULT_TIMERS, ...options.timers },
      contact: (source) => this.#contact(source),
      unused: (connection) => this.#release(connection),
      authoriser: options.authoriser,
      nowUs,
      sink: {
        enter: (action) => this.#enter(action),
        randomToken,
        offer: (offer) => this.#offer(offer),
        inDialog: (dialogId, request) => this.#inDialog(dialogId, request),
        confirmed: (dialogId) => this.#guard(() => this.#handler?.handleConfirmed(dialogId, nowUs())),
        ended: (dialogId, end) => this.#ended(dialogId, end),
        admission: () => this.#admission(),
        count: (counter) => this.#count(counter),
      },
    })
  }

  /** What keeps new recording sessions from coming; undefined when nothing does. */
  get outage(): EarwitnessError | undefined {
    return this.#outage
  }

  /** Where drachtio-server is listened for. */
  get listensAt(): { readonly address: string; readonly port: number } | undefined {
    return this.#listensAt
  }

  /** Where SRCs reach drachtio-server, as far as it told. */
  get addresses(): readonly BoundAddress[] {
    return this.#addresses
  }

  /**
   * Connects, or listens for connections. A drachtio-server that does not answer is waited for a moment, then tried again in the background:
   * then the addresses are empty.
   *
   * @throws EarwitnessError `drachtio-secret`, `drachtio-listen-failed`
   */
  async run(handler: SignallingHandler): Promise<readonly BoundAddress[]> {
    this.#handler = handler
    if (this.#meetingPoint instanceof AdminListener) {
      this.#listensAt = await this.#meetingPoint.run()
      this.#options.log.info(this.#listensAt, 'drachtio-server is listened for')
      return []
    }
    const { promise, resolve } = Promise.withResolvers<EarwitnessError | undefined>()
    this.#firstOutcome = resolve
    const patience = setTimeout(() => this.#disconnected(undefined), FIRST_CONNECT_MS)
    this.#meetingPoint.run()
    const outage = await promise
    clearTimeout(patience)
    if (outage?.code !== 'drachtio-secret') return this.#addresses
    await this.stop()
    throw outage
  }

  async bye(dialogId: DialogId, reason?: { readonly cause: number; readonly text: string }): Promise<void> {
    await new Promise<void>((resolve) => {
      let isPending = false
      this.#enter(() => {
        isPending = this.#userAgent.bye(dialogId, reason, resolve)
      })
      if (!isPending) resolve()
    })
  }

  async request(dialogId: DialogId, request: OwnRequest): Promise<OwnResponse> {
    let asked: Promise<OwnResponse> | undefined
    this.#enter(() => {
      asked = this.#userAgent.request(dialogId, request)
    })
    const outcome = await (asked ?? Promise.resolve({ status: 0 }))
    this.#enter(() => {})
    return outcome
  }

  async drain(): Promise<void> {
    if (!this.#userAgent.isBusy) return
    await new Promise<void>((resolve) => this.#drains.push(resolve))
  }

  async stop(): Promise<void> {
    this.#handler = undefined
    this.#firstOutcome = undefined
    this.#guard(() => this.#userAgent.stop())
    await this.#meetingPoint.stop()
    for (const resolve of this.#drains.splice(0)) resolve()
  }

  #up(connection: AdminConnection, server: { readonly sip: readonly BoundAddress[]; readonly version: string }): void {
    const { sip: addresses, version } = server
    if (this.#meetingPoint instanceof AdminConnector) {
      this.#meetingPoint.confirm()
      this.#userAgent.adopt(connection)
    }
    this.#addresses = addresses
    this.#outage = undefined
    const isOld = /^v?0\.[0-8]\./u.test(version)
    if (isOld)
      this.#options.log.warn(
        { version },
        'drachtio-server is older than 0.9.0 and miscounts messages that are not ASCII',
      )
    else this.#options.log.info({ version, addresses }, 'drachtio-server is connected')
    this.#tellFirstOutcome()
  }

  #secretRefused(): void {
    const { meeting } = this.#options
    if (meeting.mode !== 'connect')
      return this.#options.log.warn({ code: 'drachtio-secret' }, 'drachtio-server refuses the secret')
    this.#setOutage(secretRefused(meeting.host, meeting.port))
    this.#tellFirstOutcome()
  }

  /** Not connected, or not any more; the connector goes on trying. */
  #disconnected(cause: Error | undefined): void {
    const { meeting } = this.#options
    if (meeting.mode !== 'connect') return
    if (this.#outage === undefined) this.#setOutage(unreachable(meeting.host, meeting.port, cause))
    this.#tellFirstOutcome()
  }

  #setOutage(outage: EarwitnessError): void {
    if (this.#outage?.code === outage.code) return
    this.#outage = outage
    this.#options.log.warn({ code: outage.code, hint: outage.hint }, outage.message)
  }

  #tellFirstOutcome(): void {
    this.#firstOutcome?.(this.#outage)
    this.#firstOutcome = undefined
  }

  #receive(incoming: IncomingRequest): void {
    this.#locate(incoming, (localAddress) => {
      this.#userAgent.handle(incoming, localAddress)
      this.#release(incoming.connection)
    })
  }

  /** Finds by which address of ours the sender is reached, for its media. What one sender sends keeps its order. */
  #locate({ source }: IncomingRequest, then: (localAddress: string) => void): void {
    if (isIP(source.address) === 0) this.#enter(() => then('127.0.0.1'))
    else this.#localAddresses.find(source.address, (localAddress) => this.#enter(() => then(localAddress)))
  }

  /** drachtio-server makes a connection for each dialog and leaves it to us to end it, once the last answer is written. */
  #release(connection: AdminConnection): void {
    if (this.#options.meeting.mode !== 'listen') return
    setImmediate(() => {
      if (!this.#userAgent.isUsed(connection)) this.#link.close(connection)
    })
  }

  #contact(source: BoundAddress): SipHeader {
    const port = this.#advertised?.port ?? this.#addresses.find(({ transport }) => transport === source.transport)?.port
    // drachtio-server puts its own address where it reads `@localhost`.
    const at = this.#advertised === undefined ? 'localhost' : formatHostPort(this.#advertised.host, port)
    const transport = source.transport === 'udp' ? '' : `;transport=${source.transport}`
    return { name: 'Contact', value: `<sip:srs@${at}${transport}>;+sip.srs` }
  }

  #offer(shown: ShownOffer): boolean {
    const handler = this.#handler
    const { incoming, facts, localAddress, user } = shown
    const { headers, body } = incoming.request
    const offer: OfferRequest = {
      dialogId: shown.dialogId,
      requestUri: incoming.request.requestUri,
      sipCallId: facts.sipCallId,
      from: facts.from,
      to: facts.to,
      header: (name) => headers.first(name),
      headers: (name) => headers.all(name),
      body,
      source: { ...incoming.source, tlsNames: [], user },
      localAddress,
      receivedUs: this.#options.nowUs(),
      progress: (status, sdp) => this.#enter(() => shown.progress(status, sdp)),
      answer: (sdp) => this.#enter(() => shown.answer(sdp)),
      refuse: (status, reason, extra = []) =>
        this.#enter(() =>
          shown.refuse(
            status,
            reason,
            extra.map(([name, value]) => ({ name, value })),
          ),
        ),
    }
    const isShown = this.#guard(() => {
      if (shown.isInitial) handler?.handleInvite(offer)
      else handler?.handleReinvite(offer)
    })
    return isShown && handler !== undefined
  }

  #inDialog(dialogId: DialogId, { method, headers, body }: SipRequest): void {
    this.#guard(() =>
      this.#handler?.handleInDialog?.(dialogId, {
        method,
        header: (name) => headers.first(name),
        headers: (name) => headers.all(name),
        body,
        receivedUs: this.#options.nowUs(),
      }),
    )
  }

  #ended(
    dialogId: DialogId,
    { cause, request }: { readonly cause: DialogEnd['cause']; readonly request?: SipRequest },
  ): void {
    const contentType = request?.headers.first('Content-Type')
    const reason = parseReason(request?.headers.first('Reason') ?? '')
    const end: DialogEnd = {
      cause,
      receivedUs: this.#options.nowUs(),
      ...(reason === undefined ? {} : { reason }),
      ...(contentType === undefined ? {} : { contentType }),
      ...(request === undefined || request.body.length === 0 ? {} : { body: request.body }),
    }
    this.#guard(() => this.#handler?.handleEnded(dialogId, end))
  }

  #admission(): Admission {
    let admission: Admission = { status: 503, retryAfterSeconds: FAILED_HANDLER_RETRY_SECONDS }
    this.#guard(() => {
      admission = this.#handler?.optionsStatus() ?? admission
    })
    return admission
  }

  /** Runs something that may change dialogs, then looks after whoever waits for them to be idle. */
  #enter(action: () => void): void {
    this.#guard(action)
    if (this.#drains.length === 0 || this.#userAgent.isBusy) return
    for (const resolve of this.#drains.splice(0)) resolve()
  }

  #guard(action: () => void): boolean {
    try {
      action()
      return true
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  #fail(error: unknown): void {
    this.#drop('exception')
    const nowUs = this.#options.nowUs()
    if (nowUs < this.#nextFailureLogUs) return
    this.#nextFailureLogUs = nowUs + FAILURE_LOG_INTERVAL_US
    this.#options.log.warn({ err: error }, 'SIP: something failed and was skipped')
  }

  #drop(reason: string): void {
    this.#count({ kind: 'dropped', reason })
  }

  #count(counter: SignallingCounter): void {
    try {
      this.#handler?.handleCounted?.(counter)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'SIP: counting failed')
    }
  }
}

function readAdvertised(
  advertise: string | undefined,
): { readonly host: string; readonly port: number | undefined } | undefined {
  if (advertise === undefined) return undefined
  const advertised = parseHostPort(advertise)
  if (advertised.ok) return advertised.value
  throw new EarwitnessError(
    'sip-advertise-invalid',
    `sip.advertise is not a host or address: ${advertise}`,
    'Write a name or address, with a port if it differs: recorder.example.com, 192.0.2.10:5080 or [2001:db8::10]:5080.',
  )
}
