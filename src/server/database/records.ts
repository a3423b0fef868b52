import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import type { AttributionInterval } from '../../protocol/siprec/attribution-history.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { MetadataExtension } from '../../protocol/siprec/metadata.ts'

/**
 * The facts that the recorder hands to the database, in the order in which they became true.
 *
 * They are JSON values, because the outbox keeps them on disk. Times are RFC 3339 text of the wall clock, positions are
 * samples of the recording timeline at 48 kHz. Each has a natural key, so applying one twice changes nothing.
 */
export type DatabaseRecord =
  | RecordingOpenedRecord
  | SnapshotReceivedRecord
  | ChunkStoredRecord
  | IncidentNotedRecord
  | FactsNotedRecord
  | ConsentNotedRecord
  | RecordingClosedRecord
  | CustodyDecidedRecord

export const RECORD_KINDS = [
  'recordingOpened',
  'snapshotReceived',
  'chunkStored',
  'incidentNoted',
  'factsNoted',
  'consentNoted',
  'recordingClosed',
  'custodyDecided',
] as const satisfies readonly DatabaseRecord['kind'][]

export interface RecordingOpenedRecord {
  readonly kind: 'recordingOpened'
  readonly recordingId: string
  readonly rsId: string
  readonly tenant: string
  /** Configured name of the SRC, or `other`. */
  readonly src: string
  readonly sipCallId: string
  readonly startedAt: string
  readonly layout: 'separate' | 'mixed'
  readonly objectPrefix: string
  /** age recipient of the recording's own key pair; empty while it is not known. */
  readonly recipient: string
  /** Which client it is; `generic` when nobody knows. Absent in a record of release 0.1. */
  readonly dialect?: string | undefined
  /** Of the headers of its INVITE. Absent in a record of release 0.1. */
  readonly correlationIds?: readonly CorrelationId[] | undefined
}

/** What has come to light about a recording since it was opened. */
export interface FactsNotedRecord {
  readonly kind: 'factsNoted'
  readonly recordingId: string
  /** Only when it was `generic` so far. */
  readonly dialect?: string | undefined
  readonly correlationIds: readonly CorrelationId[]
  /** New ones, and old ones that have ended. */
  readonly attributions: readonly AttributionInterval[]
}

/** A signed consent event. */
export interface ConsentNotedRecord {
  readonly kind: 'consentNoted'
  readonly recordingId: string
  readonly number: number
  readonly type: string
  readonly at: string
  readonly atSample?: number | undefined
  /** Inside the recording's prefix. */
  readonly objectName: string
  /** Hex, of the object. */
  readonly sha256: string
  readonly sizeBytes: number
  /** The event as it was signed. */
  readonly jws: string
  /** Of the recording, with this event. */
  readonly state: ConsentStateName
}

/** One rs-metadata document (RFC 7865), whole or partial, readable or not. */
export interface SnapshotReceivedRecord {
  readonly kind: 'snapshotReceived'
  readonly recordingId: string
  readonly seq: number
  readonly receivedAt: string
  /** null when the document could not be read. */
  readonly dataMode: 'complete' | 'partial' | null
  readonly valid: boolean
  /** Why it is not valid. */
  readonly reason: string | null
  /** Hex, of the document as it arrived. */
  readonly sha256: string
  /** Of the document as it arrived. */
  readonly sizeBytes: number
  /** Inside the recording's prefix. */
  readonly objectName: string
  readonly groups: readonly SnapshotGroup[]
  readonly communicationSessions: readonly SnapshotCommunicationSession[]
  readonly participants: readonly SnapshotParticipant[]
  readonly mediaStreams: readonly SnapshotMediaStream[]
  readonly associations: readonly SnapshotAssociation[]
  // Absent in a record of release 0.1:
  readonly sessionRecordings?: readonly SnapshotSessionRecording[] | undefined
  readonly participantSessions?: readonly SnapshotParticipantSession[] | undefined
  readonly extensions?: readonly MetadataExtension[] | undefined
  readonly correlationIds?: readonly CorrelationId[] | undefined
}

/** RFC 7865 6.4 */
export interface SnapshotSessionRecording {
  readonly csId: string
  readonly associateTime?: string | undefined
  readonly disassociateTime?: string | undefined
}

/** RFC 7865 6.6 */
export interface SnapshotParticipantSession {
  readonly participantId: string
  readonly csId?: string | undefined
  readonly associateTime?: string | undefined
  readonly disassociateTime?: string | undefined
}

export interface SnapshotGroup {
  readonly csGroupId: string
  /** Times inside metadata are the SRC's text: some have no zone, some say 1970. They are kept, not compared. */
  readonly associateTime?: string | undefined
  readonly disassociateTime?: string | undefined
}

export interface SnapshotCommunicationSession {
  readonly csId: string
  readonly csGroupId?: string | undefined
  readonly sipSessionIds: readonly string[]
  readonly startTime?: string | undefined
  readonly stopTime?: string | undefined
  readonly reason?: string | undefined
}

export interface SnapshotParticipant {
  readonly participantId: string
  readonly aors: readonly { readonly aor: string; readonly name?: string | undefined }[]
}

/** A `<stream>` element; its id is the SRC's and has nothing to do with the `streamId` of the recorder. */
export interface SnapshotMediaStream {
  readonly streamId: string
  readonly csId?: string | undefined
  readonly label?: string | undefined
}

export interface SnapshotAssociation {
  readonly participantId: string
  readonly sends: readonly string[]
  readonly receives: readonly string[]
  readonly associateTime?: string | undefined
  readonly disassociateTime?: string | undefined
}

export interface ChunkStoredRecord {
  readonly kind: 'chunkStored'
  readonly recordingId: string
  readonly chunkSeq: number
  /** Inside the recording's prefix. */
  readonly objectName: string
  /** Hex, of the sealed bytes. */
  readonly sha256: string
  readonly sizeBytes: number
  readonly fromSample: number
  readonly toSample: number
  readonly storedAt: string
}

export interface IncidentNotedRecord {
  readonly kind: 'incidentNoted'
  readonly recordingId: string
  readonly code: string
  readonly at: string
  readonly atSample?: number | undefined
  readonly detail: string
}

export interface RecordingClosedRecord {
  readonly kind: 'recordingClosed'
  readonly recordingId: string
  readonly endedAt: string
  readonly state: 'complete' | 'interrupted'
  readonly endCause: string
  readonly durationSamples: number
  /** Hex, of the compact JWS. */
  readonly manifestSha256: string
  readonly streams: readonly ClosedStream[]
  readonly gaps: readonly ClosedGap[]
}

export interface ClosedStream {
  /** The recorder's: index of the m-line, as text. */
  readonly streamId: string
  readonly streamLabel: string
  /** Output channel of the Ogg file. */
  readonly channel: number
  readonly codec: string
  readonly participantIds: readonly string[]
  readonly packets: {
    readonly expected: number
    readonly received: number
    readonly lost: number
    readonly late: number
    readonly duplicate: number
  }
  readonly audioSamples: number
  /** Parts of the lost and of the audio samples; absent in records of an older recorder. */
  readonly concealedSamples?: number
  readonly silentSamples?: number
}

export interface ClosedGap {
  readonly streamId: string
  readonly fromSample: number
  readonly toSample: number
  readonly cause: string
}

/** What was decided about a recording later: a custody record in the store. */
export interface CustodyDecidedRecord {
  readonly kind: 'custodyDecided'
  readonly recordingId: string
  readonly custodySeq: number
  readonly decision: 'holdAdded' | 'holdReleased' | 'shredBegun' | 'shredded'
  readonly decidedAt: string
  readonly holdId?: string | undefined
  readonly scope?: 'key' | 'objects' | undefined
  /** Who and why; undefined where nobody could open the note. */
  readonly decidedBy?: string | undefined
  readonly reason?: string | undefined
  /** Hex, of the custody record. */
  readonly sha256: string
}
