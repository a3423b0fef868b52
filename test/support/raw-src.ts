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
  /** Further headers. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
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

  /** The final answer to a request; that to an INVITE is acknowledged. RFC 3261 13.2.2.4, 17.1.1.3 */
  async answerTo(sent: SentRequest): Promise<SipResponse> {
    const response = await this.#next((message): message is SipResponse => isFinalAnswer(message, sent))
    if (sent.method !== 'INVITE') return response
    const { sipCallId, sequenceNumber } = sent
    const branch = response.status < 300 ? {} : { branch: sent.branch }
    await this.send('ACK', { sipCallId, sequenceNumber, toTag: tagOf(response), ...branch })
    return response
  }

  async ask(method: string, request: RawRequest = {}): Promise<SipResponse> {
    return this.answerTo(await this.send(method, request))
  }

  /** A request of the recorder with this method, as soon as there is one. */
  async received(method: string): Promise<SipRequest> {
    return this.#next((message): message is SipRequest => message.kind === 'request' && message.method === method)
  }

  close(): void {
    this.#socket.close()
  }

  #hear(bytes: Uint8Array): void {
    const message = parseMessage(bytes)
    if (!message.ok) return
    this.#heard.push(message.value)
    if (message.value.kind === 'request' && message.value.method !== 'ACK') {
      void this.sendBytes(buildResponse(message.value, 200, 'OK', token()))
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
    const own = `sip:src@${LOOPBACK}:${this.#socket.address().port}`
    const recorder = `sip:recorder@${LOOPBACK}:${this.#recorderPort}`
    const headers = [
      ['Via', `SIP/2.0/UDP ${LOOPBACK}:${this.#socket.address().port};branch=${branch};rport`],
      ['Max-Forwards', '70'],
      ['From', `<${own}>;tag=src`],
      ['To', `<${recorder}>${toTag === undefined ? '' : `;tag=${toTag}`}`],
      ['Call-ID', sipCallId],
      ['CSeq', `${sequenceNumber} ${method}`],
      ...(method === 'INVITE' ? [['Contact', `<${own}>${isSiprec ? ';+sip.src' : ''}`]] : []),
      ...(method === 'INVITE' && isSiprec ? [['Require', 'siprec']] : []),
      ...(contentType === undefined ? [] : [['Content-Type', contentType]]),
      ...(sent.headers ?? []),
    ]
    return serialize({
      startLine: `${method} ${recorder} SIP/2.0`,
      headers: headers.map(([name = '', value = '']) => ({ name, value })),
      body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
    })
  }
}

/** One recording session placed by hand: two or more audio lines of PCMU, labelled 1, 2, 3 in their order. */
export class RawRecordingSession {
  readonly #src: RawSrc
  readonly #sipCallId: string
  readonly #pacer = new MediaPacer()
  readonly #sockets: StreamSocket[] = []
  readonly #sources: RtpSource[] = []
  #toTag: string | undefined
  #sequenceNumber = 0

  private constructor(src: RawSrc) {
    this.#src = src
    this.#sipCallId = `${token()}@example.com`
  }

  /** Rejects when the recorder does not answer with 200. */
  static async place(src: RawSrc, streamCount = 2): Promise<RawRecordingSession> {
    const session = new RawRecordingSession(src)
    await session.#offer(streamCount)
    return session
  }

  get sipCallId(): string {
    return this.#sipCallId
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
      random: seededRandom(1, `${this.#sipCallId} stream ${stream}`),
      startUs: monotonicUs(),
    })
    this.#sources.push(source)
    await this.#pacer.play(source, (datagram) => this.#sockets[stream]?.sendRtp(datagram))
    return source.counts.sent
  }

  /** Says BYE; gives the status it was answered with. */
  async hangUp(): Promise<number> {
    this.#sequenceNumber += 1
    const { status } = await this.#src.ask('BYE', {
      sipCallId: this.#sipCallId,
      sequenceNumber: this.#sequenceNumber,
      ...(this.#toTag === undefined ? {} : { toTag: this.#toTag }),
    })
    this.fallSilent()
    return status
  }

  /** Sends no more RTP. */
  fallSilent(): void {
    for (const source of this.#sources) source.stop()
    for (const socket of this.#sockets.splice(0)) socket.close()
  }

  async #offer(streamCount: number): Promise<void> {
    while (this.#sockets.length < streamCount) this.#sockets.push(await openStreamSocket(LOOPBACK))
    this.#sequenceNumber += 1
    const answer = await this.#src.ask('INVITE', {
      sipCallId: this.#sipCallId,
      sequenceNumber: this.#sequenceNumber,
      ...(this.#toTag === undefined ? {} : { toTag: this.#toTag }),
      contentType: 'application/sdp',
      body: buildOffer({
        address: LOOPBACK,
        sdpSessionId: '1',
        sdpSessionVersion: this.#sequenceNumber,
        codec: 'PCMU',
        streams: this.#sockets.map(({ port }, index) => ({
          streamLabel: String(index + 1),
          port,
          direction: 'sendonly',
        })),
      }),
    })
    const sdp = parseSdp(answer.body)
    if (answer.status !== 200 || !sdp.ok) throw new Error(`the recorder answered ${answer.status} ${answer.reason}`)
    this.#toTag = tagOf(answer)
    sdp.value.media.forEach(({ port }, index) =>
      this.#sockets[index]?.aimAt({ address: LOOPBACK, rtpPort: port, rtcpPort: port + 1 }),
    )
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

function tagOf(response: SipResponse): string {
  return response.headers.first('To')?.split(';tag=')[1] ?? ''
}

function token(): string {
  return randomBytes(8).toString('hex')
}
