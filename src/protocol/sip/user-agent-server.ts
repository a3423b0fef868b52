import { asDialogId, type DialogId } from '../../ids.ts'
import { responseTarget } from './build-response.ts'
import { SERVER } from './capabilities.ts'
import { Dialog, dialogKey } from './dialog.ts'
import { Dialogs } from './dialogs.ts'
import { Door } from './door.ts'
import { ALL_TRANSPORTS, isReliable, type SipFlow } from './flow.ts'
import { HangUp } from './hang-up.ts'
import { inspectRequest, type RequestFacts } from './inspect-request.ts'
import { InviteServerTransaction } from './invite-server-transaction.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { AskedRequests } from './asked-requests.ts'
import { carriesOffer } from './body-kind.ts'
import { DialogRequests } from './dialog-requests.ts'
import { OfferAnswers, type Refusal } from './offer-answers.ts'
import { type OwnOutcome, OwnRequests } from './own-requests.ts'
import { type ParsedMessage, parseMessage, type SipFraming } from './parse-message.ts'
import { PendingOffers } from './pending-offers.ts'
import {
  capabilities,
  type Incoming,
  INTERVAL_TOO_SMALL,
  NO_SUCH_DIALOG,
  refusalOf,
  REQUEST_TERMINATED,
  Responder,
  unavailable,
} from './responder.ts'
import { type ServerTransaction, ServerTransactions } from './server-transactions.ts'
import { readSessionTerms } from './session-expires.ts'
import { SessionTimers } from './session-timers.ts'
import { DEFAULT_SIP_TIMERS, type SipTimers } from './timers.ts'
import type { AskedRequest, ByeReason, UserAgentOptions, UserAgentSink } from './user-agent-sink.ts'

/**
 * The SIP user agent server of a recorder: messages and time in, messages and events out.
 *
 * It opens no socket and reads no clock; times are monotonic microseconds. Nothing that arrives makes it throw. It leaves the final
 * answer of an INVITE to its owner, with a 100 when that takes a while; everything else it answers itself.
 *
 * @see RFC 3261 8.2, 12, 13.3, 14.2, 15; RFC 3262; RFC 3311; RFC 3581; RFC 4028; RFC 6026; RFC 6086
 */
export class UserAgentServer {
  readonly #sink: UserAgentSink
  readonly #randomToken: () => string
  readonly #timers: SipTimers
  readonly #transactions: ServerTransactions
  readonly #responder: Responder
  readonly #door: Door
  readonly #dialogs: Dialogs
  readonly #offers: PendingOffers
  readonly #requests: OwnRequests
  readonly #asked: AskedRequests
  readonly #inDialog: DialogRequests
  readonly #sessions: SessionTimers
  readonly #hangUp: HangUp
  readonly #answers: OfferAnswers

  constructor(options: UserAgentOptions) {
    this.#sink = options.sink
    this.#randomToken = options.randomToken
    this.#timers = { ...DEFAULT_SIP_TIMERS, ...options.timers }
    this.#transactions = new ServerTransactions(options.transactionsMax)
    this.#responder = new Responder(this.#sink, this.#transactions)
    this.#door = new Door({ authoriser: options.authoriser, sink: this.#sink, responder: this.#responder })
    this.#dialogs = new Dialogs(options.dialogsMax)
    this.#offers = new PendingOffers({
      sink: this.#sink,
      responder: this.#responder,
      timers: this.#timers,
    })
    this.#requests = new OwnRequests({
      timers: this.#timers,
      randomToken: options.randomToken,
      transports: options.transports ?? ALL_TRANSPORTS,
      send: (bytes, target) => this.#sink.send(bytes, target),
    })
    this.#sessions = new SessionTimers(this.#requests)
    const parts = {
      sink: this.#sink,
      responder: this.#responder,
      dialogs: this.#dialogs,
      offers: this.#offers,
      requests: this.#requests,
      sessions: this.#sessions,
    }
    this.#asked = new AskedRequests(parts)
    this.#inDialog = new DialogRequests(parts)
    this.#hangUp = new HangUp(parts)
    this.#answers = new OfferAnswers({ ...parts, hangUp: this.#hangUp, timers: this.#timers })
  }

  /** Dialogs that are not over. */
  get dialogCount(): number {
    return this.#dialogs.size
  }

  /** Server transactions held, lingering ones included. */
  get transactionCount(): number {
    return this.#transactions.size
  }

  /** What somebody still waits for: unanswered INVITEs, 2xx without ACK, requests of ours. Lingering transactions are not counted. */
  get openCount(): number {
    return this.#offers.size + this.#dialogs.unacknowledged + this.#requests.open
  }

  /** When {@link handleTimeout} is to be called next; undefined for never. */
  nextTimeoutUs(): number | undefined {
    const next = Math.min(
      this.#transactions.nextTimeoutUs,
      this.#dialogs.nextTimeoutUs,
      this.#offers.nextTimeoutUs,
      this.#requests.nextTimeoutUs,
      this.#sessions.nextTimeoutUs,
    )
    return next === Infinity ? undefined : next
  }

  /**
   * Takes one message off the wire.
   *
   * @param framing `stream` for a message cut by a StreamFramer
   * @returns false when the bytes are not SIP, so that a connection is not worth keeping
   */
  receive(bytes: Uint8Array, framing: SipFraming, flow: SipFlow, nowUs: number): boolean {
    return this.receiveParsed(parseMessage(bytes, framing), flow, nowUs)
  }

  /** As {@link receive}, of a message that a StreamFramer has parsed already. */
  receiveParsed(message: ParsedMessage, flow: SipFlow, nowUs: number): boolean {
    if (!message.ok) {
      this.#sink.handleCounted({ kind: 'rejected', reason: message.reason })
      return message.reason === 'keepAlive'
    }
    if (message.value.kind === 'request') {
      this.#handleRequest(message.value, flow, nowUs)
      return true
    }
    const answered = this.#requests.handleResponse(message.value, nowUs)
    if (answered === 'stray') this.#sink.handleCounted({ kind: 'dropped', reason: 'strayResponse' })
    else if (answered !== undefined) this.#settleOwn(answered, nowUs)
    return true
  }

  /**
   * Sends a provisional response to an INVITE, reliably when the peer requires that, or when it supports it and there is SDP.
   *
   * @param sdp our answer as early media; left out of the response when the INVITE carried no offer
   * @returns false when nothing was or will be sent: not an INVITE, answered already, or more than {@link PROGRESS_MAX}
   * @see RFC 3262 3
   */
  progress(offerId: string, status: 180 | 183, sdp: Uint8Array | undefined, nowUs: number): boolean {
    return this.#answers.progress(offerId, status, sdp, nowUs)
  }

  /**
   * Answers an offer with 200 and our SDP; the 200 waits for the PRACK of a provisional response that carried SDP.
   *
   * @returns false when nobody waits for it any more: cancelled, answered, or given up
   */
  answer(offerId: string, sdp: Uint8Array, nowUs: number): boolean {
    return this.#answers.answer(offerId, sdp, nowUs)
  }

  /**
   * Refuses an offer. A refused first offer ends its dialog without an event; a refused later one changes nothing. 415 gets its Accept.
   *
   * @param refusal `status` 300 to 699; anything else becomes 500
   */
  refuse(offerId: string, refusal: Refusal, nowUs: number): boolean {
    return this.#answers.refuse(offerId, refusal, nowUs)
  }

  /**
   * Ends a dialog from our side: BYE, or 480 when its first INVITE is not answered yet. The dialog's `handleEnded` comes at once,
   * except before the ACK: then the BYE is sent when the ACK came or is given up.
   *
   * @returns true when `handleByeDone` will follow
   */
  bye(dialogId: DialogId, reason: ByeReason | undefined, nowUs: number): boolean {
    return this.#hangUp.bye(dialogId, reason, nowUs)
  }

  /**
   * Sends a request inside a dialog, as {@link AskedRequests.send} says.
   *
   * @returns the key under which `handleOwnResponse` will tell the answer; or, when nothing was sent, why
   */
  request(
    dialogId: DialogId,
    request: AskedRequest,
    nowUs: number,
  ): { readonly key: string } | { readonly status: 0 | 405 } {
    const dialog = this.#dialogs.byId(dialogId)
    return dialog === undefined ? { status: 0 } : this.#asked.send(dialog, request, nowUs)
  }

  /** Runs every timer that is due. */
  handleTimeout(nowUs: number): void {
    this.#transactions.handleTimeout(nowUs, (outcome) => {
      if (outcome === 'retransmitted') this.#sink.handleCounted({ kind: 'retransmission', direction: 'out' })
      else this.#sink.handleCounted({ kind: 'dropped', reason: 'refusalNotAcknowledged' })
    })
    this.#requests.handleTimeout(nowUs, (givenUp) => {
      if (givenUp === undefined) this.#sink.handleCounted({ kind: 'retransmission', direction: 'out' })
      else this.#settleOwn(givenUp, nowUs)
    })
    this.#sessions.handleTimeout(nowUs, this.#dialogs, (dialog) => this.#expire(dialog, nowUs))
    this.#answers.handleTimeout(nowUs)
    for (let due = this.#dialogs.takeDue(nowUs); due !== undefined; due = this.#dialogs.takeDue(nowUs)) {
      this.#handleDialogTimeout(due, nowUs)
    }
  }

  #handleDialogTimeout(dialog: Dialog, nowUs: number): void {
    const due = dialog.handleTimeout(nowUs)
    const answer = dialog.unacknowledgedAnswer
    if (due === 'retransmit' && answer !== undefined) {
      this.#sink.send(answer.bytes, answer.target)
      this.#sink.handleCounted({ kind: 'retransmission', direction: 'out' })
    }
    this.#dialogs.update(dialog)
    if (due === 'noAck') this.#hangUp.giveUpAck(dialog, nowUs)
  }

  #handleRequest(request: SipRequest, flow: SipFlow, nowUs: number): void {
    const inspected = inspectRequest(request, flow)
    if (!inspected.ok) return this.#responder.reject(request, flow, inspected.reason)
    const facts = inspected.value
    if (request.method === 'ACK') return this.#handleAck(request, facts, nowUs)
    const known = this.#transactions.get(facts.transactionKey)
    if (known !== undefined) return this.#handleRetransmission(known, facts, nowUs)

    const isMerged =
      facts.toTag === undefined &&
      request.method !== 'CANCEL' &&
      (this.#transactions.isMerged(facts) || this.#dialogs.byMergeKey(facts.mergeKey) !== undefined)
    // A copy of what was let in is a copy, whatever it says; its credentials are used up.
    const admitted = isMerged ? { user: undefined } : this.#door.admit(request, facts, flow, nowUs)
    if (admitted === undefined) return
    const target = responseTarget(facts.via, flow)
    const send = (bytes: Uint8Array) => this.#sink.send(bytes, target)
    const options = { isReliable: isReliable(flow.transport), timers: this.#timers, send }
    const transaction = this.#transactions.open(request.method, facts, options)
    if (transaction === undefined) {
      this.#sink.handleCounted({ kind: 'dropped', reason: 'transactionsFull' })
      return this.#responder.replyOverloaded(request, facts, flow, this.#randomToken())
    }
    const localTag = facts.toTag ?? this.#randomToken()
    const incoming = { request, facts, flow, transaction, ...admitted, localTag }
    const refusal = isMerged ? { status: 482, reason: 'Merged Request' } : refusalOf(request)
    if (refusal !== undefined) this.#responder.reply(incoming, refusal, nowUs)
    else this.#dispatch(incoming, nowUs)
  }

  #dispatch(incoming: Incoming, nowUs: number): void {
    const { request, facts, flow } = incoming
    if (request.method === 'CANCEL') return this.#handleCancel(incoming, nowUs)
    if (facts.toTag === undefined) {
      if (request.method === 'INVITE') return this.#handleInvite(incoming, nowUs)
      if (request.method === 'OPTIONS') return this.#handleOptions(incoming, nowUs)
      this.#responder.reply(incoming, NO_SUCH_DIALOG, nowUs)
      return
    }
    const dialog = this.#dialogs.get(dialogKey(facts.sipCallId, facts.toTag, facts.fromTag))
    if (dialog === undefined) {
      this.#responder.reply(incoming, NO_SUCH_DIALOG, nowUs)
      return
    }
    if (!dialog.acceptSequence(facts.sequenceNumber, flow)) {
      this.#responder.reply(incoming, { status: 500, reason: 'CSeq Out Of Order' }, nowUs)
      return
    }
    const isOffer = request.method === 'INVITE' || (request.method === 'UPDATE' && carriesOffer(request))
    if (isOffer && (dialog.pendingOffer !== undefined || dialog.openRequest?.isOffer === true)) {
      this.#responder.reply(incoming, { status: 491, reason: 'Request Pending' }, nowUs)
      return
    }
    const isConfirmed = dialog.handleProofOfAnswer(request.method === 'INVITE')
    this.#dialogs.update(dialog)
    // The BYE of the peer may carry metadata, so it goes before one of ours that waits.
    if (isConfirmed && request.method === 'BYE') this.#sink.handleConfirmed(dialog.id, nowUs)
    else if (isConfirmed) this.#hangUp.confirm(dialog, nowUs)
    if (request.method === 'BYE') this.#handleBye(incoming, dialog, nowUs)
    else if (dialog.state === 'closing') this.#responder.reply(incoming, NO_SUCH_DIALOG, nowUs)
    else if (isOffer) this.#inDialog.offer(incoming, dialog, nowUs)
    else if (request.method === 'UPDATE') this.#inDialog.update(incoming, dialog, nowUs)
    else if (request.method === 'INFO') this.#inDialog.info(incoming, dialog, nowUs)
    else if (request.method === 'NOTIFY') this.#inDialog.notify(incoming, dialog, nowUs)
    else if (request.method === 'PRACK') this.#answers.prack(incoming, dialog, nowUs)
    else this.#handleOptions(incoming, nowUs)
  }

  #handleInvite(incoming: Incoming, nowUs: number): void {
    const admission = this.#sink.admission('INVITE')
    if (admission.status !== 200 || this.#dialogs.isFull) {
      if (admission.status === 200) this.#sink.handleCounted({ kind: 'dropped', reason: 'dialogsFull' })
      this.#responder.reply(incoming, unavailable(admission), nowUs)
      return
    }
    const terms = readSessionTerms(incoming.request.headers)
    if (!terms.ok) {
      this.#responder.reply(incoming, INTERVAL_TOO_SMALL, nowUs)
      return
    }
    const dialog = new Dialog({ ...incoming, id: asDialogId(incoming.localTag), timers: this.#timers })
    this.#dialogs.add(dialog)
    this.#offers.show(incoming, dialog, terms.value, nowUs)
  }

  #handleOptions(incoming: Incoming, nowUs: number): void {
    this.#responder.reply(incoming, capabilities(incoming, this.#sink.admission('OPTIONS')), nowUs)
  }

  /** RFC 3261 15.1.2: pending requests of the dialog get 487. */
  #handleBye(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const wasClosing = dialog.state === 'closing'
    this.#offers.refuseOf(dialog, REQUEST_TERMINATED, nowUs)
    if (!wasClosing) this.#hangUp.end(dialog)
    this.#responder.reply(incoming, { status: 200, reason: 'OK', headers: [SERVER] }, nowUs)
    if (wasClosing) return
    this.#sink.handleEnded(dialog.id, { cause: 'bye', receivedUs: nowUs, request: incoming.request })
  }

  /** RFC 3261 9.2 */
  #handleCancel(incoming: Incoming, nowUs: number): void {
    const invite = this.#transactions.get(incoming.facts.inviteKey)
    if (invite === undefined) {
      this.#responder.reply(incoming, NO_SUCH_DIALOG, nowUs)
      return
    }
    const offer = this.#offers.get(invite.key)
    const localTag = offer?.incoming.localTag ?? incoming.localTag
    this.#responder.reply({ ...incoming, localTag }, { status: 200, reason: 'OK', headers: [SERVER] }, nowUs)
    if (offer === undefined) return
    this.#answers.cutOff(offer, REQUEST_TERMINATED, nowUs)
    if (!offer.isInitial) return
    this.#sink.handleEnded(offer.dialog.id, { cause: 'cancelled', receivedUs: nowUs, request: incoming.request })
  }

  #handleAck(request: SipRequest, facts: RequestFacts, nowUs: number): void {
    const refused = this.#transactions.get(facts.inviteKey)
    if (refused?.machine instanceof InviteServerTransaction && refused.machine.handleAck(nowUs)) {
      this.#transactions.settle(refused)
      return
    }
    const dialog = this.#dialogs.get(dialogKey(facts.sipCallId, facts.toTag ?? '', facts.fromTag))
    const outcome = dialog?.handleAck(facts.sequenceNumber)
    if (dialog === undefined) return this.#door.handleStrayAck(facts)
    if (outcome === 'ignored') return this.#sink.handleCounted({ kind: 'retransmission', direction: 'in' })
    this.#dialogs.update(dialog)
    // The answer to an offer of ours, which may come in an ACK. RFC 3264 4
    if (request.body.length > 0) this.#sink.handleInDialog({ dialogId: dialog.id, request, receivedUs: nowUs })
    if (outcome === 'confirmed') this.#hangUp.confirm(dialog, nowUs)
  }

  /** The INVITE of a 2xx is answered again as long as the ACK is missing: the transaction itself only absorbs it. RFC 6026 7.1 */
  #handleRetransmission(known: ServerTransaction, facts: RequestFacts, nowUs: number): void {
    this.#sink.handleCounted({ kind: 'retransmission', direction: 'in' })
    known.machine.handleRetransmission()
    const offer = this.#offers.get(known.key)
    if (offer !== undefined) this.#offers.sendTrying(offer, nowUs)
    if (known.machine.state !== 'accepted') return
    const dialog =
      facts.toTag === undefined
        ? this.#dialogs.byMergeKey(facts.mergeKey)
        : this.#dialogs.get(dialogKey(facts.sipCallId, facts.toTag, facts.fromTag))
    const answer = dialog?.answerAwaitingAck(facts.sequenceNumber)
    if (answer !== undefined) this.#sink.send(answer.bytes, answer.target)
  }

  /** A request of ours was answered, or given up. */
  #settleOwn({ dialogId, key, method, response }: OwnOutcome, nowUs: number): void {
    if (method === 'BYE') return this.#hangUp.finish(dialogId)
    const dialog = this.#dialogs.byId(dialogId)
    const open = dialog?.openRequest
    // Of a dialog that ended meanwhile nobody wants to know.
    if (dialog === undefined || open?.key !== key) return
    dialog.openRequest = undefined
    if (open.description !== undefined && isSuccess(response)) dialog.describe(open.description)
    const isAlive =
      open.purpose === 'refresh'
        ? this.#sessions.handleRefreshed(dialog, response, nowUs)
        : this.#asked.settle(dialog, key, response, nowUs)
    if (!isAlive) this.#expire(dialog, nowUs)
  }

  /** RFC 4028 10 */
  #expire(dialog: Dialog, nowUs: number): void {
    const reason = { cause: 408, text: 'Session expired' }
    this.#hangUp.send(dialog, { cause: 'sessionExpired', reason }, nowUs)
  }
}

function isSuccess(response: SipResponse | undefined): boolean {
  return response !== undefined && response.status >= 200 && response.status < 300
}
