import { sha256Hex } from '../../evidence/sha256.ts'
import { fromMetadata, readMetadataBody, type RequestMetadata } from '../../recorder/recording-request.ts'
import type { MediaStreamPlan } from '../../recorder/recording-types.ts'
import { SNAPSHOTS_MAX } from '../../recorder/snapshot-keeper.ts'
import type { DialogEnd, OfferRequest } from '../signalling/port.ts'
import { wallClock, type LiveRecording } from './live-recording.ts'
import type { OwnRequests } from './own-requests.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import { eventsOfPlans } from './session-story.ts'

/** Passes metadata on to the worker, whatever message of the dialog it came in; what cannot be applied is asked about. RFC 7866 9 */
export class MetadataIntake {
  readonly #options: Pick<RecordingControlOptions, 'media' | 'events' | 'custody'>
  readonly #requests: Pick<OwnRequests, 'askForSnapshot'>
  readonly #peopleChanged: (recording: LiveRecording) => void

  constructor(
    options: Pick<RecordingControlOptions, 'media' | 'events' | 'custody'>,
    parts: {
      readonly requests: Pick<OwnRequests, 'askForSnapshot'>
      /** More is known of who takes part. */
      readonly peopleChanged: (recording: LiveRecording) => void
    },
  ) {
    this.#options = options
    this.#requests = parts.requests
    this.#peopleChanged = parts.peopleChanged
  }

  pass(recording: LiveRecording, metadata: RequestMetadata | undefined, receivedUs: number): void {
    if (metadata === undefined) return
    const { raw, snapshot, mediaType } = metadata
    const received = { raw, rawSha256: sha256Hex(raw), snapshot, ...(mediaType === undefined ? {} : { mediaType }) }
    const instant = wallClock(recording, receivedUs)
    const receivedAt = instant.toISOString()
    // The worker keeps no more either; it notes an incident instead.
    if (recording.snapshots.length + recording.pendingSnapshots.length < SNAPSHOTS_MAX) {
      recording.pendingSnapshots.push({ received, reason: metadata.reason, receivedAt })
    }
    if (snapshot === undefined) this.#options.events.metadataRejected(recording, metadata.reason ?? 'unknown')
    const need = snapshot === undefined ? 'unreadable' : recording.communication.apply(snapshot, instant).needsComplete
    this.#options.custody.noteFacts(recording)
    if (snapshot !== undefined) this.#peopleChanged(recording)
    if (need !== undefined) this.#requests.askForSnapshot(recording, need)
    this.#options.media.metadata(recording.facts.recordingId, received, receivedUs)
  }

  /** An offer inside the dialog was taken. */
  noteOffer(
    recording: LiveRecording,
    offer: Pick<OfferRequest, 'header' | 'headers' | 'receivedUs'>,
    plans: readonly MediaStreamPlan[],
  ): void {
    recording.communication.noteOffer(offer, plans, wallClock(recording, offer.receivedUs))
    this.#options.custody.noteFacts(recording)
    this.#peopleChanged(recording)
    this.notePlans(recording, plans, offer.receivedUs)
  }

  /** These media streams are recorded from now on, and the SDP pauses some of them, or none. */
  notePlans(recording: LiveRecording, plans: readonly MediaStreamPlan[], atUs: number): void {
    const at = wallClock(recording, atUs).toISOString()
    for (const event of eventsOfPlans(recording.story, plans, at)) this.#options.custody.note(recording, event)
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
