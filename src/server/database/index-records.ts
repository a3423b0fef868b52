import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import type { StoredRecord } from '../../evidence/custody/custody-chain.ts'
import type { CustodyNote } from '../../evidence/custody/custody-note.ts'
import type { ChunkEntry, ConsentEventEntry, ManifestBody } from '../../evidence/manifest.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type {
  ChunkStoredRecord,
  ConsentNotedRecord,
  CustodyDecidedRecord,
  RecordingClosedRecord,
  RecordingOpenedRecord,
} from './records.ts'

/** Records as the recorder makes them while it records, and as `reindex` makes them out of the object store: one way for both. */

export function openedRecord(recording: {
  readonly facts: Pick<ManifestBody, 'recordingId' | 'rsId' | 'tenant' | 'src' | 'layout'>
  readonly sipCallId: string
  readonly startedAt: string
  readonly objectPrefix: string
  readonly recipient: string
  readonly dialect?: string | undefined
  readonly correlationIds?: readonly CorrelationId[] | undefined
}): RecordingOpenedRecord {
  // One by one: what is handed in may know more than the index may say.
  const { facts, sipCallId, startedAt, objectPrefix, recipient, dialect, correlationIds } = recording
  const { recordingId, rsId, tenant, src, layout } = facts
  return {
    kind: 'recordingOpened',
    ...{ recordingId, rsId, tenant, src, layout, sipCallId, startedAt, objectPrefix, recipient },
    ...{ dialect, correlationIds },
  }
}

export function chunkRecord(recordingId: string, chunk: ChunkEntry, storedAt: string): ChunkStoredRecord {
  const { chunkSeq, name, sha256, sizeBytes, fromSample, toSample } = chunk
  return {
    kind: 'chunkStored',
    ...{ recordingId, chunkSeq, objectName: name, sha256, sizeBytes, fromSample, toSample, storedAt },
  }
}

/** @param noted `state`: of the recording, with this event */
export function consentRecord(noted: {
  readonly recordingId: string
  readonly entry: ConsentEventEntry
  readonly jws: string
  readonly state: ConsentStateName
}): ConsentNotedRecord {
  const { recordingId, entry, jws, state } = noted
  const { number, type, at, atSample, name, sha256, sizeBytes } = entry
  return {
    kind: 'consentNoted',
    ...{ recordingId, number, type, at, atSample, objectName: name, sha256, sizeBytes, jws, state },
  }
}

export function closedRecord(manifest: ManifestBody, manifestSha256: string): RecordingClosedRecord {
  const { recordingId, endedAt, state, endCause, durationSamples } = manifest
  return {
    kind: 'recordingClosed',
    ...{ recordingId, endedAt, state, endCause, durationSamples, manifestSha256 },
    streams: manifest.streams.map(({ codecs, packets, ledger, ...stream }) => ({
      streamId: stream.streamId,
      streamLabel: stream.streamLabel,
      channel: stream.channel,
      participantIds: stream.participantIds,
      codec: codecs.join('+'),
      packets: { ...packets, expected: packets.expected ?? packets.received + packets.lost },
      audioSamples: ledger.audioSamples,
      ...(ledger.concealedSamples === undefined ? {} : { concealedSamples: ledger.concealedSamples }),
      ...(ledger.silentSamples === undefined ? {} : { silentSamples: ledger.silentSamples }),
    })),
    gaps: manifest.streams.flatMap((stream) => stream.gaps.map((gap) => ({ streamId: stream.streamId, ...gap }))),
  }
}

/** Undefined for a kind that this software does not know. @param note what is sealed in it, where somebody could open it */
export function custodyDecidedRecord(
  { sha256, record }: Pick<StoredRecord, 'sha256' | 'record'>,
  note: CustodyNote | undefined,
): CustodyDecidedRecord | undefined {
  const { recordingId, seq, at } = record
  if (record.kind === 'unknown') return undefined
  return {
    kind: 'custodyDecided',
    ...{ recordingId, custodySeq: seq, decision: record.kind, decidedAt: at, sha256 },
    ...('holdId' in record ? { holdId: record.holdId } : { scope: record.scope }),
    ...(note === undefined ? {} : { decidedBy: note.by, reason: note.reason }),
  }
}
