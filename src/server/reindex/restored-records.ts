import type { StoredRecord } from '../../evidence/custody/custody-chain.ts'
import type { CustodyNote } from '../../evidence/custody/custody-note.ts'
import type { IndexFacts } from '../../evidence/index-facts.ts'
import type { ManifestBody, SnapshotEntry } from '../../evidence/manifest.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import { readKeptMetadata } from '../../recorder/recording-request.ts'
import { chunkRecord, closedRecord, custodyDecidedRecord, openedRecord } from '../database/index-records.ts'
import type { DatabaseRecord } from '../database/records.ts'
import { snapshotRecord } from '../recording/snapshot-record.ts'
import { consentRecords, type ReadConsentEvent } from './read-consent.ts'

/** What is known of one recording from the store alone. */
export interface ReadRecording {
  readonly manifest: ManifestBody
  /** Hex, of the compact JWS. */
  readonly manifestSha256: string
  readonly objectPrefix: string
  /** Those that are to be believed, in order. */
  readonly consent: readonly ReadConsentEvent[]
  /** Undefined where there is none, or nobody could open it. */
  readonly indexFacts: IndexFacts | undefined
  /** Those that could be opened. */
  readonly snapshots: readonly { readonly entry: SnapshotEntry; readonly raw: Uint8Array }[]
  /** What was decided about it later, with who and why where somebody could open that. */
  readonly custody: readonly { readonly stored: StoredRecord; readonly note: CustodyNote | undefined }[]
}

/** The records that the recorder made of it, in their order. Nothing here depends on when it is asked. */
export function restoredRecords(read: ReadRecording): readonly DatabaseRecord[] {
  const { manifest, manifestSha256, objectPrefix, indexFacts, snapshots, consent } = read
  const { recordingId, startedAt, recipient, chunks, incidents } = manifest
  const dialect = indexFacts?.dialect
  const correlationIds = (indexFacts?.correlationIds ?? []) as readonly CorrelationId[]
  const attributions = (indexFacts?.attributions ?? []).map(({ to, ...interval }) => ({ ...interval, to }))
  const sipCallId = indexFacts?.sipCallId ?? ''
  return [
    openedRecord({ facts: manifest, sipCallId, startedAt, objectPrefix, recipient, dialect, correlationIds }),
    // Again: a recording that is in the index already may have been restored without a vault identity.
    { kind: 'factsNoted', recordingId, dialect, correlationIds, attributions },
    ...snapshots.map(({ entry, raw }) => restoredSnapshot(recordingId, entry, raw)),
    ...chunks.map((chunk) => chunkRecord(recordingId, chunk, spokenAt(manifest, chunk.toSample))),
    ...incidents.map((incident): DatabaseRecord => ({ kind: 'incidentNoted', recordingId, ...incident })),
    ...consentRecords(recordingId, consent),
    closedRecord(manifest, manifestSha256),
    ...read.custody.flatMap(({ stored, note }) => custodyDecidedRecord(stored, note) ?? []),
  ]
}

function restoredSnapshot(recordingId: string, entry: SnapshotEntry, raw: Uint8Array): DatabaseRecord {
  const { seq, name, sha256, receivedAt, mediaType } = entry
  const { snapshot, reason } = readKeptMetadata(raw, mediaType)
  const pending = { received: { raw, rawSha256: sha256, snapshot }, reason, receivedAt }
  return snapshotRecord({ recordingId, seq, objectName: name, pending })
}

function spokenAt({ originAt, startedAt }: ManifestBody, sample: number): string {
  return new Date(Date.parse(originAt ?? startedAt) + Math.round(sample / 48)).toISOString()
}
