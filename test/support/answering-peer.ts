import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { parseRtcp } from '../../src/protocol/rtp/rtcp.ts'
import type { RtcpPacket } from '../../src/protocol/rtp/rtcp.ts'
import { parseRtp } from '../../src/protocol/rtp/packet.ts'
import type { RtpPacket } from '../../src/protocol/rtp/packet.ts'
import { parseSdp } from '../../src/protocol/sdp/parse.ts'
import {
  acceptCrypto,
  formatCryptoAttribute,
  masterKeyBytes,
  srtpKeysOf,
} from '../../src/protocol/sdp/crypto-attribute.ts'
import type { MediaDescription } from '../../src/protocol/sdp/session-description.ts'
import { SrtpReceiver } from '../../src/protocol/srtp/srtp-receiver.ts'
import { splitBody } from '../../src/protocol/siprec/multipart.ts'
import type { SipMessage, SipRequest } from '../../src/protocol/sip/message.ts'
import { parseMessage } from '../../src/protocol/sip/parse-message.ts'
import { serialize } from '../../src/protocol/sip/serialize-message.ts'
import { StreamFramer } from '../../src/protocol/sip/stream-framer.ts'
import { freeUdpPortRange } from './free-ports.ts'

export interface PeerBehaviour {
  /** INVITEs over UDP that go unheard before the first is answered. */
  readonly deafInvites?: number
  /** Refuses every INVITE with this status. */
  readonly refuseWith?: number
  /** Answers 180 only: waits for the CANCEL. */
  readonly ringForEver?: boolean
  /** Sends BYE this long after the ACK. */
  readonly byeAfterMs?: number
  /** Refuses the second media stream with port 0. */
  readonly refuseSecondStream?: boolean
  /** Answers lines that were offered as SRTP without a key of its own. */
  readonly ignoresCrypto?: boolean
}

export interface ReceivedStream {
  readonly port: number
  readonly rtp: RtpPacket[]
  readonly rtcp: RtcpPacket[]
  /** Monotonic milliseconds at which each packet of `rtp` came. */
  readonly arrivedMs: number[]
  /** Opens what comes, when the offer had a key; the last is the present one. */
  srtp: SrtpReceiver | undefined
}

const LOOPBACK = '127.0.0.1'

/**
 * The least that can stand in for a recorder: answers one recording session at a time and keeps what it receives.
 *
 * Not a model of how to do it: no transactions, no retransmission, no bounds.
 */
export class AnsweringPeer {
  readonly requests: SipRequest[] = []
  readonly streams: ReceivedStream[] = []
  readonly #behaviour: PeerBehaviour
  readonly #sockets: Socket[] = []
  readonly #closers: (() => void)[] = []
  #deafInvites: number
  #sipPort = 0
  readonly #waiting: (() => void)[] = []

  constructor(behaviour: PeerBehaviour = {}) {
    this.#behaviour = behaviour
    this.#deafInvites = behaviour.deafInvites ?? 0
  }

  get port(): number {
    return this.#sipPort
  }

  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length
  }

  /** Resolves once this many requests with this method have come; the last ones may still be on their way when a run is over. */
  async received(method: string, count = 1): Promise<void> {
    while (this.count(method) < count) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async run(transport: 'udp' | 'tcp'): Promise<void> {
    await this.#openStreams()
    if (transport === 'udp') await this.#listenUdp()
    else await this.#listenTcp()
  }

  stop(): void {
    for (const socket of this.#sockets) socket.close()
    for (const close of this.#closers) close()
  }

  async #openStreams(): Promise<void> {
    const first = await freeUdpPortRange(4)
    for (const port of [first, first + 2]) {
      const stream: ReceivedStream = { port, rtp: [], rtcp: [], arrivedMs: [], srtp: undefined }
      this.streams.push(stream)
      await this.#listen(port, (bytes) => {
        const opened = stream.srtp?.unprotectRtp(bytes, performance.now() * 1_000) ?? { ok: true, value: bytes }
        const packet = opened.ok ? parseRtp(opened.value.slice()) : opened
        if (!packet.ok) return
        stream.rtp.push(packet.value)
        stream.arrivedMs.push(performance.now())
      })
      await this.#listen(port + 1, (bytes) => {
        const opened = stream.srtp?.unprotectRtcp(bytes, performance.now() * 1_000) ?? { ok: true, value: bytes }
        const packets = opened.ok ? parseRtcp(opened.value.slice()) : opened
        if (packets.ok) stream.rtcp.push(...packets.value)
      })
    }
  }

  async #listen(
    port: number,
    handle: (bytes: Uint8Array, from: { port: number; address: string }) => void,
  ): Promise<Socket> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1024 * 1024 })
    this.#sockets.push(socket)
    socket.on('message', handle)
    socket.bind(port, LOOPBACK)
    await once(socket, 'listening')
    return socket
  }

  async #listenUdp(): Promise<void> {
    const socket = await this.#listen(0, (bytes, from) => {
      this.#handle(bytes, (response) => socket.send(response, from.port, from.address))
    })
    this.#sipPort = socket.address().port
  }

  async #listenTcp(): Promise<void> {
    const server = createServer((connection) => {
      const framer = new StreamFramer()
      this.#closers.push(() => connection.destroy())
      connection.on('error', () => undefined)
      connection.on('data', (bytes) => {
        for (const item of framer.push(bytes)) {
          if (item.kind === 'message') this.#handle(item.bytes, (response) => void connection.write(response))
        }
      })
    })
    this.#closers.push(() => server.close())
    server.listen(0, LOOPBACK)
    await once(server, 'listening')
    this.#sipPort = (server.address() as AddressInfo).port
  }

  #handle(bytes: Uint8Array, send: (bytes: Uint8Array) => void): void {
    const message = parseMessage(bytes)
    if (!message.ok || message.value.kind === 'response') return
    const request = message.value
    this.requests.push(request)
    for (const resolve of this.#waiting.splice(0)) resolve()
    const { method } = request
    if (method === 'ACK') this.#hangUpLater(request, send)
    else if (method === 'INVITE') this.#answerInvite(request, send)
    else send(this.#response(request, 200, 'OK'))
    if (method !== 'CANCEL') return
    const invite = this.requests.find((earlier) => earlier.method === 'INVITE')
    if (invite !== undefined) send(this.#response(invite, 487, 'Request Terminated'))
  }

  #answerInvite(request: SipRequest, send: (bytes: Uint8Array) => void): void {
    if (this.#deafInvites-- > 0) return
    const { refuseWith, ringForEver, refuseSecondStream } = this.#behaviour
    send(this.#response(request, 100, 'Trying'))
    if (refuseWith !== undefined) return send(this.#response(request, refuseWith, 'Refused'))
    send(this.#response(request, 180, 'Ringing'))
    if (ringForEver === true) return
    const offered = offeredMedia(request)
    const lines = this.streams.flatMap(({ port }, index) => [
      `m=audio ${index === 1 && refuseSecondStream === true ? 0 : port} ${offered[index]?.protocol ?? 'RTP/AVP'} 0 8`,
      ...this.#acceptKey(index, offered[index]),
      `a=label:${index + 1}`,
      'a=recvonly',
    ])
    const sdp = ['v=0', `o=- 1 1 IN IP4 ${LOOPBACK}`, 's=-', `c=IN IP4 ${LOOPBACK}`, 't=0 0', ...lines, ''].join('\r\n')
    send(this.#response(request, 200, 'OK', new TextEncoder().encode(sdp)))
  }

  #acceptKey(index: number, media: MediaDescription | undefined): readonly string[] {
    const crypto = media?.crypto.usable[0]
    const stream = this.streams[index]
    if (crypto === undefined || stream === undefined || this.#behaviour.ignoresCrypto === true) return []
    if (stream.srtp === undefined) stream.srtp = new SrtpReceiver(srtpKeysOf(crypto))
    else stream.srtp.rekey(srtpKeysOf(crypto), performance.now() * 1_000)
    return [`a=crypto:${formatCryptoAttribute(acceptCrypto(crypto, new Uint8Array(masterKeyBytes(crypto.suite))))}`]
  }

  #response(request: SipRequest, status: number, reason: string, sdp?: Uint8Array): Uint8Array {
    const headers = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].flatMap((name) =>
      request.headers.all(name).map((value) => ({
        name,
        value: name === 'To' && status !== 100 && !value.includes(';tag=') ? `${value};tag=peer` : value,
      })),
    )
    headers.push({ name: 'Contact', value: `<sip:recorder@${LOOPBACK}:${this.#sipPort}>` })
    if (sdp !== undefined) headers.push({ name: 'Content-Type', value: 'application/sdp' })
    const startLine = `SIP/2.0 ${status} ${reason}`
    return serialize(sdp === undefined ? { startLine, headers } : { startLine, headers, body: sdp })
  }

  #hangUpLater(ack: SipRequest, send: (bytes: Uint8Array) => void): void {
    const { byeAfterMs } = this.#behaviour
    if (byeAfterMs === undefined) return
    setTimeout(() => {
      const value = (name: string): string => ack.headers.first(name) ?? ''
      const headers = [
        { name: 'Via', value: `SIP/2.0/UDP ${LOOPBACK}:${this.#sipPort};branch=z9hG4bKpeer` },
        { name: 'From', value: value('To') },
        { name: 'To', value: value('From') },
        { name: 'Call-ID', value: value('Call-ID') },
        { name: 'CSeq', value: '1 BYE' },
      ]
      send(serialize({ startLine: `BYE sip:src@${LOOPBACK} SIP/2.0`, headers }))
    }, byeAfterMs)
  }
}

/** What an INVITE or BYE carried, part by part. */
export function bodyParts(message: SipMessage): readonly { readonly contentType: string; readonly text: string }[] {
  const parts = splitBody(message.headers.first('Content-Type'), message.body)
  if (!parts.ok) throw new Error(parts.reason)
  return parts.value.map(({ contentType, body }) => ({ contentType, text: new TextDecoder().decode(body) }))
}

/** Direction of the audio lines that an INVITE offers. */
export function offeredDirections(message: SipMessage): readonly string[] {
  return offeredMedia(message).map(({ direction }) => direction)
}

/** The audio lines that an INVITE offers. */
export function offeredMedia(message: SipMessage): readonly MediaDescription[] {
  const sdp = bodyParts(message).find(({ contentType }) => contentType === 'application/sdp')
  const parsed = parseSdp(new TextEncoder().encode(sdp?.text ?? ''))
  return parsed.ok ? parsed.value.media : []
}
