import type { ServerResponse } from 'node:http'

/** What a reader may leave unread in our memory; the kernel holds some more for it. */
export const EVENT_BUFFER_BYTES_MAX = 256 * 1_024
/** When a reader that lost its connection should come back. */
const RETRY_MS = 3_000

/**
 * The response to one reader of server-sent events (HTML Living Standard 9.2). One that does not read as fast as events come is cut off: it comes
 * back with Last-Event-ID, and everybody else is served as before.
 */
export class EventStream {
  readonly #response: ServerResponse
  readonly #onCut: () => void
  #isOver = false

  constructor(
    response: ServerResponse,
    options: { readonly headers: Record<string, string>; readonly onCut: () => void },
  ) {
    this.#response = response
    this.#onCut = options.onCut
    response.once('close', () => {
      this.#isOver = true
    })
    response.writeHead(200, { ...options.headers, 'content-type': 'text/event-stream; charset=utf-8' })
    this.write(`retry: ${RETRY_MS}\n\n`)
  }

  write(text: string): void {
    if (this.#isOver) return
    if (this.#response.writableLength > EVENT_BUFFER_BYTES_MAX) {
      this.#isOver = true
      this.#response.destroy()
      this.#onCut()
      return
    }
    this.#response.write(text)
  }

  /** Keeps proxies from closing the connection, and finds readers that are gone. */
  beat(): void {
    this.write(': \n\n')
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#response.end()
  }
}
