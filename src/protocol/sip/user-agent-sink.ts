import type { DialogId } from '../../ids.ts'
import type { DigestRefusal } from './digest-authenticator.ts'
import type { Authoriser } from './door.ts'
import type { SipFlow, SipTarget, SipTransport } from './flow.ts'
import type { SipHeader } from './header-list.ts'
import type { RequestRejectReason } from './inspect-request.ts'
import type { SipRequest } from './message.ts'
import type { SipRejectReason } from './parse-message.ts'
import type { SipTimers } from './timers.ts'

/** An INVITE to be answered or refused, the first of a dialog or a later one inside it; or an UPDATE that carries an offer. */
export interface SipOffer {
  /** Names the offer in {@link UserAgentServer.answer} and {@link UserAgentServer.refuse}. */
  readonly offerId: string
  readonly dialogId: DialogId
  readonly isInitial: boolean
  readonly request: SipRequest
  readonly sipCallId: string
  /** Raw header values. */
  readonly from: string
  readonly to: string
  readonly flow: SipFlow
  /** Who proved to have opened the dialog, by a password. */
  readonly user: string | undefined
  readonly receivedUs: number
}

/** An UPDATE without offer, an INFO, a NOTIFY about a REFER of ours, or an ACK with a body, inside a dialog. It is answered whatever comes of it. */
export interface SipInDialogRequest {
  readonly dialogId: DialogId
  readonly request: SipRequest
  readonly receivedUs: number
}

/** Why a dialog is over. `refused`: its offer was never answered although it was shown. `sessionExpired`: RFC 4028 10. */
export interface SipDialogEnd {
  readonly cause: 'bye' | 'cancelled' | 'noAck' | 'local' | 'refused' | 'sessionExpired'
  readonly receivedUs: number
  /** The BYE or CANCEL, when the peer ended it. */
  readonly request: SipRequest | undefined
}

/** What was dropped without an answer. */
export type SipDropReason = 'strayResponse' | 'strayAck' | 'transactionsFull' | 'dialogsFull' | 'refusalNotAcknowledged'

export type SipCounter =
  | { readonly kind: 'request'; readonly method: string; readonly code: number }
  | { readonly kind: 'rejected'; readonly reason: SipRejectReason | RequestRejectReason }
  | { readonly kind: 'retransmission'; readonly direction: 'in' | 'out' }
  | { readonly kind: 'dropped'; readonly reason: SipDropReason }
  | { readonly kind: 'authentication'; readonly outcome: 'accepted' | DigestRefusal }

/** Whether a new dialog may begin. `warning` is a sentence for whoever looks at the SRC's trace, without quotation marks. RFC 3261 20.43 */
export type Admission =
  | { readonly status: 200 }
  | { readonly status: 503; readonly retryAfterSeconds: number; readonly warning?: string }

/** A request of ours inside a dialog. */
export interface AskedRequest {
  /** `INVITE` must carry an offer. */
  readonly method: 'INVITE' | 'UPDATE' | 'INFO' | 'REFER'
  readonly headers?: readonly SipHeader[]
  readonly contentType?: string
  readonly body?: Uint8Array
}

/** What became of it. `status` 0: the dialog ended before it was answered; 408 also when no answer came in time. */
export interface AskedAnswer {
  readonly status: number
  readonly contentType?: string
  readonly body?: Uint8Array
}

/** Where the outputs of a {@link UserAgentServer} go. It calls back while it handles an input, never at another time. */
export interface UserAgentSink {
  send(bytes: Uint8Array, target: SipTarget): void
  handleOffer(offer: SipOffer): void
  handleInDialog(request: SipInDialogRequest): void
  /** Once per dialog: the peer has our 2xx. */
  handleConfirmed(dialogId: DialogId, receivedUs: number): void
  /** Once per dialog whose first offer was shown, unless that offer was refused by whoever it was shown to. */
  handleEnded(dialogId: DialogId, end: SipDialogEnd): void
  /** The BYE asked for with {@link UserAgentServer.bye} was answered, given up, or is not needed any more. */
  handleByeDone(dialogId: DialogId): void
  /** Once for each key that {@link UserAgentServer.request} returned. */
  handleOwnResponse(key: string, answer: AskedAnswer): void
  /** Whether a new dialog may begin; OPTIONS tells the same. */
  admission(method: 'INVITE' | 'OPTIONS'): Admission
  handleCounted(counter: SipCounter): void
}

/** RFC 3326 Reason, such as `{ cause: 16, text: 'Normal call clearing' }`; written with protocol Q.850 below 200, else SIP. */
export interface ByeReason {
  readonly cause: number
  readonly text: string
}

export interface UserAgentOptions {
  readonly sink: UserAgentSink
  /** Unguessable text of token characters, different each time; becomes tags and branches. */
  readonly randomToken: () => string
  /** Decides who may open a dialog; without it everybody may. */
  readonly authoriser?: Authoriser
  /** Positive microseconds. */
  readonly timers?: Partial<SipTimers>
  /** Transports that `send` can open towards a peer; by default all. */
  readonly transports?: ReadonlySet<SipTransport>
  readonly transactionsMax?: number
  readonly dialogsMax?: number
}
