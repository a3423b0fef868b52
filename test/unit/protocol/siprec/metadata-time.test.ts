import { expect, test } from 'vitest'
import { parseMetadataTime } from '../../../../src/protocol/siprec/metadata-time.ts'

test.each([
  ['2026-11-23T10:00:00Z', '2026-11-23T10:00:00.000Z'],
  ['2026-11-23T10:00:00.5Z', '2026-11-23T10:00:00.500Z'],
  ['2026-11-23T10:00:00.123456789-08:00', '2026-11-23T18:00:00.123Z'],
  ['2026-11-23T10:00:00+0000', '2026-11-23T10:00:00.000Z'],
  ['2026-11-23T10:00:00+05:30', '2026-11-23T04:30:00.000Z'],
  ['2026-11-23 10:00:00', '2026-11-23T10:00:00.000Z'],
  ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
])('%s is the instant %s', (text, instant) => {
  expect(parseMetadataTime(text)?.at?.toISOString()).toBe(instant)
})

test('a time without zone says that UTC was assumed', () => {
  expect(parseMetadataTime('2026-11-23T10:00:00')?.zoneAssumed).toBe(true)
  expect(parseMetadataTime('2026-11-23T10:00:00Z')?.zoneAssumed).toBe(false)
})

test.each(['yesterday', '2026-13-01T00:00:00Z', '2026-11-23', '1234567890', '2026-11-23T10:61:00Z'])(
  '%s is kept as text and is no instant',
  (text) => {
    expect(parseMetadataTime(text)).toEqual({ text, at: undefined, zoneAssumed: false })
  },
)

test('blanks are no time', () => {
  expect(parseMetadataTime('  ')).toBeUndefined()
  expect(parseMetadataTime(undefined)).toBeUndefined()
})
