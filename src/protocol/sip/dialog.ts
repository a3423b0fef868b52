import type { DialogId } from '../../ids.ts'
import type { SipFlow, SipTarget } from './flow.ts'
import type { HeaderList } from './header-list.ts'
import type { RequestFacts } from './inspect-request.ts'
import type { SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import type { ProvisionalResponses } from './provisional-responses.ts'
import { listValues, optionTags } from './scalar-headers.ts'
import { type SipTimers, transactionTimeoutUs } from './timers.ts'
import { readSessionId } from './session-id.ts'
import { asksForSips } from './sips.ts'
import type { TimedItem } from './timed-table.ts'
import { formatHostPort } from './uri.ts'

/**
 * `early`: the first INVITE is not answered · `unacknowledged`: 2xx sent, no ACK yet · `confirmed` ·
 * `closing`: our BYE is under way · `ended`.
 */
export type DialogState = 'early' | 'unacknowledged' | 'confirmed' | 'closing' | 'ended'

/** A 2xx that is sent again until its ACK comes. RFC 3261 13.3.1.4 */
interface UnacknowledgedAnswer {
  readonly sequenceNumber: number
  readonly bytes: Uint8Array
  readonly target: SipTarget
  readonly giveUpAtUs: number
  intervalUs: number
  retransmitAtUs: number
}

/** Methods of ours that depend on what the peer allows. */
const NEEDS_ALLOW = ['INVITE', 'UPDATE', 'INFO', 'REFER'] as const

/** A request of ours that waits for its final answer; a dialog has at most one, besides its BYE. */
export interface OpenRequest {
  /** Branch of its transaction. */
  readonly key: string
  /** `refresh` is the session timer's, `asked` was asked for by our owner. */
  readonly purpose: 'refresh' | 'asked'
  /** An offer of ours is open, so that the peer may make none. */
  readonly isOffer: boolean
  /** What becomes our session description when the peer takes it. */
  readonly description: Uint8Array | undefined
}

/** Names a dialog at our side: Call-ID, our tag, the peer's tag. RFC 3261 12 */
export function dialogKey(sipCallId: string, localTag: string, remoteTag: string): string {
  return `${sipCallId}\n${localTag}\n${remoteTag}`
}

/**
 * One dialog in which the peer sent the first INVITE, from that INVITE to the end.
 *
 * Owns the order of CSeq, the route set, the remote target, and the 2xx until it is acknowledged. Time is monotonic microseconds.
 *
 * @see RFC 3261 12.1.1, 12.2.2, 13.3.1.4
 */
export class Dialog implements TimedItem {
  readonly id: DialogId
  readonly key: string
  /** Merge key of the first INVITE, for as long as the dialog lives. */
  readonly mergeKey: string
  readonly sipCallId: string
  readonly localTag: string
  /** Our To and the peer's From, tags included, as our own requests carry them. */
  readonly localParty: string
  readonly remoteParty: string
  /** Record-Route values of the first INVITE in their order. RFC 3261 12.1.1 */
  readonly routeSet: readonly string[]
  /** By which the peer names itself. RFC 7989 */
  readonly remoteSessionId: string | undefined
  /** Who proved to send the first INVITE, by a password; what follows in the dialog is theirs. */
  readonly user: string | undefined
  /** Our Contact is a SIPS URI where there is TLS. RFC 3261 12.1.1 */
  readonly isSips: boolean
  readonly #timers: SipTimers
  #state: DialogState = 'early'
  #flow: SipFlow
  #remoteTarget: string
  #remoteSequence: number
  #localSequence = 0
  #answer: UnacknowledgedAnswer | undefined
  #pendingOffer: string | undefined
  #isToldEarly = false
  #localDescription: Uint8Array | undefined
  /** Undefined as long as the peer did not say. */
  #peerAllows: ReadonlySet<string> | undefined
  /** Provisional responses to the latest INVITE. */
  progress: ProvisionalResponses | undefined
  /** The request of ours that is under way. */
  openRequest: OpenRequest | undefined

  constructor(options: {
    request: SipRequest
    facts: RequestFacts
    flow: SipFlow
    localTag: string
    user: string | undefined
    id: DialogId
    timers: SipTimers
  }) {
    const { request, facts, flow, localTag } = options
    this.id = options.id
    this.key = dialogKey(facts.sipCallId, localTag, facts.fromTag)
    this.mergeKey = facts.mergeKey
    this.sipCallId = facts.sipCallId
    this.localTag = localTag
    this.localParty = `${facts.to};tag=${localTag}`
    this.remoteParty = facts.from
    this.routeSet = listValues(request.headers, 'Record-Route')
    this.remoteSessionId = readSessionId(request.headers)
    this.user = options.user
    this.isSips = asksForSips(request)
    this.#timers = options.timers
    this.#flow = flow
    this.#remoteSequence = facts.sequenceNumber
    // A client that forgot its Contact can only be reached where it spoke from.
    this.noteAllow(request.headers)
    this.#remoteTarget = contactUri(request.headers) ?? `sip:${formatHostPort(flow.address, flow.port)}`
  }

  get state(): DialogState {
    return this.#state
  }

  /** How the peer's latest request in this dialog came. */
  get flow(): SipFlow {
    return this.#flow
  }

  get remoteTarget(): string {
    return this.#remoteTarget
  }

  /** Transaction key of the offer of the peer that is not answered yet; there is at most one. */
  get pendingOffer(): string | undefined {
    return this.#pendingOffer
  }

  /** The session description we sent last. */
  get localDescription(): Uint8Array | undefined {
    return this.#localDescription
  }

  /** The peer learns our tag before the first 2xx. RFC 3261 12.1 */
  noteEarly(): void {
    this.#isToldEarly = true
  }

  /** An answer of ours waits for its ACK. */
  get isUnacknowledged(): boolean {
    return this.#answer !== undefined
  }

  awaitAnswer(transactionKey: string | undefined): void {
    this.#pendingOffer = transactionKey
  }

  /** Infinity unless an answer waits for its ACK. */
  get nextTimeoutUs(): number {
    return this.#answer === undefined ? Infinity : Math.min(this.#answer.retransmitAtUs, this.#answer.giveUpAtUs)
  }

  /** CSeq of our next request. */
  nextSequence(): number {
    this.#localSequence += 1
    return this.#localSequence
  }

  /** Takes the CSeq of a new request of the peer; false when it is not above the last one. RFC 3261 12.2.2 */
  acceptSequence(sequenceNumber: number, flow: SipFlow): boolean {
    if (sequenceNumber <= this.#remoteSequence) return false
    this.#remoteSequence = sequenceNumber
    this.#flow = flow
    return true
  }

  /** Takes over what a message of the peer allows; one without Allow changes nothing. RFC 3261 20.5 */
  noteAllow(headers: HeaderList): void {
    if (headers.first('Allow') === undefined) return
    const tags = optionTags(headers, 'Allow')
    this.#peerAllows = new Set(NEEDS_ALLOW.filter((method) => tags.includes(method.toLowerCase())))
  }

  /** Whether the peer's Allow names a method; undefined when it never sent an Allow. */
  allows(method: string): boolean | undefined {
    return this.#peerAllows?.has(method)
  }

  /** The peer refused a method that its Allow names. */
  disallow(method: string): void {
    this.#peerAllows = new Set([...(this.#peerAllows ?? [])].filter((allowed) => allowed !== method))
  }

  /** Takes over the Contact of an INVITE or UPDATE that succeeded, or of a 2xx. RFC 3261 12.2, RFC 3311 5.1 */
  retarget(headers: HeaderList): void {
    this.#remoteTarget = contactUri(headers) ?? this.#remoteTarget
  }

  /** What the peer knows as our session description from now on. */
  describe(localDescription: Uint8Array): void {
    this.#localDescription = localDescription
  }

  /** An INVITE is answered with 2xx, which is from now on sent again until its ACK. */
  accept(
    answer: {
      readonly request: SipRequest
      readonly sequenceNumber: number
      readonly bytes: Uint8Array
      readonly target: SipTarget
    },
    nowUs: number,
  ): void {
    if (this.#state === 'early') this.#state = 'unacknowledged'
    this.retarget(answer.request.headers)
    this.noteAllow(answer.request.headers)
    this.#answer = {
      sequenceNumber: answer.sequenceNumber,
      bytes: answer.bytes,
      target: answer.target,
      giveUpAtUs: nowUs + transactionTimeoutUs(this.#timers),
      intervalUs: this.#timers.t1Us,
      retransmitAtUs: nowUs + this.#timers.t1Us,
    }
  }

  /** The 2xx for the INVITE of this CSeq while it waits for its ACK. */
  answerAwaitingAck(sequenceNumber: number): { readonly bytes: Uint8Array; readonly target: SipTarget } | undefined {
    return this.#answer?.sequenceNumber === sequenceNumber ? this.#answer : undefined
  }

  /** The ACK of a 2xx came. `ignored` when it is another INVITE's or came before. */
  handleAck(sequenceNumber: number): 'confirmed' | 'acknowledged' | 'ignored' {
    if (this.#answer?.sequenceNumber !== sequenceNumber) return 'ignored'
    this.#answer = undefined
    return this.#confirm() ? 'confirmed' : 'acknowledged'
  }

  /**
   * A new request came in the dialog. One that knows our tag proves that the first 2xx arrived, unless a provisional response bore it;
   * a new INVITE proves that the last 2xx did, though the ACK is lost or late. True when that confirms the dialog.
   */
  handleProofOfAnswer(isInvite: boolean): boolean {
    if (!isInvite && (this.#state !== 'unacknowledged' || this.#isToldEarly)) return false
    this.#answer = undefined
    return this.#confirm()
  }

  #confirm(): boolean {
    if (this.#state !== 'unacknowledged') return false
    this.#state = 'confirmed'
    return true
  }

  /** What is due: the 2xx again, or giving up after 64*T1 without ACK. */
  handleTimeout(nowUs: number): 'retransmit' | 'noAck' | 'none' {
    const answer = this.#answer
    if (answer === undefined) return 'none'
    if (nowUs >= answer.giveUpAtUs) {
      this.#answer = undefined
      return 'noAck'
    }
    if (nowUs < answer.retransmitAtUs) return 'none'
    answer.intervalUs = Math.min(2 * answer.intervalUs, this.#timers.t2Us)
    answer.retransmitAtUs = nowUs + answer.intervalUs
    return 'retransmit'
  }

  /** The answer that is due to be sent again. */
  get unacknowledgedAnswer(): { readonly bytes: Uint8Array; readonly target: SipTarget } | undefined {
    return this.#answer
  }

  close(): void {
    this.#answer = undefined
    this.#state = 'closing'
  }

  end(): void {
    this.#answer = undefined
    this.#state = 'ended'
  }
}

function contactUri(headers: HeaderList): string | undefined {
  const contact = listValues(headers, 'Contact')[0]
  const parsed = contact === undefined ? undefined : parseNameAddr(contact)
  // A blank, control character or angle bracket would break our request line: then the source is the better target.
  return parsed?.ok === true && !/^\*$|[\0- <>]/.test(parsed.value.uri) ? parsed.value.uri : undefined
}
