import {
  CONSENT_EVENTS_MAX,
  type ConsentEvent,
  type ConsentEventBody,
  type ConsentEventType,
} from '../../evidence/consent-event.ts'
import type { ConsentEventEntry, ManifestBody } from '../../evidence/manifest.ts'

/** Of the events of a recording so many are kept for what decides: a flood of answers must not keep a withdrawal out. */
export const DECISIVE_EVENTS_RESERVED = 200

const DECISIVE: ReadonlySet<ConsentEventType> = new Set(['decided', 'enforced', 'withdrawn', 'reviewed'])

/** A consent event that is signed and in the journal. */
export interface KeptConsentEvent {
  readonly entry: ConsentEventEntry
  readonly event: ConsentEvent
  readonly jws: string
}

/** The consent events of a recording, in their order. */
export interface KeptConsent {
  readonly entries: readonly ConsentEventEntry[]
  readonly events: readonly KeptConsentEvent[]
  /** Those beyond the bound. */
  readonly unlisted: number
}

export interface TakenConsentEvent {
  /** Of the event, for the `because` of a decision. */
  readonly number: number
  /**
   * Settles when its line is in the journal, so that no crash takes it: true, unless it could not be signed or the disk did not take it. What becomes allowed by an event must wait for
   * it. Never, when the recording session comes to nothing before it is opened.
   */
  readonly kept: Promise<boolean>
  /** Settles before: false when it could not be signed. One that is signed is in the journal as soon as one behind it is: see `OpenJournal.append`. */
  readonly isSigned: Promise<boolean>
}

/** Numbers the consent events of one recording, and does what is to be done with them one after the other. */
export class ConsentTrail {
  readonly entries: ConsentEventEntry[] = []
  readonly events: KeptConsentEvent[] = []
  readonly recordingId: string
  /** Lets the first event through: the journal begins with the line that opens the recording. */
  readonly open: () => void
  #next = 0
  #unlisted = 0
  #isOver = false
  #chain: Promise<unknown>

  constructor(recordingId: string) {
    this.recordingId = recordingId
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#chain = promise
    this.open = resolve
  }

  get unlisted(): number {
    return this.#unlisted
  }

  /** The number of the next event, or undefined when there is no place for one of its type, or the manifest is about to be signed. */
  number(type: ConsentEventBody['type']): number | undefined {
    if (this.#isOver) return undefined
    const max = DECISIVE.has(type) ? CONSENT_EVENTS_MAX : CONSENT_EVENTS_MAX - DECISIVE_EVENTS_RESERVED
    if (this.#next >= max) {
      this.#unlisted += 1
      return undefined
    }
    this.#next += 1
    return this.#next - 1
  }

  /** Runs `work` when all events before are done with. `work` must not reject. */
  chain(work: () => Promise<boolean>): Promise<boolean> {
    const done = this.#chain.then(work)
    this.#chain = done
    return done
  }

  /** Takes no more; resolves when all that were taken are in the journal. */
  async over(): Promise<void> {
    this.#isOver = true
    await this.#chain
  }
}

/** The member of the manifest. */
export function unlistedConsentEvents({
  unlisted,
}: Pick<KeptConsent, 'unlisted'>): Pick<ManifestBody, 'unlistedConsentEvents'> {
  return unlisted === 0 ? {} : { unlistedConsentEvents: unlisted }
}
