import fc from 'fast-check'
import { expect, test } from 'vitest'

import { spokenAnswer } from '../../../src/consent/spoken-answer.ts'

const WORDS = { yes: ['yes', 'i agree', "d'accord", 'sí'], no: ['no', "don't", 'nein', 'pas', 'não'] }

test.each([
  ['yes', 'yes'],
  ['Yes!', 'yes'],
  ['well ... I  agree, sure', 'yes'],
  ['D’accord.', 'yes'],
  ['SI\u0301', 'yes'],
  ['no', 'no'],
  ['Nein, danke', 'no'],
  ["I don't", 'no'],
  ['I don’t', 'no'],
  ['yes I mean no', 'no'],
  ['je ne suis pas d’accord', 'no'],
  ['na\u0303o', 'no'],
  ['', undefined],
  ['hello?', undefined],
  // A word is a whole one.
  ['yesterday', undefined],
  ['I know nothing of it', undefined],
  ['i agreed', undefined],
  ['agree i', undefined],
])('%j is %s', (said, answer) => expect(spokenAnswer(said, WORDS)).toBe(answer))

test('a word without a letter is said by nobody', () => {
  expect(spokenAnswer('', { yes: ['!'], no: ['?', ' '] })).toBeUndefined()
  expect(spokenAnswer('what ?', { yes: [], no: ['?'] })).toBeUndefined()
})

test('a no counts whatever stands around it', () => {
  const around = fc.string({ maxLength: 300, unit: 'grapheme' })
  fc.assert(
    fc.property(around, around, (before, after) => {
      expect(spokenAnswer(`${before} no ${after}`, WORDS)).toBe('no')
    }),
  )
})
