import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'

/** One message of the recorder: `msgid|type|…`, and after a CRLF a SIP message. Text is one character per byte. */
export interface AdminText {
  readonly words: readonly string[]
  readonly startLine: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
}

/** One connection of the admin protocol, seen from drachtio-server: frames of `length#payload`, the length in bytes. */
export class AdminWire {
  readonly socket: Socket
  readonly #receive: (message: AdminText, wire: AdminWire) => void
  #buffer = Buffer.alloc(0)

  constructor(socket: Socket, receive: (message: AdminText, wire: AdminWire) => void) {
    this.socket = socket
    this.#receive = receive
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (bytes) => this.#take(bytes))
  }

  get isOpen(): boolean {
    return this.socket.writable
  }

  /** Sends words and, after them, the bytes of a SIP message. Several pieces, as TCP likes to deliver. */
  send(words: readonly string[], sip?: Uint8Array): void {
    const leader = Buffer.from([randomUUID(), ...words].join('|'), 'latin1')
    const payload = sip === undefined ? leader : Buffer.concat([leader, Buffer.from('\r\n'), sip])
    const frame = Buffer.concat([Buffer.from(`${payload.length}#`), payload])
    const cut = Math.min(frame.length, 1 + (frame.length % 7))
    this.socket.write(frame.subarray(0, cut))
    if (cut < frame.length) this.socket.write(frame.subarray(cut))
  }

  #take(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    for (;;) {
      const hash = this.#buffer.indexOf('#')
      if (hash === -1) return
      const digits = this.#buffer.toString('latin1', 0, hash)
      if (!/^\d{1,5}$/.test(digits)) {
        // drachtio-server reads at most five digits and drops who sends another thing.
        this.socket.destroy(new Error(`not a length: ${digits}`))
        return
      }
      const end = hash + 1 + Number(digits)
      if (this.#buffer.length < end) return
      const payload = this.#buffer.subarray(hash + 1, end)
      this.#buffer = this.#buffer.subarray(end)
      this.#receive(readText(payload), this)
    }
  }
}

function readText(payload: Buffer): AdminText {
  const text = payload.toString('latin1')
  const leaderEnd = text.indexOf('\r\n')
  const words = (leaderEnd === -1 ? text : text.slice(0, leaderEnd)).split('|')
  const chunk = leaderEnd === -1 ? '' : text.slice(leaderEnd + 2)
  const headEnd = chunk.indexOf('\r\n\r\n')
  const [startLine = '', ...lines] = (headEnd === -1 ? chunk : chunk.slice(0, headEnd)).split('\r\n')
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    const value = Buffer.from(line.slice(colon + 1).trim(), 'latin1').toString('utf8')
    return colon === -1 ? [] : [[line.slice(0, colon), value] as const]
  })
  const body = headEnd === -1 ? Buffer.alloc(0) : Buffer.from(chunk.slice(headEnd + 4), 'latin1')
  return { words, startLine, headers, body }
}
