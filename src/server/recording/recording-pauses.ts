import { pauses, readControlRequest } from '../../protocol/siprec/recording-control-requests.ts'
import type { PauseRequester } from '../../recorder/recording-types.ts'
import type { LiveRecording } from './live-recording.ts'
import type { OwnRequests } from './own-requests.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'

/** Pauses recordings at the wish of their SRC or of an operator: in the recorder at once, and only then, where it is allowed, towards the SRC. */
export class RecordingPauses {
  readonly #options: RecordingControlOptions
  readonly #requests: OwnRequests

  constructor(options: RecordingControlOptions, requests: OwnRequests) {
    this.#options = options
    this.#requests = requests
  }

  /** A header of INFO, UPDATE or re-INVITE may ask for it. */
  handleHeaders(recording: LiveRecording, header: (name: string) => string | undefined, receivedUs: number): void {
    const action = readControlRequest(header)
    if (action !== undefined) this.set(recording, { isPaused: pauses(action), by: 'src', atUs: receivedUs })
  }

  /** Asking again for what is so changes nothing. */
  set(
    recording: LiveRecording,
    { isPaused, by, atUs }: { readonly isPaused: boolean; readonly by: PauseRequester; readonly atUs: number },
  ): void {
    if (recording.state === 'closing' || recording.pausedBy.has(by) === isPaused) return
    if (isPaused) recording.pausedBy.add(by)
    else recording.pausedBy.delete(by)
    this.#options.media.pause(recording.facts.recordingId, isPaused, { by, atUs })
    this.#options.events.pauseChanged(recording, isPaused, by)
    if (by === 'api' && recording.tellPause) void this.#requests.reoffer(recording)
  }
}
