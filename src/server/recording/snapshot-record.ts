import { snapshotCorrelation } from '../../protocol/siprec/correlation.ts'
import type { MetadataSnapshot, MetadataTime } from '../../protocol/siprec/metadata.ts'
import type { SnapshotReceivedRecord } from '../database/records.ts'
import type { PendingSnapshot } from './live-recording.ts'

/** A snapshot as the database keeps it; times stay the text that the SRC wrote. */
export function snapshotRecord(options: {
  readonly recordingId: string
  readonly seq: number
  readonly objectName: string
  readonly pending: PendingSnapshot
}): SnapshotReceivedRecord {
  const { pending } = options
  const { snapshot, rawSha256, raw } = pending.received
  return {
    kind: 'snapshotReceived',
    recordingId: options.recordingId,
    seq: options.seq,
    receivedAt: pending.receivedAt,
    dataMode: snapshot?.dataMode ?? null,
    valid: snapshot !== undefined,
    reason: pending.reason ?? null,
    sha256: rawSha256,
    sizeBytes: raw.length,
    objectName: options.objectName,
    groups: snapshot?.groups.map(({ csGroupId, ...times }) => ({ csGroupId, ...textTimes(times) })) ?? [],
    communicationSessions: snapshot?.communicationSessions.map(communicationSession) ?? [],
    participants: snapshot?.participants.map(({ participantId, aors }) => ({ participantId, aors })) ?? [],
    mediaStreams: snapshot?.mediaStreams.map(({ streamId, csId, label }) => ({ streamId, csId, label })) ?? [],
    associations:
      snapshot?.associations.map(({ participantId, sends, receives, ...times }) => ({
        participantId,
        sends,
        receives,
        ...textTimes(times),
      })) ?? [],
    sessionRecordings: snapshot?.sessionRecordings.map(({ csId, ...times }) => ({ csId, ...textTimes(times) })) ?? [],
    participantSessions:
      snapshot?.participantSessions.map(({ participantId, csId, ...times }) => ({
        participantId,
        csId,
        ...textTimes(times),
      })) ?? [],
    extensions: snapshot?.extensions ?? [],
    correlationIds: snapshot === undefined ? [] : snapshotCorrelation(snapshot),
  }
}

function communicationSession(
  cs: MetadataSnapshot['communicationSessions'][number],
): SnapshotReceivedRecord['communicationSessions'][number] {
  const { csId, csGroupId, sipSessionIds, startTime, stopTime, reason } = cs
  return { csId, csGroupId, sipSessionIds, startTime: startTime?.text, stopTime: stopTime?.text, reason }
}

function textTimes(times: { readonly associateTime?: MetadataTime; readonly disassociateTime?: MetadataTime }): {
  readonly associateTime?: string | undefined
  readonly disassociateTime?: string | undefined
} {
  return { associateTime: times.associateTime?.text, disassociateTime: times.disassociateTime?.text }
}
