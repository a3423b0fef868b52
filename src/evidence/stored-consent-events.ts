import { CONSENT_EVENTS_MAX, decodeConsentEvent, type ConsentEvent } from './consent-event.ts'
import { consentName } from './object-names.ts'

/** A consent event as it is stored. */
export interface StoredConsentEvent {
  readonly event: ConsentEvent
  readonly jws: string
}

/**
 * The consent events of a recording as far as they are there without a hole, at most {@link CONSENT_EVENTS_MAX}, in order; also of a recording under way. No signature is
 * checked: that is for `verify`.
 *
 * @param read gives undefined when the object is not there
 */
export async function storedConsentEvents(
  recordingId: string,
  read: (name: string) => Promise<Uint8Array | undefined>,
): Promise<readonly StoredConsentEvent[]> {
  const events: StoredConsentEvent[] = []
  for (let number = 0; number < CONSENT_EVENTS_MAX; number += 1) {
    const bytes = await read(consentName(number))
    if (bytes === undefined) return events
    const jws = new TextDecoder('latin1').decode(bytes)
    const decoded = decodeConsentEvent(jws)
    if (!decoded.ok || decoded.value.event.recordingId !== recordingId) return events
    events.push({ event: decoded.value.event, jws })
  }
  return events
}
