import { randomBytes, randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

import type { SipResponse } from '../../src/protocol/sip/message.ts'
import { parseNameAddr } from '../../src/protocol/sip/name-addr.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { parseSdp } from '../../src/protocol/sdp/parse.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import type { RawSrc } from './raw-src.ts'

const LOOPBACK = '127.0.0.1'

/** What one RTP packet carries. */
export interface Payload {
  readonly payloadType: number
  readonly bytes: Uint8Array
  /** By how much the RTP timestamp goes on after it. */
  readonly ticks: number
  readonly durationMs: number
  /** Not sent: lost on the way. */
  readonly isLost?: boolean
  /** Sent twice. */
  readonly isTwice?: boolean
  /** Overtaken by the one after it. */
  readonly isOvertaken?: boolean
}

/** Cuts an encoded stream of constant rate into packets. */
export function payloadsOf(
  encoded: Uint8Array,
  options: {
    readonly payloadType: number
    readonly octets: number
    readonly ticks: number
    readonly durationMs: number
  },
): Payload[] {
  const { octets, ...rest } = options
  return Array.from({ length: Math.floor(encoded.length / octets) }, (_, index) => ({
    ...rest,
    bytes: encoded.subarray(index * octets, (index + 1) * octets),
  }))
}

interface Source {
  sequenceNumber: number
  timestamp: number
  readonly ssrc: number
  dueUs: number | undefined
}

/** A recording session whose lines and packets are what the test says, octet by octet. */
export class PayloadSession {
  readonly #src: RawSrc
  readonly #sipCallId = `${randomBytes(8).toString('hex')}@example.com`
  readonly #socket: Socket
  #toTag: string | undefined
  #sequenceNumber = 0
  #ports: readonly number[] = []
  readonly #sources: Source[] = []
  /** The SDP that the recorder sent last. */
  description = ''

  private constructor(src: RawSrc, socket: Socket) {
    this.#src = src
    this.#socket = socket
  }

  /** @param lines for each media stream what stands behind `m=audio PORT RTP/AVP `, and the attributes */
  static async place(src: RawSrc, lines: readonly (readonly string[])[]): Promise<PayloadSession> {
    const session = new PayloadSession(src, await openSocket())
    await session.offer(lines)
    return session
  }

  /** The same with an INVITE without SDP: the recorder offers, and these lines are the answer in the ACK. */
  static async placeWithoutOffer(src: RawSrc, lines: readonly (readonly string[])[]): Promise<PayloadSession> {
    const session = new PayloadSession(src, await openSocket())
    session.#sequenceNumber += 1
    const acknowledge = (): Uint8Array => new TextEncoder().encode(session.#describe(lines))
    session.#take(await src.ask('INVITE', { ...session.#inDialog(), acknowledge }))
    return session
  }

  /** An INVITE, or a re-INVITE; rejects when it is not answered with 200. */
  async offer(lines: readonly (readonly string[])[]): Promise<void> {
    this.#sequenceNumber += 1
    this.#take(
      await this.#src.ask('INVITE', {
        ...this.#inDialog(),
        contentType: 'application/sdp',
        body: this.#describe(lines),
      }),
    )
  }

  #describe(lines: readonly (readonly string[])[]): string {
    const media = lines.flatMap(([formats = '', ...attributes], index) => [
      `m=audio ${this.#socket.address().port} RTP/AVP ${formats}`,
      ...attributes,
      `a=label:${index + 1}`,
      ...(attributes.includes('a=inactive') ? [] : ['a=sendonly']),
    ])
    const head = ['v=0', `o=- 1 ${this.#sequenceNumber} IN IP4 ${LOOPBACK}`, 's=-', `c=IN IP4 ${LOOPBACK}`, 't=0 0']
    return [...head, ...media, ''].join('\r\n')
  }

  #take(response: SipResponse): void {
    const sdp = parseSdp(response.body)
    if (response.status !== 200 || !sdp.ok) throw new Error(`the recorder answered ${response.status}`)
    const to = parseNameAddr(response.headers.first('To') ?? '')
    this.#toTag ??= to.ok ? to.value.params.get('tag') : undefined
    this.#ports = sdp.value.media.map(({ port }) => port)
    this.description = new TextDecoder().decode(response.body)
  }

  /**
   * Sends packets at their own pace; number, time and source go on from call to call.
   *
   * @param clockRate the RTP clock went on by it since the last call, as that of a sender does; without it, it stood still
   */
  async send(stream: number, payloads: readonly Payload[], clockRate = 0): Promise<void> {
    const source = (this.#sources[stream] ??= {
      sequenceNumber: 0xfff0,
      timestamp: randomInt(2 ** 32),
      ssrc: randomInt(2 ** 32),
      dueUs: undefined,
    })
    let dueUs = monotonicUs()
    const passedUs = Math.max(0, dueUs - (source.dueUs ?? dueUs))
    source.timestamp = (source.timestamp + Math.round((passedUs * clockRate) / 1_000_000)) >>> 0
    let overtaken: Uint8Array | undefined
    for (const [index, sent] of payloads.entries()) {
      const { payloadType, bytes, ticks, durationMs } = sent
      dueUs += durationMs * 1_000
      const waitMs = (dueUs - monotonicUs()) / 1_000
      if (waitMs > 1) await sleep(waitMs)
      const { sequenceNumber, timestamp, ssrc } = source
      const packet = serializeRtp({ payloadType, marker: index === 0, sequenceNumber, timestamp, ssrc, payload: bytes })
      const now = sent.isLost === true || sent.isOvertaken === true ? [] : [packet]
      for (const datagram of [
        ...now,
        ...(sent.isTwice === true ? [packet] : []),
        ...(overtaken === undefined ? [] : [overtaken]),
      ])
        this.#socket.send(datagram, this.#ports[stream] ?? 0, LOOPBACK)
      overtaken = sent.isOvertaken === true ? packet : undefined
      source.sequenceNumber = (sequenceNumber + 1) & 0xffff
      source.timestamp = (timestamp + ticks) >>> 0
    }
    source.dueUs = dueUs
  }

  /** A request without a body inside the dialog; rejects when it is not answered with 200. */
  async request(method: string, headers: readonly (readonly [string, string])[]): Promise<void> {
    this.#sequenceNumber += 1
    const { status } = await this.#src.ask(method, { ...this.#inDialog(), headers })
    if (status !== 200) throw new Error(`${method} was answered ${status}`)
  }

  async hangUp(): Promise<void> {
    this.#sequenceNumber += 1
    const { status } = await this.#src.ask('BYE', this.#inDialog())
    this.#socket.close()
    if (status !== 200) throw new Error(`BYE was answered ${status}`)
  }

  #inDialog(): { readonly sipCallId: string; readonly sequenceNumber: number; readonly toTag?: string } {
    return {
      sipCallId: this.#sipCallId,
      sequenceNumber: this.#sequenceNumber,
      ...(this.#toTag === undefined ? {} : { toTag: this.#toTag }),
    }
  }
}

async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  return socket
}
