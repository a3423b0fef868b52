import { describe, expect, test } from 'vitest'

import { popcount } from '../../../../src/consent/matcher/bit-errors.ts'
import { Fingerprinter } from '../../../../src/consent/matcher/fingerprinter.ts'
import { PROMPT_SECONDS_MAX, registerPrompt } from '../../../../src/consent/matcher/prompt.ts'
import { babbled } from '../../../support/babbled.ts'

const OPTIONS = { promptId: 'notice', version: '1' }

test('a bit is counted for each that is set', () => {
  expect([0, 1, 0x80_00_00_00, 0xff_ff_ff, -1].map((word) => popcount(word | 0))).toEqual([0, 1, 1, 24, 32])
})

describe('a prompt', () => {
  test('has a word every 4 ms, and half of the bits are strong', () => {
    const result = registerPrompt(babbled(1, 4), OPTIONS)
    if (!result.ok) throw new Error(result.reason)
    const { words, strong, careful, levels, loud, blockBits, lengthSamples } = result.value
    expect(lengthSamples).toBe(32_000)
    expect(words.length).toBe((32_000 - 1_280) / 32 + 1)
    const share = (masks: Int32Array): number =>
      masks.reduce((sum, mask) => sum + popcount(mask), 0) / (24 * masks.length)
    expect(share(strong)).toBeLessThanOrEqual(0.5)
    expect(share(strong)).toBeGreaterThan(0.3)
    expect(share(careful)).toBeGreaterThan(share(strong))
    expect(blockBits.length).toBe(7)
    expect(levels.length / loud.length).toBe(Math.ceil(words.length / 4))
    const isLoud = Array.from(levels, (level, at) => level >= (loud[at % loud.length] ?? 0))
    expect(isLoud.filter(Boolean).length / levels.length).toBeLessThan(0.45)
  })

  test.each([
    ['silence', new Int16Array(32_000)],
    ['nothing', new Int16Array(0)],
    ['one second of speech', babbled(1, 1)],
    [
      'one second of speech in ten of silence',
      Int16Array.from([...new Int16Array(40_000), ...babbled(1, 1), ...new Int16Array(40_000)]),
    ],
  ])('is refused if it is %s: it would match silence', (_, samples) => {
    expect(registerPrompt(samples, OPTIONS)).toEqual({ ok: false, reason: 'tooFewActiveBlocks' })
  })

  test('is refused if it is too long', () => {
    const samples = new Int16Array(PROMPT_SECONDS_MAX * 8_000 + 1)
    expect(registerPrompt(samples, OPTIONS)).toEqual({ ok: false, reason: 'tooLong' })
  })
})

describe('a fingerprint', () => {
  function wordsOf(samples: Float64Array): number[] {
    const fingerprinter = new Fingerprinter()
    const words: number[] = []
    for (let at = 0; at < samples.length;) {
      at += fingerprinter.take(samples, at)
      if (fingerprinter.hasWord) words.push(fingerprinter.word)
    }
    return words
  }

  test('does not depend on the level', () => {
    // no window of it is silent at either level
    const samples = Float64Array.from(babbled(2, 2), (sample, i) => 8 * sample + 200 * Math.sin(i * i))
    expect(wordsOf(samples.map((sample) => sample * 0.125))).toEqual(wordsOf(samples))
  })

  test('of silence is half wrong against anything, in any two words in a row', () => {
    const words = wordsOf(new Float64Array(8_000))
    const [one = 0, other = 0] = words
    expect(words.length).toBe((8_000 - 1_280) / 256 + 1 - 0.25)
    for (const word of [0, 0xff_ff_ff, 0x12_34_56]) expect(popcount(one ^ word) + popcount(other ^ word)).toBe(24)
  })
})
