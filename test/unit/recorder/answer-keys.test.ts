import { describe, expect, it } from 'vitest'

import { ANSWER_KEYS_MAX, AnswerKeys, type ConsentKeys } from '../../../src/recorder/answer-keys.ts'

const KEYS: ConsentKeys = { yes: '1', no: '2', withdraw: '*9' }
const SECOND = 48_000

/** One key a second, or at the given second. */
function meanings(keys: ConsentKeys, digits: string, atSeconds = (index: number): number => index): readonly string[] {
  const answers = new AnswerKeys(keys)
  return Array.from(digits).flatMap((digit, index) => {
    const fromSample = atSeconds(index) * SECOND
    const found = answers.press({ digit, fromSample, toSample: fromSample + 4_800 })
    return found === undefined ? [] : [`${found.meaning}@${found.fromSample / SECOND}`]
  })
}

describe('keys that answer', () => {
  it.each([
    ['1', ['yes@0']],
    ['2', ['no@0']],
    ['*9', ['withdraw@0']],
    ['9', []],
    ['3', []],
    ['31', ['yes@1']],
    ['*19', ['yes@1']],
    ['**9', ['withdraw@1']],
    ['121', ['yes@0', 'no@1', 'yes@2']],
  ])('%s', (digits, expected) => {
    expect(meanings(KEYS, digits)).toEqual(expected)
  })

  it('the longer of two that end alike', () => {
    expect(meanings({ yes: '9', withdraw: '*9' }, '*9')).toEqual(['withdraw@0'])
    expect(meanings({ yes: '9', withdraw: '*9' }, '9')).toEqual(['yes@0'])
  })

  it('keys that come too long after each other are none', () => {
    expect(meanings(KEYS, '*9', (index) => index * 3)).toEqual(['withdraw@0'])
    expect(meanings(KEYS, '*9', (index) => index * 4)).toEqual([])
  })

  it('remembers no more than the longest answer', () => {
    const keys = { yes: '1'.padStart(ANSWER_KEYS_MAX, '7') }
    expect(meanings(keys, '77771')).toEqual(['yes@1'])
    expect(meanings({ yes: '1'.padStart(ANSWER_KEYS_MAX + 1, '7') }, '77771')).toEqual([])
  })

  it('no keys, no answers', () => {
    expect(meanings({}, '0123456789*#ABCD')).toEqual([])
  })
})
