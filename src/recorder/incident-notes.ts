import { IncidentList } from './incident-list.ts'
import type { RecordingClock } from './recording-clock.ts'
import type { RecordingIncident, RecordingSink } from './recording-types.ts'

/** What happened, without when. */
export type Incident = Pick<RecordingIncident, 'code' | 'detail'>

/** Gives incidents their place in time, lists them for the manifest, and tells the sink. */
export class IncidentNotes {
  readonly #list = new IncidentList()
  readonly #clock: RecordingClock
  readonly #sink: Pick<RecordingSink, 'handleIncident'>

  constructor(options: { readonly clock: RecordingClock; readonly sink: Pick<RecordingSink, 'handleIncident'> }) {
    this.#clock = options.clock
    this.#sink = options.sink
  }

  /** Incidents that found the list full. */
  get dropped(): number {
    return this.#list.dropped
  }

  /** Incidents that can still be noted as they are. */
  get room(): number {
    return this.#list.room
  }

  note({ code, detail }: Incident, us: number): void {
    const incident = this.#list.add({ code, ...this.placeOf(us), detail })
    if (incident !== undefined) this.#sink.handleIncident(incident)
  }

  noteIf(incident: Incident | undefined, us: number): void {
    if (incident !== undefined) this.note(incident, us)
  }

  /** Wall clock and, once the recording has an origin, the position on its timeline. */
  placeOf(us: number): { readonly at: string; readonly atSample?: number } {
    const at = this.#clock.wallClock(us)
    if (this.#clock.originUs === undefined) return { at }
    return { at, atSample: Math.max(0, this.#clock.samplesSinceOrigin(us)) }
  }

  /** For the manifest. The BYE comes a moment after the last sample; what is noted then belongs to the end of the recording. */
  entriesUpTo(durationSamples: number): readonly RecordingIncident[] {
    return this.#list.entries.map(({ atSample, ...incident }) =>
      atSample === undefined ? incident : { ...incident, atSample: Math.min(atSample, durationSamples) },
    )
  }
}
