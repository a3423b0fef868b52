import type { IndexFacts } from '../../evidence/index-facts.ts'
import type { IndexEntry } from '../../evidence/manifest.ts'
import type { AttributionInterval } from '../../protocol/siprec/attribution-history.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { CommunicationNews } from './communication-facts.ts'

/**
 * What the database was told about one recording and no other object of the store says: sealed at its end, so that the index can be
 * rebuilt (FORMAT.md 4.2). Bounded by what `CommunicationFacts` tells.
 */
export class ToldFacts {
  readonly #sipCallId: string
  #dialect: string
  readonly #correlationIds: CorrelationId[]
  readonly #attributions = new Map<number, AttributionInterval>()
  /** Once it is sealed. */
  index: IndexEntry | undefined

  constructor(opening: {
    readonly sipCallId: string
    readonly dialect?: string | undefined
    readonly correlationIds?: readonly CorrelationId[] | undefined
    readonly index?: IndexEntry | undefined
  }) {
    this.#sipCallId = opening.sipCallId
    this.#dialect = opening.dialect ?? 'generic'
    this.#correlationIds = [...(opening.correlationIds ?? [])]
    this.index = opening.index
  }

  add({ dialect, correlationIds, attributions }: ToldNews): void {
    this.#dialect = dialect ?? this.#dialect
    this.#correlationIds.push(...correlationIds)
    for (const interval of attributions) this.#attributions.set(interval.ordinal, interval)
  }

  get facts(): IndexFacts {
    return {
      sipCallId: this.#sipCallId,
      dialect: this.#dialect,
      correlationIds: this.#correlationIds,
      attributions: [...this.#attributions.values()],
    }
  }
}

/** As the journal of open recordings keeps it: JSON has no undefined. */
export type ToldNews = Pick<CommunicationNews, 'correlationIds' | 'attributions'> & {
  readonly dialect?: string | undefined
}
