import { describe, expect, it } from 'vitest'

import { choosePrompts, type PromptRule, type PromptWish } from '../../../../src/consent/announcement/choose-prompts.ts'
import { PROMPTS_MAX, readPromptIndex } from '../../../../src/consent/announcement/prompt-index.ts'

const prompt = (id: string, language: string) => ({
  id,
  language,
  version: '1',
  file: `${id}.${language}.wav`,
  text: 'Words.',
  asks: false,
})
const INDEX = [
  prompt('notice', 'fr'),
  prompt('notice', 'en'),
  prompt('notice', 'de'),
  prompt('ask', 'en'),
  prompt('ask', 'es-MX'),
]
const NO_WISH: PromptWish = {
  promptIds: [],
  language: undefined,
  dialled: undefined,
  caller: undefined,
  jurisdiction: undefined,
}
const ANY: PromptRule = { dialled: [], caller: [], jurisdiction: [], prompts: [], language: '' }

function chosen(wish: Partial<PromptWish>, rules: readonly Partial<PromptRule>[] = []): readonly string[] | string {
  const result = choosePrompts(
    { ...NO_WISH, ...wish },
    {
      rules: rules.map((rule) => ({ ...ANY, prompts: ['ask'], ...rule })),
      usual: { prompts: ['notice'], language: 'en' },
      index: INDEX,
    },
  )
  return result.ok ? result.value.map(({ id, language }) => `${id} ${language}`) : `none: ${result.reason}`
}

describe('choosing prompts', () => {
  it.each<[string, Partial<PromptWish>, readonly Partial<PromptRule>[], readonly string[] | string]>([
    ['the usual ones', {}, [], ['notice en']],
    ['those that are asked for, in their order', { promptIds: ['ask', 'notice'] }, [{}], ['ask en', 'notice en']],
    ['none that is not there', { promptIds: ['other'] }, [], 'none: other'],
    ['the language asked for', { language: 'DE' }, [], ['notice de']],
    ['the language without its region', { language: 'de-CH' }, [], ['notice de']],
    ['the usual language where that is not there', { language: 'it' }, [], ['notice en']],
    ['a rule by what was dialled', { dialled: '+1813555' }, [{ dialled: ['+1813'], language: 'es-MX' }], ['ask es-MX']],
    ['the usual ones in the language of a rule that names none', {}, [{ prompts: [], language: 'de' }], ['notice de']],
    [
      'the language of the rule where that asked for is not there',
      { language: 'it' },
      [{ language: 'es-MX' }],
      ['ask es-MX'],
    ],
    ['no rule for another number', { dialled: '+1212555' }, [{ dialled: ['+1813'] }], ['notice en']],
    ['no rule without a number', {}, [{ dialled: ['+1813'] }], ['notice en']],
    [
      'the first rule that fits whole',
      { dialled: '1', caller: '2' },
      [{ dialled: ['1'], caller: ['3'] }, { caller: ['2'] }],
      ['ask en'],
    ],
    ['a rule for a country, in one of its states', { jurisdiction: 'us-fl' }, [{ jurisdiction: ['US'] }], ['ask en']],
    ['no rule for a state in its country', { jurisdiction: 'US' }, [{ jurisdiction: ['US-FL'] }], ['notice en']],
    ['no rule for a name that only begins alike', { jurisdiction: 'USX' }, [{ jurisdiction: ['US'] }], ['notice en']],
    ['the first language of the index when nothing fits', { promptIds: ['notice'], language: 'pt' }, [], ['notice en']],
  ])('%s', (_, wish, rules, expected) => {
    expect(chosen(wish, rules)).toEqual(expected)
  })

  it('takes whatever language there is', () => {
    const result = choosePrompts(NO_WISH, { rules: [], usual: { prompts: ['notice'], language: 'pt' }, index: INDEX })
    expect(result.ok && result.value[0]?.language).toBe('fr')
  })
})

describe('the index', () => {
  const entry = { id: 'notice', version: '1', language: 'en', file: 'notice.wav', text: 'Words.' }

  it('is read', () => {
    const read = readPromptIndex({
      prompts: [
        { ...entry, asks: true },
        { ...entry, language: 'de' },
      ],
    })
    expect(read.ok && read.value.map(({ language, asks }) => [language, asks])).toEqual([
      ['en', true],
      ['de', false],
    ])
  })

  it.each([
    ['shape prompts', null],
    ['shape prompts', { prompts: {} }],
    ['shape prompts[0]', { prompts: ['notice'] }],
    ['shape prompts[0].file_', { prompts: [{ ...entry, file_: 'x' }] }],
    ['value prompts[0].version', { prompts: [{ ...entry, version: 1 }] }],
    ['value prompts[0].file', { prompts: [{ ...entry, file: '../notice.wav' }] }],
    ['value prompts[0].file', { prompts: [{ ...entry, file: '.wav' }] }],
    ['value prompts[0].asks', { prompts: [{ ...entry, asks: 'yes' }] }],
    ['repeated prompts[1]', { prompts: [entry, { ...entry, language: 'EN' }] }],
    ['tooMany prompts', { prompts: Array.from({ length: PROMPTS_MAX + 1 }, () => entry) }],
  ])('with a fault: %s', (expected, value) => {
    const read = readPromptIndex(value)
    expect(read.ok ? 'taken' : `${read.reason} ${read.detail}`).toBe(expected)
  })
})
