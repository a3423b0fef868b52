import { describe, expect, test } from 'vitest'
import { chooseRule, type ChosenRule, type RuleParty, STRICTEST_ID } from '../../../src/consent/choose-rule.ts'
import { STRICTEST_RULE } from '../../../src/consent/jurisdiction.ts'
import { placeOf } from '../../../src/consent/place.ts'
import { RULE_DATA } from './support.ts'

const TOKYO = '+81345678901'
const NEW_YORK = '+12125550100'

const choose = (parties: readonly RuleParty[], source: { jurisdiction?: string; country?: string } = {}): ChosenRule =>
  chooseRule({ parties, source }, RULE_DATA)

/** A rule in four words: requirement, parties, moment, and "recorded" where the announcement must be. */
function brief({ rule }: ChosenRule): string {
  return [rule.require, rule.parties, rule.when, ...(rule.recordAnnouncement ? ['recorded'] : [])].join(' ')
}

const NOTHING = 'none one during'
const NOTICE = 'notice all before'
const RECORDED_NOTICE = 'notice all before recorded'
const AGREEMENT = 'agreement all before'
const STRICTEST = 'agreement all before recorded'

/** One number, against one of Tokyo, whose law asks for nothing. */
const BY_NUMBER: readonly (readonly [string, string, string])[] = [
  ['Florida', '+18135550100', NOTICE],
  ['Florida, an area code of 2024', '+17285550100', NOTICE],
  ['Florida, written with separators', '+1 (813) 555-0100', NOTICE],
  ['Florida, as a SIP address', 'sip:+18135550100;cpc=x@sbc.example.com;user=phone', NOTICE],
  ['Florida, as a tel address', 'tel:+1-813-555-0100', NOTICE],
  ['Florida, with a display name', '"A" <sip:+18135550100@host>', NOTICE],
  ['California', '+14155550100', NOTICE],
  ['Illinois', '+13125550100', NOTICE],
  ['Massachusetts', '+16175550100', NOTICE],
  ['Maryland', '+14105550100', NOTICE],
  ['Michigan, unsettled', '+13135550100', NOTICE],
  ['Montana', '+14065550100', NOTICE],
  ['Nevada', '+17025550100', NOTICE],
  ['New Hampshire', '+16035550100', NOTICE],
  ['Pennsylvania', '+12155550100', NOTICE],
  ['Delaware', '+13025550100', NOTICE],
  ['Washington wants the announcement in the recording', '+12065550100', RECORDED_NOTICE],
  ['Connecticut too, at the start', '+12035550100', 'notice all atStart recorded'],
  ['Oregon, by telephone', '+15035550100', NOTHING],
  ['Vermont', '+18025550100', NOTHING],
  ['New York', NEW_YORK, NOTHING],
  ['Texas', '+17135550100', NOTHING],
  ['freephone: any state', '+18005550100', RECORDED_NOTICE],
  ['Puerto Rico', '+17875550100', AGREEMENT],
  ['Ontario', '+14165550100', NOTICE],
  ['Quebec', '+15145550100', NOTICE],
  ['Nova Scotia or Prince Edward Island', '+19025550100', NOTICE],
  ['Dominican Republic', '+18095550100', NOTICE],
  ['Jamaica, which no pack has', '+18765550100', STRICTEST],
  ['Germany', '+4930123456', AGREEMENT],
  ['a German mobile', '+491701234567', AGREEMENT],
  ['Austria', '+4315811234', AGREEMENT],
  ['France', '+33142345678', NOTICE],
  ['Denmark', '+4533123456', AGREEMENT],
  ['Sweden', '+46812345678', NOTICE],
  ['Norway', '+4722123456', NOTICE],
  ['United Kingdom', '+442079460000', NOTICE],
  ['Jersey', '+441534123456', AGREEMENT],
  ['Switzerland', '+41446681800', AGREEMENT],
  ['Australia, Sydney', '+61291234567', NOTICE],
  ['an Australian mobile', '+61412345678', NOTICE],
  ['India', '+911123456789', AGREEMENT],
  ['Brazil', '+551123456789', NOTICE],
  ['Russia, which no pack has', '+74951234567', STRICTEST],
  ['a universal freephone number', '+80012345678', STRICTEST],
  ['a satellite network', '+881612345678', STRICTEST],
  ['an international network', '+88212345678', STRICTEST],
  ['an emergency number', '112', STRICTEST],
  ['a short code', '12345', STRICTEST],
  ['an extension', '1001', STRICTEST],
  ['a user without digits', 'sip:alice@example.com', STRICTEST],
  ['an anonymous caller (RFC 3323)', 'sip:anonymous@anonymous.invalid', STRICTEST],
  ['a national number, the country unknown', '030123456', STRICTEST],
  ['E.164 without "+", the country unknown', '18135550100', STRICTEST],
  ['too short', '+4921', STRICTEST],
  ['too long', `+49${'1'.repeat(300)}`, STRICTEST],
  ['a calling code that nobody has', '+99912345678', STRICTEST],
  ['digits of another script', '+١٨١٣٥٥٥٠١٠٠', STRICTEST],
  ['nothing', '', STRICTEST],
]

test.each(BY_NUMBER)('%s: %s is %s', (_what, number, expected) => {
  expect(brief(choose([{ number }, { number: TOKYO }]))).toBe(expected)
  expect(brief(choose([{ number: TOKYO }, { number }]))).toBe(expected)
})

describe('the strictest wins', () => {
  test.each([
    ['+18135550100', '+4930123456', AGREEMENT],
    ['+12065550100', '+4930123456', STRICTEST],
    ['+12035550100', '+18135550100', RECORDED_NOTICE],
    [NEW_YORK, '+18135550100', NOTICE],
    [NEW_YORK, TOKYO, NOTHING],
  ])('%s with %s is %s', (from, to, expected) => {
    expect(brief(choose([{ number: from }, { number: to }]))).toBe(expected)
  })

  test('a withheld number is the strictest there is, and so is a call of nobody, or of too many', () => {
    for (const parties of [[{}, { number: TOKYO }], [], Array.from({ length: 65 }, () => ({ number: TOKYO }))]) {
      const chosen = choose(parties)
      expect(chosen.rule).toEqual({ ...STRICTEST_RULE })
      expect(chosen.jurisdictions).toContain(STRICTEST_ID)
    }
  })

  test('the jurisdiction of the source counts besides', () => {
    const parties = [{ number: NEW_YORK }, { number: TOKYO }]
    expect(brief(choose(parties, { jurisdiction: 'de' }))).toBe(AGREEMENT)
    expect(brief(choose(parties, { jurisdiction: 'us-ny' }))).toBe(NOTHING)
    expect(brief(choose(parties, { jurisdiction: 'atlantis' }))).toBe(STRICTEST)
  })

  test('a party of the operator is where the operator says', () => {
    expect(brief(choose([{ number: '1001', jurisdiction: 'us-tx' }, { number: NEW_YORK }]))).toBe(NOTHING)
    expect(brief(choose([{ number: '1001', jurisdiction: 'xx' }, { number: NEW_YORK }]))).toBe(STRICTEST)
  })
})

describe('national numbers', () => {
  const national = (number: string, country: string) => brief(choose([{ number }, { number: TOKYO }], { country }))

  test('are of the country of the source', () => {
    expect(national('030 123456', 'DE')).toBe(AGREEMENT)
    expect(national('813 555 0100', 'us')).toBe(NOTICE)
    expect(national('18135550100', 'US')).toBe(NOTICE)
    expect(national('0018135550100', 'DE')).toBe(NOTICE)
    expect(national('1001', 'US')).toBe(STRICTEST)
    expect(national('030 123456', 'XX')).toBe(STRICTEST)
  })

  test('that are a number of another country as well belong to neither', () => {
    // +1 361 234 5678 is of Texas, and +36 1 234 5678 of Budapest.
    expect(brief(choose([{ number: '+13612345678' }, { number: TOKYO }]))).toBe(NOTHING)
    expect(placeOf('3612345678', { regions: RULE_DATA.regions, country: 'US' })).toEqual({
      kind: 'unknown',
      reason: 'ambiguous',
    })
    expect(national('3612345678', 'US')).toBe(STRICTEST)
  })
})

describe('the explanation', () => {
  const chosen = choose([{ number: '+18135550100' }, { number: TOKYO }])

  test('says rule, place and law', () => {
    expect(chosen.explanationWithPrefixes).toEqual([
      'all parties, notice, before recording',
      'a party: +1 813 is Florida: Fla. Stat. 934.03(2)(d)',
    ])
    expect(chosen.reference).toBe('Fla. Stat. 934.03(2)(d)')
    expect(chosen.jurisdictions).toEqual(['jp', 'us', 'us-fl'])
  })

  test('of an event has no digit of a number in it', () => {
    expect(chosen.explanation).toEqual([
      'all parties, notice, before recording',
      'a party is of Florida: Fla. Stat. 934.03(2)(d)',
    ])
    for (const [, number] of BY_NUMBER) {
      const { explanation } = choose([{ number }, { number: TOKYO }])
      const told = explanation.map((line) => line.replace(/: .*$|^and [0-9] more$/u, ''))
      expect(told.filter((line) => /[0-9]/u.test(line))).toEqual([])
    }
  })

  test('has a bound', () => {
    expect(choose([{ number: '+18005550100' }, {}]).explanation.length).toBeLessThanOrEqual(10)
  })
})
