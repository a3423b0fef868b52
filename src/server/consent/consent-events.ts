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
const EXEMPT_MAX = 32
const EXEMPT_LENGTH_MAX = 64

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

/** Names of countries and regions at most: an event holds no part of a number. @param exempt ids of parties that the rule need not be met for */
export function eventOfRule(
  { rule, jurisdictions, explanation, reference }: ChosenRule,
  exempt: readonly string[] = [],
): ConsentEventBody {
  return {
    type: 'ruleChosen',
    rule: cut(describeRule(rule)),
    jurisdictions: jurisdictions.slice(0, LINES_MAX),
    explanation: explanation.slice(0, LINES_MAX).map(cut),
    ...(reference === '' ? {} : { reference: cut(reference) }),
    asks: rule,
    ...(exempt.length === 0 ? {} : { exempt }),
  }
}

/** Ids of parties that need be neither told nor asked where this rule holds, by the operator's word: as many as an event has room for. */
export function exemptFrom({ rule }: ChosenRule, parties: readonly ConsentParty[]): readonly string[] {
  const takesWord = rule.require === 'notice' && (rule.notice.includes('written') || rule.notice.includes('contract'))
  return parties
    .filter(({ id, own }) => id.length <= EXEMPT_LENGTH_MAX && (own === 'agreed' || (own === 'informed' && takesWord)))
    .slice(0, EXEMPT_MAX)
    .map(({ id }) => id)
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
