import type { ServerResponse } from 'node:http'

import type { AudioListener } from '../media/live-audio.ts'

/** What a listener may leave unread in our memory: about half a minute of two voices. */
export const AUDIO_BUFFER_BYTES_MAX = 256 * 1_024

/**
 * The response to one listener: Ogg Opus, a page a second. The pages are clear audio: each is wiped as soon as the kernel has it, or nobody
 * wants it any more. A listener that does not read is cut off.
 */
export class AudioStream implements AudioListener {
  readonly #response: ServerResponse
  readonly #onCut: () => void
  readonly #unwritten = new Set<Uint8Array>()
  #isOver = false

  constructor(
    response: ServerResponse,
    options: { readonly headers: Record<string, string>; readonly onCut: () => void },
  ) {
    this.#response = response
    this.#onCut = options.onCut
    response.once('close', () => this.#wipe())
    response.writeHead(200, { ...options.headers, 'content-type': 'audio/ogg; codecs=opus' })
    response.flushHeaders()
  }

  write(pages: Uint8Array): void {
    if (this.#isOver) {
      pages.fill(0)
      return
    }
    if (this.#response.writableLength > AUDIO_BUFFER_BYTES_MAX) {
      pages.fill(0)
      this.#isOver = true
      this.#response.destroy()
      this.#onCut()
      return
    }
    this.#unwritten.add(pages)
    this.#response.write(pages, () => {
      this.#unwritten.delete(pages)
      pages.fill(0)
    })
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#response.end()
  }

  #wipe(): void {
    this.#isOver = true
    for (const pages of this.#unwritten) pages.fill(0)
    this.#unwritten.clear()
  }
}
