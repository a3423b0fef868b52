import { decodeConsentEvent, type ConsentEvent } from '../../evidence/consent-event.ts'
import { consentEventWords } from '../../evidence/consent-text.ts'
import type { RecordingDetails } from '../../server/database/queries.ts'
import { formatDuration, formatInstant, type Column } from '../output.ts'

const NONE = '-'
const SAMPLES_PER_MS = 48

export const CONSENT_COLUMNS: readonly Column[] = [
  { title: 'number', align: 'right' },
  { title: 'at' },
  { title: 'position', align: 'right' },
  { title: 'what', shrinks: true },
  { title: 'consent' },
]

/** What the parties were told and what they answered, in order, and what consent there was with it. */
export function consentRows({ consentEvents }: RecordingDetails): readonly (readonly string[])[] {
  return consentEvents.map(({ number, type, at, atSample, state, jws }) => [
    String(number),
    formatInstant(new Date(at)),
    atSample === null ? NONE : formatDuration(atSample / SAMPLES_PER_MS),
    words(jws) ?? type,
    state,
  ])
}

function words(jws: string): string | undefined {
  const decoded = decodeConsentEvent(jws)
  const event: ConsentEvent | undefined = decoded.ok ? decoded.value.event : undefined
  return event === undefined ? undefined : consentEventWords(event)
}
