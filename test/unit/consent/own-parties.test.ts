import { expect, test } from 'vitest'
import { includesParty, isPartyPattern, PARTY_PATTERN_LENGTH_MAX } from '../../../src/consent/own-parties.ts'

test.each([
  ['1???', 'sip:1001@pbx.example.com', true],
  ['1???', '1001', true],
  ['1???', 'sip:10012@pbx.example.com', false],
  ['1???', 'sip:2001@pbx.example.com', false],
  ['+4930*', 'tel:+4930123456', true],
  ['+4930*', 'sip:+4930123456;cpc=x@host', true],
  ['+4930*', 'sip:+4940123456@host', false],
  ['*@pbx.example.com', 'sip:Alice@PBX.example.com;transport=tcp', true],
  ['*@pbx.example.com', 'sip:alice@other.example.com', false],
  ['*@pbx.example.com', 'sip:alice', false],
  ['agent-*-eu', 'sip:agent-eu@host', false],
  ['agent-*-eu', 'sip:agent-7-eu@host', true],
  ['*', 'sip:anybody@host', true],
  ['*', '', false],
])('%s and %s: %s', (pattern, aor, expected) => {
  expect(includesParty([pattern], aor)).toBe(expected)
  expect(includesParty(['nobody', pattern], aor)).toBe(expected)
})

test('a pattern has one "*" at most, no blanks, and a bound', () => {
  expect(['*a*', '', 'a b', '<a>', 'a'.repeat(PARTY_PATTERN_LENGTH_MAX + 1)].filter(isPartyPattern)).toEqual([])
  expect(['a', '*', '+49*', '*@host', '????'].filter((pattern) => !isPartyPattern(pattern))).toEqual([])
})
