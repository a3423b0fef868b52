import type { ChosenRule } from '../../consent/choose-rule.ts'
import { describeRule } from '../../consent/jurisdiction.ts'
import type { ConsentParty } from '../../consent/policy.ts'
import type { ConsentFact, ConsentState } from '../../consent/words.ts'
import type { ConsentEventBody } from '../../evidence/consent-event.ts'

/** Longest part of a sentence that an event keeps. */
const TEXT_LENGTH_MAX = 240
/** Jurisdictions, and sentences about them, that an event keeps. */
const LINES_MAX = 10
/** Parties that an event keeps, and how long their ids may be: of others it is not known that they need not be asked. */
const OWN_PARTIES_MAX = 32
/** Of those who joined later, an event keeps so many; the others are counted. */
export const JOINED_MAX = 16
const PARTY_ID_LENGTH_MAX = 64

/** What is signed of a fact, and what of it names people. FORMAT.md 4.3 */
export function eventOfFact(fact: ConsentFact): {
  readonly body: ConsentEventBody
  readonly personal?: Readonly<Record<string, string>>
} {
  switch (fact.type) {
    case 'announcementHeard':
      return { body: { ...fact, atSample: fact.fromSample } }
    case 'declared': {
      const { value, ...body } = fact
      return { body, personal: { value: value.slice(0, TEXT_LENGTH_MAX) } }
    }
    default:
      return { body: fact }
  }
}

/** Who takes part, as far as the rule depends on it and nothing else in clear says so: a check afterwards has to know what was known then. */
export type RulePeople = Pick<
  Extract<ConsentEventBody, { type: 'ruleChosen' }>,
  'exempt' | 'informed' | 'joined' | 'unlistedJoined'
>

/** Names of countries and regions at most: an event holds no part of a number. */
export function eventOfRule(
  { rule, jurisdictions, explanation, reference }: ChosenRule,
  people: RulePeople = {},
): ConsentEventBody {
  return {
    type: 'ruleChosen',
    rule: cut(describeRule(rule)),
    jurisdictions: jurisdictions.slice(0, LINES_MAX),
    explanation: explanation.slice(0, LINES_MAX).map(cut),
    ...(reference === '' ? {} : { reference: cut(reference) }),
    asks: rule,
    ...people,
  }
}

/**
 * Ids of parties that need be neither told nor asked where this rule holds, by the operator's word; of those that he has informed; and who joined later: as many as an event has room for. Who
 * has no place there counts as a stranger.
 */
export function rulePeople({ rule }: ChosenRule, parties: readonly ConsentParty[]): RulePeople {
  const takesWord = rule.require === 'notice' && (rule.notice.includes('written') || rule.notice.includes('contract'))
  const listable = parties.filter(({ id }) => id.length <= PARTY_ID_LENGTH_MAX)
  const idsOf = (isListed: (party: ConsentParty) => boolean): readonly string[] =>
    listable
      .filter(isListed)
      .slice(0, OWN_PARTIES_MAX)
      .map(({ id }) => id)
  const exempt = idsOf(({ own }) => own === 'agreed' || (own === 'informed' && takesWord))
  const informed = idsOf(({ own }) => own === 'informed')
  const isLate = ({ joinedAtSample = 0 }: ConsentParty): boolean => joinedAtSample > 0
  const joined = listable
    .filter(isLate)
    .slice(0, JOINED_MAX)
    .map(({ id, joinedAtSample = 0 }) => ({ id, joinedAtSample }))
  const unlistedJoined = parties.filter(isLate).length - joined.length
  return {
    ...(exempt.length === 0 ? {} : { exempt }),
    ...(informed.length === 0 ? {} : { informed }),
    ...(joined.length === 0 ? {} : { joined }),
    ...(unlistedJoined === 0 ? {} : { unlistedJoined }),
  }
}

export function eventOfState(state: ConsentState, because: readonly number[], explanation: string): ConsentEventBody {
  return {
    type: 'decided',
    state,
    because: [...because],
    ...(explanation === '' ? {} : { explanation: [cut(explanation)] }),
  }
}

function cut(text: string): string {
  return text.slice(0, TEXT_LENGTH_MAX)
}
