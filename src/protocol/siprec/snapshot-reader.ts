import { idOf, present } from './element-reading.ts'
import { ExtensionCollector } from './extensions.ts'
import {
  type CommunicationSession,
  type CsGroup,
  type MediaStream,
  type MetadataSnapshot,
  OBJECTS_MAX,
  type Participant,
  type ParticipantSession,
  type ParticipantStream,
  type SessionRecording,
} from './metadata.ts'
import {
  readGroup,
  readInlineStreams,
  readParticipant,
  readParticipantSession,
  readParticipantStream,
  readSession,
  readStream,
  readTimes,
} from './read-objects.ts'
import { ID_TERMS, OBJECT_TERMS, WORDS } from './vocabulary.ts'
import type { XmlElement } from './xml-tree.ts'

/** The group and the session around an object, in dialects that nest. */
interface Surroundings {
  readonly csGroupId: string | undefined
  readonly csId: string | undefined
}

const ROOT: Surroundings = { csGroupId: undefined, csId: undefined }

/** Walks the elements of one document and gathers the objects of RFC 7865 in document order, bounded. */
export class SnapshotReader {
  readonly #groups: CsGroup[] = []
  readonly #sessions: CommunicationSession[] = []
  readonly #participants: Participant[] = []
  readonly #streams: MediaStream[] = []
  readonly #sessionRecordings: SessionRecording[] = []
  readonly #participantSessions: ParticipantSession[] = []
  readonly #associations = new Map<string, ParticipantStream>()
  readonly #ended: ParticipantStream[] = []
  readonly #collector = new ExtensionCollector()
  #droppedCount = 0

  readRoot(root: XmlElement): void {
    this.#collector.collectAttributes(root)
    for (const child of root.children) {
      if (WORDS.dataMode.includes(child.foldedName)) continue
      if (!this.#readObject(child, ROOT)) this.#collector.collectUnderRoot(child)
    }
  }

  objects(): Omit<MetadataSnapshot, 'dataMode' | 'root' | 'repaired'> {
    return {
      groups: this.#groups,
      communicationSessions: this.#sessions,
      participants: this.#participants,
      mediaStreams: this.#streams,
      sessionRecordings: this.#sessionRecordings,
      participantSessions: this.#participantSessions,
      associations: [...this.#ended, ...this.#associations.values()],
      extensions: this.#collector.extensions,
      droppedCount: this.#droppedCount + this.#collector.droppedCount,
    }
  }

  /** False when the element is none of the model's. */
  #readObject(element: XmlElement, around: Surroundings): boolean {
    const term = OBJECT_TERMS.get(element.foldedName)
    switch (term) {
      case undefined:
        return false
      case 'group':
        this.#readGroup(element)
        break
      case 'session':
        this.#readSession(element, around)
        break
      case 'participant':
        this.#readParticipant(element, around)
        break
      case 'stream':
        this.#readStream(element, around)
        break
      default:
        this.#readAssociation(element, term)
    }
    return true
  }

  #readAssociation(
    element: XmlElement,
    term: 'sessionRecordingAssoc' | 'participantSessionAssoc' | 'participantStreamAssoc',
  ): void {
    switch (term) {
      case 'sessionRecordingAssoc': {
        const csId = idOf(element, ...WORDS.sessionRef)
        this.#keep(this.#sessionRecordings, csId === undefined ? undefined : { csId, ...readTimes(element) })
        break
      }
      case 'participantSessionAssoc':
        this.#keep(this.#participantSessions, readParticipantSession(element))
        break
      case 'participantStreamAssoc':
        this.#addAssociation(readParticipantStream(element))
    }
    this.#collector.collectFrom(element, idOf(element, ...WORDS.participantRef, ...WORDS.sessionRef))
  }

  #readStream(element: XmlElement, around: Surroundings): void {
    const stream = readStream(element, around.csId)
    this.#keep(this.#streams, stream)
    this.#collector.collectFrom(element, stream.streamId === '' ? undefined : stream.streamId)
  }

  #readGroup(element: XmlElement): void {
    const group = readGroup(element)
    this.#keep(this.#groups, group)
    this.#readNested(element, { csGroupId: group?.csGroupId, csId: undefined }, group?.csGroupId)
  }

  #readSession(element: XmlElement, around: Surroundings): void {
    const session = readSession(element, around.csGroupId)
    this.#keep(this.#sessions, session)
    this.#readNested(element, { csGroupId: around.csGroupId, csId: session?.csId }, session?.csId)
  }

  /** Objects inside an object must have an id: vendor data has elements of the same names. */
  #readNested(element: XmlElement, around: Surroundings, ownerId: string | undefined): void {
    const isObject = (child: XmlElement): boolean => {
      const term = OBJECT_TERMS.get(child.foldedName)
      const idTerm = term === undefined || term === 'group' ? undefined : ID_TERMS.get(term)
      return idTerm !== undefined && idOf(child, ...WORDS[idTerm]) !== undefined
    }
    for (const child of element.children.filter(isObject)) this.#readObject(child, around)
    this.#collector.collectFrom(element, ownerId, isObject)
  }

  #readParticipant(element: XmlElement, around: Surroundings): void {
    const participant = readParticipant(element, `#${this.#participants.length + 1}`)
    const { participantId } = participant
    this.#keep(this.#participants, participant)
    const times = readTimes(element)
    const csId = participant.csIds[0] ?? around.csId
    if (csId !== undefined || times.associateTime !== undefined || times.disassociateTime !== undefined) {
      this.#keep(this.#participantSessions, { participantId, ...present('csId', csId), ...times })
    }
    this.#addAssociation(readInlineStreams(element, participantId))
    this.#collector.collectFrom(element, participantId)
  }

  /** Some clients write one association for each stream: those of one participant are one. */
  #addAssociation(association: ParticipantStream | undefined): void {
    if (association === undefined) return
    const known = this.#associations.get(association.participantId)
    if (association.disassociateTime !== undefined) {
      this.#keep(this.#ended, association)
    } else if (known !== undefined) {
      this.#associations.set(association.participantId, {
        ...known,
        sends: [...new Set([...known.sends, ...association.sends])],
        receives: [...new Set([...known.receives, ...association.receives])],
      })
    } else if (this.#associations.size < OBJECTS_MAX) {
      this.#associations.set(association.participantId, association)
    } else {
      this.#droppedCount += 1
    }
  }

  #keep<Item>(list: Item[], item: Item | undefined): void {
    if (item === undefined) return
    if (list.length < OBJECTS_MAX) list.push(item)
    else this.#droppedCount += 1
  }
}
