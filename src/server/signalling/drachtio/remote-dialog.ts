import type { DialogId } from '../../../ids.ts'
import type { HeaderList } from '../../../protocol/sip/header-list.ts'
import { optionTags } from '../../../protocol/sip/scalar-headers.ts'
import type { SessionTerms } from '../../../protocol/sip/session-expires.ts'
import type { BoundAddress } from '../port.ts'
import type { AdminConnection, IncomingRequest } from './srf-link.ts'

/**
 * `early`: the first INVITE is not answered · `unacknowledged`: answered with 200, no ACK yet · `confirmed` · `closing`: our BYE is under
 * way · `ended`.
 */
export type RemoteDialogState = 'early' | 'unacknowledged' | 'confirmed' | 'closing' | 'ended'

/** `setTimeout` takes no more; a session interval may be a hundred years. */
const TIMER_MS_MAX = 2 ** 31 - 1

type DialogTimer = 'answer' | 'prack' | 'ack' | 'expiry' | 'request'

/** An offer that waits for its answer. */
export interface WaitingOffer {
  readonly incoming: IncomingRequest
  readonly isInitial: boolean
  readonly terms: SessionTerms | undefined
  provisionalCount: number
  /** Provisional responses sent reliably that wait for their PRACK, in order: whether they carry SDP. */
  readonly unacknowledged: { readonly hasSdp: boolean }[]
  /** Our answer, while a provisional response with SDP is not acknowledged. RFC 3262 3 */
  heldAnswer: Uint8Array | undefined
}

/** What a BYE of ours says. RFC 3326 */
export interface ByeReason {
  readonly cause: number
  readonly text: string
}

/** A dialog that drachtio-server holds, as far as we must know it. The order of CSeq, routes and targets are drachtio-server's. */
export class RemoteDialog {
  readonly id: DialogId
  readonly sipCallId: string
  /** The tag of the SRC. */
  readonly remoteTag: string
  /** Who proved to have opened it. */
  readonly user: string | undefined
  /** How to reach it: the connection on which its latest request came, or the one that was made since. */
  connection: AdminConnection
  /** Where its latest request came from. */
  source: BoundAddress
  state: RemoteDialogState = 'early'
  /** drachtio-server's name of it, known once our 200 left. */
  stackDialogId: string | undefined
  waiting: WaitingOffer | undefined
  /** CSeq of the INVITE whose 200 is not acknowledged. */
  awaitedAck: number | undefined
  /** A request of ours other than BYE is open. */
  isAsking = false
  /** Methods the SRC takes, in lower case, once it said so. */
  allowed: ReadonlySet<string> | undefined
  terms: SessionTerms | undefined
  /** A BYE to be sent once that can be done. */
  wantedBye: { readonly reason: ByeReason | undefined } | undefined
  /** Who waits for the end of our BYE. */
  readonly byeWaiters: (() => void)[] = []
  readonly #timers = new Map<DialogTimer, NodeJS.Timeout>()

  constructor(options: {
    readonly id: DialogId
    readonly sipCallId: string
    readonly remoteTag: string
    readonly connection: AdminConnection
    readonly source: BoundAddress
    readonly user: string | undefined
  }) {
    this.id = options.id
    this.sipCallId = options.sipCallId
    this.remoteTag = options.remoteTag
    this.connection = options.connection
    this.source = options.source
    this.user = options.user
  }

  /** True while somebody waits: for an answer, an ACK, or the end of a request of ours. */
  get isBusy(): boolean {
    return this.waiting !== undefined || this.state === 'unacknowledged' || this.state === 'closing' || this.isAsking
  }

  get isOver(): boolean {
    return this.state === 'closing' || this.state === 'ended'
  }

  /** Takes over what a message of the SRC allows; one without Allow changes nothing. RFC 3261 20.5 */
  noteAllow(headers: HeaderList): void {
    if (headers.first('Allow') !== undefined) this.allowed = new Set(optionTags(headers, 'Allow'))
  }

  /** Starts a timer anew. */
  setTimer(kind: DialogTimer, ms: number, elapsed: () => void): void {
    this.clearTimer(kind)
    this.#timers.set(kind, setTimeout(elapsed, Math.min(ms, TIMER_MS_MAX)))
  }

  clearTimer(kind: DialogTimer): void {
    clearTimeout(this.#timers.get(kind))
    this.#timers.delete(kind)
  }

  clearTimers(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}
