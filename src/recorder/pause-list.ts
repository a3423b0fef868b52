import type { PauseRequester } from '../evidence/words.ts'
import type { PauseEntry } from '../evidence/stream-facts.ts'
import type { StreamId } from '../ids.ts'
import type { RecordingClock } from './recording-clock.ts'
import type { PauseWay } from './recording-types.ts'

/** Pauses of one recording that its manifest lists one by one; further ones are kept too, and counted there. */
export const PAUSES_MAX = 1_000

/** What is said of a pause in the manifest. */
export interface PauseIncident {
  readonly code: 'paused' | 'resumed'
  readonly detail: string
}

/** From when a request held to when it was taken back: monotonic microseconds. */
interface Pause extends Pick<PauseEntry, 'by' | 'via' | 'streamId'> {
  readonly fromUs: number
  toUs: number | undefined
}

const PAUSED: Readonly<Record<PauseRequester, string>> = {
  src: 'The SRC asked for a pause: nothing said from here on is recorded until it asks to go on.',
  consent: 'The rule about consent paused the recording: nothing said from here on is recorded until there is consent.',
  api: 'An operator paused the recording: nothing said from here on is recorded until an operator resumes it.',
}
const RESUMED: Readonly<Record<PauseRequester, string>> = {
  src: 'The SRC asked to go on recording.',
  consent: 'There is consent: the rule about it lets the recording go on.',
  api: 'An operator resumed the recording.',
}
const STILL_PAUSED = ' It stays paused, as somebody else asked for a pause too.'

/**
 * Who has asked for a pause and not taken it back, and from when to when each request held. The whole recording is paused as long as anybody wants it; the SDP
 * pauses single media streams. At most {@link PAUSES_MAX} requests are listed.
 */
export class PauseList {
  /** Requests that hold now: of the whole recording by who asked, of a media stream by its id. */
  readonly #requesters = new Map<PauseRequester, Pause>()
  readonly #streams = new Map<StreamId, Pause>()
  readonly #listed: Pause[] = []
  #unlisted = 0

  /** The whole recording is. */
  get isPaused(): boolean {
    return this.#requesters.size > 0
  }

  /** Pauses that found the list full. */
  get unlisted(): number {
    return this.#unlisted
  }

  /** The incident to note; undefined when nothing changed. */
  set(
    isPaused: boolean,
    request: { readonly by: PauseRequester; readonly via?: PauseWay | undefined; readonly atUs: number },
  ): PauseIncident | undefined {
    const { by, via, atUs } = request
    const present = this.#requesters.get(by)
    if ((present !== undefined) === isPaused) return undefined
    if (present === undefined) {
      this.#requesters.set(by, this.#begin({ by, ...(via === undefined ? {} : { via }) }, atUs))
      return { code: 'paused', detail: PAUSED[by] }
    }
    end(present, atUs)
    this.#requesters.delete(by)
    return { code: 'resumed', detail: RESUMED[by] + (this.isPaused ? STILL_PAUSED : '') }
  }

  /** These are the media streams that the SDP wants paused now. The incident to note; undefined when they are as many as before. */
  setStreams(streamIds: readonly StreamId[], atUs: number): PauseIncident | undefined {
    const before = this.#streams.size
    for (const [streamId, pause] of this.#streams) {
      if (streamIds.includes(streamId)) continue
      end(pause, atUs)
      this.#streams.delete(streamId)
    }
    for (const streamId of streamIds) {
      if (this.#streams.has(streamId)) continue
      this.#streams.set(streamId, this.#begin({ by: 'src', via: 'SDP', streamId }, atUs))
    }
    return streamPauseIncident(before, this.#streams.size)
  }

  /** For the manifest, in the order in which they began; one that was not taken back has no end. */
  entries(clock: RecordingClock, durationSamples: number): readonly PauseEntry[] {
    const place = (us: number): number => Math.min(durationSamples, Math.max(0, clock.samplesSinceOrigin(us)))
    // One may be told of after another that began later: they come by several ways.
    return this.#listed
      .toSorted((one, other) => one.fromUs - other.fromUs)
      .map(({ fromUs, toUs, ...asked }) => ({
        ...asked,
        from: clock.wallClock(fromUs),
        fromSample: place(fromUs),
        ...(toUs === undefined ? {} : { to: clock.wallClock(toUs), toSample: place(toUs) }),
      }))
  }

  #begin(asked: Pick<PauseEntry, 'by' | 'via' | 'streamId'>, fromUs: number): Pause {
    const pause: Pause = { ...asked, fromUs, toUs: undefined }
    if (this.#listed.length < PAUSES_MAX) this.#listed.push(pause)
    else this.#unlisted += 1
    return pause
  }
}

/** A request may overtake the one before on its way through the threads: a pause never ends before it began. */
function end(pause: Pause, atUs: number): void {
  pause.toUs = Math.max(pause.fromUs, atUs)
}

function streamPauseIncident(before: number, now: number): PauseIncident | undefined {
  if (now > before) return { code: 'paused', detail: 'The SDP of the SRC asked for a pause of a media stream.' }
  if (now < before) return { code: 'resumed', detail: 'The SDP of the SRC asked to go on recording a media stream.' }
  return undefined
}
