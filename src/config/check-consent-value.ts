import { isPartyPattern } from '../consent/own-parties.ts'
import type { Complaint } from './check-value.ts'

export function checkCountry(value: string): Complaint | undefined {
  if (/^[A-Z]{2}$/u.test(value)) return undefined
  return {
    sentence: `wants a country, not ${JSON.stringify(value)}`,
    hint: 'Write its two capital letters of ISO 3166: DE, US, GB.',
  }
}

/** Only its form: whether a pack has it is a question of its own. */
export function checkJurisdictionId(value: string): Complaint | undefined {
  if (/^[a-z][a-z0-9-]{0,30}$/u.test(value)) return undefined
  return {
    sentence: `wants a jurisdiction, not ${JSON.stringify(value)}`,
    hint: 'The ids stand in config/consent; they are lower case, as de and us-fl.',
  }
}

export function checkKeys(value: string): Complaint | undefined {
  if (/^[0-9*#A-D]{1,4}$/u.test(value)) return undefined
  return {
    sentence: `wants keys of a telephone, not ${JSON.stringify(value)}`,
    hint: 'One to four of 0-9, * and #, in quotes: "1", "*9".',
  }
}

export function checkPartyPattern(value: string): Complaint | undefined {
  if (isPartyPattern(value)) return undefined
  return {
    sentence: `cannot be ${JSON.stringify(value)}`,
    hint: 'Write an address without "sip:", with one "*" at most: "1???", "+49301234*", "*@pbx.example.com".',
  }
}
