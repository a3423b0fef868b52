import type { OwnPeople } from '../../config/config.ts'
import type { RuleParty } from '../../consent/choose-rule.ts'
import type { ConsentParty } from '../../consent/policy.ts'
import type { AttributionHistory } from '../../protocol/siprec/attribution-history.ts'

/** Who takes part in a recording, for the evaluator, and where they are, for the choice of the rule. */
export interface PartiesOfRecording {
  readonly parties: readonly ConsentParty[]
  readonly ruleParties: readonly RuleParty[]
}

/**
 * Remembers who was ever in one recording, and from when on: whoever has left was recorded all the same, and whoever joins late was not told before. A media stream
 * that carries nobody's name carries somebody's voice: it is a party of its own.
 */
export class ConsentParties {
  readonly #own: readonly OwnPeople[]
  readonly #joinedAtSample = new Map<string, number>()

  constructor(own: readonly OwnPeople[]) {
    this.#own = own
  }

  /** @param atSample 48 kHz position now: of those who are new */
  update(
    history: Pick<AttributionHistory, 'state' | 'intervals'>,
    streamIds: readonly string[],
    atSample: number,
  ): PartiesOfRecording {
    const streamsOf = new Map<string, Set<string>>()
    for (const { participantId, streamId } of history.intervals) {
      streamsOf.set(participantId, (streamsOf.get(participantId) ?? new Set()).add(streamId))
    }
    const known = history.state.participants.map(({ participantId, aors }) => {
      const aor = aors.find((one) => one.aor !== '')?.aor
      const own = aor === undefined ? undefined : this.#own.find(({ includes }) => includes(aor))
      return { id: participantId, aor, own, streamIds: [...(streamsOf.get(participantId) ?? [])] }
    })
    const named = new Set(known.flatMap((party) => party.streamIds))
    const nameless = streamIds.filter((streamId) => !named.has(streamId))
    const all = [
      ...known,
      ...nameless.map((streamId) => ({ id: streamId, aor: undefined, own: undefined, streamIds: [streamId] })),
    ]
    const strangers = all.filter(({ own }) => own === undefined)
    const parties = all.map(({ id, own, streamIds: of }) => ({
      id,
      // An announcer talks to whoever is not the operator's own; who of several that was, nobody knows.
      role: own === undefined && strangers.length === 1 ? ('caller' as const) : ('other' as const),
      streamIds: of,
      own: own?.consent ?? ('asked' as const),
      joinedAtSample: this.#joined(id, atSample),
    }))
    return { parties, ruleParties: all.map(({ aor, own }) => ({ number: aor, jurisdiction: own?.jurisdiction })) }
  }

  #joined(id: string, atSample: number): number {
    const known = this.#joinedAtSample.get(id) ?? atSample
    this.#joinedAtSample.set(id, known)
    return known
  }
}
