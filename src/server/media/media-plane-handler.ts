import type { ConsentFactAt } from '../../consent/words.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { RecordingId, StreamId } from '../../ids.ts'
import type { FlagEvent, RecordingIncident, SealedObject } from '../../recorder/recording-types.ts'
import type { ClosedSegment } from '../spool/segment-cover.ts'
import type { WorkerReport } from './worker-messages.ts'

/** Who is told what the media workers produce. */
export interface MediaPlaneHandler {
  handleSealed(recordingId: RecordingId, object: SealedObject): void
  handleIncident(recordingId: RecordingId, incident: RecordingIncident): void
  /** Sample 0 of a recording has its instant. RFC 3339 */
  handleOrigin?(recordingId: RecordingId, originAt: string): void
  /** A flag of a media stream was raised or cleared. */
  handleFlag(recordingId: RecordingId, event: FlagEvent): void
  /** Something that consent may rest on was heard. */
  handleConsent?(recordingId: RecordingId, fact: ConsentFactAt): void
  /** The first RTP of a media stream was taken. */
  handleFirstPacket(recordingId: RecordingId, streamId: StreamId): void
  /** The recorder failed inside this recording: nothing more is recorded, it is time to end it. */
  handleFailed(recordingId: RecordingId): void
  /** The recording is over and this is what its manifest says. */
  handleManifest(recordingId: RecordingId, manifest: ManifestBody): void
  /** The worker that held these recordings died; what it had sealed is safe, and its last frames are in the spool. */
  handleWorkerLost(recordingIds: readonly RecordingId[], spoolFolder?: string): void
  /** A worker writes nothing more into this segment of the spool. */
  handleSegment?(segment: ClosedSegment): void
  handleReport(workerId: number, report: WorkerReport): void
}
