/** What a rule wants, from the least to the most. */
export const REQUIREMENTS = ['none', 'notice', 'agreement'] as const
export type RequirementLevel = (typeof REQUIREMENTS)[number]

/** Until when it must have happened, from the least to the most strict. */
export const MOMENTS = ['during', 'atStart', 'before'] as const
export type Moment = (typeof MOMENTS)[number]

/** What may count as notice. The recorder can prove the first only; the others are what an operator declares. */
export const NOTICES = ['announcement', 'tone', 'written', 'contract'] as const
export type Notice = (typeof NOTICES)[number]

/** A rule about recording a call, as the laws of one place have it or as several together ask for. */
export interface ConsentRule {
  readonly require: RequirementLevel
  /** Of whom. With `one` the operator, who takes part in the call, is enough. */
  readonly parties: 'one' | 'all'
  readonly when: Moment
  readonly notice: readonly Notice[]
  /** The announcement itself must be in the recording. */
  readonly recordAnnouncement: boolean
}

/** A law or a decision that a rule rests on. */
export interface LegalReference {
  /** Short, as it is cited: `Fla. Stat. 934.03(2)(d)`. */
  readonly cite: string
  readonly url?: string | undefined
  /** Which version of the text, a year or a date. */
  readonly version: string
  /** How sure it is: looked up in public text, or written from memory. */
  readonly checked: 'search' | 'memory'
  /** When, YYYY-MM-DD. */
  readonly on: string
}

/** One entry of a jurisdiction pack. */
export interface Jurisdiction {
  /** `us-fl`, `de`; lower case. */
  readonly id: string
  readonly name: string
  /** ISO 3166-1 alpha-2 codes of countries that are this place. */
  readonly countries: readonly string[]
  /** ISO 3166-2 codes of regions that are this place; a country that has such entries is never judged without them. */
  readonly regions: readonly string[]
  /** Ids of wider places whose rules hold here as well. */
  readonly within: readonly string[]
  readonly rule: ConsentRule
  readonly references: readonly LegalReference[]
  readonly explanation: string
  /** Where courts differ, or the law is not settled. */
  readonly uncertain?: string | undefined
  /** It is the operator's own entry, not one that comes with the program. */
  readonly isOwn?: boolean | undefined
}

/** Jurisdictions by id. */
export type JurisdictionPacks = ReadonlyMap<string, Jurisdiction>

/** What holds where nothing is known. */
export const STRICTEST_RULE: ConsentRule = {
  require: 'agreement',
  parties: 'all',
  when: 'before',
  notice: ['announcement'],
  recordAnnouncement: true,
}

/** What holds where no rule says anything; the start of every {@link stricter}. */
const NO_RULE: ConsentRule = {
  require: 'none',
  parties: 'one',
  when: 'during',
  notice: NOTICES,
  recordAnnouncement: false,
}

const later = <Word extends string>(order: readonly Word[], one: Word, other: Word): Word =>
  order.indexOf(one) >= order.indexOf(other) ? one : other

/**
 * What satisfies both rules: in each respect the stricter of the two. When both want notice and no kind of notice
 * counts for both, nothing but agreement does.
 */
function stricter(one: ConsentRule, other: ConsentRule): ConsentRule {
  const notice = one.notice.filter((kind) => other.notice.includes(kind))
  const require = later(REQUIREMENTS, one.require, other.require)
  return {
    require: require === 'notice' && notice.length === 0 ? 'agreement' : require,
    parties: one.parties === 'all' || other.parties === 'all' ? 'all' : 'one',
    when: later(MOMENTS, one.when, other.when),
    notice,
    recordAnnouncement: one.recordAnnouncement || other.recordAnnouncement,
  }
}

/** The rule that satisfies all of `rules`. Commutative, associative and idempotent; never less than any of them. */
export function strictestOf(rules: readonly ConsentRule[]): ConsentRule {
  return rules.reduce(stricter, NO_RULE)
}

/** `id` with everything it lies within, each once; ids without an entry are left out. */
export function withWider(id: string, packs: JurisdictionPacks, seen = new Set<string>()): readonly Jurisdiction[] {
  const found = packs.get(id)
  if (found === undefined || seen.has(id)) return []
  seen.add(id)
  return [found, ...found.within.flatMap((wider) => withWider(wider, packs, seen))]
}

/** `all parties, agreement, before`: a rule in one line. */
export function describeRule(rule: ConsentRule): string {
  if (rule.require === 'none') return 'one party, nothing further'
  const words = [rule.parties === 'all' ? 'all parties' : 'one party', rule.require]
  const moments: Readonly<Record<Moment, string>> = {
    before: 'before recording',
    atStart: 'at the start',
    during: 'during the call',
  }
  words.push(moments[rule.when])
  if (rule.recordAnnouncement) words.push('the announcement recorded')
  return words.join(', ')
}
