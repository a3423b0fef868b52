import { buildResponse, type ResponseParts, responseTarget } from './build-response.ts'
import {
  ACCEPT,
  ACCEPT_ENCODING,
  ALLOW,
  ALLOWED_METHODS,
  contactFor,
  countedMethod,
  REQUIRABLE_OPTIONS,
  SDP_TYPE,
  SERVER,
  SUPPORTED,
} from './capabilities.ts'
import { asksForSips } from './sips.ts'
import type { SipFlow } from './flow.ts'
import { type RequestFacts, type RequestRejectReason, statusOfReject, topVia } from './inspect-request.ts'
import type { SipHeader } from './header-list.ts'
import type { SipRequest } from './message.ts'
import { optionTags } from './scalar-headers.ts'
import { MIN_SESSION_SECONDS, type SessionTerms, sessionAnswerHeaders } from './session-expires.ts'
import { readSessionId, sessionIdHeaders } from './session-id.ts'
import type { ServerTransaction, ServerTransactions } from './server-transactions.ts'
import { uriScheme } from './uri.ts'
import type { Admission, UserAgentSink } from './user-agent-sink.ts'

/** A request on its way through the user agent, with the transaction that answers it. */
export interface Incoming {
  readonly request: SipRequest
  readonly facts: RequestFacts
  readonly flow: SipFlow
  readonly transaction: ServerTransaction
  /** Who proved to send it, by a password. */
  readonly user: string | undefined
  /** Our tag, for a To that has none. */
  readonly localTag: string
}

/** What an answer says; the tag of the To comes from the {@link Incoming}. */
export type ReplyParts = Omit<ResponseParts, 'toTag'>

export const NO_SUCH_DIALOG: ReplyParts = {
  status: 481,
  reason: 'Call/Transaction Does Not Exist',
  headers: [SERVER],
}
export const REQUEST_TERMINATED: ReplyParts = { status: 487, reason: 'Request Terminated', headers: [SERVER] }

/** A PRACK with an offer. */
export const NOT_ACCEPTABLE: ReplyParts = { status: 488, reason: 'Not Acceptable Here', headers: [SERVER] }
/** What an INFO or UPDATE carries cannot be kept before the dialog is answered. RFC 3311 5.2 */
export const NOT_YET: ReplyParts = {
  status: 500,
  reason: 'Not Answered Yet',
  headers: [{ name: 'Retry-After', value: '1' }, SERVER],
}

/** RFC 4028 6 */
export const INTERVAL_TOO_SMALL: ReplyParts = {
  status: 422,
  reason: 'Session Interval Too Small',
  headers: [{ name: 'Min-SE', value: String(MIN_SESSION_SECONDS) }, SERVER],
}
/** An empty value: no package. RFC 6086 8.2.1 */
const NO_PACKAGES: SipHeader = { name: 'Recv-Info', value: '' }
/** RFC 6086 4.2.2. We take what we can read whatever it is called, and ask for no package. */
export const BAD_INFO_PACKAGE: ReplyParts = {
  status: 469,
  reason: 'Bad Info Package',
  headers: [NO_PACKAGES, SERVER],
}

/** RFC 6665 4.1.3: we subscribe to nothing but what becomes of a REFER. */
export const BAD_EVENT: ReplyParts = { status: 489, reason: 'Bad Event', headers: [SERVER] }

const OVERLOAD_RETRY_SECONDS = 5
const KNOWN_SCHEMES: ReadonlySet<string | undefined> = new Set(['sip', 'sips', 'tel'])

/** 503 with Retry-After, by default that of a full table. */
export function unavailable(admission?: Admission): ReplyParts {
  const { retryAfterSeconds, warning } =
    admission?.status === 503 ? admission : { retryAfterSeconds: OVERLOAD_RETRY_SECONDS, warning: undefined }
  const headers = [{ name: 'Retry-After', value: String(Math.max(1, Math.ceil(retryAfterSeconds))) }]
  if (warning !== undefined) headers.push({ name: 'Warning', value: `399 earwitness "${warning}"` })
  return { status: 503, reason: 'Service Unavailable', headers: [...headers, SERVER] }
}

/** 200 to an INVITE or UPDATE; to an UPDATE without offer it has no body. RFC 3261 13.3.1.4, 12.1.1, RFC 3311 5.2 */
export function acceptance(
  incoming: Incoming,
  sdp: Uint8Array | undefined,
  terms: SessionTerms | undefined,
): ReplyParts {
  const headers = [...dialogHeaders(incoming), SUPPORTED, ...sessionAnswerHeaders(terms), ACCEPT, SERVER]
  if (sdp === undefined) return { status: 200, reason: 'OK', headers }
  return { status: 200, reason: 'OK', headers: [...headers, SDP_TYPE], body: sdp }
}

/** Headers of a provisional response, which begins an early dialog. RFC 3261 12.1.1 */
export function earlyHeaders(incoming: Incoming): SipHeader[] {
  return [...dialogHeaders(incoming), SERVER]
}

function dialogHeaders({ request, flow }: Incoming): SipHeader[] {
  const recordRoutes = request.headers.all('Record-Route').map((value) => ({ name: 'Record-Route', value }))
  return [...recordRoutes, contactFor(flow, asksForSips(request)), ALLOW, ...packagesFor(request)]
}

/** To a peer that speaks of INFO packages: that we ask for none. One that does not would wonder at an empty header. RFC 6086 4.1 */
function packagesFor({ headers }: SipRequest): readonly SipHeader[] {
  return headers.first('Recv-Info') === undefined ? [] : [NO_PACKAGES]
}

/** The answer to OPTIONS: that of an INVITE at this moment. RFC 3261 11.2 */
export function capabilities({ request, flow }: Incoming, admission: Admission): ReplyParts {
  if (admission.status !== 200) return unavailable(admission)
  const contact = contactFor(flow, asksForSips(request))
  const headers = [contact, ALLOW, ACCEPT, ACCEPT_ENCODING, SUPPORTED, ...packagesFor(request), SERVER]
  return { status: 200, reason: 'OK', headers }
}

/** What is wrong with a request whatever it is about. RFC 3261 8.2.1 to 8.2.3, in that order */
export function refusalOf(request: SipRequest): ReplyParts | undefined {
  if (!ALLOWED_METHODS.includes(request.method)) {
    return { status: 405, reason: 'Method Not Allowed', headers: [ALLOW, SERVER] }
  }
  if (!KNOWN_SCHEMES.has(uriScheme(request.requestUri))) {
    return { status: 416, reason: 'Unsupported URI Scheme', headers: [SERVER] }
  }
  // RFC 3261 8.2.2.3: a CANCEL may carry no Require that matters.
  const required = request.method === 'CANCEL' ? [] : optionTags(request.headers, 'Require')
  const unknown = required.filter((tag) => !REQUIRABLE_OPTIONS.has(tag))
  if (unknown.length > 0) {
    const unsupported = { name: 'Unsupported', value: unknown.join(', ') }
    return { status: 420, reason: 'Bad Extension', headers: [unsupported, SERVER] }
  }
  const encoding = request.headers.first('Content-Encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity' && encoding !== '') {
    return { status: 415, reason: 'Unsupported Media Type', headers: [ACCEPT_ENCODING, SERVER] }
  }
  return undefined
}

/** Sends answers: through their transactions, or without one where there is none. */
export class Responder {
  readonly #sink: UserAgentSink
  readonly #transactions: ServerTransactions

  constructor(sink: UserAgentSink, transactions: ServerTransactions) {
    this.#sink = sink
    this.#transactions = transactions
  }

  /** Sends a response and returns its bytes. A final one is counted. */
  reply(incoming: Incoming, parts: ReplyParts, nowUs: number): Uint8Array {
    const { request, transaction } = incoming
    const bytes = this.build(incoming, parts)
    const isSent = transaction.machine.respond(parts.status, bytes, nowUs)
    this.#transactions.settle(transaction)
    if (isSent && parts.status >= 200) this.#count(request.method, parts.status)
    return bytes
  }

  /** The bytes of a response that is sent later. */
  build(incoming: Incoming, parts: ReplyParts): Uint8Array {
    const { request, facts, flow } = incoming
    const toTag = facts.toTag === undefined && parts.status > 100 ? incoming.localTag : undefined
    const sessionId = sessionIdHeaders(facts.toTag ?? incoming.localTag, readSessionId(request.headers))
    const headers = [...sessionId, ...(parts.headers ?? [])]
    return buildResponse(request, facts.via, flow, { ...parts, headers, toTag })
  }

  /** Answers a request for which there is no room. */
  replyOverloaded(request: SipRequest, facts: RequestFacts, flow: SipFlow, toTag: string): void {
    const tag = facts.toTag === undefined ? toTag : undefined
    this.replyStateless({ request, facts, flow }, { ...unavailable(), toTag: tag })
  }

  /** Answers a request once and forgets it. RFC 3261 8.2.7 */
  replyStateless({ request, facts, flow }: Pick<Incoming, 'request' | 'facts' | 'flow'>, parts: ResponseParts): void {
    this.#sink.send(buildResponse(request, facts.via, flow, parts), responseTarget(facts.via, flow))
    this.#count(request.method, parts.status)
  }

  /** Refuses a request that is not well formed, as long as it is known where the answer goes. An ACK is never answered. */
  reject(request: SipRequest, flow: SipFlow, reason: RequestRejectReason): void {
    this.#sink.handleCounted({ kind: 'rejected', reason })
    const via = topVia(request)
    if (!via.ok || request.method === 'ACK') return
    const [status, phrase] = statusOfReject(reason)
    const parts = { status, reason: phrase, toTag: undefined, headers: [SERVER] }
    this.#sink.send(buildResponse(request, via.value, flow, parts), responseTarget(via.value, flow))
    this.#count(request.method, status)
  }

  #count(method: string, code: number): void {
    this.#sink.handleCounted({ kind: 'request', method: countedMethod(method), code })
  }
}
