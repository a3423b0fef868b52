/** A time as it was written, and the instant it means when it is one. */
export interface MetadataTime {
  readonly text: string
  /** Undefined when the text is no date and time. */
  readonly at: Date | undefined
  /** True when the text had no zone and UTC was taken. */
  readonly zoneAssumed: boolean
}

/** RFC 7865 6.2 */
export interface CsGroup {
  readonly csGroupId: string
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

/** RFC 7865 6.3 */
export interface CommunicationSession {
  readonly csId: string
  readonly csGroupId?: string
  /** RFC 7989 Session-ID values as written, parameters included. */
  readonly sipSessionIds: readonly string[]
  readonly startTime?: MetadataTime
  readonly stopTime?: MetadataTime
  readonly reason?: string
}

/** A name under which a participant is known; RFC 7865 6.5 `nameID`. */
export interface ParticipantName {
  /** A URI in most clients, sometimes only a number; '' when there is a name alone. */
  readonly aor: string
  readonly name?: string
}

/** RFC 7865 6.5 */
export interface Participant {
  readonly participantId: string
  readonly aors: readonly ParticipantName[]
  /** The communication sessions that the participant element itself names (before RFC 7865). */
  readonly csIds: readonly string[]
}

/** RFC 7865 6.7 */
export interface MediaStream {
  /** '' when the client leaves it out. Not unique between recording sessions. */
  readonly streamId: string
  readonly csId?: string
  /** Equal to the `a=label` of an m-line. Text, never a number. */
  readonly label?: string
  /** `separate` or `mixed`, of clients that follow the drafts. */
  readonly mode?: string
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

/** Who took part in a communication session and when. RFC 7865 6.6 */
export interface ParticipantSession {
  readonly participantId: string
  readonly csId?: string
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

/** Which media streams a participant sends and receives. RFC 7865 6.8 */
export interface ParticipantStream {
  readonly participantId: string
  readonly sends: readonly string[]
  readonly receives: readonly string[]
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

/** RFC 7865 6.4 */
export interface SessionRecording {
  readonly csId: string
  readonly associateTime?: MetadataTime
  readonly disassociateTime?: MetadataTime
}

/** An element outside the model: vendor data, kept as it is so that it can be searched. */
export interface MetadataExtension {
  /** Local names from below the root, joined by `/`; at most {@link EXTENSION_PATH_MAX} characters. */
  readonly path: string
  /** The id of the group, session, participant or stream it stands in, or names as its `parent`; if there is one. */
  readonly ownerId?: string
  /** '' when the name has no prefix. */
  readonly prefix: string
  /** The URI that the prefix stands for; undefined when it was not declared. */
  readonly namespace: string | undefined
  /** Trimmed; at most {@link EXTENSION_TEXT_MAX} characters. */
  readonly text: string
  /** Names as written, without declarations of namespaces. */
  readonly attributes: readonly { readonly name: string; readonly value: string }[]
}

export type DataMode = 'complete' | 'partial'

/**
 * One rs-metadata document, whatever its dialect; plain values, so that it can be sent to another thread.
 *
 * Ids are trimmed and without `urn:uuid:`; ids that are UUIDs are in lower case. RFC 7865 6
 */
export interface MetadataSnapshot {
  readonly dataMode: DataMode
  /** The root element as written: clients are told by it. */
  readonly root: { readonly localName: string; readonly prefix: string; readonly namespace: string | undefined }
  readonly groups: readonly CsGroup[]
  readonly communicationSessions: readonly CommunicationSession[]
  readonly participants: readonly Participant[]
  readonly mediaStreams: readonly MediaStream[]
  readonly sessionRecordings: readonly SessionRecording[]
  readonly participantSessions: readonly ParticipantSession[]
  /** One for each participant at most, except that those with a disassociate time stand apart. */
  readonly associations: readonly ParticipantStream[]
  readonly extensions: readonly MetadataExtension[]
  /** True when the document was not well-formed and had to be repaired before it could be read. */
  readonly repaired: boolean
  /** Objects beyond the limits below, left out. */
  readonly droppedCount: number
}

/** The largest SIP message that is taken. */
export const METADATA_BYTES_MAX = 65_536
export const XML_DEPTH_MAX = 32
export const XML_ELEMENTS_MAX = 5_000
/** Of one element. */
export const XML_ATTRIBUTES_MAX = 64
/** Groups, sessions, participants, streams and associations: of each as many. */
export const OBJECTS_MAX = 500
export const EXTENSIONS_MAX = 500
export const EXTENSION_TEXT_MAX = 4_096
export const EXTENSION_PATH_MAX = 512

export type MetadataRejectReason =
  | 'empty'
  | 'tooLarge'
  /** A DTD or an entity declaration: refused unread, nothing is ever expanded. */
  | 'doctype'
  | 'tooDeep'
  | 'tooManyElements'
  | 'tooManyAttributes'
  | 'notXml'
  /** XML, but nothing in it is recording metadata. */
  | 'notMetadata'
