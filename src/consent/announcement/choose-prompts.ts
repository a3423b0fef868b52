import { accepted, rejected, type Result } from '../../result.ts'
import { type IndexedPrompt, sameLanguage } from './prompt-index.ts'

/** Which prompts are played when nobody asks for particular ones. All criteria that are given must fit. */
export interface PromptRule {
  /** Beginnings of the dialled number; empty: any. */
  readonly dialled: readonly string[]
  /** Likewise of the caller's. */
  readonly caller: readonly string[]
  /** Jurisdictions as the request names them; `US` fits `US-FL` too. */
  readonly jurisdiction: readonly string[]
  /** None: the usual ones. */
  readonly prompts: readonly string[]
  /** Empty: the usual one. */
  readonly language: string
}

/** What is known of a call when prompts are chosen. */
export interface PromptWish {
  /** Asked for by the request; empty when not. */
  readonly promptIds: readonly string[]
  readonly language: string | undefined
  readonly dialled: string | undefined
  readonly caller: string | undefined
  readonly jurisdiction: string | undefined
}

/**
 * The prompts for a call, in their order: those that the request asks for, else those of the first rule that fits, else the usual ones. Each is taken in
 * the first language that it is there in: that of the request, of the rule, the usual one, each also without its region (`de` for `de-CH`); else in
 * whichever comes first in the index.
 *
 * Rejected with the name of a prompt that the index does not have.
 */
export function choosePrompts<Prompt extends IndexedPrompt>(
  wish: PromptWish,
  choices: {
    readonly rules: readonly PromptRule[]
    readonly usual: { readonly prompts: readonly string[]; readonly language: string }
    readonly index: readonly Prompt[]
  },
): Result<readonly Prompt[], string> {
  const rule = choices.rules.find((candidate) => fits(candidate, wish))
  const asked = [wish.promptIds, rule?.prompts ?? [], choices.usual.prompts].find((ids) => ids.length > 0) ?? []
  const languages = [wish.language, rule?.language, choices.usual.language].flatMap(withoutRegion)
  const chosen: Prompt[] = []
  for (const id of asked) {
    const prompt = inLanguage(
      choices.index.filter((candidate) => candidate.id === id),
      languages,
    )
    if (prompt === undefined) return rejected(id)
    chosen.push(prompt)
  }
  return accepted(chosen)
}

function fits(rule: PromptRule, { dialled, caller, jurisdiction }: PromptWish): boolean {
  const begins = (beginnings: readonly string[], number: string | undefined): boolean =>
    beginnings.length === 0 || (number !== undefined && beginnings.some((beginning) => number.startsWith(beginning)))
  const isAt = (place: string): boolean => {
    const [wanted, given] = [place.toUpperCase(), jurisdiction?.toUpperCase()]
    return given === wanted || given?.startsWith(`${wanted}-`) === true
  }
  return (
    begins(rule.dialled, dialled) &&
    begins(rule.caller, caller) &&
    (rule.jurisdiction.length === 0 || rule.jurisdiction.some(isAt))
  )
}

function withoutRegion(language: string | undefined): readonly string[] {
  if (language === undefined || language === '') return []
  const [primary = language] = language.split('-', 1)
  return [language, primary]
}

function inLanguage<Prompt extends IndexedPrompt>(
  prompts: readonly Prompt[],
  languages: readonly string[],
): Prompt | undefined {
  for (const language of languages) {
    const found = prompts.find((prompt) => sameLanguage(prompt.language, language))
    if (found !== undefined) return found
  }
  return prompts[0]
}
