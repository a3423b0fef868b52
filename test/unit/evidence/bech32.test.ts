import { describe, expect, it } from 'vitest'

import { decodeBech32, encodeBech32 } from '../../../src/evidence/bech32.ts'

describe('decodeBech32 by the vectors of BIP 173', () => {
  it.each([
    ['a prefix alone', 'A12UEL5L', 'a', 0],
    ['lower case', 'a12uel5l', 'a', 0],
    [
      'a long prefix',
      'an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs',
      'an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio',
      0,
    ],
    ['every character', 'abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw', 'abcdef', 20],
  ])('reads %s', (_what, text, prefix, length) => {
    const decoded = decodeBech32(text)
    const value = decoded.ok ? decoded.value : { prefix: '', bytes: new Uint8Array() }
    expect(decoded.ok).toBe(true)
    expect(value.prefix).toBe(prefix)
    expect(value.bytes).toHaveLength(length)
    expect(encodeBech32(value.prefix, value.bytes)).toBe(text.toLowerCase())
  })

  it.each([
    ['a text beyond 90 characters', `a1${'q'.repeat(100)}`, 'length'],
    ['mixed case', 'A12uEL5L', 'case'],
    ['no separator', 'pzry9x0s0muk', 'separator'],
    ['an empty prefix', '1pzry9x0s0muk', 'separator'],
    ['a checksum that is too short', 'li1dgmt3', 'separator'],
    ['a character outside the alphabet', 'x1b4n0q5v', 'character'],
    ['a wrong checksum', 'a12uel5m', 'checksum'],
    ['Bech32m instead of Bech32', 'a1lqfn3a', 'checksum'],
  ])('refuses %s', (_what, text, reason) => {
    expect(decodeBech32(text)).toMatchObject({ ok: false, reason })
  })

  it('refuses spare bits that are not zero, which would give the same bytes a second text', () => {
    // One byte 0xff is the words 31 28; 31 29 differ from it in a spare bit only. 31 28 0 adds a word for nothing.
    expect(bech32OfWords('age', [31, 28])).toBe(encodeBech32('age', Uint8Array.of(0xff)))
    expect(decodeBech32(bech32OfWords('age', [31, 28]))).toMatchObject({ ok: true })
    expect(decodeBech32(bech32OfWords('age', [31, 29]))).toMatchObject({ ok: false, reason: 'padding' })
    expect(decodeBech32(bech32OfWords('age', [31, 28, 0]))).toMatchObject({ ok: false, reason: 'padding' })
  })
})

/** BIP 173's reference encoder, straight from its text, for words that no bytes encode to. */
function bech32OfWords(prefix: string, words: readonly number[]): string {
  const codes = Array.from(prefix, (character) => character.charCodeAt(0))
  const values = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...words, 0, 0, 0, 0, 0, 0]
  let state = 1
  for (const value of values) {
    const top = state >>> 25
    state = ((state & 0x1ffffff) << 5) ^ value
    for (const [bit, generator] of [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].entries()) {
      if ((top >>> bit) & 1) state ^= generator
    }
  }
  state ^= 1
  const check = [25, 20, 15, 10, 5, 0].map((shift) => (state >>> shift) & 31)
  return `${prefix}1${[...words, ...check].map((word) => 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.charAt(word)).join('')}`
}
