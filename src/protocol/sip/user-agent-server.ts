import { asDialogId, type DialogId } from '../../ids.ts'
import { responseTarget } from './build-response.ts'
import { ACCEPT, SERVER } from './capabilities.ts'
import { Dialog, dialogKey } from './dialog.ts'
import { Dialogs } from './dialogs.ts'
import { ALL_TRANSPORTS, isReliable, type SipFlow } from './flow.ts'
import type { SipHeader } from './header-list.ts'
import { inspectRequest, type RequestFacts } from './inspect-request.ts'
import { InviteServerTransaction } from './invite-server-transaction.ts'
import type { SipRequest } from './message.ts'
import { OwnByes, type WantedBye } from './own-byes.ts'
import { parseMessage, type SipFraming } from './parse-message.ts'
import {
  acceptance,
  capabilities,
  type Incoming,
  NO_SUCH_DIALOG,
  refusalOf,
  type ReplyParts,
  REQUEST_TERMINATED,
  Responder,
  unavailable,
} from './responder.ts'
import { type ServerTransaction, ServerTransactions } from './server-transactions.ts'
import { TimedTable } from './timed-table.ts'
import { DEFAULT_SIP_TIMERS, type SipTimers } from './timers.ts'
import type { ByeReason, UserAgentOptions, UserAgentSink } from './user-agent-sink.ts'

/** An INVITE that waits for {@link UserAgentServer.answer} or {@link UserAgentServer.refuse}. */
interface PendingOffer {
  readonly key: string
  readonly incoming: Incoming
  readonly dialog: Dialog
  readonly isInitial: boolean
  readonly nextTimeoutUs: number
}

/**
 * The SIP user agent server of a recorder: messages and time in, messages and events out.
 *
 * It opens no socket and reads no clock; times are monotonic microseconds. Nothing that arrives makes it throw. It answers at
 * once with 100 and leaves the final answer of an INVITE to its owner; everything else it answers itself.
 *
 * @see RFC 3261 8.2, 12, 13.3, 14.2, 15; RFC 6026; RFC 3581
 */
export class UserAgentServer {
  readonly #sink: UserAgentSink
  readonly #randomToken: () => string
  readonly #timers: SipTimers
  readonly #transactions: ServerTransactions
  readonly #responder: Responder
  readonly #dialogs: Dialogs
  readonly #offers: TimedTable<PendingOffer>
  readonly #byes: OwnByes

  constructor(options: UserAgentOptions) {
    this.#sink = options.sink
    this.#randomToken = options.randomToken
    this.#timers = { ...DEFAULT_SIP_TIMERS, ...options.timers }
    this.#transactions = new ServerTransactions(options.transactionsMax)
    this.#responder = new Responder(this.#sink, this.#transactions)
    this.#dialogs = new Dialogs(options.dialogsMax)
    this.#offers = new TimedTable(Infinity) // one per transaction at most, so bounded with them
    this.#byes = new OwnByes({
      timers: this.#timers,
      randomToken: options.randomToken,
      transports: options.transports ?? ALL_TRANSPORTS,
      send: (bytes, target) => this.#sink.send(bytes, target),
    })
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
    return this.#offers.size + this.#dialogs.unacknowledged + this.#byes.open
  }

  /** When {@link handleTimeout} is to be called next; undefined for never. */
  nextTimeoutUs(): number | undefined {
    const next = Math.min(
      this.#transactions.nextTimeoutUs,
      this.#dialogs.nextTimeoutUs,
      this.#offers.nextTimeoutUs,
      this.#byes.nextTimeoutUs,
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
    const message = parseMessage(bytes, framing)
    if (!message.ok) {
      this.#sink.handleCounted({ kind: 'rejected', reason: message.reason })
      return message.reason === 'keepAlive'
    }
    if (message.value.kind === 'request') {
      this.#handleRequest(message.value, flow, nowUs)
      return true
    }
    const answered = this.#byes.handleResponse(message.value, nowUs)
    if (answered === 'stray') this.#sink.handleCounted({ kind: 'dropped', reason: 'strayResponse' })
    else if (answered !== undefined) this.#finishBye(answered)
    return true
  }

  /** Answers an offer with 200 and our SDP. False when nobody waits for it any more: cancelled, answered, or given up. */
  answer(offerId: string, sdp: Uint8Array, nowUs: number): boolean {
    const offer = this.#takeOffer(offerId)
    if (offer === undefined) return false
    const { incoming, dialog } = offer
    const { request, facts, flow } = incoming
    const answered = this.#responder.reply(incoming, acceptance(request, flow, sdp), nowUs)
    const { sequenceNumber } = facts
    dialog.accept({ request, sequenceNumber, bytes: answered, target: responseTarget(facts.via, flow) }, nowUs)
    this.#dialogs.update(dialog)
    return true
  }

  /**
   * Refuses an offer. A refused first offer ends its dialog without an event; a refused later one changes nothing. 415 gets its Accept.
   *
   * @param refusal `status` 300 to 699; anything else becomes 500
   */
  refuse(
    offerId: string,
    refusal: { readonly status: number; readonly reason: string; readonly headers?: readonly SipHeader[] },
    nowUs: number,
  ): boolean {
    const offer = this.#takeOffer(offerId)
    if (offer === undefined) return false
    const status = refusal.status >= 300 && refusal.status <= 699 ? refusal.status : 500
    const headers = [...(refusal.headers ?? []), ...(status === 415 ? [ACCEPT] : []), SERVER]
    if (offer.isInitial) this.#endDialog(offer.dialog)
    this.#responder.reply(offer.incoming, { status, reason: refusal.reason, headers }, nowUs)
    return true
  }

  /**
   * Ends a dialog from our side: BYE, or 480 when its first INVITE is not answered yet. The dialog's `handleEnded` comes at once,
   * except before the ACK: then the BYE is sent when the ACK came or is given up.
   *
   * @returns true when `handleByeDone` will follow
   */
  bye(dialogId: DialogId, reason: ByeReason | undefined, nowUs: number): boolean {
    const dialog = this.#dialogs.byId(dialogId)
    if (dialog === undefined) return false
    if (dialog.state === 'closing') return true
    if (dialog.state === 'unacknowledged') {
      this.#byes.want(dialogId, reason)
      return true
    }
    if (dialog.state === 'early') {
      this.#refuseOfferOf(dialog, { status: 480, reason: 'Temporarily Unavailable' }, nowUs)
      this.#endDialog(dialog)
      this.#sink.handleEnded(dialogId, { cause: 'local', receivedUs: nowUs, request: undefined })
      return false
    }
    this.#sendBye(dialog, { cause: 'local', reason }, nowUs)
    return true
  }

  /** Runs every timer that is due. */
  handleTimeout(nowUs: number): void {
    this.#transactions.handleTimeout(nowUs, (outcome) => {
      if (outcome === 'retransmitted') this.#sink.handleCounted({ kind: 'retransmission', direction: 'out' })
      else this.#sink.handleCounted({ kind: 'dropped', reason: 'refusalNotAcknowledged' })
    })
    this.#byes.handleTimeout(nowUs, (givenUp) => {
      if (givenUp === undefined) this.#sink.handleCounted({ kind: 'retransmission', direction: 'out' })
      else this.#finishBye(givenUp)
    })
    for (let due = this.#offers.takeDue(nowUs); due !== undefined; due = this.#offers.takeDue(nowUs)) {
      this.refuse(due.key, { status: 500, reason: 'No Answer In Time' }, nowUs)
      if (!due.isInitial) continue
      this.#sink.handleEnded(due.dialog.id, { cause: 'refused', receivedUs: nowUs, request: undefined })
    }
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
    if (due !== 'noAck') return
    const wanted = this.#byes.takeWanted(dialog.id)
    this.#sendBye(dialog, wanted ?? { cause: 'noAck', reason: undefined }, nowUs)
  }

  #handleRequest(request: SipRequest, flow: SipFlow, nowUs: number): void {
    const inspected = inspectRequest(request, flow)
    if (!inspected.ok) return this.#responder.reject(request, flow, inspected.reason)
    const facts = inspected.value
    if (request.method === 'ACK') return this.#handleAck(facts, nowUs)
    const known = this.#transactions.get(facts.transactionKey)
    if (known !== undefined) return this.#handleRetransmission(known, facts)

    const isMerged =
      facts.toTag === undefined &&
      request.method !== 'CANCEL' &&
      (this.#transactions.isMerged(facts) || this.#dialogs.byMergeKey(facts.mergeKey) !== undefined)
    const target = responseTarget(facts.via, flow)
    const send = (bytes: Uint8Array) => this.#sink.send(bytes, target)
    const options = { isReliable: isReliable(flow.transport), timers: this.#timers, send }
    const transaction = this.#transactions.open(request.method, facts, options)
    if (transaction === undefined) {
      this.#sink.handleCounted({ kind: 'dropped', reason: 'transactionsFull' })
      return this.#responder.replyOverloaded(request, facts, flow, this.#randomToken())
    }
    const incoming = { request, facts, flow, transaction, localTag: this.#randomToken() }
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
    if (request.method === 'INVITE' && dialog.pendingInvite !== undefined) {
      this.#responder.reply(incoming, { status: 491, reason: 'Request Pending' }, nowUs)
      return
    }
    const isConfirmed = dialog.handleProofOfAnswer(request.method === 'INVITE')
    this.#dialogs.update(dialog)
    // The BYE of the peer may carry metadata, so it goes before one of ours that waits.
    if (isConfirmed && request.method === 'BYE') this.#sink.handleConfirmed(dialog.id, nowUs)
    else if (isConfirmed) this.#confirm(dialog, nowUs)
    if (request.method === 'BYE') this.#handleBye(incoming, dialog, nowUs)
    else if (dialog.state === 'closing') this.#responder.reply(incoming, NO_SUCH_DIALOG, nowUs)
    else if (request.method === 'INVITE') this.#showOffer(incoming, dialog, nowUs)
    else this.#handleOptions(incoming, nowUs)
  }

  /** Tells that the peer has our 2xx, and sends the BYE that waited for it. */
  #confirm(dialog: Dialog, nowUs: number): void {
    this.#sink.handleConfirmed(dialog.id, nowUs)
    const wanted = dialog.state === 'confirmed' ? this.#byes.takeWanted(dialog.id) : undefined
    if (wanted !== undefined) this.#sendBye(dialog, wanted, nowUs)
  }

  #handleInvite(incoming: Incoming, nowUs: number): void {
    const admission = this.#sink.admission()
    if (admission.status !== 200 || this.#dialogs.isFull) {
      if (admission.status === 200) this.#sink.handleCounted({ kind: 'dropped', reason: 'dialogsFull' })
      const retryAfterSeconds = admission.status === 200 ? undefined : admission.retryAfterSeconds
      this.#responder.reply(incoming, unavailable(retryAfterSeconds), nowUs)
      return
    }
    const { request, facts, flow, localTag } = incoming
    const dialog = new Dialog({ request, facts, flow, localTag, id: asDialogId(localTag), timers: this.#timers })
    this.#dialogs.add(dialog)
    this.#showOffer(incoming, dialog, nowUs)
  }

  #showOffer(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const { request, facts, flow, transaction } = incoming
    const isInitial = dialog.state === 'early'
    this.#responder.reply(incoming, { status: 100, reason: 'Trying' }, nowUs)
    const nextTimeoutUs = nowUs + this.#timers.answerUs
    this.#offers.add({ key: transaction.key, incoming, dialog, isInitial, nextTimeoutUs })
    dialog.awaitAnswer(transaction.key)
    this.#sink.handleOffer({
      offerId: transaction.key,
      dialogId: dialog.id,
      isInitial,
      request,
      sipCallId: facts.sipCallId,
      from: facts.from,
      to: facts.to,
      flow,
      receivedUs: nowUs,
    })
  }

  #handleOptions(incoming: Incoming, nowUs: number): void {
    this.#responder.reply(incoming, capabilities(incoming.flow, this.#sink.admission()), nowUs)
  }

  /** RFC 3261 15.1.2: pending requests of the dialog get 487. */
  #handleBye(incoming: Incoming, dialog: Dialog, nowUs: number): void {
    const wasClosing = dialog.state === 'closing'
    this.#refuseOfferOf(dialog, REQUEST_TERMINATED, nowUs)
    if (!wasClosing) this.#endDialog(dialog)
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
    this.refuse(offer.key, REQUEST_TERMINATED, nowUs)
    if (!offer.isInitial) return
    this.#sink.handleEnded(offer.dialog.id, { cause: 'cancelled', receivedUs: nowUs, request: incoming.request })
  }

  #handleAck(facts: RequestFacts, nowUs: number): void {
    const refused = this.#transactions.get(facts.inviteKey)
    if (refused?.machine instanceof InviteServerTransaction && refused.machine.handleAck(nowUs)) {
      this.#transactions.settle(refused)
      return
    }
    const dialog = this.#dialogs.get(dialogKey(facts.sipCallId, facts.toTag ?? '', facts.fromTag))
    const outcome = dialog?.handleAck(facts.sequenceNumber)
    if (dialog === undefined) return this.#sink.handleCounted({ kind: 'dropped', reason: 'strayAck' })
    if (outcome === 'ignored') return this.#sink.handleCounted({ kind: 'retransmission', direction: 'in' })
    this.#dialogs.update(dialog)
    if (outcome === 'confirmed') this.#confirm(dialog, nowUs)
  }

  /** The INVITE of a 2xx is answered again as long as the ACK is missing: the transaction itself only absorbs it. RFC 6026 7.1 */
  #handleRetransmission(known: ServerTransaction, facts: RequestFacts): void {
    this.#sink.handleCounted({ kind: 'retransmission', direction: 'in' })
    known.machine.handleRetransmission()
    if (known.machine.state !== 'accepted') return
    const dialog =
      facts.toTag === undefined
        ? this.#dialogs.byMergeKey(facts.mergeKey)
        : this.#dialogs.get(dialogKey(facts.sipCallId, facts.toTag, facts.fromTag))
    const answer = dialog?.answerAwaitingAck(facts.sequenceNumber)
    if (answer !== undefined) this.#sink.send(answer.bytes, answer.target)
  }

  #takeOffer(offerId: string): PendingOffer | undefined {
    const offer = this.#offers.get(offerId)
    if (offer === undefined) return undefined
    this.#offers.delete(offer)
    offer.dialog.awaitAnswer(undefined)
    return offer
  }

  #refuseOfferOf(dialog: Dialog, parts: ReplyParts, nowUs: number): void {
    const offer = dialog.pendingInvite === undefined ? undefined : this.#takeOffer(dialog.pendingInvite)
    if (offer !== undefined) this.#responder.reply(offer.incoming, parts, nowUs)
  }

  #endDialog(dialog: Dialog): void {
    dialog.end()
    this.#dialogs.delete(dialog)
    if (this.#byes.takeWanted(dialog.id) !== undefined) this.#sink.handleByeDone(dialog.id)
  }

  #sendBye(dialog: Dialog, bye: WantedBye, nowUs: number): void {
    this.#refuseOfferOf(dialog, REQUEST_TERMINATED, nowUs)
    dialog.close()
    this.#dialogs.update(dialog)
    this.#byes.send(dialog, bye.reason, nowUs)
    this.#sink.handleEnded(dialog.id, { cause: bye.cause, receivedUs: nowUs, request: undefined })
  }

  #finishBye(dialogId: DialogId): void {
    const dialog = this.#dialogs.byId(dialogId)
    if (dialog !== undefined) this.#endDialog(dialog)
    this.#sink.handleByeDone(dialogId)
  }
}
