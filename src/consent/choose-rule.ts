import {
  type ConsentRule,
  describeRule,
  type Jurisdiction,
  type JurisdictionPacks,
  MOMENTS,
  REQUIREMENTS,
  STRICTEST_RULE,
  strictestOf,
  withWider,
} from './jurisdiction.ts'
import { type Place, placeOf, type RegionTable } from './place.ts'

/** Parties looked at; a recording with more is judged by the strictest rule. */
export const RULE_PARTIES_MAX = 64

/** Names a rule that is no entry of a pack. */
export const STRICTEST_ID = 'strictest'

export interface RuleParty {
  /** A number or an address of record; nothing when it is withheld. */
  readonly number?: string | undefined
  /** Where the party is by the operator's word, as an agent of his is: the id of a jurisdiction, in place of its number. */
  readonly jurisdiction?: string | undefined
}

/** What the packs and the numbering plan say. */
export interface RuleData {
  readonly packs: JurisdictionPacks
  readonly regions: RegionTable
}

export interface RuleQuestion {
  readonly parties: readonly RuleParty[]
  readonly source: {
    /** Id of a jurisdiction that holds for every call of this source. */
    readonly jurisdiction?: string | undefined
    /** ISO 3166-1: whose national numbers parties without "+" have. */
    readonly country?: string | undefined
  }
}

/** A rule that was looked at, and on whose account. */
export interface RuleCandidate {
  readonly id: string
  readonly rule: ConsentRule
  /** `a party: +1 813 is Florida` */
  readonly because: string
  /** The same without any digit of a number: what may be kept in a signed event. */
  readonly becauseWithoutNumber: string
  /** The law it rests on first; empty for the strictest rule. */
  readonly cite: string
  /** All that it rests on, separated by ", ". */
  readonly reference: string
}

export interface ChosenRule {
  readonly rule: ConsentRule
  /** Ids of every jurisdiction that was looked at, sorted; `strictest` where one was unknown. */
  readonly jurisdictions: readonly string[]
  /** No more than countries and regions: may stand in events. The first line says the rule. */
  readonly explanation: readonly string[]
  /** The same with the beginnings of numbers, for people who may see those. */
  readonly explanationWithPrefixes: readonly string[]
  /** Citations of the rules that decided, separated by "; ". */
  readonly reference: string
  readonly candidates: readonly RuleCandidate[]
}

/**
 * The rule for a recording: of all that is known about its parties and its source the strictest in each
 * respect. What is unknown is taken for the strictest there is; so is a call of whose parties nothing is known.
 */
export function chooseRule(question: RuleQuestion, data: RuleData): ChosenRule {
  const found = new Map<string, RuleCandidate>()
  const add = (candidate: RuleCandidate): void => {
    const key = `${candidate.id} ${candidate.because}`
    if (!found.has(key)) found.set(key, candidate)
  }
  const { parties, source } = question
  if (parties.length === 0 || parties.length > RULE_PARTIES_MAX) add(strictest('who takes part is unknown'))
  for (const party of parties.slice(0, RULE_PARTIES_MAX))
    for (const one of ofParty(party, source.country, data)) add(one)
  const named = source.jurisdiction === undefined ? [] : [source.jurisdiction]
  for (const id of named) for (const one of ofId(id, 'the source', data)) add(one)
  return chosen([...found.values()])
}

function strictest(because: string, becauseWithoutNumber = because): RuleCandidate {
  return { id: STRICTEST_ID, rule: STRICTEST_RULE, because, becauseWithoutNumber, cite: '', reference: '' }
}

function candidate(found: Jurisdiction, because: string, becauseWithoutNumber = because): RuleCandidate {
  const reference = found.references.map(({ cite }) => cite).join(', ')
  return {
    id: found.id,
    rule: found.rule,
    because,
    becauseWithoutNumber,
    cite: found.references[0]?.cite ?? '',
    reference,
  }
}

/** Whose reading of the law it is, when it is not the one that comes with the program. */
const nameOf = ({ name, isOwn }: Jurisdiction): string => (isOwn === true ? `${name} (a pack of the operator)` : name)

function ofId(id: string, who: string, data: RuleData): readonly RuleCandidate[] {
  const all = withWider(id, data.packs)
  if (all.length === 0) return [strictest(`${who} names a jurisdiction that no pack has`)]
  return all.map((one) => candidate(one, `${who} is under the law of ${nameOf(one)}`))
}

const WHY_UNKNOWN: Readonly<Record<Extract<Place, { kind: 'unknown' }>['reason'], string>> = {
  noNumber: 'a party has no number',
  notInternational: 'a party has a number without a country',
  ambiguous: 'a party has a number that two countries have',
  notPossible: 'a party has a number that is none of any country',
  notGeographic: 'a party has a number that belongs to no country',
}

function ofParty(party: RuleParty, national: string | undefined, data: RuleData): readonly RuleCandidate[] {
  if (party.jurisdiction !== undefined) return ofId(party.jurisdiction, 'a party of the operator', data)
  const place = placeOf(party.number, { regions: data.regions, country: national })
  return place.kind === 'known' ? ofPlace(place, data) : [strictest(WHY_UNKNOWN[place.reason])]
}

function ofPlace(place: Extract<Place, { kind: 'known' }>, data: RuleData): readonly RuleCandidate[] {
  const all = [...data.packs.values()]
  const regional = all.filter(({ regions }) => regions.some((region) => region.startsWith(`${place.country}-`)))
  const here = regional.filter(({ regions }) => regions.some((region) => place.regions.includes(region)))
  const covered =
    place.regions.length > 0 && place.regions.every((one) => here.some(({ regions }) => regions.includes(one)))
  // A country whose regions differ, and nobody knows which: any of them may hold.
  const local = covered ? here : regional
  const nationwide = all.filter(({ countries }) => countries.includes(place.country))
  const direct = [...local, ...nationwide]
  if (direct.length === 0) {
    return [
      strictest(
        `a party: ${place.prefix} is ${place.country}, which no pack has`,
        `a party is of ${place.country}, which no pack has`,
      ),
    ]
  }
  const whole = new Map(direct.flatMap(({ id }) => withWider(id, data.packs)).map((one) => [one.id, one]))
  return [...whole.values()].map((one) => {
    const guess = !covered && local.includes(one)
    const where = guess ? `${place.country}, region unknown, perhaps ${nameOf(one)}` : nameOf(one)
    return candidate(one, `a party: ${place.prefix} is ${where}`, `a party is of ${where}`)
  })
}

/** How much a rule asks for, to tell which ones decided. */
const weight = (rule: ConsentRule): number =>
  rule.require === 'none'
    ? 0
    : REQUIREMENTS.indexOf(rule.require) * 100 + (rule.parties === 'all' ? 10 : 0) + MOMENTS.indexOf(rule.when)

const EXPLAINED_MAX = 8

function chosen(candidates: readonly RuleCandidate[]): ChosenRule {
  const rule = strictestOf(candidates.map((one) => one.rule))
  const heaviest = Math.max(...candidates.map((one) => weight(one.rule)))
  const deciding = candidates.filter(
    (one) => weight(one.rule) === heaviest || (rule.recordAnnouncement && one.rule.recordAnnouncement),
  )
  const lines = (because: (one: RuleCandidate) => string): readonly string[] => {
    const told = deciding.slice(0, EXPLAINED_MAX).map((one) => because(one) + (one.cite === '' ? '' : `: ${one.cite}`))
    const more = deciding.length - told.length
    return [describeRule(rule), ...told, ...(more > 0 ? [`and ${more} more`] : [])]
  }
  return {
    rule,
    jurisdictions: [...new Set(candidates.map(({ id }) => id))].toSorted(),
    explanation: lines((one) => one.becauseWithoutNumber),
    explanationWithPrefixes: lines((one) => one.because),
    reference: [...new Set(deciding.map(({ reference }) => reference).filter((text) => text !== ''))]
      .slice(0, EXPLAINED_MAX)
      .join('; '),
    candidates,
  }
}
