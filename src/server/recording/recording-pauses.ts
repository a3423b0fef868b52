import type { PauseRequester } from '../../evidence/words.ts'
import { pauses, readControlRequest } from '../../protocol/siprec/recording-control-requests.ts'
import type { PauseWay } from '../../recorder/recording-types.ts'
import { wallClock, type LiveRecording } from './live-recording.ts'
import type { OwnRequests } from './own-requests.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'

/** Requests whose headers may ask for a pause. */
const HEADER_WAYS = ['INVITE', 'UPDATE', 'INFO'] as const

/** Pauses recordings at the wish of their SRC or of an operator: in the recorder at once, and only then, where it is allowed, towards the SRC. */
export class RecordingPauses {
  readonly #options: RecordingControlOptions
  readonly #requests: OwnRequests

  constructor(options: RecordingControlOptions, requests: OwnRequests) {
    this.#options = options
    this.#requests = requests
  }

  /** A header of INFO, UPDATE or re-INVITE may ask for it. */
  handleHeaders(
    recording: LiveRecording,
    request: { header(name: string): string | undefined; readonly receivedUs: number },
    method: string,
  ): void {
    const action = readControlRequest((name) => request.header(name))
    if (action === undefined) return
    const [via] = HEADER_WAYS.filter((way) => way === method)
    this.set(recording, {
      ...{ isPaused: pauses(action), by: 'src', atUs: request.receivedUs },
      ...(via === undefined ? {} : { via }),
    })
  }

  /** Asking again for what is so changes nothing. */
  set(
    recording: LiveRecording,
    request: {
      readonly isPaused: boolean
      readonly by: PauseRequester
      readonly atUs: number
      readonly via?: PauseWay
    },
  ): void {
    const { isPaused, ...asked } = request
    const { by } = asked
    if (recording.state === 'closing' || recording.pausedBy.has(by) === isPaused) return
    if (isPaused) recording.pausedBy.add(by)
    else recording.pausedBy.delete(by)
    this.#options.media.pause(recording.facts.recordingId, isPaused, asked)
    this.#options.events.pauseChanged(recording, isPaused, by)
    const { atUs, ...how } = asked
    const at = wallClock(recording, atUs).toISOString()
    this.#options.custody.note(recording, { kind: 'pause', isPaused, at, ...how })
    if (by !== 'src' && recording.tellPause) void this.#requests.reoffer(recording)
  }
}
