import type { ConsentActions } from '../consent/consent-desk.ts'
import { wallClock, type LiveRecording } from './live-recording.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import type { RecordingEnd } from './recording-end.ts'
import type { RecordingPauses } from './recording-pauses.ts'

/** What the rule about consent has done to recordings. */
export function consentActions(
  { media, custody, events, nowUs }: Pick<RecordingControlOptions, 'media' | 'custody' | 'events' | 'nowUs'>,
  parts: {
    readonly pauses: RecordingPauses
    readonly end: RecordingEnd
    readonly decideHeld: (recording: LiveRecording, outcome: 'kept' | 'destroyed', cause: string) => void
  },
): ConsentActions {
  return {
    setPaused: (recording, isPaused) => parts.pauses.set(recording, { isPaused, by: 'consent', atUs: nowUs() }),
    settleHeld: parts.decideHeld,
    stop: (recording) => parts.end.hangUp(recording, 'noConsent', 'Consent is missing'),
    note: (recording, { code, detail }) => {
      const atUs = nowUs()
      if (recording.state !== 'closing') {
        media.note(recording.facts.recordingId, { code, detail, atUs })
        return
      }
      const incident = { code, at: wallClock(recording, atUs).toISOString(), detail }
      recording.lateIncidents.push(incident)
      custody.incident(recording, incident)
      events.incident(recording, incident)
    },
    notify: (recording, state) => events.consentWanted(recording, state),
    over: (recording, state) => events.consentOver(recording, state),
  }
}
