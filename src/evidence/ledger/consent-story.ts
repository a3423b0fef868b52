import type { TrustedConsentEvent } from '../consent-checks.ts'
import type { FindingList } from '../findings.ts'
import { consentName } from '../object-names.ts'

/** So long after a consent event its statement may still be on its way. */
const TELLING_MS = 10 * 60 * 1_000

/** How far what is at hand of a log reaches. */
export interface LogExtent {
  /** When it said something last, or was covered last. RFC 3339 */
  readonly lastAt: string | undefined
  /** All that it says of the recording is at hand. */
  readonly isWhole: boolean
}

/** Compares what a log says of the consent to one recording with the consent events that are there. FORMAT.md 6 */
export class ConsentStory {
  readonly #events: readonly Pick<TrustedConsentEvent, 'sha256' | 'isLate' | 'event'>[]
  readonly #findings: FindingList
  readonly #placeOf: ReadonlyMap<string, number>
  /** Places of events that were told, each at the first time. */
  readonly #told = new Set<number>()
  #newest = -1

  constructor(events: readonly Pick<TrustedConsentEvent, 'sha256' | 'isLate' | 'event'>[], findings: FindingList) {
    this.#events = events
    this.#findings = findings
    this.#placeOf = new Map(events.map(({ sha256 }, place) => [sha256, place]))
  }

  /** Of one that is told twice, because of a crash, the first counts. */
  take(seq: number, evidenceSha256: string | undefined): void {
    if (evidenceSha256 === undefined) return
    const place = this.#placeOf.get(evidenceSha256)
    if (place === undefined) {
      const sentence = 'The ledger knows of a consent event that is not among those of the recording.'
      this.#findings.add('consent-not-stored', sentence, `statement ${seq}`)
      return
    }
    if (this.#told.has(place)) return
    this.#told.add(place)
    if (place < this.#newest) {
      const sentence = 'The ledger tells of this consent event after one that followed on it.'
      this.#findings.add('consent-log-order', sentence, `statement ${seq}`)
    }
    this.#newest = Math.max(this.#newest, place)
  }

  finish({ lastAt, isWhole }: LogExtent): void {
    if (!isWhole) return
    for (const [place, { event, isLate }] of this.#events.entries()) {
      if (this.#told.has(place)) continue
      const isOnItsWay = lastAt !== undefined && Date.parse(lastAt) - Date.parse(event.at) < TELLING_MS
      if (isLate && isOnItsWay) continue
      const sentence = 'The ledger does not know of this consent event: it was not told when it was written.'
      this.#findings.add('consent-not-in-log', sentence, consentName(event.number))
    }
  }
}
