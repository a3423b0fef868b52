import { StreamIndex, type LabelledLine, type StreamMatch } from './match-streams.ts'
import type {
  CommunicationSession,
  CsGroup,
  DataMode,
  MediaStream,
  MetadataSnapshot,
  Participant,
  ParticipantStream,
  SessionRecording,
} from './metadata.ts'
import { StreamSenders } from './stream-senders.ts'

/** Participants remembered of one recording session, those who left included. */
export const KNOWN_PARTICIPANTS_MAX = 1_000
/** Media streams, communication sessions and groups remembered: of each as many. */
export const KNOWN_OBJECTS_MAX = 1_000

/** M-lines among which the one that is left over is looked for. */
const ELIMINATION_LINES_MAX = 8

type SendersOf = (streamIds: readonly string[]) => readonly string[]

/** A participant as all snapshots together tell. */
export interface KnownParticipant extends Participant {
  /** Taking part now, as far as the newest snapshot says. */
  readonly present: boolean
}

/** What a snapshot changed: ids of participants that take part now and did not before, and the reverse. */
export interface AppliedSnapshot {
  readonly joined: readonly string[]
  readonly left: readonly string[]
  /** Objects beyond the limits, left out. */
  readonly droppedCount: number
  /**
   * Why the SRC should be asked for a complete snapshot (RFC 7866 9.2): `partialFirst`, a partial one came and no complete one before it;
   * `unknownIds`, a partial one speaks of participants or streams that nothing has described. What could be applied has been.
   */
  readonly needsComplete: 'partialFirst' | 'unknownIds' | undefined
}

export interface Attribution {
  /** `label`: by the label of the m-line; `order`: by its place; `unknown`: nobody can be named. */
  readonly basis: 'label' | 'order' | 'unknown'
  readonly participants: readonly KnownParticipant[]
}

/**
 * What the snapshots of one recording session say so far: who takes part, and who is heard on which m-line.
 *
 * A complete snapshot replaces what was before, a partial one adds, changes and disassociates (RFC 7866 9.1). Whoever
 * has taken part stays known: at the end, when all have been disassociated, the recording must still name them.
 * The `session_id` of an association is not trusted, clients send wrong ones.
 */
export class MetadataState {
  readonly #groups = new Map<string, CsGroup>()
  readonly #sessions = new Map<string, CommunicationSession>()
  readonly #participants = new Map<string, Participant>()
  /** Of those present: the communication sessions they are known to be in. */
  readonly #present = new Map<string, Set<string>>()
  readonly #streams = new Map<string, MediaStream>()
  readonly #streamsEver = new Map<string, MediaStream>()
  readonly #associations = new Map<string, ParticipantStream>()
  readonly #sessionRecordings = new Map<string, SessionRecording>()
  readonly #senders = new StreamSenders()
  #hasBeenComplete = false
  /** Of the current streams and of all; made when they are asked for, until the next snapshot. */
  #streamIndexes: readonly StreamIndex[] | undefined
  #droppedCount = 0

  /** Everyone who has taken part, in the order they first appeared. */
  get participants(): readonly KnownParticipant[] {
    return this.#named(this.#participants.keys())
  }

  /** Of the newest complete snapshot and the partial ones since. */
  get communicationSessions(): readonly CommunicationSession[] {
    return [...this.#sessions.values()]
  }

  /** Which communication sessions are recorded in this recording session, and since when. RFC 7865 6.4 */
  get sessionRecordings(): readonly SessionRecording[] {
    return [...this.#sessionRecordings.values()]
  }

  get groups(): readonly CsGroup[] {
    return [...this.#groups.values()]
  }

  /** Of the newest complete snapshot and the partial ones since. */
  get mediaStreams(): readonly MediaStream[] {
    return [...this.#streams.values()]
  }

  apply(snapshot: MetadataSnapshot): AppliedSnapshot {
    const before = new Set(this.#present.keys())
    const droppedBefore = this.#droppedCount
    const needsComplete = this.#whyIncomplete(snapshot)
    this.#streamIndexes = undefined
    if (snapshot.dataMode === 'complete') {
      this.#hasBeenComplete = true
      this.#forgetCurrent()
    }
    for (const each of snapshot.sessionRecordings) this.#upsert(this.#sessionRecordings, each.csId, each)
    for (const group of snapshot.groups) this.#upsert(this.#groups, group.csGroupId, group)
    for (const session of snapshot.communicationSessions) this.#upsertSession(session)
    for (const stream of snapshot.mediaStreams.entries()) this.#upsertStream(...stream)
    for (const participant of snapshot.participants) this.#upsertParticipant(participant, snapshot.dataMode)
    // Before anybody leaves: a snapshot that only reports the end still tells who sent what.
    for (const association of snapshot.associations) this.#senders.mention(association)
    this.#applyAssociations(snapshot)
    this.#senders.update(
      [...this.#associations.values()].filter(({ participantId }) => this.#present.has(participantId)),
    )
    return {
      joined: [...this.#present.keys()].filter((participantId) => !before.has(participantId)),
      left: [...before].filter((participantId) => !this.#present.has(participantId)),
      droppedCount: this.#droppedCount - droppedBefore + snapshot.droppedCount,
      needsComplete,
    }
  }

  /** Ids of communication sessions do not count: clients name wrong ones. */
  #whyIncomplete(snapshot: MetadataSnapshot): AppliedSnapshot['needsComplete'] {
    if (snapshot.dataMode === 'complete') return undefined
    if (!this.#hasBeenComplete) return 'partialFirst'
    const described = new Set(snapshot.participants.map(({ participantId }) => participantId))
    const isStrange = ({ participantId }: { readonly participantId: string }): boolean =>
      !described.has(participantId) && !this.#participants.has(participantId)
    if (snapshot.participantSessions.some(isStrange) || snapshot.associations.some(isStrange)) return 'unknownIds'
    // An SRC that describes no streams at all would not describe them when asked either.
    if (this.#streamsEver.size === 0) return undefined
    const streams = new Set(snapshot.mediaStreams.flatMap(({ streamId, label = '' }) => [streamId, label]))
    for (const [streamId, { label = '' }] of this.#streamsEver) streams.add(streamId).add(label)
    const sent = snapshot.associations.filter(({ disassociateTime }) => disassociateTime === undefined)
    const isKnown = (streamId: string): boolean => streams.has(streamId) || this.#senders.hasMentioned(streamId)
    return sent.every(({ sends }) => sends.every(isKnown)) ? undefined : 'unknownIds'
  }

  /**
   * Who is heard on an m-line: by label, else by order, else nobody. When nobody sends there now (on hold, or after
   * the end), those who did last. Several when the SRC mixes them into one media stream.
   */
  participantsFor(
    label: string | undefined,
    index: number,
    labels?: readonly (string | undefined)[],
  ): readonly KnownParticipant[] {
    return this.attributionFor(labels === undefined ? { label, index } : { label, index, labels }).participants
  }

  /** {@link participantsFor}, with the grounds. */
  attributionFor(line: LabelledLine): Attribution {
    return this.#attributeOrEliminate(line, (streamIds) => this.#senders.lastOf(streamIds))
  }

  /** Everyone who was ever heard on an m-line, for example before and after a transfer. */
  everyParticipantFor(line: LabelledLine): Attribution {
    return this.#attributeOrEliminate(line, (streamIds) => {
      const labels = new Set(streamIds.map((streamId) => this.#streamsEver.get(streamId)?.label))
      const relabelled = [...this.#streamsEver.values()].filter(({ label }) => label !== undefined && labels.has(label))
      return this.#senders.everOf([...streamIds, ...relabelled.map(({ streamId }) => streamId)])
    })
  }

  /** One m-line of which nothing is known, and one participant without one, belong together. */
  #attributeOrEliminate(line: LabelledLine, sendersOf: SendersOf): Attribution {
    const attribution = this.#attribute(line, sendersOf)
    const { labels } = line
    if (attribution.basis !== 'unknown' || labels === undefined) return attribution
    if (labels.length !== this.#participants.size || labels.length > ELIMINATION_LINES_MAX) return attribution
    const left = new Set(this.#participants.keys())
    for (const [index, label] of labels.entries()) {
      if (index === line.index) continue
      const { participants } = this.#attribute({ label, index, labels }, sendersOf)
      if (participants.length === 0) return attribution
      for (const { participantId } of participants) left.delete(participantId)
    }
    return left.size === 1 ? { basis: 'order', participants: this.#named(left) } : attribution
  }

  #attribute(line: LabelledLine, sendersOf: SendersOf): Attribution {
    const unknown: Attribution = { basis: 'unknown', participants: [] }
    // What stands in its place now is worth less than what once had its label.
    const matches = this.#indexes().map((index) => index.match(line))
    if (this.#senders.isEmpty) {
      const participant = this.#participantNotHearing(matches) ?? this.#participantInPlace(line)
      return participant === undefined ? unknown : { basis: 'order', participants: [participant] }
    }
    for (const basis of ['label', 'order'] as const) {
      for (const match of matches) {
        const participants = this.#named(sendersOf(match.streams.flatMap((stream) => this.#idsOf(stream))))
        if (match.basis === basis && participants.length > 0) return { basis, participants }
      }
    }
    if (matches.some(({ basis }) => basis === 'label')) return unknown
    // Streams that are only mentioned: the SRC describes senders, but no `<stream>`.
    const streamId = this.#streamsEver.size === 0 ? this.#senders.streamIds[line.index] : undefined
    const participants = streamId === undefined ? [] : this.#named(sendersOf([streamId]))
    return participants.length === 0 ? unknown : { basis: 'order', participants }
  }

  #indexes(): readonly StreamIndex[] {
    this.#streamIndexes ??= [this.#streams, this.#streamsEver].map((streams) => new StreamIndex(streams.values()))
    return this.#streamIndexes
  }

  /** How associations may name a stream: by its id, or by its label when that is no other stream's id. */
  #idsOf({ streamId, label }: MediaStream): readonly string[] {
    return label === undefined || this.#streamsEver.has(label) ? [streamId] : [streamId, label]
  }

  /** Nobody is said to send, but some to receive: the one who does not hear a stream is the one who sends it. */
  #participantNotHearing(matches: readonly StreamMatch[]): KnownParticipant | undefined {
    const streamIds = matches.flatMap(({ streams }) => streams.flatMap((stream) => this.#idsOf(stream)))
    const receivers = this.#senders.receiversOf(streamIds)
    if (receivers.size === 0) return undefined
    const rest = this.participants.filter(({ participantId }) => !receivers.has(participantId))
    return rest.length === 1 ? rest[0] : undefined
  }

  /** Nobody is said to send anything: the first participant is on the first m-line, if there is one for each. */
  #participantInPlace({ index, labels }: LabelledLine): KnownParticipant | undefined {
    const lineCount = labels?.length ?? (this.#streamsEver.size === 0 ? undefined : this.#streamsEver.size)
    const participants = this.participants
    return lineCount === undefined || lineCount === participants.length ? participants[index] : undefined
  }

  #forgetCurrent(): void {
    const current = [this.#groups, this.#sessions, this.#sessionRecordings, this.#streams, this.#associations]
    for (const each of current) each.clear()
    this.#present.clear()
  }

  #applyAssociations(snapshot: MetadataSnapshot): void {
    const leaving = new Set<string>()
    for (const { participantId, csId, disassociateTime } of snapshot.participantSessions) {
      if (disassociateTime === undefined) this.#join(participantId, csId)
      else this.#leave(participantId, csId)
      if (!this.#present.has(participantId)) leaving.add(participantId)
    }
    for (const association of snapshot.associations) {
      const { participantId, disassociateTime } = association
      if (disassociateTime !== undefined) {
        this.#endAssociation(association)
      } else if (!leaving.has(participantId)) {
        // Whoever sends takes part, declared or not; but a partial snapshot does not bring back who has left.
        if (snapshot.dataMode === 'complete' || !this.#participants.has(participantId))
          this.#join(participantId, undefined)
        this.#associations.set(participantId, association)
      }
    }
  }

  #upsertSession(session: CommunicationSession): void {
    const known = this.#sessions.get(session.csId)
    const sipSessionIds = [...new Set([...(known?.sipSessionIds ?? []), ...session.sipSessionIds])]
    this.#upsert(this.#sessions, session.csId, { ...session, sipSessionIds: sipSessionIds.slice(0, KNOWN_OBJECTS_MAX) })
  }

  #upsertStream(position: number, stream: MediaStream): void {
    // Streams without an id are told apart by label, else by place.
    const key = stream.streamId === '' ? `\n${stream.label ?? position}` : stream.streamId
    // There are never more current streams than remembered ones: what is dropped is counted once.
    if (this.#upsert(this.#streamsEver, key, stream)) this.#upsert(this.#streams, key, stream)
  }

  #upsertParticipant(participant: Participant, dataMode: DataMode): void {
    const { participantId } = participant
    const known = this.#participants.get(participantId)
    if (known === undefined && this.#participants.size >= KNOWN_PARTICIPANTS_MAX) {
      this.#droppedCount += 1
      return
    }
    this.#participants.set(participantId, {
      participantId,
      aors: participant.aors.length > 0 ? participant.aors : (known?.aors ?? []),
      csIds: participant.csIds.length > 0 ? participant.csIds : (known?.csIds ?? []),
    })
    // A partial snapshot may still correct the name of someone who has left.
    if (known === undefined || dataMode === 'complete') this.#join(participantId, undefined)
  }

  #join(participantId: string, csId: string | undefined): void {
    if (!this.#participants.has(participantId)) this.#upsertParticipant(nameless(participantId), 'partial')
    if (!this.#participants.has(participantId)) return
    const csIds = this.#present.get(participantId) ?? new Set()
    if (csId !== undefined && csIds.size < KNOWN_OBJECTS_MAX) csIds.add(csId)
    this.#present.set(participantId, csIds)
  }

  /** Leaving a communication session one is not known to be in (clients send wrong ids) is leaving altogether. */
  #leave(participantId: string, csId: string | undefined): void {
    if (!this.#participants.has(participantId)) this.#upsertParticipant(nameless(participantId), 'partial')
    const csIds = this.#present.get(participantId)
    if (csId !== undefined && csIds?.delete(csId) === true && csIds.size > 0) return
    this.#present.delete(participantId)
    this.#associations.delete(participantId)
  }

  #endAssociation(ended: ParticipantStream): void {
    const known = this.#associations.get(ended.participantId)
    if (known === undefined) return
    const namesStreams = ended.sends.length + ended.receives.length > 0
    this.#associations.set(ended.participantId, {
      ...known,
      sends: namesStreams ? known.sends.filter((streamId) => !ended.sends.includes(streamId)) : [],
      receives: namesStreams ? known.receives.filter((streamId) => !ended.receives.includes(streamId)) : [],
    })
  }

  #upsert<Item extends object>(items: Map<string, Item>, key: string, item: Item): boolean {
    const known = items.get(key)
    if (known === undefined && items.size >= KNOWN_OBJECTS_MAX) {
      this.#droppedCount += 1
      return false
    }
    items.set(key, { ...known, ...item })
    return true
  }

  #named(participantIds: Iterable<string>): readonly KnownParticipant[] {
    return [...participantIds].flatMap((participantId) => {
      const participant = this.#participants.get(participantId)
      return participant === undefined ? [] : [{ ...participant, present: this.#present.has(participantId) }]
    })
  }
}

/** A participant that associations mention and no element describes. */
function nameless(participantId: string): Participant {
  return { participantId, aors: [], csIds: [] }
}
