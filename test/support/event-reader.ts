import { Value } from 'typebox/value'

import { EVENT_SCHEMAS, type EventName } from '../../src/server/http/event-schema.ts'

export interface ReadEvent {
  readonly id: string | undefined
  readonly name: EventName
  readonly data: Readonly<Record<string, unknown>>
}

/** Reads the event stream of a recorder over real HTTP; every event has to be of its schema. */
export class EventReader {
  readonly seen: ReadEvent[] = []
  readonly #abort = new AbortController()
  readonly #waiting = new Set<() => void>()
  /** Resolves when the stream is over, whoever ended it. */
  readonly over: Promise<void>
  #isOver = false
  #fault: Error | undefined

  private constructor(response: Response) {
    this.over = this.#read(response)
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#fault = error as Error
      })
      .finally(() => {
        this.#isOver = true
        this.#wake()
      })
  }

  static async open(http: string, options: { readonly query?: string; readonly lastEventId?: string } = {}) {
    const abort = new AbortController()
    const headers = options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }
    const response = await fetch(`${http}/api/v1/events${options.query ?? ''}`, { headers, signal: abort.signal })
    if (response.status !== 200)
      throw new Error(`the event stream answered ${response.status}: ${await response.text()}`)
    const reader = new EventReader(response)
    reader.#abort.signal.addEventListener('abort', () => abort.abort())
    return reader
  }

  /** The first event for which `isWanted` holds, as soon as there is one. */
  async next(what: string, isWanted: (event: ReadEvent) => boolean): Promise<ReadEvent> {
    for (;;) {
      const found = this.seen.find(isWanted)
      if (found !== undefined) return found
      if (this.#fault !== undefined) throw this.#fault
      if (this.#isOver) throw new Error(`the event stream ended before: ${what}`)
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.over
  }

  async #read(response: Response): Promise<void> {
    let text = ''
    const decoder = new TextDecoder()
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes as Uint8Array, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) this.#take(block)
    }
  }

  #take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]))
    const name = fields.get('event') as EventName | undefined
    if (name === undefined) return
    const data = JSON.parse(fields.get('data') ?? 'null') as Record<string, unknown>
    if (!Value.Check(EVENT_SCHEMAS[name], data))
      throw new Error(`${name} is not of its schema: ${JSON.stringify(data)}`)
    this.seen.push({ id: fields.get('id'), name, data })
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
