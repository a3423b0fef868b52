import { randomUUID } from 'node:crypto'
import type { SipFlow, SipTarget } from '../../../src/protocol/sip/flow.ts'
import type { SipHeader } from '../../../src/protocol/sip/header-list.ts'
import type { RequestFacts } from '../../../src/protocol/sip/inspect-request.ts'
import type { SipRequest } from '../../../src/protocol/sip/message.ts'
import { parseNameAddr } from '../../../src/protocol/sip/name-addr.ts'
import { serialize } from '../../../src/protocol/sip/serialize-message.ts'
import { formatHostPort, parseSipUri } from '../../../src/protocol/sip/uri.ts'

/** A dialog as drachtio-server holds it: everything that is not the application's business. */
export class PeerDialog {
  readonly id = randomUUID()
  readonly sipCallId: string
  readonly localTag: string
  readonly remoteTag: string
  readonly #local: string
  readonly #remote: string
  readonly #routes: readonly string[]
  flow: SipFlow
  readonly #target: string
  #sequence = 0
  /** 200 is sent; before it the dialog is an early one. */
  isAnswered = false
  isOver = false
  /** Transactions that the application has not answered yet. */
  ackTimer: NodeJS.Timeout | undefined

  constructor(request: SipRequest, facts: RequestFacts, flow: SipFlow, localTag: string) {
    this.sipCallId = facts.sipCallId
    this.localTag = localTag
    this.remoteTag = facts.fromTag
    this.#local = `${facts.to};tag=${localTag}`
    this.#remote = facts.from
    this.#routes = request.headers.all('Record-Route')
    this.flow = flow
    const contact = parseNameAddr(request.headers.first('Contact') ?? '')
    this.#target = contact.ok ? contact.value.uri : `sip:${formatHostPort(flow.address, flow.port)}`
  }

  /** A request of ours in it. `sequence`: that of its INVITE, for an ACK. */
  build(
    method: string,
    options: { headers: readonly SipHeader[]; body?: Uint8Array; sequence?: number },
  ): {
    readonly bytes: Uint8Array
    readonly target: SipTarget
    readonly branch: string
    readonly sequence: number
  } {
    const sequence = options.sequence ?? (this.#sequence += 1)
    const branch = `z9hG4bK${randomUUID()}`
    const { flow } = this
    const sentBy = formatHostPort(flow.localAddress, flow.localPort)
    const bytes = serialize({
      startLine: `${method} ${this.#target} SIP/2.0`,
      headers: [
        { name: 'Via', value: `SIP/2.0/${flow.transport.toUpperCase()} ${sentBy};branch=${branch};rport` },
        { name: 'Max-Forwards', value: '70' },
        ...this.#routes.map((value) => ({ name: 'Route', value })),
        { name: 'From', value: this.#local },
        { name: 'To', value: this.#remote },
        { name: 'Call-ID', value: this.sipCallId },
        { name: 'CSeq', value: `${sequence} ${method}` },
        ...options.headers,
      ],
      ...(options.body === undefined || options.body.length === 0 ? {} : { body: options.body }),
    })
    return { bytes, target: this.#targetOf(), branch, sequence }
  }

  #targetOf(): SipTarget {
    const uri = parseSipUri(this.#target)
    const { flow } = this
    return {
      kind: 'request',
      transport: flow.transport,
      host: uri.ok ? uri.value.host : flow.address,
      port: (uri.ok ? uri.value.port : undefined) ?? 5060,
      listenerId: flow.listenerId,
      connectionId: flow.connectionId,
      fallback: { address: flow.address, port: flow.port },
    }
  }
}
