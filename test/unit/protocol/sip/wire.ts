import type { DialogId } from '../../../../src/ids.ts'
import type { SipFlow, SipTarget } from '../../../../src/protocol/sip/flow.ts'
import type { SipRequest, SipResponse } from '../../../../src/protocol/sip/message.ts'
import { parseMessage } from '../../../../src/protocol/sip/parse-message.ts'
import { UserAgentServer } from '../../../../src/protocol/sip/user-agent-server.ts'
import type {
  Admission,
  AskedAnswer,
  SipCounter,
  SipDialogEnd,
  SipInDialogRequest,
  SipOffer,
  UserAgentOptions,
} from '../../../../src/protocol/sip/user-agent-sink.ts'

export const SDP = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n'
const encoder = new TextEncoder()

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text)
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** Joins lines with CRLF and ends the head. */
export function head(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

export function parseRequest(text: string | Uint8Array): SipRequest {
  const parsed = parseMessage(typeof text === 'string' ? bytesOf(text) : text)
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('not a request')
  return parsed.value
}

export function parseResponse(bytes: Uint8Array): SipResponse {
  const parsed = parseMessage(bytes)
  if (!parsed.ok || parsed.value.kind !== 'response') throw new Error('not a response')
  return parsed.value
}

export interface RequestShape {
  readonly method?: string
  readonly uri?: string
  readonly via?: string
  readonly branch?: string
  readonly fromTag?: string
  readonly toTag?: string
  readonly sipCallId?: string
  readonly cseq?: string
  readonly contact?: string
  readonly extra?: readonly string[]
  readonly body?: string
}

/** A request as an SRC would send it; every field can be changed. */
export function request(shape: RequestShape = {}): string {
  const method = shape.method ?? 'INVITE'
  const branch = shape.branch ?? 'z9hG4bK-1'
  const body = shape.body ?? ''
  const lines = [
    `${method} ${shape.uri ?? 'sip:srs@192.0.2.9'} SIP/2.0`,
    `Via: ${shape.via ?? `SIP/2.0/UDP 192.0.2.1:5060;branch=${branch}`}`,
    'Max-Forwards: 70',
    `From: "Client" <sip:src@example.com>;tag=${shape.fromTag ?? 'src1'}`,
    `To: <sip:srs@example.com>${shape.toTag === undefined ? '' : `;tag=${shape.toTag}`}`,
    `Call-ID: ${shape.sipCallId ?? 'abc@192.0.2.1'}`,
    `CSeq: ${shape.cseq ?? `1 ${method}`}`,
    `Contact: ${shape.contact ?? '<sip:src@192.0.2.1:5060>;+sip.src'}`,
    ...(shape.extra ?? []),
    ...(body === '' ? [] : ['Content-Type: application/sdp']),
    `Content-Length: ${bytesOf(body).length}`,
  ]
  return head(...lines) + body
}

export const UDP_FLOW: SipFlow = {
  transport: 'udp',
  address: '192.0.2.1',
  port: 5060,
  localAddress: '192.0.2.9',
  localPort: 5060,
  listenerId: 0,
  connectionId: undefined,
}
export const TCP_FLOW: SipFlow = { ...UDP_FLOW, transport: 'tcp', port: 40_000, connectionId: 7 }

export interface Sent {
  readonly text: string
  readonly bytes: Uint8Array
  readonly target: SipTarget
  readonly atUs: number
}

export type Happening =
  | { readonly kind: 'offer'; readonly offer: SipOffer }
  | { readonly kind: 'inDialog'; readonly inDialog: SipInDialogRequest }
  | { readonly kind: 'confirmed'; readonly dialogId: DialogId }
  | { readonly kind: 'ended'; readonly dialogId: DialogId; readonly end: SipDialogEnd }
  | { readonly kind: 'byeDone'; readonly dialogId: DialogId }
  | { readonly kind: 'ownResponse'; readonly key: string; readonly answer: AskedAnswer }

/** A user agent server in virtual time, with everything it did written down. */
export class Bench {
  readonly sent: Sent[] = []
  readonly happened: Happening[] = []
  readonly counted: SipCounter[] = []
  readonly userAgent: UserAgentServer
  admission: Admission = { status: 200 }
  nowUs = 0
  flow: SipFlow = UDP_FLOW
  #tokens = 0

  constructor(options: Partial<UserAgentOptions> = {}) {
    this.userAgent = new UserAgentServer({
      randomToken: () => `token${++this.#tokens}`,
      sink: {
        send: (bytes, target) => this.sent.push({ bytes, text: textOf(bytes), target, atUs: this.nowUs }),
        handleOffer: (offer) => this.happened.push({ kind: 'offer', offer }),
        handleInDialog: (inDialog) => this.happened.push({ kind: 'inDialog', inDialog }),
        handleConfirmed: (dialogId) => this.happened.push({ kind: 'confirmed', dialogId }),
        handleEnded: (dialogId, end) => this.happened.push({ kind: 'ended', dialogId, end }),
        handleByeDone: (dialogId) => this.happened.push({ kind: 'byeDone', dialogId }),
        handleOwnResponse: (key, answer) => this.happened.push({ kind: 'ownResponse', key, answer }),
        admission: () => this.admission,
        handleCounted: (counter) => this.counted.push(counter),
      },
      ...options,
    })
  }

  receive(text: string | Uint8Array, flow: SipFlow = this.flow): boolean {
    const framing = flow.transport === 'udp' ? 'datagram' : 'stream'
    return this.userAgent.receive(typeof text === 'string' ? bytesOf(text) : text, framing, flow, this.nowUs)
  }

  /** Lets time go by, waking the user agent exactly when it asks. */
  advance(us: number): void {
    const untilUs = this.nowUs + us
    for (
      let next = this.userAgent.nextTimeoutUs();
      next !== undefined && next <= untilUs;
      next = this.userAgent.nextTimeoutUs()
    ) {
      this.nowUs = Math.max(this.nowUs, next)
      this.userAgent.handleTimeout(this.nowUs)
    }
    this.nowUs = untilUs
  }

  get offers(): readonly SipOffer[] {
    return this.happened.flatMap((event) => (event.kind === 'offer' ? [event.offer] : []))
  }

  get inDialog(): readonly SipInDialogRequest[] {
    return this.happened.flatMap((event) => (event.kind === 'inDialog' ? [event.inDialog] : []))
  }

  get ends(): readonly string[] {
    return this.happened.flatMap((event) => (event.kind === 'ended' ? [event.end.cause] : []))
  }

  /** Status codes of the responses sent, or methods of the requests sent, in order. */
  get outline(): readonly string[] {
    return this.sent.map(({ text }) =>
      text.startsWith('SIP/2.0 ') ? text.slice(8, 11) : text.slice(0, text.indexOf(' ')),
    )
  }

  get lastResponse(): SipResponse {
    return parseResponse(this.sent.at(-1)!.bytes)
  }

  answerLast(): void {
    this.userAgent.answer(this.offers.at(-1)!.offerId, bytesOf(SDP), this.nowUs)
  }

  /** Opens a confirmed dialog and returns our tag in it. What was sent until then is forgotten. */
  establish(shape: RequestShape = {}): { readonly toTag: string; readonly dialogId: DialogId } {
    this.receive(request({ body: SDP, ...shape }))
    this.answerLast()
    const toTag = tagOf(this.lastResponse)
    const cseq = `${(shape.cseq ?? '1').split(' ')[0]} ACK`
    this.receive(request({ ...shape, method: 'ACK', branch: `${shape.branch ?? 'z9hG4bK-1'}-ack`, cseq, toTag }))
    const { dialogId } = this.offers.at(-1)!
    this.sent.length = 0
    return { toTag, dialogId }
  }
}

/** The tag of the To of a response. */
export function tagOf(response: SipResponse): string {
  return response.headers.first('To')!.split(';tag=')[1]!
}
