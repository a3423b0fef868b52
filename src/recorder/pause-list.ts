import type { PauseRequester } from './recording-types.ts'

/** What is said of a pause in the manifest. */
export interface PauseIncident {
  readonly code: 'paused' | 'resumed'
  readonly detail: string
}

const PAUSED: Readonly<Record<PauseRequester, string>> = {
  src: 'The SRC asked for a pause: nothing said from here on is recorded until it asks to go on.',
  api: 'An operator paused the recording: nothing said from here on is recorded until an operator resumes it.',
}
const RESUMED: Readonly<Record<PauseRequester, string>> = {
  src: 'The SRC asked to go on recording.',
  api: 'An operator resumed the recording.',
}
const STILL_PAUSED = ' It stays paused, as somebody else asked for a pause too.'

/** Who has asked for a pause of the whole recording and not taken it back; it is paused as long as there is anybody. */
export class PauseList {
  readonly #requesters = new Set<PauseRequester>()

  get isPaused(): boolean {
    return this.#requesters.size > 0
  }

  /** The incident to note; undefined when nothing changed. */
  set(isPaused: boolean, by: PauseRequester): PauseIncident | undefined {
    if (this.#requesters.has(by) === isPaused) return undefined
    if (isPaused) this.#requesters.add(by)
    else this.#requesters.delete(by)
    if (isPaused) return { code: 'paused', detail: PAUSED[by] }
    return { code: 'resumed', detail: RESUMED[by] + (this.isPaused ? STILL_PAUSED : '') }
  }
}

/** When the SDP paused or resumed single streams: how many were paused before, and are now. */
export function streamPauseIncident(before: number, now: number): PauseIncident | undefined {
  if (now > before) return { code: 'paused', detail: 'The SDP of the SRC asked for a pause of a media stream.' }
  if (now < before) return { code: 'resumed', detail: 'The SDP of the SRC asked to go on recording a media stream.' }
  return undefined
}
