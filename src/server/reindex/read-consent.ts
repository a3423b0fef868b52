import { CONSENT_EVENTS_MAX, readConsentEvent, type ConsentEvent } from '../../evidence/consent-event.ts'
import { consentState } from '../../evidence/consent-state.ts'
import type { ConsentEventEntry, ManifestBody } from '../../evidence/manifest.ts'
import { consentName } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { consentRecord } from '../database/index-records.ts'
import type { DatabaseRecord } from '../database/records.ts'
import { consentEntry } from '../recording/consent-keeper.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { ProblemCode } from './read-recording.ts'

/** A consent event as it was stored. */
export interface ReadConsentEvent {
  readonly entry: ConsentEventEntry
  readonly event: ConsentEvent
  readonly jws: string
}

/**
 * Reads the consent events of a recording: those that its manifest names, and behind them those that came after it. Up to the first that is missing or not
 * to be believed: what follows on it could say more than what is there supports.
 */
export async function readConsent(
  store: Pick<ObjectStore, 'get'>,
  recording: {
    readonly objectPrefix: string
    readonly consentNames: readonly string[]
    readonly manifest: ManifestBody
    readonly manifestSha256: string
  },
  keys: readonly VerifyKey[],
  report: (code: ProblemCode, name: string) => void,
): Promise<readonly ReadConsentEvent[]> {
  const { objectPrefix, manifest, manifestSha256 } = recording
  const listed = new Set(recording.consentNames)
  const events: ReadConsentEvent[] = []
  for (let number = 0; number < CONSENT_EVENTS_MAX; number += 1) {
    const name = consentName(number)
    const named = manifest.consentEvents[number]
    if (named === undefined && !listed.has(name)) return events
    const bytes = await store.get(objectKey(objectPrefix, name))
    const jws = new TextDecoder('latin1').decode(bytes)
    const read = await readConsentEvent(jws, keys)
    const isIt = read.ok && belongs(read.value, { recordingId: manifest.recordingId, number, before: events.at(-1) })
    const isInPlace =
      named === undefined ? isIt && read.value.manifestSha256 === manifestSha256 : named.sha256 === sha256Hex(jws)
    if (!read.ok || !isIt || !isInPlace) {
      report(bytes === undefined ? 'object-missing' : 'object-changed', name)
      return events
    }
    events.push({ entry: consentEntry(read.value, jws), event: read.value, jws })
  }
  return events
}

function belongs(
  event: ConsentEvent,
  place: { readonly recordingId: string; readonly number: number; readonly before: ReadConsentEvent | undefined },
): boolean {
  const { recordingId, number, before } = place
  return event.recordingId === recordingId && event.number === number && event.previousSha256 === before?.entry.sha256
}

/** The records that the recorder made of them. */
export function consentRecords(recordingId: string, events: readonly ReadConsentEvent[]): readonly DatabaseRecord[] {
  return events.map(({ entry, jws }, place) => {
    const state = consentState(events.slice(0, place + 1).map(({ event }) => event))
    return consentRecord({ recordingId, entry, jws, state })
  })
}
