import type { DialogId } from '../../ids.ts'
import type { Admission } from '../../protocol/sip/user-agent-sink.ts'
import type { SipReason } from '../../protocol/sip/reason.ts'

/** Where a message came from: the peer's address as our socket saw it. */
export interface SipSource {
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly address: string
  readonly port: number
  /** What the client's certificate says and a configured CA confirmed: DNS names and addresses, in lower case; empty without one. RFC 5922 7.1 */
  readonly tlsNames: readonly string[]
  /** The user name proved by digest authentication. RFC 8760 */
  readonly user: string | undefined
}

export { PROGRESS_MAX } from '../../protocol/sip/provisional-responses.ts'

/** An INVITE that starts a dialog, or a re-INVITE or an UPDATE with an offer inside one. It is answered or refused once; later attempts do nothing. */
export interface OfferRequest {
  readonly dialogId: DialogId
  /** As written. It may hold a number: not for logs. */
  readonly requestUri: string
  readonly sipCallId: string
  /** Raw header values. They hold numbers and names: not for logs. */
  readonly from: string
  readonly to: string
  /** First value of a header; the name in any case, long or compact. */
  header(name: string): string | undefined
  /** All values of a header, one per header line. */
  headers(name: string): readonly string[]
  /** Raw bytes; their type is in the `content-type` header, which may be missing. */
  readonly body: Uint8Array
  readonly source: SipSource
  /** Our address as this SRC reaches it, or the advertised one. */
  readonly localAddress: string
  /** Monotonic microseconds. */
  readonly receivedUs: number
  /**
   * A provisional response; sent reliably (RFC 3262) when the SRC requires `100rel`, or supports it and there is SDP. A 200 then waits for
   * the PRACK of the one with SDP, and the offer is refused 504 when none comes. At most {@link PROGRESS_MAX} for each offer; ignored after
   * the final answer, after CANCEL, and for an UPDATE. An offer that is not answered in a minute is refused, counted from the last of them.
   *
   * @param sdp an answer as early media; without one, or to an INVITE without offer, a mere sign of life
   */
  progress(status: 180 | 183, sdp?: Uint8Array): void
  /**
   * 200 with `application/sdp`: the answer, or an offer when the INVITE had none; then the SRC's answer is the body of its ACK, which comes
   * as {@link SignallingHandler.handleInDialog}. Ignored after CANCEL.
   */
  answer(sdp: Uint8Array): void
  /** Status 300 to 699. A refused first INVITE leaves no dialog, a refused re-INVITE leaves it as it was. */
  refuse(status: number, reason: string, headers?: readonly (readonly [string, string])[]): void
}

/**
 * Why a dialog is over. `noAck`: our 200 was never acknowledged · `local`: by {@link SignallingPort.bye} ·
 * `refused`: its first INVITE was refused by the port, because the handler threw or never answered ·
 * `sessionExpired`: no refresh came in time, or the SRC does not know the dialog any more (RFC 4028 10).
 */
export interface DialogEnd {
  readonly cause: 'bye' | 'cancelled' | 'noAck' | 'local' | 'refused' | 'sessionExpired'
  /** Monotonic microseconds. */
  readonly receivedUs: number
  /** What BYE or CANCEL gave as Reason. RFC 3326 */
  readonly reason?: SipReason
  /** Of the BYE, which may carry metadata. */
  readonly contentType?: string
  readonly body?: Uint8Array
}

/**
 * An UPDATE without offer or an INFO inside a dialog: metadata, or a vendor's headers that pause and resume. It is answered already.
 * A NOTIFY about a REFER of ours. Or an ACK with a body: the answer to an INVITE without SDP that was answered with an offer of ours.
 *
 * @see RFC 3311, RFC 6086, RFC 3515
 */
export interface InDialogRequest {
  readonly method: string
  /** First value of a header; the name in any case, long or compact. */
  header(name: string): string | undefined
  /** All values of a header, one per header line. */
  headers(name: string): readonly string[]
  /** Raw bytes; empty for a mere refresh. The type is in the `content-type` header. */
  readonly body: Uint8Array
  /** Monotonic microseconds. */
  readonly receivedUs: number
}

/** A request of ours inside a dialog. */
export interface OwnRequest {
  /** `INVITE` carries an offer of ours; without one it is not sent. */
  readonly method: 'INVITE' | 'UPDATE' | 'INFO' | 'REFER'
  readonly headers?: readonly (readonly [string, string])[]
  /** Left out together with `body`. */
  readonly contentType?: string
  readonly body?: Uint8Array
}

/**
 * What the SRC made of a request of ours. `status` 0: not sent, because the dialog is unknown or over, the ACK of our 200 is not here, or a
 * request of either side is still open; also when the dialog ended before the answer. 405 also, and not sent, when the SRC's Allow leaves the
 * method out; 408 also when no answer came (Timer B or F); 491 after glare. 401 and 407 are not tried again.
 */
export interface OwnResponse {
  readonly status: number
  readonly contentType?: string
  /** Of a 2xx to INVITE: the SRC's answer. Its ACK was sent. */
  readonly body?: Uint8Array
}

/** What a signalling port counts; every label is out of a closed set. */
export type SignallingCounter =
  | { kind: 'request'; method: string; code: number }
  | { kind: 'rejected'; reason: string }
  | { kind: 'retransmission'; direction: 'in' | 'out' }
  | { kind: 'dropped'; reason: string }
  | { kind: 'authentication'; outcome: string }

/** What the port calls. It may throw: the port answers 500, logs, and goes on. */
export interface SignallingHandler {
  handleInvite(offer: OfferRequest): void
  handleReinvite(offer: OfferRequest): void
  /** Only for dialogs that were answered and are not over. */
  handleInDialog?(dialogId: DialogId, request: InDialogRequest): void
  /** The SRC has our first 200: its ACK came. Once per dialog. */
  handleConfirmed(dialogId: DialogId, receivedUs: number): void
  /** Exactly once per dialog that {@link handleInvite} saw, unless the handler itself refused it. */
  handleEnded(dialogId: DialogId, end: DialogEnd): void
  /** What OPTIONS is answered with. Also asked for each first INVITE, which on 503 is refused with Retry-After. */
  optionsStatus(method?: 'INVITE' | 'OPTIONS'): Admission
  handleCounted?(counter: SignallingCounter): void
}

/** An address that is listened at; the port is the real one when 0 was asked for. */
export interface BoundAddress {
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly address: string
  readonly port: number
}

/** The SIP side of the recorder: an embedded stack, or one that runs elsewhere. */
export interface SignallingPort {
  /**
   * Opens the sockets and begins to serve.
   *
   * @throws EarwitnessError `sip-port-in-use`, `sip-port-forbidden`, `sip-address-unknown`, `sip-listen-failed`, `sip-tls-files`; nothing stays open
   */
  run(handler: SignallingHandler): Promise<readonly BoundAddress[]>
  /**
   * Sends BYE, once the ACK of our 200 came; resolves when it was answered or given up (Timer F), at once for an unknown dialog.
   * `handleEnded` is called when the BYE is sent.
   *
   * @param reason RFC 3326; causes below 200 are Q.850's, others SIP status codes
   */
  bye(dialogId: DialogId, reason?: { readonly cause: number; readonly text: string }): Promise<void>
  /** Messages come faster than they are handled: what is read now has waited. Absent where nobody knows. */
  readonly isBehind?: boolean
  /** Sends a request inside the dialog; resolves with its final answer, never rejects. 408 and 481 end the dialog (RFC 5057). */
  request(dialogId: DialogId, request: OwnRequest): Promise<OwnResponse>
  /** Resolves when no transaction is left open; run's sockets stay. */
  drain(): Promise<void>
  /** Closes all sockets. Dialogs are forgotten without a word. */
  stop(): Promise<void>
}
