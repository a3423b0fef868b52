import { expect, test } from 'vitest'
import { CONSENT_ACTIONS, CONSENT_FACT_TYPES, CONSENT_STATES, type ConsentFact } from '../../../src/consent/words.ts'

test('the words are camel case, each once, so that they can be metric labels and members of signed events', () => {
  const words = [...CONSENT_STATES, ...CONSENT_FACT_TYPES]
  expect(words.filter((word) => !/^[a-z][a-zA-Z]*$/u.test(word))).toEqual([])
  for (const list of [CONSENT_STATES, CONSENT_FACT_TYPES, CONSENT_ACTIONS]) {
    expect(new Set(list).size).toBe(list.length)
  }
})

test('every type of fact is listed', () => {
  const listed: Record<ConsentFact['type'], boolean> = {
    announcementPlayed: false,
    announcementHeard: false,
    answered: false,
    reviewed: false,
    withdrawn: false,
    declared: false,
  }
  for (const type of CONSENT_FACT_TYPES) listed[type] = true
  expect(Object.values(listed)).not.toContain(false)
})
