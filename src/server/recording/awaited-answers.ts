import { readAnswer, withRefused, type AnswerRejectReason } from '../../recorder/delayed-offer.ts'
import type { InDialogRequest } from '../signalling/port.ts'
import type { LiveRecording } from './live-recording.ts'
import { noteMedia } from './local-description.ts'
import type { MetadataIntake } from './metadata-intake.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import type { RecordingEnd } from './recording-end.ts'

type Missing = AnswerRejectReason | 'none'

const DETAILS: Readonly<Record<Missing, string>> = {
  none: 'The ACK of an INVITE without SDP brought no answer to our offer.',
  noSdp: 'The ACK of an INVITE without SDP brought no answer to our offer.',
  sdp: 'The answer to our offer could not be read.',
  noLine: 'The answer to our offer took none of its lines.',
}

/** Answers of SRCs to offers of ours, which come in the ACK. RFC 3261 13.2.1, 14.2 */
export class AwaitedAnswers {
  readonly #options: RecordingControlOptions
  readonly #end: RecordingEnd
  readonly #metadata: MetadataIntake

  constructor(
    options: RecordingControlOptions,
    parts: { readonly end: RecordingEnd; readonly metadata: MetadataIntake },
  ) {
    this.#options = options
    this.#end = parts.end
    this.#metadata = parts.metadata
  }

  handleAck(recording: LiveRecording, ack: InDialogRequest): void {
    const { awaitsAnswer, described } = recording
    if (awaitsAnswer === undefined || described === undefined || recording.state === 'closing') return
    recording.awaitsAnswer = undefined
    const answer = readAnswer(ack.header('content-type'), ack.body, described.media)
    if (!answer.ok) {
      if (awaitsAnswer === 'first') this.#goWithout(recording, answer.reason, ack.receivedUs)
      else this.#note(recording, answer.reason, ack.receivedUs)
      return
    }
    const plans = withRefused(answer.value, described.plans)
    this.#options.events.linesRefused(answer.value.refusedLines)
    this.#options.media
      .update(recording.facts.recordingId, plans, ack.receivedUs)
      .then((updated) => {
        if (!updated.ok) {
          this.#options.events.notOpened(recording, updated.detail)
          return
        }
        noteMedia(recording, { media: answer.value.media, plans, ports: updated.ports })
        this.#metadata.noteOffer(recording, ack, plans)
      })
      .catch((error: unknown) => {
        this.#options.events.failed(recording, error)
        this.#end.hangUp(recording, 'recorderFailed', 'Recorder failed')
      })
  }

  /**
   * The SRC has our 200. When its ACK brought an answer that came before this; but a request after a lost ACK proves the same, and may itself
   * be an offer, so the verdict waits for the rest of this turn.
   */
  handleConfirmed(recording: LiveRecording, receivedUs: number): void {
    if (recording.awaitsAnswer !== 'first') return
    setImmediate(() => {
      if (recording.awaitsAnswer !== 'first' || recording.state === 'closing') return
      recording.awaitsAnswer = undefined
      this.#goWithout(recording, 'none', receivedUs)
    })
  }

  /** Audio that comes is recorded, agreed or not; without any there is nothing to wait for. */
  #goWithout(recording: LiveRecording, reason: Missing, atUs: number): void {
    this.#note(recording, reason, atUs)
    const { described } = recording
    if (recording.receivedOn.size === 0 || described === undefined) {
      this.#end.hangUp(recording, 'noAnswer', 'No usable answer to our offer', 488)
      return
    }
    const plans = described.plans.map((plan) => ({ ...plan, held: false }))
    this.#options.media
      .update(recording.facts.recordingId, plans, atUs)
      .then((updated) => {
        // An offer of the SRC that came meanwhile may have put some on hold.
        if (updated.ok) this.#metadata.notePlans(recording, plans, atUs)
      })
      .catch((error: unknown) => this.#options.events.failed(recording, error))
  }

  #note(recording: LiveRecording, reason: Missing, atUs: number): void {
    this.#options.media.note(recording.facts.recordingId, { code: 'no-answer', detail: DETAILS[reason], atUs })
  }
}
