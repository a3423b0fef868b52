import { uuidV7 } from '../../../../src/ids.ts'
import type {
  ChunkStoredRecord,
  IncidentNotedRecord,
  RecordingClosedRecord,
  RecordingOpenedRecord,
  SnapshotReceivedRecord,
} from '../../../../src/server/database/records.ts'

const SHA256 = 'ab'.repeat(32)
const STARTED_UNIX_MS = Date.UTC(2026, 2, 1, 9, 0, 0)

let made = 0

/** A recording id that no other test uses; `minutes` later than the first of March, nine o'clock. */
export function exampleId(minutes = 0): string {
  made += 1
  const random = new Uint8Array(16)
  new DataView(random.buffer).setUint32(12, made)
  return uuidV7(STARTED_UNIX_MS + minutes * 60_000, random)
}

export function exampleTime(minutes: number): string {
  return new Date(STARTED_UNIX_MS + minutes * 60_000).toISOString()
}

export function openedRecord(recordingId: string, changes: Partial<RecordingOpenedRecord> = {}): RecordingOpenedRecord {
  return {
    kind: 'recordingOpened',
    recordingId,
    rsId: recordingId,
    tenant: 'default',
    src: 'sbc-1',
    sipCallId: `${recordingId}@sbc.example.com`,
    startedAt: exampleTime(0),
    layout: 'separate',
    objectPrefix: `default/2026/03/01/${recordingId}`,
    recipient: 'age1example',
    ...changes,
  }
}

export function snapshotRecord(
  recordingId: string,
  changes: Partial<SnapshotReceivedRecord> = {},
): SnapshotReceivedRecord {
  return {
    kind: 'snapshotReceived',
    recordingId,
    seq: 0,
    receivedAt: exampleTime(0),
    dataMode: 'complete',
    valid: true,
    reason: null,
    sha256: SHA256,
    sizeBytes: 1_800,
    objectName: 'metadata-000.age',
    groups: [{ csGroupId: 'group-1', associateTime: '2026-03-01T09:00:00Z' }],
    communicationSessions: [
      { csId: 'cs-1', csGroupId: 'group-1', sipSessionIds: ['ab30317f1a784dc48ff824d0d3715d86'] },
    ],
    participants: [
      { participantId: 'caller', aors: [{ aor: 'sip:+15550100@example.com', name: 'Ada Example' }] },
      { participantId: 'callee', aors: [{ aor: 'tel:+1-555-0199' }] },
    ],
    mediaStreams: [
      { streamId: 'stream-a', csId: 'cs-1', label: '1' },
      { streamId: 'stream-b', csId: 'cs-1', label: '2' },
    ],
    associations: [
      { participantId: 'caller', sends: ['stream-a'], receives: ['stream-b'], associateTime: '2026-03-01T09:00:00Z' },
      { participantId: 'callee', sends: ['stream-b'], receives: ['stream-a'] },
    ],
    ...changes,
  }
}

export function chunkRecord(
  recordingId: string,
  chunkSeq: number,
  changes: Partial<ChunkStoredRecord> = {},
): ChunkStoredRecord {
  return {
    kind: 'chunkStored',
    recordingId,
    chunkSeq,
    objectName: `chunk-${String(chunkSeq).padStart(6, '0')}.age`,
    sha256: SHA256,
    sizeBytes: 60_000,
    fromSample: chunkSeq * 720_000,
    toSample: (chunkSeq + 1) * 720_000,
    storedAt: exampleTime(1),
    ...changes,
  }
}

export function incidentRecord(recordingId: string, changes: Partial<IncidentNotedRecord> = {}): IncidentNotedRecord {
  return {
    kind: 'incidentNoted',
    recordingId,
    code: 'no-rtp',
    at: exampleTime(1),
    detail: 'No packet arrived on one stream.',
    ...changes,
  }
}

export function closedRecord(recordingId: string, changes: Partial<RecordingClosedRecord> = {}): RecordingClosedRecord {
  const packets = { expected: 3_000, received: 2_990, lost: 10, late: 1, duplicate: 2 }
  return {
    kind: 'recordingClosed',
    recordingId,
    endedAt: exampleTime(2),
    state: 'complete',
    endCause: 'bye',
    durationSamples: 2 * 60 * 48_000,
    manifestSha256: SHA256,
    streams: [
      {
        streamId: '0',
        streamLabel: '1',
        channel: 0,
        codec: 'PCMU',
        participantIds: ['caller'],
        packets,
        audioSamples: 5_740_400,
        concealedSamples: 2_880,
        silentSamples: 960_000,
      },
      {
        streamId: '1',
        streamLabel: '2',
        channel: 1,
        codec: 'PCMA',
        participantIds: ['callee'],
        packets,
        audioSamples: 5_760_000,
        concealedSamples: 0,
        silentSamples: 0,
      },
    ],
    gaps: [{ streamId: '0', fromSample: 48_000, toSample: 57_600, cause: 'lost' }],
    ...changes,
  }
}
