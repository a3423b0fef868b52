import type { ManifestBody } from '../../evidence/manifest.ts'
import type { EndCause, SpoolFrame } from '../../recorder/recording-types.ts'
import { objectsOfFrames } from '../spool/left-frames.ts'
import type { Commitment } from './commitment.ts'
import type { LiveRecording, LiveState } from './live-recording.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import type { RecordingTable } from './recording-table.ts'

/** The frames that a dead worker has left, by recording. */
export type LostFrames = ReadonlyMap<string, readonly SpoolFrame[]>

/** Ends recording sessions: from the BYE of either side to the stored manifest. */
export class RecordingEnd {
  readonly #options: RecordingControlOptions
  readonly #table: RecordingTable
  readonly #commitment: Commitment
  readonly #ending: (recording: LiveRecording) => Promise<void>
  #closing = 0

  constructor(
    options: RecordingControlOptions,
    parts: {
      readonly table: RecordingTable
      readonly commitment: Commitment
      /** Is told that a manifest is about to be signed, which waits for it; never rejects. */
      readonly ending: (recording: LiveRecording) => Promise<void>
    },
  ) {
    this.#options = options
    this.#table = parts.table
    this.#commitment = parts.commitment
    this.#ending = parts.ending
  }

  /** Recording sessions that are over and only wait for their manifest to be stored. */
  get closing(): number {
    return this.#closing
  }

  /** Ends it from our side, with BYE; `status` and `text` are its Reason. RFC 3326 */
  hangUp(recording: LiveRecording, cause: EndCause, text: string, status = 200): void {
    if (recording.state === 'closing' || recording.state === 'opening') return
    // In this order: the dialog's end is told at once, and would pass for a BYE of the SRC.
    this.end(recording, cause, this.#options.nowUs())
    this.#bye(recording, status, text)
  }

  /** The dialog is over: the worker writes what is left. */
  end(recording: LiveRecording, cause: EndCause, endedUs: number): void {
    if (recording.state === 'closing') return
    this.setState(recording, 'closing')
    this.#options.media.end(recording.facts.recordingId, cause, endedUs)
  }

  /** The worker has written what was left. Without ACK and RTP there was nothing, and nothing is kept. */
  close(recording: LiveRecording, manifest: ManifestBody): void {
    if (recording.heldBack !== undefined) {
      if (!manifest.streams.some(({ packets }) => packets.received > 0)) {
        this.forget(recording, manifest.endCause)
        return
      }
      this.#commitment.commit(recording)
    }
    this.#options.events.ended(recording, manifest)
    const signed = this.#ending(recording).then(() => {
      const incidents = [...manifest.incidents, ...recording.lateIncidents]
      return this.#options.custody.close(recording.objectPrefix, { ...manifest, incidents })
    })
    const closing = signed.catch((error: unknown) => {
      // What no verifier would accept is not signed: then a manifest that says less.
      if (!(error instanceof TypeError)) throw error
      this.#options.events.failed(recording, error)
      return this.#interrupt(recording, 'The whole manifest could not be made; what was sealed is kept.')
    })
    void this.#finish(recording, closing, manifest.endCause)
  }

  /** Its worker died. */
  closeLost(recording: LiveRecording, framesOf?: Promise<LostFrames>): void {
    this.setState(recording, 'closing')
    this.#options.events.workerLost(recording)
    this.#bye(recording, 500, 'Recorder failed')
    if (recording.heldBack !== undefined) {
      this.forget(recording, 'workerLost')
      return
    }
    const ending = this.#ending(recording)
    const detail = 'The media worker of this recording died; what it had sealed is kept.'
    const closing = this.#takeFrames(recording, framesOf).then(async () => {
      await ending
      this.#options.custody.sealPending(recording)
      return this.#interrupt(recording, detail)
    })
    void this.#finish(recording, closing, 'workerLost')
  }

  /** The INVITE came to nothing: there is no recording. */
  forget(recording: LiveRecording, outcome: string): void {
    if (!this.#table.has(recording)) return
    this.#options.events.abandoned(recording, outcome)
    this.#remove(recording)
  }

  setState(recording: LiveRecording, state: LiveState): void {
    const before = recording.state
    recording.state = state
    if (state === 'closing' && before !== 'closing') this.#closing += 1
    this.#options.events.stateChanged(recording, before)
  }

  /** What its worker had sealed for the spool and not made an object of becomes short chunks. */
  async #takeFrames(recording: LiveRecording, framesOf: Promise<LostFrames> | undefined): Promise<void> {
    const { custody, nowUnixMs } = this.#options
    const left = await framesOf?.catch(() => 'unreadable' as const)
    const frames = (left === 'unreadable' ? undefined : left?.get(recording.facts.recordingId)) ?? []
    const { chunks, kept, hasHole } = objectsOfFrames(frames, recording)
    if (hasHole || left === 'unreadable') {
      const detail = 'A part of the spool could not be used.'
      custody.incident(recording, { code: 'spool-damaged', at: new Date(nowUnixMs()).toISOString(), detail })
    }
    for (const { entry: chunk, bytes } of chunks)
      custody.sealed(recording, { kind: 'chunk', name: chunk.name, bytes, chunk })
    for (const { entry, bytes } of kept)
      custody.sealed(recording, { kind: 'kept', name: entry.name, bytes, kept: entry })
  }

  async #interrupt(recording: LiveRecording, detail: string): Promise<void> {
    const { sealedKey } = recording
    if (sealedKey === undefined) throw new Error('a recording without its sealed key was answered')
    const endedAt = new Date(this.#options.nowUnixMs()).toISOString()
    // What was decided about held audio is said once it is true: custody knows.
    await this.#options.custody.interrupted({ ...recording, ...sealedKey, heldDecision: undefined, endedAt }, detail)
  }

  #bye(recording: LiveRecording, cause: number, text: string): void {
    this.#options.signalling
      .bye(recording.dialogId, { cause, text })
      .catch((error: unknown) => this.#options.events.failed(recording, error))
  }

  async #finish(recording: LiveRecording, closing: Promise<void>, outcome: string): Promise<void> {
    try {
      await closing
      this.#options.events.closed(recording, outcome)
    } catch (error) {
      // The manifest could not be stored: the open journal still has the recording, and the next start finishes it.
      this.#options.events.notClosed(recording, error)
    }
    this.#remove(recording)
  }

  #remove(recording: LiveRecording): void {
    if (recording.state === 'closing') this.#closing -= 1
    this.#table.remove(recording)
    recording.markClosed()
  }
}
