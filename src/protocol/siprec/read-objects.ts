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
import type { XmlElement } from './xml-tree.ts'

interface AssociationTimes {
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

export function readTimes(element: XmlElement): AssociationTimes {
  return {
    ...present('associateTime', childTime(element, 'associatetime')),
    ...present('disassociateTime', childTime(element, 'disassociatetime')),
  }
}

export function readGroup(element: XmlElement): CsGroup | undefined {
  const csGroupId = idOf(element, 'groupid', 'id')
  return csGroupId === undefined ? undefined : { csGroupId, ...readTimes(element) }
}

export function readSession(element: XmlElement, outerGroupId: string | undefined): CommunicationSession | undefined {
  const csId = idOf(element, 'sessionid', 'id')
  if (csId === undefined) return undefined
  const csGroupId = childText(element, 'groupref') ?? attributeOf(element, 'groupid', 'group', 'groupref')
  return {
    csId,
    ...present('csGroupId', csGroupId === undefined ? outerGroupId : normalizeId(csGroupId)),
    sipSessionIds: childrenNamed(element, 'sipsessionid')
      .map(textOf)
      .filter((text) => text !== ''),
    ...present('startTime', childTime(element, 'starttime', 'associatetime')),
    ...present('stopTime', childTime(element, 'stoptime', 'endtime', 'disassociatetime')),
    ...present('reason', childText(element, 'reason')),
  }
}

/** `fallbackId` names a participant that has no id of its own, so that it is not lost. */
export function readParticipant(element: XmlElement, fallbackId: string): Participant {
  const csId = idOf(element, 'sessionid', 'session')
  const nameIds = childrenNamed(element, 'nameid').map(readNameId)
  // BroadWorks has no nameID: `<aor>` and `<name>` stand in the participant itself.
  const bare = readNameId({ ...element, text: '', attributes: [] })
  return {
    participantId: idOf(element, 'participantid', 'id') ?? fallbackId,
    aors: [...nameIds, bare].filter(({ aor, name }) => aor !== '' || name !== undefined),
    csIds: csId === undefined ? [] : [csId],
  }
}

function readNameId(element: XmlElement): ParticipantName {
  const aor = attributeOf(element, 'aor') ?? childText(element, 'aor') ?? textOf(element)
  return { aor: bareAddress(aor), ...present('name', childText(element, 'name', 'displayname')) }
}

/** `"Alice" <sip:alice@example.com>;tag=1` is the address between the brackets. */
function bareAddress(written: string): string {
  const open = written.indexOf('<')
  const close = written.indexOf('>', open + 1)
  return open >= 0 && close > open ? written.slice(open + 1, close).trim() : written
}

/** `outerCsId` is that of the session element around it, in dialects that nest. */
export function readStream(element: XmlElement, outerCsId: string | undefined): MediaStream {
  return {
    streamId: idOf(element, 'streamid', 'id') ?? '',
    ...present('csId', idOf(element, 'sessionid', 'session') ?? outerCsId),
    ...present('label', childText(element, 'label') ?? attributeOf(element, 'label')),
    ...present('mode', childText(element, 'mode')?.toLowerCase()),
  }
}

export function readParticipantSession(element: XmlElement): ParticipantSession | undefined {
  const participantId = idOf(element, 'participantid', 'participant')
  if (participantId === undefined) return undefined
  return { participantId, ...present('csId', idOf(element, 'sessionid', 'session')), ...readTimes(element) }
}

export function readParticipantStream(element: XmlElement): ParticipantStream | undefined {
  const participantId = idOf(element, 'participantid', 'participant')
  if (participantId === undefined) return undefined
  return {
    participantId,
    sends: readStreamIds(childrenNamed(element, 'send')),
    receives: readStreamIds(childrenNamed(element, 'recv', 'receive')),
    ...readTimes(element),
  }
}

/** The associations that stand inside the participant element, as before RFC 7865: undefined when there are none. */
export function readInlineStreams(element: XmlElement, participantId: string): ParticipantStream | undefined {
  const sends = readStreamIds(childrenNamed(element, 'send'))
  const receives = readStreamIds(childrenNamed(element, 'recv', 'receive'))
  const hasAny = childrenNamed(element, 'send', 'recv', 'receive').length > 0
  return hasAny ? { participantId, sends, receives } : undefined
}

/** `<send>id</send>`, `<send><id>id</id></send>`, `<send stream_id="id"/>`; blank ones are left out. */
function readStreamIds(elements: readonly XmlElement[]): readonly string[] {
  const ids = elements.flatMap((element) => {
    const inner = childrenNamed(element, 'id', 'streamid').map(textOf)
    const own = inner.length > 0 ? inner : [textOf(element)]
    const written = own.filter((text) => text !== '')
    return written.length > 0 ? written : [attributeOf(element, 'streamid', 'id', 'stream', 'ref') ?? '']
  })
  return [...new Set(ids.map(normalizeId))].filter((id) => id !== '')
}
