import { sha256Hex } from '../../evidence/sha256.ts'
import { fromMetadata, readMetadataBody, type RequestMetadata } from '../../recorder/recording-request.ts'
import { SNAPSHOTS_MAX } from '../../recorder/snapshot-keeper.ts'
import type { DialogEnd } from '../signalling/port.ts'
import type { LiveRecording } from './live-recording.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'

/** Passes metadata on to the worker, whatever message of the dialog it came in. RFC 7866 9.1 */
export class MetadataIntake {
  readonly #options: Pick<RecordingControlOptions, 'media' | 'events'>

  constructor(options: Pick<RecordingControlOptions, 'media' | 'events'>) {
    this.#options = options
  }

  pass(recording: LiveRecording, metadata: RequestMetadata | undefined, receivedUs: number): void {
    if (metadata === undefined) return
    const { raw, snapshot, mediaType } = metadata
    const received = { raw, rawSha256: sha256Hex(raw), snapshot, ...(mediaType === undefined ? {} : { mediaType }) }
    const elapsedMs = Math.round((receivedUs - recording.facts.openedUs) / 1_000)
    const receivedAt = new Date(recording.facts.openedAtUnixMs + elapsedMs).toISOString()
    // The worker keeps no more either; it notes an incident instead.
    if (recording.snapshots.length + recording.pendingSnapshots.length < SNAPSHOTS_MAX) {
      recording.pendingSnapshots.push({ received, reason: metadata.reason, receivedAt })
    }
    if (snapshot === undefined) this.#options.events.metadataRejected(recording, metadata.reason ?? 'unknown')
    this.#options.media.metadata(recording.facts.recordingId, received, receivedUs)
  }

  /** Metadata in a message that is no offer, or is refused; other bodies are not ours to read. */
  passBody(
    recording: LiveRecording,
    contentType: string | undefined,
    { body, receivedUs }: Pick<DialogEnd, 'body' | 'receivedUs'>,
  ): void {
    if (body === undefined || body.length === 0 || recording.state === 'closing') return
    this.pass(recording, readMetadataBody(contentType, body), receivedUs)
  }

  /** What From says of a phone that forks its media, when that is news. */
  passFrom(recording: LiveRecording, from: string | undefined, receivedUs: number): void {
    if (from === undefined || from === recording.from || recording.state === 'closing') return
    const metadata = fromMetadata(from)
    if (metadata === undefined) return
    recording.from = from
    this.pass(recording, metadata, receivedUs)
  }
}
