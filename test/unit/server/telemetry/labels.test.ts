import { expect, test } from 'vitest'

import {
  firstSeen,
  LABEL_CHARACTERS_MAX,
  LABEL_VALUES_MAX,
  oneOf,
  OTHER_LABEL,
  sipStatusCode,
} from '../../../../src/server/telemetry/labels.ts'

test('a label with known values turns every other value into "other"', () => {
  const rule = oneOf(['sbc-east', 'sbc-west'])
  expect(rule('sbc-east')).toBe('sbc-east')
  expect(rule('sip:mallory@example.com')).toBe(OTHER_LABEL)
  expect(rule('constructor')).toBe(OTHER_LABEL)
})

test('an open label takes a bounded number of values, and keeps those it has', () => {
  const rule = firstSeen()
  const values = Array.from({ length: LABEL_VALUES_MAX * 3 }, (_, index) => rule(`reason-${index}`))
  expect(new Set(values).size).toBe(LABEL_VALUES_MAX + 1)
  expect(rule('reason-0')).toBe('reason-0')
  expect(rule(`reason-${LABEL_VALUES_MAX}`)).toBe(OTHER_LABEL)
})

test('an empty or overlong value is never a label of its own', () => {
  const rule = firstSeen()
  expect(rule('')).toBe(OTHER_LABEL)
  expect(rule('x'.repeat(LABEL_CHARACTERS_MAX + 1))).toBe(OTHER_LABEL)
  expect(rule('x'.repeat(LABEL_CHARACTERS_MAX))).not.toBe(OTHER_LABEL)
})

test.each(['99', '700', '200.5', 'OK', '', '-1'])('%j is not a SIP status code', (value) => {
  expect(sipStatusCode(value)).toBe(OTHER_LABEL)
})

test('SIP status codes are their own label', () => {
  expect(['100', '200', '488', '699'].map(sipStatusCode)).toEqual(['100', '200', '488', '699'])
})
