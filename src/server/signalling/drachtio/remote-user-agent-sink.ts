import type { DialogId } from '../../../ids.ts'
import type { SipHeader } from '../../../protocol/sip/header-list.ts'
import type { RequestFacts } from '../../../protocol/sip/inspect-request.ts'
import type { SipRequest } from '../../../protocol/sip/message.ts'
import type { Admission } from '../../../protocol/sip/user-agent-sink.ts'
import type { DialogEnd, SignallingCounter } from '../port.ts'
import type { IncomingRequest } from './srf-link.ts'

/** An offer for the handler, and what can be done with it. */
export interface ShownOffer {
  readonly dialogId: DialogId
  readonly incoming: IncomingRequest
  readonly facts: RequestFacts
  readonly localAddress: string
  readonly user: string | undefined
  readonly isInitial: boolean
  readonly progress: (status: 180 | 183, sdp: Uint8Array | undefined) => void
  readonly answer: (sdp: Uint8Array) => void
  readonly refuse: (status: number, reason: string, headers: readonly SipHeader[]) => void
}

/** What a `RemoteUserAgent` tells. Nothing of this throws. */
export interface RemoteUserAgentSink {
  /** Runs what a timer starts. */
  enter(action: () => void): void
  /** Unguessable, different each time. */
  randomToken(): string
  /** False when the handler threw. */
  offer(offer: ShownOffer): boolean
  inDialog(dialogId: DialogId, request: SipRequest): void
  confirmed(dialogId: DialogId): void
  ended(dialogId: DialogId, end: { readonly cause: DialogEnd['cause']; readonly request?: SipRequest }): void
  admission(): Admission
  count(counter: SignallingCounter): void
}
