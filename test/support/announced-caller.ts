import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'

import { parseRtp, type RtpPacket, serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { parseSdp } from '../../src/protocol/sdp/parse.ts'
import type { MediaDescription } from '../../src/protocol/sdp/session-description.ts'
import { UdpPeer } from '../integration/signalling-peer.ts'
import { answerTo, Src } from '../integration/signalling-contract-parts.ts'
import { bytesOf, parseResponse, tagOf } from '../unit/protocol/sip/wire.ts'

const EVENT_CODES = '0123456789*#ABCD'
export const EVENT_PAYLOAD_TYPE = 101

/** What a caller offers on its one line. */
export interface CallerOffer {
  /** `0`, or `96 opus/48000/2`. */
  readonly codec?: string
  readonly direction?: string
  /** After `a=crypto:`. */
  readonly crypto?: string
  readonly address?: string
  readonly lines?: readonly string[]
}

/** A PBX that sends a caller to the announcer: its SIP, and an RTP socket that keeps what it hears. */
export class AnnouncedCaller {
  readonly src: Src
  readonly rtp: Socket
  readonly rtcp: Socket
  readonly heard: { readonly datagram: Uint8Array; readonly from: RemoteInfo }[] = []
  readonly reports: { readonly datagram: Uint8Array; readonly from: RemoteInfo }[] = []
  #sequence = 100
  #timestamp = 8_000

  constructor(peer: UdpPeer, rtp: Socket, rtcp: Socket) {
    this.src = new Src(peer)
    this.rtp = rtp
    this.rtcp = rtcp
    rtp.on('message', (datagram, from) => void this.heard.push({ datagram: Uint8Array.from(datagram), from }))
    rtcp.on('message', (datagram, from) => void this.reports.push({ datagram: Uint8Array.from(datagram), from }))
  }

  static async open(sipPort: number): Promise<AnnouncedCaller> {
    const peer = await UdpPeer.open({ address: '127.0.0.1', port: sipPort })
    const [rtp, rtcp] = [createSocket('udp4'), createSocket('udp4')]
    rtp.bind(0, '127.0.0.1')
    rtcp.bind(0, '127.0.0.1')
    await Promise.all([once(rtp, 'listening'), once(rtcp, 'listening')])
    return new AnnouncedCaller(peer, rtp, rtcp)
  }

  close(): void {
    this.src.peer.close()
    this.rtp.close()
    this.rtcp.close()
  }

  offer({ codec = '0', direction = 'sendrecv', crypto, address = '127.0.0.1', lines = [] }: CallerOffer = {}): string {
    const [payloadType = '0', ...name] = codec.split(' ')
    return [
      'v=0',
      `o=- 1 1 IN IP4 127.0.0.1`,
      's=-',
      `c=IN IP4 ${address}`,
      't=0 0',
      `m=audio ${this.rtp.address().port} ${crypto === undefined ? 'RTP/AVP' : 'RTP/SAVP'} ${payloadType} ${EVENT_PAYLOAD_TYPE}`,
      ...(name.length === 0 ? [] : [`a=rtpmap:${payloadType} ${name.join(' ')}`]),
      `a=rtpmap:${EVENT_PAYLOAD_TYPE} telephone-event/8000`,
      `a=rtcp:${this.rtcp.address().port} IN IP4 127.0.0.1`,
      ...(crypto === undefined ? [] : [`a=crypto:${crypto}`]),
      `a=${direction}`,
      ...lines,
      '',
    ].join('\r\n')
  }

  /** INVITE, 200, ACK; the line that the announcer answers with. */
  async call(uri: string, offer: CallerOffer = {}, extra: readonly string[] = []): Promise<MediaDescription> {
    const { status, text, body } = await this.src.ask('INVITE', { uri, body: this.offer(offer), extra })
    if (status !== 200) throw new Error(`the announcer answered ${text}`)
    this.src.toTag = tagOf(parseResponse(bytesOf(text)))
    this.src.send('ACK')
    return lineIn(body)
  }

  /** The next request of the announcer; it is answered. */
  async asked(method: string, status = '200 OK', extra: readonly string[] = []): Promise<string> {
    const request = await this.src.peer.inbox.nextStarting(`${method} `)
    this.src.peer.send(answerTo(request, status, extra))
    return request
  }

  /** Presses a key, told by telephone-event: eleven packets, the last three with its end. RFC 4733 2.5 */
  press(digit: string, to: number): void {
    const code = EVENT_CODES.indexOf(digit)
    for (let index = 1; index <= 11; index += 1) {
      const duration = Math.min(index, 8) * 160
      const isEnd = index >= 9 ? 0x80 : 0
      const payload = Uint8Array.of(code, isEnd | 10, duration >> 8, duration & 0xff)
      this.sendRtp({ payloadType: EVENT_PAYLOAD_TYPE, marker: index === 1, timestamp: this.#timestamp, payload }, to)
    }
    this.#timestamp += 8_000
  }

  /** Sends audio, 20 ms of G.711 in a packet, as fast as it goes. */
  speak(payload: Uint8Array, to: number): void {
    for (let at = 0; at < payload.length; at += 160) {
      this.sendRtp(
        { payloadType: 0, marker: at === 0, timestamp: this.#timestamp, payload: payload.subarray(at, at + 160) },
        to,
      )
      this.#timestamp += 160
    }
  }

  sendRtp(packet: Omit<RtpPacket, 'ssrc' | 'sequenceNumber'>, to: number): void {
    this.#sequence += 1
    this.rtp.send(serializeRtp({ ...packet, ssrc: 0x0a0b0c0d, sequenceNumber: this.#sequence }), to, '127.0.0.1')
  }

  /** The packets that were heard, in clear. */
  get packets(): readonly RtpPacket[] {
    return this.heard.map(({ datagram }) => {
      const packet = parseRtp(datagram)
      if (!packet.ok) throw new Error(`not RTP: ${packet.reason}`)
      return packet.value
    })
  }
}

export function lineIn(sdp: Uint8Array): MediaDescription {
  const parsed = parseSdp(sdp)
  const line = parsed.ok ? parsed.value.media[0] : undefined
  if (line === undefined) throw new Error('no m-line in the answer')
  return line
}
