import type { ChosenRule } from '../../consent/choose-rule.ts'
import { describeRule } from '../../consent/jurisdiction.ts'
import type { ConsentFact, ConsentState } from '../../consent/words.ts'
import type { ConsentEventBody } from '../../evidence/consent-event.ts'

/** Longest part of a sentence that an event keeps. */
const TEXT_LENGTH_MAX = 240
/** Jurisdictions, and sentences about them, that an event keeps. */
const LINES_MAX = 10

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

/** Names of countries and regions at most: an event holds no part of a number. */
export function eventOfRule({ rule, jurisdictions, explanation, reference }: ChosenRule): ConsentEventBody {
  return {
    type: 'ruleChosen',
    rule: cut(describeRule(rule)),
    jurisdictions: jurisdictions.slice(0, LINES_MAX),
    explanation: explanation.slice(0, LINES_MAX).map(cut),
    ...(reference === '' ? {} : { reference: cut(reference) }),
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
