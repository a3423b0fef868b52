import {
  attributeOf,
  childrenNamed,
  childText,
  childTime,
  idOf,
  normalizeId,
  present,
  textOf,
} from './element-reading.ts'
import type {
  CommunicationSession,
  CsGroup,
  MediaStream,
  MetadataTime,
  Participant,
  ParticipantName,
  ParticipantSession,
  ParticipantStream,
} from './metadata.ts'
import { WORDS } from './vocabulary.ts'
import type { XmlElement } from './xml-tree.ts'

interface AssociationTimes {
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

export function readTimes(element: XmlElement): AssociationTimes {
  return {
    ...present('associateTime', childTime(element, ...WORDS.associateTime)),
    ...present('disassociateTime', childTime(element, ...WORDS.disassociateTime)),
  }
}

export function readGroup(element: XmlElement): CsGroup | undefined {
  const csGroupId = idOf(element, ...WORDS.groupId)
  return csGroupId === undefined ? undefined : { csGroupId, ...readTimes(element) }
}

export function readSession(element: XmlElement, outerGroupId: string | undefined): CommunicationSession | undefined {
  const csId = idOf(element, ...WORDS.sessionId)
  if (csId === undefined) return undefined
  const csGroupId = childText(element, ...WORDS.groupRef) ?? attributeOf(element, ...WORDS.groupRef)
  return {
    csId,
    ...present('csGroupId', csGroupId === undefined ? outerGroupId : normalizeId(csGroupId)),
    sipSessionIds: childrenNamed(element, ...WORDS.sipSessionId)
      .map(textOf)
      .filter((text) => text !== ''),
    ...present('startTime', childTime(element, ...WORDS.startTime)),
    ...present('stopTime', childTime(element, ...WORDS.stopTime)),
    ...present('reason', childText(element, ...WORDS.reason)),
  }
}

/** `fallbackId` names a participant that has no id of its own, so that it is not lost. */
export function readParticipant(element: XmlElement, fallbackId: string): Participant {
  const csId = idOf(element, ...WORDS.sessionRef)
  const nameIds = childrenNamed(element, ...WORDS.nameId).map(readNameId)
  // BroadWorks has no nameID: `<aor>` and `<name>` stand in the participant itself, `<aor>` perhaps several times.
  const bare = readNameId({ ...element, text: '', attributes: [] })
  const further = childrenNamed(element, ...WORDS.aor)
    .slice(1)
    .map((aor) => readNameId({ ...aor, attributes: [] }))
  return {
    participantId: idOf(element, ...WORDS.participantId) ?? fallbackId,
    aors: [...nameIds, bare, ...further].filter(({ aor, name }) => aor !== '' || name !== undefined),
    csIds: csId === undefined ? [] : [csId],
  }
}

function readNameId(element: XmlElement): ParticipantName {
  const written = attributeOf(element, ...WORDS.aor) ?? childText(element, ...WORDS.aor) ?? textOf(element)
  const { aor, displayName } = splitNameAddr(written)
  // NENA and others put `<name>` inside `<aor>`.
  const named = [element, ...childrenNamed(element, ...WORDS.aor)].map((each) => childText(each, ...WORDS.name))
  const name = unquoted(named.find((text) => text !== undefined) ?? displayName)
  return { aor, ...present('name', name === '' ? undefined : name) }
}

/** `"Alice" <sip:alice@example.com>;tag=1` is the address between the brackets, and a display name before them. RFC 3261 25.1 name-addr */
function splitNameAddr(written: string): { readonly aor: string; readonly displayName: string } {
  const open = written.lastIndexOf('<')
  const close = written.indexOf('>', open + 1)
  if (open < 0 || close < 0) return { aor: written, displayName: '' }
  return { aor: written.slice(open + 1, close).trim(), displayName: written.slice(0, open).trim() }
}

/** A quoted-string is the text in its quotes. RFC 3261 25.1 */
function unquoted(text: string): string {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"')
  return isQuoted ? text.slice(1, -1).replaceAll(/\\(.)/gs, '$1').trim() : text
}

/** `outerCsId` is that of the session element around it, in dialects that nest. */
export function readStream(element: XmlElement, outerCsId: string | undefined): MediaStream {
  return {
    streamId: idOf(element, ...WORDS.streamId) ?? '',
    ...present('csId', idOf(element, ...WORDS.sessionRef) ?? outerCsId),
    ...present('label', childText(element, ...WORDS.label) ?? attributeOf(element, ...WORDS.label)),
    ...present('mode', (childText(element, ...WORDS.mode) ?? attributeOf(element, ...WORDS.mode))?.toLowerCase()),
    ...readTimes(element),
  }
}

export function readParticipantSession(element: XmlElement): ParticipantSession | undefined {
  const participantId = idOf(element, ...WORDS.participantRef)
  if (participantId === undefined) return undefined
  return { participantId, ...present('csId', idOf(element, ...WORDS.sessionRef)), ...readTimes(element) }
}

export function readParticipantStream(element: XmlElement): ParticipantStream | undefined {
  const participantId = idOf(element, ...WORDS.participantRef)
  if (participantId === undefined) return undefined
  return {
    participantId,
    sends: readStreamIds(childrenNamed(element, ...WORDS.send)),
    receives: readStreamIds(childrenNamed(element, ...WORDS.recv)),
    ...readTimes(element),
  }
}

/** The associations that stand inside the participant element, as before RFC 7865: undefined when there are none. */
export function readInlineStreams(element: XmlElement, participantId: string): ParticipantStream | undefined {
  const sends = childrenNamed(element, ...WORDS.send)
  const receives = childrenNamed(element, ...WORDS.recv)
  if (sends.length + receives.length === 0) return undefined
  return { participantId, sends: readStreamIds(sends), receives: readStreamIds(receives) }
}

/** `<send>id</send>`, `<send><id>id</id></send>`, `<send stream_id="id"/>`; blank ones are left out. */
function readStreamIds(elements: readonly XmlElement[]): readonly string[] {
  const ids = elements.flatMap((element) => {
    const inner = childrenNamed(element, ...WORDS.streamRef).map(textOf)
    const own = inner.length > 0 ? inner : [textOf(element)]
    const written = own.filter((text) => text !== '')
    return written.length > 0 ? written : [attributeOf(element, ...WORDS.streamRef) ?? '']
  })
  return [...new Set(ids.map(normalizeId))].filter((id) => id !== '')
}
