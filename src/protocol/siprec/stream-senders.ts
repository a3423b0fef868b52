import type { ParticipantStream } from './metadata.ts'

/** Media streams whose senders are remembered in one recording session. */
export const SENT_STREAMS_MAX = 1_000
/** Senders remembered of one media stream. */
export const SENDERS_MAX = 256

/** Who sent which media stream, last and ever, by participant id. */
export class StreamSenders {
  readonly #last = new Map<string, readonly string[]>()
  readonly #ever = new Map<string, Set<string>>()
  readonly #receivers = new Map<string, Set<string>>()

  /** True while no snapshot has said of anyone that they send anything. */
  get isEmpty(): boolean {
    return this.#ever.size === 0
  }

  /** All media streams that anyone was said to send, in the order they were first mentioned. */
  get streamIds(): readonly string[] {
    return [...this.#ever.keys()]
  }

  /** True when anyone was ever said to send or receive it. */
  hasMentioned(streamId: string): boolean {
    return this.#ever.has(streamId) || this.#receivers.has(streamId)
  }

  /** Notes an association, even an ended one, for media streams of which no sender is known yet. */
  mention(association: ParticipantStream): void {
    for (const streamId of association.sends) {
      const last = this.#last.get(streamId)
      note(this.#ever, streamId, association.participantId)
      if (last === undefined && this.#ever.has(streamId)) this.#last.set(streamId, [association.participantId])
    }
    for (const streamId of association.receives) note(this.#receivers, streamId, association.participantId)
  }

  /** Takes the associations in force. A media stream that nobody sends now keeps its last senders. */
  update(associations: readonly ParticipantStream[]): void {
    const current = new Map<string, string[]>()
    for (const { participantId, sends } of associations) {
      for (const streamId of sends) {
        const senders = current.get(streamId) ?? []
        if (senders.length < SENDERS_MAX) senders.push(participantId)
        current.set(streamId, senders)
      }
    }
    for (const [streamId, senders] of current) if (this.#ever.has(streamId)) this.#last.set(streamId, senders)
  }

  lastOf(streamIds: readonly string[]): readonly string[] {
    return [...new Set(streamIds.flatMap((streamId) => this.#last.get(streamId) ?? []))]
  }

  everOf(streamIds: readonly string[]): readonly string[] {
    return [...new Set(streamIds.flatMap((streamId) => [...(this.#ever.get(streamId) ?? [])]))]
  }

  /** Everyone who was ever said to receive one of these. */
  receiversOf(streamIds: readonly string[]): ReadonlySet<string> {
    return new Set(streamIds.flatMap((streamId) => [...(this.#receivers.get(streamId) ?? [])]))
  }
}

function note(participants: Map<string, Set<string>>, streamId: string, participantId: string): void {
  const known = participants.get(streamId) ?? new Set()
  if (known.size < SENDERS_MAX) known.add(participantId)
  if (participants.has(streamId) || participants.size < SENT_STREAMS_MAX) participants.set(streamId, known)
}
