import type { ConsentPolicy } from '../../consent/policy.ts'
import { decodeConsentEvent } from '../../evidence/consent-event.ts'
import { consentState } from '../../evidence/consent-state.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { KeptConsent, KeptConsentEvent } from './consent-trail.ts'
import type { OpenJournalEntry } from './open-journal.ts'

/** The consent events that the journal of a recording holds, each once and in order, up to the first that is damaged. */
export function keptConsent(recordingId: string, entries: readonly OpenJournalEntry[]): KeptConsent {
  const events: KeptConsentEvent[] = []
  for (const line of entries) {
    if (line.kind !== 'consent') continue
    const { consent: entry, jws } = line
    const decoded = decodeConsentEvent(jws)
    // A line that the disk was slow to take may be there twice.
    if (entry.number < events.length) continue
    if (!decoded.ok || sha256Hex(jws) !== entry.sha256 || entry.number !== events.length) break
    if (decoded.value.event.recordingId !== recordingId) break
    events.push({ entry, event: decoded.value.event, jws })
  }
  // How many there were beyond the bound was known to the recorder that died alone.
  return { events, entries: events.map(({ entry }) => entry), unlisted: 0 }
}

/** Stores those that had not reached the store. */
export async function storeConsent(
  store: Pick<ObjectStore, 'put'>,
  objectPrefix: string,
  kept: KeptConsent,
  stored: ReadonlySet<string>,
): Promise<void> {
  for (const { entry, jws } of kept.events) {
    if (stored.has(entry.name)) continue
    await store.put(objectKey(objectPrefix, entry.name), new TextEncoder().encode(jws))
  }
}

/** What a source wants done about an objection. */
export type ObjectionPolicy = Pick<ConsentPolicy, 'onRefused' | 'onWithdrawn'>

/**
 * Whether the recording is to be destroyed: its policy wanted it, as its journal says; or somebody refused or withdrew, and the recorder died before it did anything about it: then
 * what the policy wants now is done.
 */
export function isShredWanted(events: KeptConsent['events'], policy: ObjectionPolicy | undefined): boolean {
  const bodies = events.map(({ event }) => event)
  if (bodies.some((event) => event.type === 'enforced' && event.action === 'shred')) return true
  const state = consentState(bodies)
  // That it is to be destroyed is the first thing that is done about it: where another was, the policy did not want it. The last decision is about
  // what holds now only if it says so: an objection that came after it has had nothing done about it.
  const decided = bodies.findLastIndex(({ type }) => type === 'decided')
  const decision = bodies[decided]
  const holds = decision?.type === 'decided' && decision.state === state
  if (holds && bodies.slice(decided).some(({ type }) => type === 'enforced')) return false
  return (
    (state === 'withdrawn' && policy?.onWithdrawn === 'shred') || (state === 'refused' && policy?.onRefused === 'shred')
  )
}
