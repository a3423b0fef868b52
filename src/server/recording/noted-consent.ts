import type { ConsentFact } from '../../consent/words.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import type { LiveRecording } from './live-recording.ts'
import { streamsOfVoices } from './local-description.ts'

export const CONSENT_ANSWERS = ['yes', 'no', 'withdrawn'] as const

/** What an operator was told about the consent of a party: it was given, refused, or taken back. */
export interface ConsentWord {
  readonly answer: (typeof CONSENT_ANSWERS)[number]
  /** The participant as the metadata has it, or a media stream that bears nobody's name. Only a withdrawal may leave it out: then nobody's consent is left. */
  readonly participantId?: string
}

/**
 * The fact that such a word is. Facts are signed, in clear, for ever, so a `participantId` that nobody in the recording has, which may be a number or a name, is in none: a no or a withdrawal
 * is then one of nobody in particular, which counts for everybody, and a yes, which would count for nobody, is rejected.
 */
export function factOfWord(
  { answer, participantId }: ConsentWord,
  recording: LiveRecording,
): Result<ConsentFact, 'unknownParty'> {
  const isKnown =
    recording.communication.history.state.participants.some((one) => one.participantId === participantId) ||
    streamsOfVoices(recording).some((streamId) => streamId === participantId)
  if (answer === 'yes' && !isKnown) return rejected('unknownParty')
  const who = participantId === undefined || !isKnown ? {} : { participantId }
  return accepted(
    answer === 'withdrawn' ? { type: 'withdrawn', by: 'api', ...who } : { type: 'answered', answer, by: 'api', ...who },
  )
}
