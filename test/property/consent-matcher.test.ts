import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { AnnouncementMatcher } from '../../src/consent/matcher/announcement-matcher.ts'
import type { Finding } from '../../src/consent/matcher/finding.ts'
import { registerPrompt } from '../../src/consent/matcher/prompt.ts'
import { babbled } from '../support/babbled.ts'
import { mulberry32 } from '../support/random.ts'

const prompts = [1, 2, 3].map((seed) => {
  const result = registerPrompt(babbled(seed, 4), { promptId: `prompt-${seed}`, version: '1' })
  if (!result.ok) throw new Error(result.reason)
  return result.value
})
const CHANNEL = Int16Array.from([...babbled(9, 1.3), ...babbled(2, 4), ...babbled(8, 1)])
const SECONDS = 6

function find(samples: Int16Array, lengths: readonly number[] = [samples.length]): readonly Finding[] {
  const matcher = new AnnouncementMatcher({ prompts, windowMs: 60_000 })
  for (let at = 0, piece = 0; at < samples.length; piece++) {
    const length = lengths[piece % lengths.length] ?? 1
    matcher.push(samples.subarray(at, at + length))
    at += length
  }
  matcher.finish()
  return matcher.takeFindings()
}

describe('the announcement matcher', () => {
  const whole = find(CHANNEL)

  test('finds the same however the channel is cut into stretches', () => {
    expect(whole).toMatchObject([{ promptId: 'prompt-2', verdict: 'heardInFull' }])
    const lengths = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(lengths, (pieces) => {
        expect(find(CHANNEL, pieces)).toEqual(whole)
      }),
      { numRuns: 12 },
    )
  })

  test('finds the same at any level that telephones have', () => {
    fc.assert(
      fc.property(fc.integer({ min: -24, max: 6 }), (levelDb) => {
        const factor = 10 ** (levelDb / 20)
        const [finding] = find(
          CHANNEL.map((sample) => Math.max(-32_768, Math.min(32_767, Math.round(sample * factor)))),
        )
        expect(finding).toMatchObject({ promptId: 'prompt-2', verdict: 'heardInFull' })
        expect(Math.abs((finding?.startSample ?? 0) - (whole[0]?.startSample ?? 0))).toBeLessThan(30)
      }),
      { numRuns: 12 },
    )
  })

  test('finds nothing in tones, keys, rings, noise and silence', () => {
    const frequency = fc.integer({ min: 100, max: 3_800 })
    const sounds = fc.record({
      low: frequency,
      high: frequency,
      periodMs: fc.integer({ min: 40, max: 2_000 }),
      level: fc.integer({ min: 0, max: 8_000 }),
      noise: fc.integer({ min: 0, max: 8_000 }),
      seed: fc.nat(),
    })
    fc.assert(
      fc.property(sounds, ({ low, high, periodMs, level, noise, seed }) => {
        const random = mulberry32(seed)
        const samples = Int16Array.from({ length: SECONDS * 8_000 }, (_, i) => {
          const isOn = Math.floor(i / (4 * periodMs)) % 2 === 0
          const t = (2 * Math.PI * i) / 8_000
          return (isOn ? level * (Math.sin(low * t) + Math.sin(high * t)) : 0) + noise * (2 * random() - 1)
        })
        expect(find(samples)).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  test('finds nothing in other speech', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 100_000 }), (seed) => {
        expect(find(babbled(seed, SECONDS))).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  test('never throws, and bounds what it says, whatever the samples are', () => {
    fc.assert(
      fc.property(fc.int16Array({ maxLength: 3_000 }), (values) => {
        const matcher = new AnnouncementMatcher({ prompts, windowMs: 60_000 })
        matcher.push(values)
        matcher.finish()
        expect(matcher.takeFindings()).toEqual([])
      }),
      { numRuns: 25 },
    )
  })
})
