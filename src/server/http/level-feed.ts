import type { EventData } from './event-schema.ts'
import { eventText } from './event-hub.ts'

/** How often levels are told; each is measured over 200 ms. */
export const LEVELS_INTERVAL_MS = 250

/** The levels of the recording sessions under way. */
export type AskLevels = () => Promise<EventData<'levels'>['recordingSessions']>

/** Whose levels somebody wants. */
export type WantedLevels = 'all' | ReadonlySet<string>

/** Asks the media workers for levels as long as somebody wants them, and for no longer. */
export class LevelFeed {
  readonly #ask: AskLevels
  readonly #nowUnixMs: () => number
  readonly #readers = new Map<(text: string) => void, WantedLevels>()
  #timer: NodeJS.Timeout | undefined
  #isAsking = false

  constructor(options: { readonly ask: AskLevels; readonly nowUnixMs: () => number }) {
    this.#ask = options.ask
    this.#nowUnixMs = options.nowUnixMs
  }

  /** Gives the way to leave. */
  join(write: (text: string) => void, wanted: WantedLevels): () => void {
    this.#readers.set(write, wanted)
    this.#timer ??= setInterval(() => void this.#tell(), LEVELS_INTERVAL_MS).unref()
    return () => {
      this.#readers.delete(write)
      if (this.#readers.size === 0) this.stop()
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** One question at a time: a worker that is late must not be asked more often for it. */
  async #tell(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      const recordingSessions = await this.#ask()
      const at = new Date(this.#nowUnixMs()).toISOString()
      const all = eventText('levels', { at, recordingSessions })
      for (const [write, wanted] of this.#readers) {
        if (wanted === 'all') {
          write(all)
          continue
        }
        const some = recordingSessions.filter(({ rsId }) => wanted.has(rsId))
        if (some.length > 0) write(eventText('levels', { at, recordingSessions: some }))
      }
    } finally {
      this.#isAsking = false
    }
  }
}
