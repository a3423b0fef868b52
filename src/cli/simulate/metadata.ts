/** One person of the invented conversation. */
export interface InventedParticipant {
  readonly participantId: string
  readonly aor: string
  readonly name: string
  /** The media stream that carries this person's voice. */
  readonly streamId: string
  readonly streamLabel: string
}

/** Identifiers as RFC 7865 6.10 wants them: base64 of 16 octets. Times are RFC 3339 text in UTC. */
export interface InventedConversation {
  readonly csGroupId: string
  readonly csId: string
  /** RFC 7989 Session-ID, 32 hexadecimal digits. */
  readonly sipSessionId: string
  readonly startTime: string
  readonly participants: readonly InventedParticipant[]
}

export const METADATA_CONTENT_TYPE = 'application/rs-metadata+xml'
const NAMESPACE = 'urn:ietf:params:xml:ns:recording:1'

/** The complete rs-metadata document of the conversation: group, session, participants, streams and every association. RFC 7865 6 */
export function completeMetadata(conversation: InventedConversation): Uint8Array {
  const { csId, csGroupId, startTime, participants } = conversation
  const lines = [
    `<group group_id="${csGroupId}">`,
    `  <associate-time>${startTime}</associate-time>`,
    '</group>',
    `<session session_id="${csId}">`,
    `  <sipSessionID>${conversation.sipSessionId};remote=${'0'.repeat(32)}</sipSessionID>`,
    `  <group-ref>${csGroupId}</group-ref>`,
    `  <start-time>${startTime}</start-time>`,
    '</session>',
    ...participants.flatMap((participant) => participantLines(participant)),
    ...participants.flatMap(({ streamId, streamLabel }) => [
      `<stream stream_id="${streamId}" session_id="${csId}">`,
      `  <label>${escapeXml(streamLabel)}</label>`,
      '</stream>',
    ]),
    `<sessionrecordingassoc session_id="${csId}">`,
    `  <associate-time>${startTime}</associate-time>`,
    '</sessionrecordingassoc>',
    ...participants.flatMap(({ participantId }) => [
      `<participantsessionassoc participant_id="${participantId}" session_id="${csId}">`,
      `  <associate-time>${startTime}</associate-time>`,
      '</participantsessionassoc>',
    ]),
    ...participants.flatMap((participant) => streamAssociationLines(participant, participants)),
  ]
  return documentOf('complete', lines)
}

/** The partial document that goes with the BYE: the communication session and its people have stopped. RFC 7865 6.2 */
export function finalMetadata(conversation: InventedConversation, stopTime: string): Uint8Array {
  const { csId, participants } = conversation
  return documentOf('partial', [
    `<session session_id="${csId}">`,
    `  <stop-time>${stopTime}</stop-time>`,
    '</session>',
    `<sessionrecordingassoc session_id="${csId}">`,
    `  <disassociate-time>${stopTime}</disassociate-time>`,
    '</sessionrecordingassoc>',
    ...participants.flatMap(({ participantId }) => [
      `<participantsessionassoc participant_id="${participantId}" session_id="${csId}">`,
      `  <disassociate-time>${stopTime}</disassociate-time>`,
      '</participantsessionassoc>',
    ]),
  ])
}

function participantLines({ participantId, aor, name }: InventedParticipant): string[] {
  return [
    `<participant participant_id="${participantId}">`,
    `  <nameID aor="${escapeXml(aor)}">`,
    `    <name xml:lang="en">${escapeXml(name)}</name>`,
    '  </nameID>',
    '</participant>',
  ]
}

// Each sends its own media stream and receives everyone else's. RFC 7865 6.8
function streamAssociationLines(participant: InventedParticipant, all: readonly InventedParticipant[]): string[] {
  return [
    `<participantstreamassoc participant_id="${participant.participantId}">`,
    `  <send>${participant.streamId}</send>`,
    ...all.filter((other) => other !== participant).map((other) => `  <recv>${other.streamId}</recv>`),
    '</participantstreamassoc>',
  ]
}

function documentOf(dataMode: 'complete' | 'partial', lines: readonly string[]): Uint8Array {
  const xml = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<recording xmlns="${NAMESPACE}">`,
    `  <datamode>${dataMode}</datamode>`,
    ...lines.map((line) => `  ${line}`),
    '</recording>',
    '',
  ].join('\r\n')
  return new TextEncoder().encode(xml)
}

const XML_ESCAPES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
])

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => XML_ESCAPES.get(character) ?? character)
}
