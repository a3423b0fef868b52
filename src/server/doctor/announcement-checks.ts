import type { Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { Probes } from './probes.ts'

/** What callers are told, and how their answers are known. */
export const ANNOUNCEMENT_CHECKS = [checkPrompts, checkTranscriber]

export async function checkPrompts(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const { enabled, folder, prompts, rules, language } = config.announcements
  if (!enabled) return []
  const found = await probes.prompts(folder)
  if (found instanceof EarwitnessError) return [fail('prompts', found.message, found.hint)]
  const named = new Set([...prompts, ...rules.flatMap((rule) => rule.prompts)])
  const missing = [...named].filter((name) => found.every(({ id }) => id !== name))
  if (missing.length > 0) {
    const sentence = `announcements names prompts that ${folder} does not have: ${missing.join(', ')}.`
    return [fail('prompts', sentence, 'Calls that get them are answered 404. Add them to index.yaml, or name others.')]
  }
  const foreign = [...named].filter(
    (name) => !found.some((prompt) => prompt.id === name && prompt.language === language),
  )
  const summary = ok('prompts', `${found.length} prompts can be played.`)
  if (foreign.length === 0) return [summary]
  const sentence = `These prompts are not there in announcements.language (${language}): ${foreign.join(', ')}.`
  return [summary, warn('prompts-language', sentence, 'Callers whose language is not known get another one.')]
}

export async function checkTranscriber({ consent }: Config, probes: Probes): Promise<readonly Finding[]> {
  if (consent.transcriber === undefined) return []
  if (await probes.transcribes(consent.transcriber)) {
    return [ok('transcriber', 'The program of consent.transcriber takes audio and gives words.')]
  }
  const sentence = 'The program of consent.transcriber fails, or is too slow, on a second of silence.'
  const hint =
    'Run it as the user of the recorder, with a WAV file as its standard input; until it works no spoken answer is known.'
  return [warn('transcriber', sentence, hint)]
}
