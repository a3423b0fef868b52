import { accepted, rejected, type Result } from '../../result.ts'
import type { ListenRefusal } from '../../recorder/live-listeners.ts'
import type { AudioListener, LiveAudio } from '../media/live-audio.ts'
import type { LiveRecording } from './live-recording.ts'
import type { RecordingEvents } from './recording-events.ts'

/** Why nobody can listen, or not now. `off`: the configuration does not allow it. */
export type LiveListeningRefusal = ListenRefusal | 'off' | 'unknown' | 'notRecording'

/** Lets people listen to recordings while they are made, where the configuration allows it; each time is logged, counted and in the manifest. */
export class LiveListening {
  readonly #isOn: boolean
  readonly #live: () => readonly LiveRecording[]
  readonly #audio: LiveAudio
  readonly #events: Pick<RecordingEvents, 'listeningRefused' | 'listening' | 'listeningEnded'>
  readonly #nowUs: () => number

  constructor(options: {
    readonly isOn: boolean
    readonly live: () => readonly LiveRecording[]
    readonly audio: LiveAudio
    readonly events: Pick<RecordingEvents, 'listeningRefused' | 'listening' | 'listeningEnded'>
    readonly nowUs: () => number
  }) {
    this.#isOn = options.isOn
    this.#live = options.live
    this.#audio = options.audio
    this.#events = options.events
    this.#nowUs = options.nowUs
  }

  /**
   * Begins to listen; gives the way to end it, which has to be called once.
   *
   * @param from the address of the listener's machine
   * @param open makes the listener, once it is certain that there will be something to hear
   */
  async listen(
    rsId: string,
    from: string,
    open: () => AudioListener,
  ): Promise<Result<() => void, LiveListeningRefusal>> {
    const recording = this.#live().find(({ facts }) => facts.rsId === rsId)
    const started = await this.#start(recording, from, open)
    if (!started.ok || recording === undefined) {
      const reason = started.ok ? 'unknown' : started.reason
      this.#events.listeningRefused(reason)
      return rejected(reason)
    }
    const sinceUs = this.#nowUs()
    this.#events.listening(recording, from)
    return accepted(() => {
      this.#audio.stop(started.value)
      this.#events.listeningEnded(recording, from, this.#nowUs() - sinceUs)
    })
  }

  async #start(
    recording: LiveRecording | undefined,
    from: string,
    open: () => AudioListener,
  ): Promise<Result<number, LiveListeningRefusal>> {
    if (!this.#isOn) return rejected('off')
    if (recording === undefined) return rejected('unknown')
    if (recording.state !== 'answered' && recording.state !== 'recording') return rejected('notRecording')
    return this.#audio.start({ recordingId: recording.facts.recordingId, from, open })
  }
}
