import type { RecordingIncident } from './recording-types.ts'

/** Incidents of one recording session; the last one that fits says that there were more. */
export const INCIDENTS_MAX = 200

/** What went wrong in one recording session, for its manifest: bounded, in order. */
export class IncidentList {
  readonly entries: RecordingIncident[] = []
  #dropped = 0

  /** Incidents that found the list full. */
  get dropped(): number {
    return this.#dropped
  }

  /** Incidents that can still be listed as they are. */
  get room(): number {
    return Math.max(0, INCIDENTS_MAX - 1 - this.entries.length)
  }

  /** The incident as it was listed, to be told to others; undefined when it was dropped. */
  add(incident: RecordingIncident): RecordingIncident | undefined {
    const room = INCIDENTS_MAX - this.entries.length
    if (room <= 1) this.#dropped += 1
    if (room === 0) return undefined
    const listed = room > 1 ? incident : { ...incident, code: 'incidents-too-many', detail: TOO_MANY }
    this.entries.push(listed)
    return listed
  }
}

const TOO_MANY = 'More went wrong from here on than is listed.'
