import { randomBytes } from 'node:crypto'

import { findConsentEventFault } from '../../evidence/consent-event-shape.ts'
import {
  decodeConsentEvent,
  signConsentEvent,
  type ConsentEventBody,
  type ConsentEventPlace,
  type ConsentEventType,
} from '../../evidence/consent-event.ts'
import { sealPersonal } from '../../evidence/consent-personal.ts'
import { consentState } from '../../evidence/consent-state.ts'
import type { ConsentEventEntry, ManifestBody } from '../../evidence/manifest.ts'
import { consentName } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { SigningKey } from '../../evidence/signer-keys.ts'
import { consentRecord } from '../database/index-records.ts'
import type { Outbox } from '../database/outbox.ts'
import type { StatementSink } from '../ledger/ledger.ts'
import { unlistedConsentEvents, type ConsentTrail, type KeptConsent, type TakenConsentEvent } from './consent-trail.ts'
import type { LiveRecording } from './live-recording.ts'
import type { OpenJournalEntry } from './open-journal.ts'

/** Longest body of an event, as JSON: so the signed event stays within its bound. */
export const CONSENT_BODY_BYTES_MAX = 6_000

interface ConsentKeeperOptions {
  readonly signer: SigningKey
  readonly outbox: Pick<Outbox, 'add'>
  readonly ledger: Pick<StatementSink, 'append'> | undefined
  readonly onEvent: ((type: ConsentEventType) => void) | undefined
  /** Resolves to whether the line is in the journal; the object follows to the store. */
  readonly keep: (
    recording: LiveRecording,
    entry: OpenJournalEntry,
    object: { readonly name: string; readonly bytes: Uint8Array },
  ) => Promise<boolean>
  /** An event could not be signed. */
  readonly failed: (recording: LiveRecording) => void
}

/** What is to be written. */
export interface ConsentNote {
  /** Without `personal`. */
  readonly body: ConsentEventBody
  /** When it happened, RFC 3339 in UTC with milliseconds. */
  readonly at: string
  /** What names people, by name: the event has salted hashes of it, and the values sealed with the recording. See `sealPersonal`. */
  readonly personal?: Readonly<Record<string, string>> | undefined
}

/**
 * Takes consent events into custody: each is signed at its place behind the one before, then has its line in the open journal with all of it, then is told to
 * ledger and database, and stored. So whatever ledger, database or store say of an event, a crash does not take it from the manifest.
 */
export class ConsentKeeper {
  readonly #options: ConsentKeeperOptions
  /** Of recordings that were opened in this run, until their manifest is about to be signed. */
  readonly #trails = new Map<string, ConsentTrail>()

  constructor(options: ConsentKeeperOptions) {
    this.#options = options
  }
  /** From now on events of it go to the journal, those first that came before. */
  opened(recording: LiveRecording): void {
    this.#trails.set(recording.facts.recordingId, recording.consent)
    recording.consent.open()
  }

  /**
   * Gives the event its number at once and the rest in order. Undefined when the recording has as many as it may, which is counted, or is over.
   *
   * @throws TypeError when it is not of the shape of FORMAT.md 4.3, or longer than `CONSENT_BODY_BYTES_MAX`
   */
  take(recording: LiveRecording, { body, at, personal }: ConsentNote): TakenConsentEvent | undefined {
    const { recordingId } = recording.facts
    const clock = { status: 'unknown' } as const
    const fault = findConsentEventFault({ ...body, recordingId, number: 0, at, clock })
    if (fault !== undefined) throw new TypeError(`The consent event is not of format 1 at ${fault}.`)
    if (Buffer.byteLength(JSON.stringify(body)) > CONSENT_BODY_BYTES_MAX)
      throw new TypeError('The consent event is too long.')
    const { consent } = recording
    const number = consent.number(body.type)
    if (number === undefined) return undefined
    const place = { recordingId, number, at, clock }
    const { promise: isSigned, resolve } = Promise.withResolvers<boolean>()
    const kept = consent.chain(() => this.#keep(recording, hide(recording, body, personal), place, resolve))
    return { number, kept, isSigned }
  }

  /** All events of the recording that are to be in its manifest; it takes no more. Undefined when it was not opened in this run. */
  async over(recordingId: string): Promise<Pick<ManifestBody, 'consentEvents' | 'unlistedConsentEvents'> | undefined> {
    const trail = this.#trails.get(recordingId)
    if (trail === undefined) return undefined
    await trail.over()
    this.#trails.delete(recordingId)
    return { consentEvents: trail.entries, ...unlistedConsentEvents(trail) }
  }

  /** Tells ledger and database, perhaps again, of the last of these events. */
  say(events: KeptConsent['events']): void {
    const last = events.at(-1)
    if (last === undefined) return
    const { entry, event, jws } = last
    const { recordingId } = event
    const { type, number, atSample, sha256 } = entry
    this.#options.ledger?.append({
      kind: 'consent',
      ...{ recordingId, type, number, evidenceSha256: sha256 },
      ...(atSample === undefined ? {} : { atSample }),
    })
    const state = consentState(events.map((kept) => kept.event))
    this.#options.outbox.add(consentRecord({ recordingId, entry, jws, state }))
  }

  async #keep(
    recording: LiveRecording,
    body: ConsentEventBody,
    place: ConsentEventPlace,
    tell: (isSigned: boolean) => void,
  ): Promise<boolean> {
    const { consent } = recording
    const previousSha256 = consent.entries.at(-1)?.sha256
    const at = { ...place, ...(previousSha256 === undefined ? {} : { previousSha256 }) }
    const signed = await this.#sign(body, at)
    tell(signed !== undefined)
    if (signed === undefined) {
      this.#options.failed(recording)
      return false
    }
    const { entry, jws } = signed
    consent.entries.push(entry)
    const isWritten = await this.#options.keep(
      recording,
      { kind: 'consent', consent: entry, jws },
      { name: entry.name, bytes: new TextEncoder().encode(jws) },
    )
    consent.events.push(signed)
    this.say(consent.events)
    this.#options.onEvent?.(entry.type)
    return isWritten
  }

  async #sign(body: ConsentEventBody, place: ConsentEventPlace) {
    try {
      const jws = await signConsentEvent(body, place, this.#options.signer)
      const decoded = decodeConsentEvent(jws)
      return decoded.ok ? { entry: consentEntry(decoded.value.event, jws), event: decoded.value.event, jws } : undefined
    } catch {
      return undefined
    }
  }
}

function hide(
  { sealedKey }: LiveRecording,
  body: ConsentEventBody,
  personal: ConsentNote['personal'],
): ConsentEventBody {
  if (personal === undefined || sealedKey === undefined) return body
  return { ...body, personal: sealPersonal(personal, sealedKey.recipient, randomBytes) }
}

/** The entry of the manifest. */
export function consentEntry(
  { number, type, at, atSample }: Pick<ConsentEventEntry, 'number' | 'type' | 'at' | 'atSample'>,
  jws: string,
): ConsentEventEntry {
  return {
    ...{ name: consentName(number), sha256: sha256Hex(jws), sizeBytes: jws.length, number, type, at },
    ...(atSample === undefined ? {} : { atSample }),
  }
}
