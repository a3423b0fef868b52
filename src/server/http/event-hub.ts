import type { EventData, EventName, PublishEvent } from './event-schema.ts'

/** Events kept for those who come back with Last-Event-ID. */
export const EVENT_HISTORY_MAX = 1_000
/** Readers of the event stream at once. */
export const EVENT_SUBSCRIBERS_MAX = 32

/** Takes events as text of a `text/event-stream`. Must not throw. */
export interface EventSubscriber {
  write(text: string): void
}

interface KeptEvent {
  readonly sequenceNumber: number
  readonly text: string
}

/**
 * Hands events to those who read them, and keeps the last {@link EVENT_HISTORY_MAX} for those who come back.
 *
 * An event is put into words once, however many read it. Ids are `<run>-<number>`: after a restart an old id is known to be of another run.
 */
export class EventHub {
  readonly #run: string
  readonly #nowUnixMs: () => number
  readonly #subscribers = new Set<EventSubscriber>()
  readonly #history: KeptEvent[] = []
  #sequenceNumber = 0

  /** @param options.run different for each start of the recorder; letters and digits */
  constructor(options: { readonly run: string; readonly nowUnixMs: () => number }) {
    this.#run = options.run
    this.#nowUnixMs = options.nowUnixMs
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  readonly publish: PublishEvent = (name, data) => {
    this.#sequenceNumber += 1
    const text = `id: ${this.#run}-${this.#sequenceNumber}\n${eventText(name, data)}`
    this.#history.push({ sequenceNumber: this.#sequenceNumber, text })
    if (this.#history.length > EVENT_HISTORY_MAX) this.#history.shift()
    for (const subscriber of this.#subscribers) subscriber.write(text)
  }

  /** No reader more is taken. */
  get isFull(): boolean {
    return this.#subscribers.size >= EVENT_SUBSCRIBERS_MAX
  }

  /**
   * Subscribes, when it is not {@link isFull}; what came after `lastEventId` is written first, or `missed` when not all of it is kept. Gives the way
   * to unsubscribe.
   */
  subscribe(subscriber: EventSubscriber, lastEventId?: string): () => void {
    if (lastEventId !== undefined) this.#replay(subscriber, lastEventId)
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  #replay(subscriber: EventSubscriber, lastEventId: string): void {
    const last = this.#sequenceOf(lastEventId)
    const kept = last === undefined ? [] : this.#history.filter(({ sequenceNumber }) => sequenceNumber > last)
    if (last === undefined || last + kept.length !== this.#sequenceNumber) {
      subscriber.write(eventText('missed', { at: new Date(this.#nowUnixMs()).toISOString() }))
    }
    for (const { text } of kept) subscriber.write(text)
  }

  /** The number in an id of this run; undefined for any other text. */
  #sequenceOf(id: string): number | undefined {
    const [run, digits = ''] = id.split('-', 2)
    if (run !== this.#run || !/^\d{1,15}$/.test(digits)) return undefined
    const sequenceNumber = Number(digits)
    return sequenceNumber <= this.#sequenceNumber ? sequenceNumber : undefined
  }
}

/** One event of a `text/event-stream`, without an id: a reader that comes back does not ask for it again. */
export function eventText<Name extends EventName>(name: Name, data: EventData<Name>): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
