import { CONSENT_EVENTS_MAX, readConsentEvent, type ConsentEvent } from './consent-event.ts'
import type { DocumentRejectReason } from './signed-document.ts'
import type { ConsentStateName } from './consent-event-shape.ts'
import { consentState, isSupported } from './consent-state.ts'
import type { FindingCode, FindingList } from './findings.ts'
import type { ConsentEventEntry, ManifestBody } from './manifest.ts'
import { consentName, isConsentName } from './object-names.ts'
import type { VerifyKey } from './signer-keys.ts'
import { sha256Hex } from './web-digest.ts'

/** A consent event of this recording that a trusted key has signed. */
export interface TrustedConsentEvent {
  readonly event: ConsentEvent
  /** Hex, of the object. */
  readonly sha256: string
  /** It came after the manifest was signed, which does not name it. */
  readonly isLate: boolean
}

/** What a recording proves about consent. */
export interface ConsentTestimony {
  /** As the events have it, whatever else may say. */
  readonly state: ConsentStateName
  /** In order. */
  readonly events: readonly TrustedConsentEvent[]
  /** Beyond the bound: they are nowhere. */
  readonly unlisted: number
}

const FAULTS: Record<DocumentRejectReason, readonly [FindingCode, string]> = {
  tooLarge: ['consent-unreadable', 'This consent event is longer than any may be.'],
  notJws: ['consent-unreadable', 'This is not a signed consent event.'],
  notCanonical: ['consent-unreadable', 'This consent event is not in canonical form, as no recorder writes it.'],
  format: ['consent-unreadable', 'This consent event is of a format version that this software does not know.'],
  shape: ['consent-unreadable', 'This consent event lacks something that the format asks for.'],
  signerUnknown: ['consent-unknown-signer', 'This consent event is signed by a key that is not among those trusted.'],
  forged: ['consent-forged', 'The signature does not fit: this consent event was changed, or somebody else wrote it.'],
}

/** Compares the consent events of a recording with its manifest, with each other, and with the state that they are to support. FORMAT.md 4.3, 6 */
export class ConsentChecker {
  readonly #body: ManifestBody
  readonly #keys: readonly VerifyKey[]
  readonly #findings: FindingList
  readonly #manifestSha256: string
  readonly #events: TrustedConsentEvent[] = []
  /** Of the object before, trusted or not. */
  #previousSha256: string | undefined
  #next = 0

  constructor(options: {
    readonly body: ManifestBody
    readonly keys: readonly VerifyKey[]
    readonly findings: FindingList
    /** Hex. */
    readonly manifestSha256: string
  }) {
    this.#body = options.body
    this.#keys = options.keys
    this.#findings = options.findings
    this.#manifestSha256 = options.manifestSha256
  }

  /** Takes those that the manifest names, in its order. `bytes` are undefined when the object is not there, which has been said. */
  async take(entry: ConsentEventEntry, bytes: Uint8Array | undefined): Promise<void> {
    const { name, number, type, at, atSample } = entry
    const isInOrder = number === this.#next && name === consentName(number)
    if (!isInOrder)
      this.#add('consent-order-wrong', `Where consent event ${this.#next} belongs, the manifest has another.`, name)
    this.#next += 1
    const sha256 = bytes === undefined ? entry.sha256 : await sha256Hex(bytes)
    const event = bytes === undefined ? undefined : await this.#read(name, bytes)
    if (event !== undefined) {
      if (event.number !== number || event.manifestSha256 !== undefined || !this.#follows(event)) {
        this.#add('consent-order-wrong', 'This consent event says that it has another place among them.', name)
      }
      if (event.type !== type || event.at !== at || event.atSample !== atSample) {
        this.#add('consent-mismatch', 'The manifest says other things of this consent event than it does itself.', name)
      }
      this.#events.push({ event, sha256, isLate: false })
    }
    this.#previousSha256 = sha256
  }

  /**
   * Takes those that the manifest does not name: they may have come after it. In the order of their names; what is not of this kind is a finding.
   *
   * @param read gives undefined when the object is not there
   */
  async takeLate(names: readonly string[], read: (name: string) => Promise<Uint8Array | undefined>): Promise<void> {
    for (const name of names.toSorted((one, other) => numberIn(one) - numberIn(other))) {
      const bytes = this.#next < CONSENT_EVENTS_MAX ? await read(name) : undefined
      const event = bytes === undefined ? undefined : await this.#read(name, bytes)
      if (bytes === undefined || event?.manifestSha256 === undefined) {
        this.#add(
          'consent-added',
          'The manifest does not know this consent event, and it does not say that it came later.',
          name,
        )
        continue
      }
      if (event.manifestSha256 !== this.#manifestSha256) {
        this.#add('consent-foreign', 'This consent event came after another manifest.', name)
        continue
      }
      for (; this.#next < event.number && name === consentName(event.number); this.#next += 1) {
        this.#add(
          'consent-missing',
          'A later consent event follows on this one, but it is not there.',
          consentName(this.#next),
        )
        this.#previousSha256 = event.previousSha256
      }
      if (event.number !== this.#next || name !== consentName(event.number) || !this.#follows(event)) {
        this.#add('consent-order-wrong', 'This consent event says that it has another place among them.', name)
        continue
      }
      this.#next += 1
      this.#previousSha256 = await sha256Hex(bytes)
      this.#events.push({ event, sha256: this.#previousSha256, isLate: true })
    }
  }

  /** Looks whether each decision follows from what came before it; to be called at the end. */
  finish(): ConsentTestimony {
    const events = this.#events.map(({ event }) => event)
    for (const event of events) {
      if (event.type !== 'decided' || isSupported(event, events)) continue
      const sentence = `The consent state "${event.state}" was decided here, but no event that is there supports it.`
      this.#add('consent-unsupported', sentence, consentName(event.number))
    }
    const unlisted = this.#body.unlistedConsentEvents ?? 0
    return { state: consentState(events), events: this.#events, unlisted }
  }

  async #read(name: string, bytes: Uint8Array): Promise<ConsentEvent | undefined> {
    const read = await readConsentEvent(new TextDecoder('latin1').decode(bytes), this.#keys)
    if (!read.ok) {
      const [code, sentence] = FAULTS[read.reason]
      this.#add(code, read.detail === undefined ? sentence : `${sentence} (${read.detail})`, name)
      return undefined
    }
    if (read.value.recordingId === this.#body.recordingId) return read.value
    this.#add('consent-foreign', 'This consent event belongs to another recording.', name)
    return undefined
  }

  #follows({ previousSha256 }: ConsentEvent): boolean {
    return previousSha256 === this.#previousSha256
  }

  #add(code: FindingCode, sentence: string, name: string): void {
    this.#findings.add(code, sentence, name)
  }
}

function numberIn(name: string): number {
  return isConsentName(name) ? Number(name.slice('consent-'.length, -'.jws'.length)) : Number.POSITIVE_INFINITY
}
