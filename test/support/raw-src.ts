import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

import { NO_IMPAIRMENT } from '../../src/cli/simulate/impairment.ts'
import { MediaPacer } from '../../src/cli/simulate/media-pacer.ts'
import { buildOffer } from '../../src/cli/simulate/offer.ts'
import { seededRandom } from '../../src/cli/simulate/random.ts'
import { PACKET_SAMPLES, RtpSource } from '../../src/cli/simulate/rtp-source.ts'
import { buildResponse } from '../../src/cli/simulate/src-requests.ts'
import { openStreamSocket, type StreamSocket } from '../../src/cli/simulate/stream-socket.ts'
import { encodePcmu } from '../../src/media/g711.ts'
import { parseSdp } from '../../src/protocol/sdp/parse.ts'
import type { SipMessage, SipRequest, SipResponse } from '../../src/protocol/sip/message.ts'
import { parseMessage } from '../../src/protocol/sip/parse-message.ts'
import { serialize } from '../../src/protocol/sip/serialize-message.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'

const LOOPBACK = '127.0.0.1'

type Direction = 'sendonly' | 'inactive'

/** A request as the test wants it on the wire; what is left out is as a good SRC would have it. */
export interface RawRequest {
  readonly sipCallId?: string
  readonly branch?: string
  readonly sequenceNumber?: number
  /** Inside a dialog. */
  readonly toTag?: string
  readonly contentType?: string
  readonly body?: string | Uint8Array
  /** False leaves out every sign that this is SIPREC. */
  readonly isSiprec?: boolean
  /** Of the URI in From, beginning with `;`. */
  readonly fromParameters?: string
  readonly headers?: readonly (readonly [string, string])[]
  /** The body of the ACK of a 200, as SDP; `never`: there is no ACK. */
  readonly acknowledge?: ((answer: SipResponse) => Uint8Array | undefined) | 'never'
}

/** What an SRC makes of a request of the recorder. */
export interface RawAnswer {
  readonly status: number
  /** SDP. */
  readonly body?: Uint8Array
}

/** A request that was sent, as whoever waits for its answer or takes it back must know it. */
export interface SentRequest extends RawRequest {
  readonly method: string
  readonly sipCallId: string
  readonly branch: string
  readonly sequenceNumber: number
}

/**
 * The signalling of an SRC over UDP on loopback, with no opinion about what it is asked to send.
 *
 * It sends nothing twice and keeps every message it hears. Requests of the recorder are answered with 200.
 */
export class RawSrc {
  readonly #socket: Socket
  readonly #recorderPort: number
  readonly #heard: SipMessage[] = []
  readonly #waiting = new Set<() => void>()
  /** Decides what requests of the recorder are answered. */
  onRequest: (request: SipRequest) => RawAnswer = () => ({ status: 200 })

  private constructor(socket: Socket, recorderPort: number) {
    this.#socket = socket
    this.#recorderPort = recorderPort
    socket.on('message', (bytes) => this.#hear(bytes))
  }

  static async open(recorderPort: number): Promise<RawSrc> {
    const socket = createSocket('udp4')
    socket.bind(0, LOOPBACK)
    await once(socket, 'listening')
    return new RawSrc(socket, recorderPort)
  }

  /** Sends bytes as they are; resolves when the kernel has them. */
  async sendBytes(bytes: Uint8Array | string): Promise<void> {
    await new Promise((resolve) => this.#socket.send(bytes, this.#recorderPort, LOOPBACK, resolve))
  }

  async send(method: string, request: RawRequest = {}): Promise<SentRequest> {
    const sent: SentRequest = {
      ...request,
      method,
      sipCallId: request.sipCallId ?? `${token()}@example.com`,
      branch: request.branch ?? `z9hG4bK${token()}`,
      sequenceNumber: request.sequenceNumber ?? 1,
    }
    await this.sendBytes(this.#print(sent))
    return sent
  }

  /** The final answer to a request; that to an INVITE is still to be acknowledged. */
  async finalAnswerTo(sent: SentRequest): Promise<SipResponse> {
    return this.#next((message): message is SipResponse => isFinalAnswer(message, sent))
  }

  /** The final answer to a request; that to an INVITE is acknowledged. RFC 3261 13.2.2.4, 17.1.1.3 */
  async answerTo(sent: SentRequest): Promise<SipResponse> {
    const response = await this.finalAnswerTo(sent)
    if (sent.method !== 'INVITE' || sent.acknowledge === 'never') return response
    const { sipCallId, sequenceNumber } = sent
    const branch = response.status < 300 ? {} : { branch: sent.branch }
    const body = response.status < 300 ? sent.acknowledge?.(response) : undefined
    const answer = body === undefined ? {} : { body, contentType: 'application/sdp' }
    const { fromParameters = '' } = sent
    await this.send('ACK', { sipCallId, sequenceNumber, toTag: tagOf(response), fromParameters, ...branch, ...answer })
    return response
  }

  async ask(method: string, request: RawRequest = {}): Promise<SipResponse> {
    return this.answerTo(await this.send(method, request))
  }

  /** A request of the recorder with this method, as soon as there is one. */
  async received(method: string): Promise<SipRequest> {
    return this.#next((message): message is SipRequest => message.kind === 'request' && message.method === method)
  }

  /** How many requests of the recorder had this method. */
  heardCount(method: string): number {
    return this.#heard.filter((message) => message.kind === 'request' && message.method === method).length
  }

  close(): void {
    this.#socket.close()
  }

  #hear(bytes: Uint8Array): void {
    const message = parseMessage(bytes)
    if (!message.ok) return
    this.#heard.push(message.value)
    if (message.value.kind === 'request' && message.value.method !== 'ACK') {
      const { status, body } = this.onRequest(message.value)
      void this.sendBytes(withBody(buildResponse(message.value, status, 'As Told', token()), body))
    }
    for (const wake of this.#waiting) wake()
  }

  async #next<Wanted extends SipMessage>(isWanted: (message: SipMessage) => message is Wanted): Promise<Wanted> {
    for (;;) {
      const found = this.#heard.find(isWanted)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
      })
    }
  }

  #print(sent: SentRequest): Uint8Array {
    const { method, sipCallId, branch, sequenceNumber, toTag, contentType, body = '', isSiprec = true } = sent
    const { fromParameters = '', headers: more = [] } = sent
    const own = `sip:src@${LOOPBACK}:${this.#socket.address().port}`
    const recorder = `sip:recorder@${LOOPBACK}:${this.#recorderPort}`
    const headers = [
      ['Via', `SIP/2.0/UDP ${LOOPBACK}:${this.#socket.address().port};branch=${branch};rport`],
      ['Max-Forwards', '70'],
      ['From', `<${own}${fromParameters}>;tag=src`],
      ['To', `<${recorder}>${toTag === undefined ? '' : `;tag=${toTag}`}`],
      ['Call-ID', sipCallId],
      ['CSeq', `${sequenceNumber} ${method}`],
      ...(method === 'INVITE' ? [['Contact', `<${own}>${isSiprec ? ';+sip.src' : ''}`]] : []),
      ...(method === 'INVITE' && isSiprec ? [['Require', 'siprec']] : []),
      ...(contentType === undefined ? [] : [['Content-Type', contentType]]),
      ...more,
    ]
    return serialize({
      startLine: `${method} ${recorder} SIP/2.0`,
      headers: headers.map(([name = '', value = '']) => ({ name, value })),
      body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
    })
  }
}

/** Media streams offered as SRTP: what stands behind `a=crypto:`, and what is really done with the packets. */
export interface RawProtection {
  readonly crypto: string
  seal(packet: Uint8Array): Uint8Array
}

/** One recording session placed by hand: two or more audio lines of PCMU, labelled 1, 2, 3 in their order. */
export class RawRecordingSession {
  readonly #src: RawSrc
  readonly #sipCallId: string
  readonly #pacer = new MediaPacer()
  readonly #sockets: StreamSocket[] = []
  readonly #sources: RtpSource[] = []
  readonly #protection: RawProtection | undefined
  #toTag: string | undefined
  #sequenceNumber = 0

  readonly #fromParameters: string

  private constructor(
    src: RawSrc,
    {
      protection,
      fromParameters = '',
    }: { readonly protection?: RawProtection | undefined; readonly fromParameters?: string | undefined } = {},
  ) {
    this.#src = src
    this.#protection = protection
    this.#sipCallId = `${token()}@example.com`
    this.#fromParameters = fromParameters
  }

  /** Rejects when the recorder does not answer with 200. */
  static async place(
    src: RawSrc,
    streamCount = 2,
    { protection, ...more }: Pick<RawRequest, 'headers' | 'acknowledge'> & { readonly protection?: RawProtection } = {},
  ): Promise<RawRecordingSession> {
    const session = new RawRecordingSession(src, { protection })
    await session.#offer(streamCount, [], more)
    return session
  }

  get sipCallId(): string {
    return this.#sipCallId
  }

  /** Two lines on which nothing is sent yet. */
  static async placeInactive(src: RawSrc): Promise<RawRecordingSession> {
    const session = new RawRecordingSession(src)
    await session.#offer(2, ['inactive', 'inactive'])
    return session
  }

  /**
   * A recording session whose INVITE carries no SDP, but perhaps something else: the recorder offers, and the ACK has the answer.
   *
   * @param request.acknowledge `never`, or what the ACK has instead of a proper answer
   */
  static async placeWithoutOffer(src: RawSrc, request: RawRequest = {}): Promise<RawRecordingSession> {
    const session = new RawRecordingSession(src, { fromParameters: request.fromParameters })
    await session.#askForOffer(request)
    return session
  }

  /** A re-INVITE without SDP. */
  async askForOffer(request: RawRequest = {}): Promise<void> {
    await this.#askForOffer(request)
  }

  /** A request inside the dialog; gives the status it was answered with. */
  async send(method: string, request: RawRequest = {}): Promise<number> {
    return (await this.#src.ask(method, this.#inDialog(request))).status
  }

  /** A re-INVITE that offers these directions, a line each. */
  async reoffer(...directions: readonly Direction[]): Promise<void> {
    await this.#offer(directions.length, directions)
  }

  /** A re-INVITE that offers these directions, and has these attributes on its last line. */
  async reofferWith(directions: readonly Direction[], attributes: readonly string[]): Promise<void> {
    await this.#offer(directions.length, directions, { attributes })
  }

  /** What the SRC would answer an offer of the recorder with. */
  answer(...directions: readonly Direction[]): Uint8Array {
    return this.#describe(this.#sockets.length, directions)
  }

  /** A re-INVITE with one more audio line. */
  async addStream(): Promise<void> {
    await this.#offer(this.#sockets.length + 1)
  }

  /** Sends samples (8 kHz) on a media stream at their own pace; resolves with the number of packets when the last has left. */
  async speak(stream: number, samples: Int16Array): Promise<number> {
    const packetCount = Math.floor(samples.length / PACKET_SAMPLES)
    const source = new RtpSource({
      encodedAudio: encodePcmu(samples),
      payloadType: 0,
      packetCount,
      driftPpm: 0,
      impairment: NO_IMPAIRMENT,
      // Another source each time: the same one would begin with the sequence numbers it has sent before.
      random: seededRandom(1, `${this.#sipCallId} stream ${stream} source ${this.#sources.length}`),
      startUs: monotonicUs(),
    })
    this.#sources.push(source)
    const seal = (packet: Uint8Array): Uint8Array => this.#protection?.seal(packet) ?? packet
    await this.#pacer.play(source, (packet) => this.#sockets[stream]?.sendRtp(seal(packet)))
    return source.counts.sent
  }

  /** Packets that have left so far, by the order of the calls of {@link speak}. */
  get packetsSent(): readonly number[] {
    return this.#sources.map(({ counts }) => counts.sent)
  }

  /** Says BYE; gives the status it was answered with. */
  async hangUp(): Promise<number> {
    const status = await this.send('BYE')
    this.fallSilent()
    return status
  }

  /** Sends no more RTP. */
  fallSilent(): void {
    for (const source of this.#sources) source.stop()
    for (const socket of this.#sockets.splice(0)) socket.close()
  }

  #inDialog(request: RawRequest): RawRequest {
    this.#sequenceNumber += 1
    return {
      sipCallId: this.#sipCallId,
      sequenceNumber: this.#sequenceNumber,
      fromParameters: this.#fromParameters,
      ...(this.#toTag === undefined ? {} : { toTag: this.#toTag }),
      ...request,
    }
  }

  async #offer(
    streamCount: number,
    directions: readonly Direction[] = [],
    {
      attributes = [],
      ...more
    }: Pick<RawRequest, 'headers' | 'acknowledge'> & { readonly attributes?: readonly string[] } = {},
  ): Promise<void> {
    while (this.#sockets.length < streamCount) this.#sockets.push(await openStreamSocket(LOOPBACK))
    const request = this.#inDialog({ contentType: 'application/sdp', ...more })
    const added = attributes.map((attribute) => `a=${attribute}\r\n`).join('')
    const body = Buffer.concat([this.#describe(streamCount, directions), Buffer.from(added)])
    const answer = await this.#src.ask('INVITE', { ...request, body })
    this.#take(answer)
  }

  async #askForOffer(request: RawRequest): Promise<void> {
    const sent = await this.#src.send('INVITE', {
      acknowledge: () => this.answer(),
      ...this.#inDialog(request),
    })
    const offered = await this.#src.finalAnswerTo(sent)
    const lines = parseSdp(offered.body)
    const streamCount = lines.ok ? lines.value.media.length : 0
    while (this.#sockets.length < streamCount) this.#sockets.push(await openStreamSocket(LOOPBACK))
    await this.#src.answerTo(sent)
    this.#take(offered)
  }

  #describe(streamCount: number, directions: readonly Direction[]): Uint8Array {
    return buildOffer({
      address: LOOPBACK,
      sdpSessionId: '1',
      sdpSessionVersion: this.#sequenceNumber,
      codec: 'PCMU',
      streams: this.#sockets.slice(0, streamCount).map(({ port }, index) => ({
        streamLabel: String(index + 1),
        port,
        direction: directions[index] ?? 'sendonly',
        crypto: this.#protection?.crypto,
      })),
    })
  }

  #take(answer: SipResponse): void {
    const sdp = parseSdp(answer.body)
    if (answer.status !== 200 || !sdp.ok) {
      const warning = answer.headers.first('Warning') ?? 'no Warning'
      throw new Error(`the recorder answered ${answer.status} ${answer.reason} (${warning})`)
    }
    this.#toTag = tagOf(answer)
    for (const [index, { port }] of sdp.value.media.entries()) {
      this.#sockets[index]?.aimAt({ address: LOOPBACK, rtpPort: port, rtcpPort: port + 1 })
    }
  }
}

function isFinalAnswer(message: SipMessage, { method, branch }: SentRequest): boolean {
  return (
    message.kind === 'response' &&
    message.status >= 200 &&
    message.headers.first('Via')?.includes(`;branch=${branch};`) === true &&
    message.headers.first('CSeq')?.endsWith(` ${method}`) === true
  )
}

/** Adds SDP to a response that has no body. */
function withBody(response: Uint8Array, body: Uint8Array | undefined): Uint8Array {
  if (body === undefined) return response
  const head = new TextDecoder().decode(response).replace(/Content-Length: *0\r\n/i, '')
  const type = `Content-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head.replace(/\r\n\r\n$/, `\r\n${type}`)), body])
}

/** Of the recorder in this dialog. */
export function tagOf(response: SipResponse): string {
  return response.headers.first('To')?.split(';tag=')[1] ?? ''
}

function token(): string {
  return randomBytes(8).toString('hex')
}
