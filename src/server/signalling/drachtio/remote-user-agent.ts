import { asDialogId, type DialogId } from '../../../ids.ts'
import { carriesOffer, isAboutRefer, mayCarryMetadata } from '../../../protocol/sip/body-kind.ts'
import { SERVER } from '../../../protocol/sip/capabilities.ts'
import type { Authoriser } from '../../../protocol/sip/door.ts'
import type { SipFlow } from '../../../protocol/sip/flow.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import { inspectRequest, type RequestFacts, statusOfReject } from '../../../protocol/sip/inspect-request.ts'
import type { SipRequest } from '../../../protocol/sip/message.ts'
import {
  BAD_EVENT,
  BAD_INFO_PACKAGE,
  INTERVAL_TOO_SMALL,
  NO_SUCH_DIALOG,
  NOT_ACCEPTABLE,
  NOT_YET,
  refusalOf,
  type ReplyParts,
  REQUEST_TERMINATED,
  unavailable,
} from '../../../protocol/sip/responder.ts'
import { readSessionTerms } from '../../../protocol/sip/session-expires.ts'
import type { BoundAddress, OwnRequest, OwnResponse } from '../port.ts'
import { RemoteDialog, type ByeReason, type WaitingOffer } from './remote-dialog.ts'
import { RemoteDialogs } from './remote-dialogs.ts'
import { type Given, RemoteOffers } from './remote-offers.ts'
import { RemoteReplies } from './remote-replies.ts'
import { RemoteRequests } from './remote-requests.ts'
import type { RemoteUserAgentSink } from './remote-user-agent-sink.ts'
import type { AdminConnection, Delivery, IncomingRequest, SrfLink } from './srf-link.ts'

/** How long we wait, in milliseconds. */
export interface RemoteTimers {
  /** For the answer to an offer. */
  readonly answerMs: number
  /** For a PRACK. RFC 3262 3 gives it 64*T1. */
  readonly prackMs: number
  /** For an ACK. drachtio-server gives up after 32 s and tells us; this is for one that does not. */
  readonly ackMs: number
  /** For the end of a request of ours. drachtio-server gives up after 32 s. */
  readonly requestMs: number
  /** A second of a session interval. */
  readonly sessionSecondMs: number
}

const TOO_LARGE: ReplyParts = { status: 413, reason: 'Request Entity Too Large', headers: [SERVER] }
const PENDING: ReplyParts = { status: 491, reason: 'Request Pending', headers: [SERVER] }
const OK: ReplyParts = { status: 200, reason: 'OK', headers: [SERVER] }

/**
 * What a recording server says to the requests that drachtio-server passes on, the same as the embedded stack would. Transactions and
 * the order of messages are drachtio-server's.
 *
 * @see RFC 3261 8.2, 12, 13.3, 14.2, 15; RFC 3262; RFC 3311; RFC 4028; RFC 6086
 */
export class RemoteUserAgent {
  readonly #sink: RemoteUserAgentSink
  readonly #timers: RemoteTimers
  readonly #authoriser: Pick<Authoriser, 'authorise'> | undefined
  readonly #nowUs: () => number
  readonly #dialogs: RemoteDialogs
  readonly #replies: RemoteReplies
  readonly #offers: RemoteOffers
  readonly #requests: RemoteRequests

  constructor(options: {
    readonly sink: RemoteUserAgentSink
    readonly link: Pick<SrfLink, 'request'>
    readonly timers: RemoteTimers
    /** Our Contact towards a peer. */
    readonly contact: (source: BoundAddress) => SipHeader
    /** The last dialog of a connection is over. */
    readonly unused: (connection: AdminConnection) => void
    /** Without it everybody may open a dialog. */
    readonly authoriser: Pick<Authoriser, 'authorise'> | undefined
    readonly nowUs: () => number
  }) {
    const { sink, link, timers, contact } = options
    this.#authoriser = options.authoriser
    this.#nowUs = options.nowUs
    this.#sink = sink
    this.#timers = timers
    this.#dialogs = new RemoteDialogs(options.unused)
    this.#replies = new RemoteReplies(sink, contact)
    this.#offers = new RemoteOffers({
      sink,
      replies: this.#replies,
      answerMs: timers.answerMs,
      prackMs: timers.prackMs,
      accepted: (dialog, offer) => this.#accepted(dialog, offer),
      delivered: (dialog, delivery) => this.#delivered(dialog, delivery),
      refused: (dialog) => this.#end(dialog),
    })
    this.#requests = new RemoteRequests({
      sink,
      link,
      timers,
      contact,
      dialogs: this.#dialogs,
      finishOffer: (dialog, parts) => this.#offers.finish(dialog, parts),
    })
  }

  /** True while anybody waits for an answer, an ACK, or the end of a request of ours. */
  get isBusy(): boolean {
    return this.#dialogs.all.some((dialog) => dialog.isBusy)
  }

  /** Whether dialogs are left on a connection. */
  isUsed(connection: AdminConnection): boolean {
    return this.#dialogs.isUsed(connection)
  }

  /** Handles a request, or the news of a BYE that drachtio-server sent. `localAddress`: ours, as the SRC reaches it. */
  handle(incoming: IncomingRequest, localAddress: string): void {
    const { request, source } = incoming
    const flow: SipFlow = { ...source, localAddress, localPort: 0, listenerId: 0, connectionId: undefined }
    const inspected = inspectRequest(request, flow)
    if (incoming.isUnsolicited) return this.#endedByServer(incoming, inspected.ok ? inspected.value.toTag : undefined)
    if (!inspected.ok) {
      this.#sink.count({ kind: 'rejected', reason: inspected.reason })
      if (request.method === 'ACK') return
      const [status, reason] = statusOfReject(inspected.reason)
      return this.#replies.send(incoming, undefined, { status, reason, headers: [SERVER] })
    }
    const facts = inspected.value
    const dialog = this.#dialogs.find(incoming.stackDialogId, facts.sipCallId, facts.fromTag)
    if (request.method === 'ACK') return this.#ack(incoming, facts, dialog)
    const refusal = incoming.isWhole ? refusalOf(request) : TOO_LARGE
    if (refusal !== undefined) return this.#replies.send(incoming, undefined, refusal)
    if (facts.toTag === undefined) return this.#outside({ incoming, facts, localAddress, user: undefined }, flow)
    if (dialog === undefined || (dialog.isOver && request.method !== 'BYE')) {
      return this.#replies.send(incoming, undefined, NO_SUCH_DIALOG)
    }
    this.#dialogs.move(dialog, incoming.connection)
    dialog.source = incoming.source
    this.#inside({ incoming, facts, localAddress, user: dialog.user }, dialog)
  }

  /** The SRC took its offer back; drachtio-server has answered both. A CANCEL that came too late is not passed on. */
  cancelled(invite: IncomingRequest, cancel: SipRequest): void {
    const dialog = this.#offers.dialogOf(invite)
    if (dialog === undefined) return
    const { isInitial } = dialog.waiting ?? {}
    this.#offers.forget(dialog)
    this.#sink.count({ kind: 'request', method: 'INVITE', code: 487 })
    if (isInitial !== true) return
    this.#end(dialog)
    this.#sink.ended(dialog.id, { cause: 'cancelled', request: cancel })
  }

  /** As `SignallingPort.bye`; false when there is nothing to wait for. */
  bye(dialogId: DialogId, reason: ByeReason | undefined, done: () => void): boolean {
    const dialog = this.#dialogs.byId(dialogId)
    if (dialog === undefined) return false
    if (dialog.state === 'early') {
      this.#offers.finish(dialog, { status: 480, reason: 'Temporarily Unavailable', headers: [SERVER] })
      this.#end(dialog)
      this.#sink.ended(dialogId, { cause: 'local' })
      return false
    }
    dialog.byeWaiters.push(done)
    if (dialog.state === 'closing') return true
    dialog.wantedBye = { reason }
    this.#sendWantedBye(dialog)
    return true
  }

  request(dialogId: DialogId, request: OwnRequest): Promise<OwnResponse> {
    return this.#requests.ask(this.#dialogs.byId(dialogId), request)
  }

  /** What was said on this connection is not answered any more. Dialogs that are answered go on: their media does. */
  connectionLost(connection: AdminConnection): void {
    for (const dialog of this.#dialogs.all) {
      if (dialog.connection !== connection) continue
      const isEarly = dialog.state === 'early'
      this.#offers.forget(dialog)
      this.#requests.abandon(dialog)
      if (isEarly) {
        this.#end(dialog)
        this.#sink.ended(dialog.id, { cause: 'refused' })
      }
      // Whether its ACK came, nobody will tell.
      dialog.clearTimer('ack')
      dialog.awaitedAck = undefined
      if (dialog.state !== 'unacknowledged') continue
      dialog.state = 'confirmed'
      if (dialog.wantedBye !== undefined) this.#requests.sendWantedBye(dialog)
    }
  }

  /** A new connection to the same drachtio-server: it still knows the dialogs of the old one, for what we send. */
  adopt(connection: AdminConnection): void {
    for (const dialog of this.#dialogs.all) this.#dialogs.move(dialog, connection)
  }

  /** Forgets everything without a word. */
  stop(): void {
    for (const dialog of this.#dialogs.all) {
      this.#offers.forget(dialog)
      this.#end(dialog)
    }
  }

  #outside(given: Given, flow: SipFlow): void {
    const { incoming } = given
    const { request } = incoming
    const isOptions = request.method === 'OPTIONS'
    if (request.method !== 'INVITE' && !isOptions) return this.#replies.send(incoming, undefined, NO_SUCH_DIALOG)
    const verdict = this.#authoriser?.authorise(request, flow, this.#nowUs())
    if (verdict?.kind === 'denied') {
      const { status, reason, headers, cause } = verdict
      this.#sink.count({ kind: 'authentication', outcome: cause })
      return this.#replies.send(incoming, undefined, { status, reason, headers: [...headers, SERVER] })
    }
    if (verdict?.user !== undefined) this.#sink.count({ kind: 'authentication', outcome: 'accepted' })
    if (isOptions) this.#replies.sendCapabilities(incoming)
    else this.#invite({ ...given, user: verdict?.user })
  }

  #invite(given: Given): void {
    const { incoming, facts, user } = given
    const admission = this.#sink.admission()
    if (admission.status !== 200) return this.#replies.send(incoming, undefined, unavailable(admission))
    if (this.#dialogs.isFull) {
      this.#sink.count({ kind: 'dropped', reason: 'dialogsFull' })
      return this.#replies.send(incoming, undefined, unavailable())
    }
    const terms = readSessionTerms(incoming.request.headers)
    if (!terms.ok) return this.#replies.send(incoming, undefined, INTERVAL_TOO_SMALL)
    const dialog = new RemoteDialog({
      id: asDialogId(this.#sink.randomToken()),
      sipCallId: facts.sipCallId,
      remoteTag: facts.fromTag,
      connection: incoming.connection,
      source: incoming.source,
      user,
    })
    this.#dialogs.add(dialog)
    this.#offers.show(given, dialog, { isInitial: true, terms: terms.value })
  }

  #inside(given: Given, dialog: RemoteDialog): void {
    const { incoming } = given
    const { request } = incoming
    if (request.method === 'BYE') return this.#bye(incoming, dialog)
    // A request that knows our tag proves that the 200 arrived, though its ACK is lost or late.
    if (dialog.state === 'unacknowledged') this.#confirm(dialog)
    const isOffer = request.method === 'INVITE' || (request.method === 'UPDATE' && carriesOffer(request))
    if (isOffer && (dialog.waiting !== undefined || dialog.isAsking))
      return this.#replies.send(incoming, dialog, PENDING)
    if (isOffer || request.method === 'UPDATE') return this.#change(given, dialog, isOffer)
    if (request.method === 'INFO') return this.#info(incoming, dialog)
    if (request.method === 'NOTIFY') return this.#notify(incoming, dialog)
    if (request.method === 'PRACK') return this.#prack(incoming, dialog)
    if (request.method === 'OPTIONS') return this.#replies.sendCapabilities(incoming)
    this.#replies.send(incoming, dialog, NO_SUCH_DIALOG)
  }

  /** A re-INVITE, or an UPDATE with or without offer. */
  #change(given: Given, dialog: RemoteDialog, isOffer: boolean): void {
    const { incoming } = given
    const terms = readSessionTerms(incoming.request.headers)
    if (!terms.ok) return this.#replies.send(incoming, dialog, INTERVAL_TOO_SMALL)
    if (isOffer) return this.#offers.show(given, dialog, { isInitial: false, terms: terms.value })
    if (dialog.state === 'early' && incoming.request.body.length > 0) {
      return this.#replies.send(incoming, dialog, NOT_YET)
    }
    dialog.noteAllow(incoming.request.headers)
    this.#requests.setExpiry(dialog, terms.value)
    this.#replies.send(incoming, dialog, {
      status: 200,
      reason: 'OK',
      headers: this.#replies.acceptance(incoming, terms.value),
    })
    if (dialog.state !== 'early') this.#sink.inDialog(dialog.id, incoming.request)
  }

  #info(incoming: IncomingRequest, dialog: RemoteDialog): void {
    const { request } = incoming
    const isForeign = request.headers.first('Info-Package') !== undefined && !mayCarryMetadata(request)
    const isEarly = dialog.state === 'early'
    this.#replies.send(incoming, dialog, isForeign ? BAD_INFO_PACKAGE : isEarly ? NOT_YET : OK)
    if (!isForeign && !isEarly) this.#sink.inDialog(dialog.id, request)
  }

  /** What became of a REFER of ours. RFC 3515 2.4.4 */
  #notify(incoming: IncomingRequest, dialog: RemoteDialog): void {
    const isOurs = isAboutRefer(incoming.request)
    this.#replies.send(incoming, dialog, isOurs ? OK : BAD_EVENT)
    if (isOurs && dialog.state !== 'early') this.#sink.inDialog(dialog.id, incoming.request)
  }

  /**
   * drachtio-server has matched it with the provisional response, and leaves the answer to us. An offer in it is refused; that it came
   * acknowledges all the same. RFC 3262 5
   */
  #prack(incoming: IncomingRequest, dialog: RemoteDialog): void {
    this.#replies.send(incoming, dialog, incoming.request.body.length === 0 ? OK : NOT_ACCEPTABLE)
    this.#offers.acknowledged(dialog)
  }

  #bye(incoming: IncomingRequest, dialog: RemoteDialog): void {
    const { isOver } = dialog
    if (dialog.state === 'unacknowledged') {
      dialog.state = 'confirmed'
      this.#sink.confirmed(dialog.id)
    }
    this.#offers.finish(dialog, REQUEST_TERMINATED)
    if (!isOver) this.#end(dialog)
    this.#replies.send(incoming, dialog, OK)
    if (!isOver) this.#sink.ended(dialog.id, { cause: 'bye', request: incoming.request })
  }

  /** drachtio-server sent a BYE: no ACK came, no refresh came, or a CANCEL came after our 200. */
  #endedByServer({ request, stackDialogId }: IncomingRequest, remoteTag = ''): void {
    const dialog = this.#dialogs.find(stackDialogId, request.headers.first('Call-ID') ?? '', remoteTag)
    if (request.method !== 'BYE' || dialog === undefined || dialog.isOver) return
    const isConfirmed = dialog.state === 'confirmed'
    const isCancelled = (request.headers.first('Reason') ?? '').includes('CANCEL')
    const isWanted = dialog.wantedBye !== undefined
    this.#offers.forget(dialog)
    this.#end(dialog)
    const cause = isConfirmed ? 'sessionExpired' : isWanted ? 'local' : isCancelled ? 'cancelled' : 'noAck'
    this.#sink.ended(dialog.id, { cause })
  }

  #ack({ request }: IncomingRequest, facts: RequestFacts, dialog: RemoteDialog | undefined): void {
    if (dialog === undefined) return this.#sink.count({ kind: 'dropped', reason: 'strayAck' })
    if (dialog.awaitedAck !== facts.sequenceNumber) {
      return this.#sink.count({ kind: 'retransmission', direction: 'in' })
    }
    dialog.awaitedAck = undefined
    dialog.clearTimer('ack')
    // The answer to an offer of ours may come in an ACK. RFC 3264 4
    if (request.body.length > 0) this.#sink.inDialog(dialog.id, request)
    if (dialog.state === 'unacknowledged') this.#confirm(dialog)
  }

  #confirm(dialog: RemoteDialog): void {
    dialog.state = 'confirmed'
    dialog.awaitedAck = undefined
    dialog.clearTimer('ack')
    this.#sink.confirmed(dialog.id)
    this.#sendWantedBye(dialog)
  }

  /** Not before the ACK (RFC 3261 15), nor before drachtio-server told its name of the dialog. */
  #sendWantedBye(dialog: RemoteDialog): void {
    const isPossible = dialog.state === 'confirmed' && dialog.stackDialogId !== undefined
    if (isPossible && dialog.wantedBye !== undefined) this.#requests.sendWantedBye(dialog)
  }

  #accepted(dialog: RemoteDialog, { incoming, terms }: WaitingOffer): void {
    const { method, headers } = incoming.request
    dialog.noteAllow(headers)
    this.#requests.setExpiry(dialog, terms)
    if (method !== 'INVITE') return
    if (dialog.state === 'early') dialog.state = 'unacknowledged'
    dialog.awaitedAck = Number.parseInt(headers.first('CSeq') ?? '', 10)
    dialog.setTimer('ack', this.#timers.ackMs, () => this.#sink.enter(() => this.#requests.giveUpAck(dialog)))
  }

  /** drachtio-server took our 200, or did not: the connection of the SRC is gone, or its CANCEL was faster. */
  #delivered(dialog: RemoteDialog, delivery: Delivery): void {
    if (delivery.ok) {
      if (delivery.stackDialogId !== undefined && dialog.stackDialogId === undefined) {
        this.#dialogs.name(dialog, delivery.stackDialogId)
        this.#sendWantedBye(dialog)
      }
      return
    }
    if (dialog.state !== 'unacknowledged') return
    this.#end(dialog)
    this.#sink.ended(dialog.id, { cause: 'noAck' })
  }

  #end(dialog: RemoteDialog): void {
    dialog.state = 'ended'
    dialog.clearTimers()
    this.#requests.abandon(dialog)
    this.#dialogs.delete(dialog)
    for (const done of dialog.byeWaiters.splice(0)) done()
  }
}
