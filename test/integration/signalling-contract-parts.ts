import { afterEach } from 'vitest'
import type { DialogId } from '../../src/ids.ts'
import type {
  BoundAddress,
  DialogEnd,
  InDialogRequest,
  OfferRequest,
  SignallingCounter,
  SignallingHandler,
  SignallingPort,
} from '../../src/server/signalling/port.ts'
import {
  bytesOf,
  parseRequest,
  parseResponse,
  request,
  type RequestShape,
  SDP,
  tagOf,
} from '../unit/protocol/sip/wire.ts'
import { Inbox, UdpPeer } from './signalling-peer.ts'

/** An engine under test, running. */
export interface Engine {
  readonly port: SignallingPort
  /** Where an SRC sends its INVITE. */
  at(transport: 'udp' | 'tcp'): BoundAddress
  /** Besides stopping the port. */
  close(): Promise<void>
}

export interface EngineOptions {
  /** T1 of RFC 3261, for what takes 64 times as long. */
  readonly t1Ms?: number
}

/** How to start an engine. */
export interface EngineUnderTest {
  readonly name: string
  readonly start: (handler: SignallingHandler, options: EngineOptions) => Promise<Engine>
}

/** A handler that writes down what it is told, and does what the test wants. */
export class RecordingHandler implements SignallingHandler {
  readonly events = new Inbox()
  readonly offers: OfferRequest[] = []
  readonly ends: DialogEnd[] = []
  readonly inDialog: InDialogRequest[] = []
  readonly counters: SignallingCounter[] = []
  onOffer: (offer: OfferRequest) => void = (offer) => offer.answer(bytesOf(SDP))
  status: ReturnType<SignallingHandler['optionsStatus']> = { status: 200 }

  handleInvite(offer: OfferRequest): void {
    this.offers.push(offer)
    this.events.put('invite')
    this.onOffer(offer)
  }
  handleReinvite(offer: OfferRequest): void {
    this.offers.push(offer)
    this.events.put('reinvite')
    this.onOffer(offer)
  }
  handleInDialog(_: DialogId, inDialog: InDialogRequest): void {
    this.inDialog.push(inDialog)
    this.events.put(inDialog.method)
    if (inDialog.header('X-Fail') !== undefined) throw new Error('as the test asks')
  }
  handleConfirmed(dialogId: DialogId): void {
    this.events.put(`confirmed ${dialogId}`)
  }
  handleEnded(_: DialogId, end: DialogEnd): void {
    this.ends.push(end)
    this.events.put(`ended ${end.cause}`)
  }
  optionsStatus() {
    return this.status
  }
  handleCounted(counter: SignallingCounter): void {
    this.counters.push(counter)
  }
}

/** 200 to a request of the recorder, or another answer. */
export function answerTo(text: string, status = '200 OK', extra: readonly string[] = [], body = ''): string {
  const { headers } = parseRequest(text)
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headers.first(name)}`)
  return `SIP/2.0 ${status}\r\n${[...copied, ...extra].join('\r\n')}\r\nContent-Length: ${bytesOf(body).length}\r\n\r\n${body}`
}

let identifiers = 0

/** A recording client over UDP, in one dialog. */
export class Src {
  readonly peer: UdpPeer
  readonly sipCallId = `contract-${++identifiers}`
  #branches = 0
  #sequence = 0
  toTag: string | undefined

  constructor(peer: UdpPeer) {
    this.peer = peer
  }

  /** Prints a request; the first INVITE has CSeq 1, each further request one more. */
  text(method: string, shape: RequestShape = {}): string {
    const isNew = method !== 'ACK' && method !== 'CANCEL'
    if (isNew) this.#sequence += 1
    const branch =
      method === 'CANCEL'
        ? `z9hG4bK-${this.sipCallId}-${this.#branches}`
        : `z9hG4bK-${this.sipCallId}-${++this.#branches}`
    return request({
      method,
      branch,
      via: `SIP/2.0/UDP 127.0.0.1:${this.peer.port};rport;branch=${branch}`,
      contact: `<sip:src@127.0.0.1:${this.peer.port}>;+sip.src`,
      sipCallId: this.sipCallId,
      cseq: `${this.#sequence} ${method}`,
      ...(this.toTag === undefined || method === 'CANCEL' ? {} : { toTag: this.toTag }),
      ...(method === 'INVITE' ? { body: SDP } : {}),
      ...shape,
    })
  }

  send(method: string, shape: RequestShape = {}): void {
    this.peer.send(this.text(method, shape))
  }

  /** The next final answer to a method. */
  async answer(method: string): Promise<{
    readonly status: number
    readonly text: string
    readonly headers: ReturnType<typeof parseResponse>['headers']
    readonly body: Uint8Array
  }> {
    for (;;) {
      const text = await this.peer.inbox.nextStarting('SIP/2.0 ')
      const { status, headers, body } = parseResponse(bytesOf(text))
      if (status >= 200 && headers.first('CSeq')?.endsWith(` ${method}`) === true)
        return { status, text, headers, body }
    }
  }

  async ask(method: string, shape: RequestShape = {}) {
    this.send(method, shape)
    return this.answer(method)
  }

  /** INVITE, 200, ACK. */
  async establish(shape: RequestShape = {}): Promise<void> {
    const { text } = await this.ask('INVITE', shape)
    this.toTag = tagOf(parseResponse(bytesOf(text)))
    this.send('ACK')
  }
}

/** Invented names with bytes that are no UTF-8: a Latin-1 name, and every byte from 0x80 to 0xFF. */
export const LATIN1_METADATA: Uint8Array = Uint8Array.from([
  ...Buffer.from('<recording xmlns="urn:ietf:params:xml:ns:recording:1"><name>Andr'),
  0xe9,
  ...Buffer.from(' M', 'latin1'),
  0xfc,
  ...Buffer.from('ller</name><x>'),
  ...Array.from({ length: 128 }, (_, index) => 0x80 + index),
  ...Buffer.from('</x></recording>'),
])

/** A multipart body with a parameter after the boundary, which some readers take for a part of it. */
export function multipart(
  metadata: Uint8Array,
  sdp: Uint8Array = bytesOf(SDP),
): { readonly contentType: string; readonly body: Uint8Array } {
  const body = Buffer.concat([
    Buffer.from('--uniq\r\nContent-Type: application/sdp\r\n\r\n'),
    Buffer.from(sdp),
    Buffer.from('\r\n--uniq\r\nContent-Type: application/rs-metadata+xml\r\n\r\n'),
    metadata,
    Buffer.from('\r\n--uniq--\r\n'),
  ])
  return { contentType: 'multipart/mixed; boundary=uniq; charset=utf-8', body }
}

/** Puts a body of bytes in the place of the text one. */
export function withBody(text: string, contentType: string, body: Uint8Array): Uint8Array {
  const head = text.slice(0, text.indexOf('\r\n\r\n')).replace(/\r\nContent-(?:Type|Length): [^\r]*/g, '')
  return Buffer.concat([
    Buffer.from(`${head}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`),
    body,
  ])
}

/** Starts engines for the tests of a file, and stops them after each. */
export function useEngine(start: EngineUnderTest['start']) {
  const closers: (() => unknown)[] = []
  const closeLater = (close: () => unknown): void => void closers.push(close)
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  })

  async function another(engine: Engine): Promise<Src> {
    const peer = await UdpPeer.open(engine.at('udp'))
    closeLater(() => peer.close())
    return new Src(peer)
  }

  async function open(options: EngineOptions = {}) {
    const handler = new RecordingHandler()
    const engine = await start(handler, options)
    closeLater(async () => {
      await engine.port.stop()
      await engine.close()
    })
    return { handler, engine, port: engine.port, src: await another(engine) }
  }

  return { open, another, closeLater }
}
