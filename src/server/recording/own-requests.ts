import { buildSnapshotRequest } from '../../protocol/siprec/snapshot-request.ts'
import { readAnswer, withRefused } from '../../recorder/delayed-offer.ts'
import type { OwnResponse } from '../signalling/port.ts'
import type { LiveRecording, SnapshotNeed } from './live-recording.ts'
import { noteMedia, sdpOfferAgain } from './local-description.ts'
import type { MetadataIntake } from './metadata-intake.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'

/** Requests for a complete snapshot in one recording session. */
export const SNAPSHOT_REQUESTS_MAX = 3
/** Between two of them: the SRC needs time for its own transaction. */
export const SNAPSHOT_REQUEST_INTERVAL_US = 5_000_000
/** How often an offer of ours is sent again after glare. */
export const GLARE_RETRIES_MAX = 3
/** RFC 3261 14.1: whoever did not make the Call-ID waits up to two seconds, in steps of 10 ms. */
const GLARE_STEPS = 200
const GLARE_STEP_MS = 10

const REASONS: Readonly<Record<SnapshotNeed, string>> = {
  unreadable: 'A metadata snapshot could not be read',
  partialFirst: 'A partial snapshot came before any complete one',
  unknownIds: 'A partial snapshot refers to objects that no snapshot has described',
}

/** What became of a request of ours. */
type Outcome = 'accepted' | 'refused' | 'notSent'

/** What the recorder asks of SRCs inside their dialogs: new descriptions, and complete metadata. None of it is needed to record. */
export class OwnRequests {
  readonly #options: RecordingControlOptions
  readonly #notePlans: MetadataIntake['notePlans']
  /** With whom a re-INVITE is under way, and whether another has to follow. */
  readonly #reoffering = new Map<LiveRecording, { isAgain: boolean }>()

  constructor(
    options: RecordingControlOptions,
    /** Tells what an answer to an offer of ours pauses or holds. */
    { notePlans }: Pick<MetadataIntake, 'notePlans'>,
  ) {
    this.#options = options
    this.#notePlans = notePlans
  }

  /**
   * Offers the dialog's description again, as it has to be now: wanted, or `inactive` while an operator has paused. Asked for while one is
   * under way, another follows. Resolves when the SRC has the newest, or would not have it.
   */
  async reoffer(recording: LiveRecording): Promise<void> {
    const underWay = this.#reoffering.get(recording)
    if (underWay !== undefined) {
      underWay.isAgain = true
      return
    }
    const state = { isAgain: true }
    this.#reoffering.set(recording, state)
    try {
      while (state.isAgain && recording.state !== 'closing') {
        state.isAgain = false
        this.#options.events.asked('reoffer', await this.#offerOnce(recording))
      }
    } catch (error) {
      this.#options.events.failed(recording, error)
    } finally {
      this.#reoffering.delete(recording)
    }
  }

  /** Asks for a complete snapshot, if the SRC has said that it can be asked, and as soon as it has our 200. RFC 7866 9.2 */
  askForSnapshot(recording: LiveRecording, need: SnapshotNeed): void {
    const { asking } = recording
    if (!asking.isPossible || asking.isRefused || recording.state === 'closing') return
    if (!recording.isConfirmed) {
      asking.pending = need
      return
    }
    const nowUs = this.#options.nowUs()
    if (asking.asked >= SNAPSHOT_REQUESTS_MAX || nowUs - asking.lastAskedUs < SNAPSHOT_REQUEST_INTERVAL_US) return
    asking.asked += 1
    asking.lastAskedUs = nowUs
    this.#ask(recording, need).catch((error: unknown) => this.#options.events.failed(recording, error))
  }

  /** The SRC has our 200: what had to wait for that is asked now. */
  handleConfirmed(recording: LiveRecording): void {
    const { pending } = recording.asking
    recording.asking.pending = undefined
    if (pending !== undefined) this.askForSnapshot(recording, pending)
  }

  async #ask(recording: LiveRecording, need: SnapshotNeed): Promise<void> {
    const request = buildSnapshotRequest(REASONS[need])
    const response = await this.#options.signalling.request(recording.dialogId, { method: 'UPDATE', ...request })
    const outcome = outcomeOf(response)
    if (outcome === 'refused') recording.asking.isRefused = true
    this.#options.events.asked('snapshot', outcome)
  }

  async #offerOnce(recording: LiveRecording): Promise<Outcome> {
    for (let retry = 0; ; retry += 1) {
      const body = sdpOfferAgain(recording, recording.mediaAddress)
      if (body === undefined || recording.awaitsAnswer !== undefined) return 'notSent'
      const request = { method: 'INVITE', contentType: 'application/sdp', body } as const
      const response = await this.#options.signalling.request(recording.dialogId, request)
      if (response.status >= 200 && response.status < 300) return await this.#takeAnswer(recording, response)
      const isGlare = response.status === 491 || response.status === 0
      if (!isGlare || retry >= GLARE_RETRIES_MAX) return outcomeOf(response)
      await this.#options.sleep(this.#glareMs())
      if (isClosing(recording)) return 'notSent'
    }
  }

  async #takeAnswer(
    recording: LiveRecording,
    { contentType, body = new Uint8Array(0) }: OwnResponse,
  ): Promise<Outcome> {
    const { described } = recording
    if (described === undefined || isClosing(recording)) return 'accepted'
    const answer = readAnswer(contentType, body, described.media)
    // The lines stay what they were: nothing is lost by an answer that cannot be read.
    if (!answer.ok) return 'refused'
    const plans = withRefused(answer.value, described.plans)
    const atUs = this.#options.nowUs()
    const updated = await this.#options.media.update(recording.facts.recordingId, plans, atUs)
    if (!updated.ok) return 'accepted'
    noteMedia(recording, { media: answer.value.media, plans, ports: updated.ports })
    // Also when the session has ended meanwhile: what the worker has done is in the manifest, and the ledger has to say it too.
    this.#notePlans(recording, plans, atUs)
    return 'accepted'
  }

  #glareMs(): number {
    const [high = 0, low = 0] = this.#options.randomBytes(2)
    return ((high * 256 + low) % (GLARE_STEPS + 1)) * GLARE_STEP_MS
  }
}

function outcomeOf({ status }: OwnResponse): Outcome {
  if (status === 0 || status === 491) return 'notSent'
  return status >= 200 && status < 300 ? 'accepted' : 'refused'
}

// A function, as the state changes while something is awaited.
function isClosing(recording: LiveRecording): boolean {
  return recording.state === 'closing'
}
