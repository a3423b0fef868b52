import type { ConsentActions } from '../consent/consent-desk.ts'
import type { LiveRecording } from './live-recording.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'
import type { RecordingEnd } from './recording-end.ts'
import type { RecordingPauses } from './recording-pauses.ts'

/** What the rule about consent has done to recordings. */
export function consentActions(
  { media, events, nowUs }: Pick<RecordingControlOptions, 'media' | 'events' | 'nowUs'>,
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
    note: ({ facts }, { code, detail }) => media.note(facts.recordingId, { code, detail, atUs: nowUs() }),
    notify: (recording, state) => events.consentWanted(recording, state),
    over: (recording, state) => events.consentOver(recording, state),
  }
}
