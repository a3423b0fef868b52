import { describe, expect, it } from 'vitest'

import {
  columnText,
  containsPattern,
  contentKey,
  foldSearchTerm,
  KEY_LENGTH_MAX,
  keyText,
  participantSearchText,
  TEXT_LENGTH_MAX,
} from '../../../../src/server/database/text-columns.ts'

describe('Text on its way into a column', () => {
  it('loses what Postgres refuses: NUL and half a character', () => {
    expect(columnText('a\0b\uD800c')).toBe('a\uFFFDb\uFFFDc')
  })

  it('ends at its limit', () => {
    expect(columnText('x'.repeat(TEXT_LENGTH_MAX + 1))).toHaveLength(TEXT_LENGTH_MAX)
  })
})

describe('An identifier in a key', () => {
  it('stays as it is when it is short', () => {
    const longest = 'i'.repeat(KEY_LENGTH_MAX)
    expect(keyText(longest)).toBe(longest)
  })

  it('that is too long becomes one that fits, is always the same, and is that of no other', () => {
    const long = 'i'.repeat(KEY_LENGTH_MAX + 1)
    expect(keyText(long).length).toBeLessThanOrEqual(KEY_LENGTH_MAX)
    expect(keyText(long)).toBe(keyText(long))
    expect(keyText(`${long}j`)).not.toBe(keyText(`${long}k`))
  })

  it('of four-byte characters fits the index page of Postgres twice', () => {
    expect(Buffer.byteLength(keyText('😀'.repeat(5_000))) * 2).toBeLessThan(2_704)
  })

  it('made of content tells apart where one part ends and the next begins', () => {
    expect(contentKey('ab', 'c')).not.toBe(contentKey('a', 'bc'))
    expect(contentKey('a', null)).not.toBe(contentKey('a', 'null'))
  })
})

describe('A search for participants', () => {
  const found = (term: string, aor: string, name: string | null = null): boolean =>
    participantSearchText(aor, name).includes(foldSearchTerm(term))

  it('ignores case, also outside ASCII', () => expect(found('ŻÓŁĆ', 'sip:z@example.com', 'Żółć')).toBe(true))
  it('ignores separators of a number on either side', () => {
    expect(found('+1 555 0100', 'sip:+15550100@example.com')).toBe(true)
    expect(found('5550100', 'tel:+1-555-01.00')).toBe(true)
  })
  it('finds full-width digits', () => expect(found('５５５０１００', 'tel:+15550100')).toBe(true))
  it('keeps the blanks of a name', () => expect(found('ada example', 'sip:a@example.com', 'Ada Example')).toBe(true))
  it('does not find what runs from one field into the next', () =>
    expect(found('examplesip', 'sip:a@example.com', 'Ada Example')).toBe(false))
  it('takes percent, underscore and backslash for themselves', () =>
    expect(containsPattern('50%_\\')).toBe('%50\\%\\_\\\\%'))
})
