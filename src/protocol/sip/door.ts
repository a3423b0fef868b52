import { SERVER } from './capabilities.ts'
import type { DigestRefusal } from './digest-authenticator.ts'
import type { SipFlow } from './flow.ts'
import type { SipHeader } from './header-list.ts'
import type { RequestFacts } from './inspect-request.ts'
import type { SipRequest } from './message.ts'
import type { Responder } from './responder.ts'
import type { UserAgentSink } from './user-agent-sink.ts'

/** Whether a request may open a dialog. `user`: who proved to send it; undefined where nobody was asked. */
export type Authorisation =
  | { readonly kind: 'granted'; readonly user: string | undefined }
  | {
      readonly kind: 'denied'
      readonly cause: DigestRefusal
      readonly status: 401 | 403
      readonly reason: string
      readonly headers: readonly SipHeader[]
    }

/** Decides who may open a dialog. */
export interface Authoriser {
  /** Is asked for an INVITE that opens a dialog, and for OPTIONS outside one. */
  authorise(request: SipRequest, flow: SipFlow, nowUs: number): Authorisation
  /** A tag that nobody else can make up, always the same for the same request. RFC 3261 8.2.7 */
  tagFor(transactionKey: string): string
}

const NOBODY_ASKED = { user: undefined } as const

/**
 * Turns away who may not open a dialog, before anything is remembered of the request: a stranger who is asked for a password costs one
 * answer and no transaction, and nobody can have us send an answer again and again to an address that is not theirs.
 *
 * @see RFC 3261 8.2.7 (stateless), 22.2
 */
export class Door {
  readonly #options: {
    readonly authoriser: Authoriser | undefined
    readonly sink: UserAgentSink
    readonly responder: Responder
  }

  constructor(options: {
    readonly authoriser: Authoriser | undefined
    readonly sink: UserAgentSink
    readonly responder: Responder
  }) {
    this.#options = options
  }

  /** Lets a request in, or answers it and returns undefined. What is inside a dialog was let in with its INVITE. RFC 3261 22.1 */
  admit(
    request: SipRequest,
    facts: RequestFacts,
    flow: SipFlow,
    nowUs: number,
  ): { readonly user: string | undefined } | undefined {
    const { authoriser, sink, responder } = this.#options
    const isAsked = facts.toTag === undefined && (request.method === 'INVITE' || request.method === 'OPTIONS')
    if (authoriser === undefined || !isAsked) return NOBODY_ASKED
    const verdict = authoriser.authorise(request, flow, nowUs)
    if (verdict.kind === 'granted') {
      if (verdict.user !== undefined) sink.handleCounted({ kind: 'authentication', outcome: 'accepted' })
      return verdict
    }
    const { status, reason, headers, cause } = verdict
    sink.handleCounted({ kind: 'authentication', outcome: cause })
    const toTag = authoriser.tagFor(facts.transactionKey)
    responder.replyStateless({ request, facts, flow }, { status, reason, headers: [...headers, SERVER], toTag })
    return undefined
  }

  /** An ACK of which nothing is known: one for an answer of {@link admit} is what should come, any other is counted. */
  handleStrayAck(facts: RequestFacts): void {
    const { authoriser, sink } = this.#options
    if (facts.toTag !== undefined && facts.toTag === authoriser?.tagFor(facts.inviteKey)) return
    sink.handleCounted({ kind: 'dropped', reason: 'strayAck' })
  }
}
