import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** What goes wrong on the way to the server, for each request. */
export type Fault =
  /** Every connection is cut as soon as something arrives. */
  | { readonly kind: 'down' }
  /** The server never sees the request: an answer of the S3 API instead. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** Nothing happens for so long. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** The connection is cut in the middle of an upload. */
  | { readonly kind: 'resetUpload' }
  /** The server does what it is asked, and its answer is lost. */
  | { readonly kind: 'answerLost' }
  /** The ETag of the answer is that of something else. */
  | { readonly kind: 'wrongEtag' }
  /** The clock of the server is ahead by so much, and it refuses signatures older than five minutes. */
  | { readonly kind: 'clock'; readonly aheadMs: number }

const REFUSED_SKEW_MS = 5 * 60 * 1_000
const WRONG_ETAG = '"00000000000000000000000000000000"'

/** Stands before a real S3 server and lets things go wrong on the way. */
export class FaultProxy {
  readonly #server: Server
  readonly #target: URL
  /** Undefined: all goes well. */
  fault: Fault | undefined
  /** Requests that have come, by method. */
  readonly seen = new Map<string, number>()

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((incoming, outgoing) => {
      this.#handle(incoming, outgoing).catch(() => incoming.socket.destroy())
    })
  }

  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { fault } = this
    const { method = 'GET' } = incoming
    this.seen.set(method, (this.seen.get(method) ?? 0) + 1)
    if (fault?.kind === 'down' || (fault?.kind === 'resetUpload' && method === 'PUT')) {
      if (fault.kind === 'resetUpload') await once(incoming, 'data')
      incoming.socket.resetAndDestroy()
      return
    }
    const body = await buffer(incoming)
    if (fault?.kind === 'slow') await sleep(fault.delayMs)
    if (fault?.kind === 'answer') return answer(outgoing, fault.status, fault.code)
    if (fault?.kind === 'clock' && isTooOld(incoming, fault.aheadMs)) {
      outgoing.setHeader('Date', new Date(Date.now() + fault.aheadMs).toUTCString())
      return answer(outgoing, 403, 'RequestTimeTooSkewed')
    }
    const response = await this.#forward(incoming, body)
    const answered = await buffer(response)
    if (fault?.kind === 'answerLost' && method === 'PUT') {
      incoming.socket.resetAndDestroy()
      return
    }
    const headers = { ...response.headers }
    if (fault?.kind === 'wrongEtag' && headers.etag !== undefined) headers.etag = WRONG_ETAG
    if (fault?.kind === 'clock') headers.date = new Date(Date.now() + fault.aheadMs).toUTCString()
    outgoing.writeHead(response.statusCode ?? 500, headers)
    outgoing.end(answered)
  }

  /** With the same headers: the signature covers the name that the client has used. */
  async #forward(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { method, url, headers } = incoming
    const { hostname, port } = this.#target
    const forwarded = request({ hostname, port, method, path: url, headers: { ...headers, connection: 'close' } })
    forwarded.end(body)
    const [response] = (await once(forwarded, 'response')) as [IncomingMessage]
    return response
  }
}

/** `x-amz-date: 20261129T090000Z` */
function isTooOld(incoming: IncomingMessage, aheadMs: number): boolean {
  const text = String(incoming.headers['x-amz-date'] ?? '')
  const signedAt = Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u, '$1-$2-$3T$4:$5:$6Z'))
  return Math.abs(Date.now() + aheadMs - signedAt) > REFUSED_SKEW_MS
}

function answer(outgoing: ServerResponse, status: number, code: string): void {
  outgoing.writeHead(status, { 'Content-Type': 'application/xml' })
  outgoing.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>for a test</Message></Error>`)
}
