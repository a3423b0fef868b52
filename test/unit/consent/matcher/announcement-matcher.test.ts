import { describe, expect, test } from 'vitest'

import { AnnouncementMatcher, FINDINGS_MAX } from '../../../../src/consent/matcher/announcement-matcher.ts'
import type { Finding } from '../../../../src/consent/matcher/finding.ts'
import { type Prompt, registerPrompt } from '../../../../src/consent/matcher/prompt.ts'
import { babbled } from '../../../support/babbled.ts'
import { mulberry32 } from '../../../support/random.ts'

const WINDOW_MS = 60_000
const NOTICE = babbled(1, 6)
/** One syllable is another: a quarter of a second. */
const OLD_NOTICE = babbled(1, 6, { 10: 77 })
const notice = promptOf('notice', NOTICE)
const QUESTION = babbled(4, 5)
const question = promptOf('question', QUESTION)
const oldNotice = promptOf('notice', OLD_NOTICE, 'old')

function promptOf(promptId: string, samples: Int16Array, version = 'new'): Prompt {
  const result = registerPrompt(samples, { promptId, version })
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

function joined(...parts: readonly Int16Array[]): Int16Array {
  return Int16Array.from(parts.flatMap((part) => [...part]))
}

function silence(seconds: number): Int16Array {
  return new Int16Array(seconds * 8_000)
}

function find(samples: Int16Array, prompts: readonly Prompt[] = [notice]): readonly Finding[] {
  const matcher = new AnnouncementMatcher({ prompts, windowMs: WINDOW_MS })
  matcher.push(samples)
  return finish(matcher)
}

function finish(matcher: AnnouncementMatcher): readonly Finding[] {
  matcher.finish()
  return matcher.takeFindings()
}

function withNoise(samples: Int16Array, level: number): Int16Array {
  const random = mulberry32(3)
  return samples.map((sample) => sample + Math.round(level * (random() + random() + random() + random() - 2)))
}

describe('what is found', () => {
  test('a prompt that is played is heard in full, at its place', () => {
    const [finding, ...more] = find(joined(babbled(5, 2.1), NOTICE, babbled(6, 2)))
    expect(more).toEqual([])
    expect(finding).toMatchObject({ promptId: 'notice', version: 'new', verdict: 'heardInFull', ambiguousWith: [] })
    expect(Math.abs((finding?.startSample ?? 0) - 16_800)).toBeLessThan(40)
    expect(finding?.shareHeard).toBeGreaterThan(0.95)
    expect(Math.abs((finding?.endSample ?? 0) - 64_800)).toBeLessThan(1_000)
    expect(Math.abs((finding?.samplesHeard ?? 0) - 48_000)).toBeLessThan(1_500)
    expect(finding?.confidence).toBeGreaterThan(0.8)
  })

  test.each([0.6, 0.7, 0.79])('of a prompt cut off at %d a part is heard', (share) => {
    const [finding] = find(joined(silence(1), NOTICE.subarray(0, share * NOTICE.length), babbled(7, 5)))
    expect(finding?.verdict).toBe('heardInPart')
    expect(Math.abs((finding?.shareHeard ?? 0) - share)).toBeLessThan(0.06)
  })

  test('a recording that begins in the middle of a prompt has its end, and the place where it began before', () => {
    const [finding] = find(joined(NOTICE.subarray(16_000), silence(1)))
    expect(finding?.verdict).toBe('heardInPart')
    expect(Math.abs((finding?.startSample ?? 0) + 16_000)).toBeLessThan(80)
  })

  test('a channel that ends in the middle of a prompt has what was heard by then', () => {
    const [finding] = find(joined(silence(1), NOTICE.subarray(0, 36_000)))
    expect(finding?.verdict).toBe('heardInPart')
    expect(finding?.endSample).toBeLessThanOrEqual(44_000)
  })

  test('less than half of a prompt is no finding: others begin with the same words', () => {
    expect(find(joined(silence(1), NOTICE.subarray(0, 19_000), babbled(7, 5)))).toEqual([])
  })

  describe('of 71 %, two fifths of them talked over', () => {
    const cut = NOTICE.subarray(0, 0.71 * NOTICE.length)
    const [from, to] = [14_000, 27_600]
    const within = (talk: (index: number) => number, underneath: number): Int16Array =>
      cut.map((sample, i) => (i < from || i >= to ? sample : underneath * sample + Math.round(talk(i - from))))
    const findCut = (samples: Int16Array): readonly Finding[] => find(joined(silence(1), samples, babbled(7, 5)))

    test.each([1, 1.4, 2])('what is under words %d times as loud is there, and is not heard', (level) => {
      const talk = babbled(9, 2)
      const [finding, ...more] = findCut(within((i) => level * (talk[i] ?? 0), 1))
      expect(more).toEqual([])
      expect(finding).toMatchObject({ verdict: 'uncertain' })
      expect(finding?.shareHeard).toBeLessThan(0.5)
      expect(Math.abs((finding?.startSample ?? 0) - 8_000)).toBeLessThan(40)
    })

    test.each([0.3, 1, 3])('other words in its place are no finding, %d times as loud', (level) => {
      const talk = babbled(9, 2)
      expect(findCut(within((i) => level * (talk[i] ?? 0), 0))).toEqual([])
    })

    test.each([100, 1_000, 10_000])('nor is noise, up to %d', (level) => {
      const random = mulberry32(4)
      expect(findCut(within(() => level * (random() + random() - 1), 0))).toEqual([])
    })
  })

  test('where noise hides whether a word was another, nobody says that it was not', () => {
    const [finding] = find(withNoise(joined(silence(1), NOTICE, silence(1)), 2_500))
    expect(finding?.verdict).toBe('uncertain')
  })

  test('a prompt that is played 1 % faster is followed', () => {
    const fast = Int16Array.from({ length: Math.floor(NOTICE.length / 1.01) - 1 }, (_, i) => {
      const at = Math.floor(i * 1.01)
      const part = i * 1.01 - at
      return Math.round((NOTICE[at] ?? 0) * (1 - part) + (NOTICE[at + 1] ?? 0) * part)
    })
    const [finding] = find(joined(silence(1), fast, silence(1)))
    expect(finding?.verdict).toBe('heardInFull')
    expect(finding?.speed).toBeCloseTo(1.01, 2)
  })
})

describe('prompts that are nearly the same', () => {
  test('a prompt with another word in it was not heard in full', () => {
    expect(find(joined(silence(1), OLD_NOTICE, silence(1)))[0]).toMatchObject({ verdict: 'heardInPart' })
  })

  test.each([
    ['new', NOTICE],
    ['old', OLD_NOTICE],
  ])('of two versions the one that is played is told: %s', (version, samples) => {
    const findings = find(joined(silence(1), samples, silence(1)), [oldNotice, notice])
    expect(findings).toMatchObject([
      { version, verdict: 'heardInFull', ambiguousWith: [{ promptId: 'notice', isToldApart: true }] },
    ])
  })

  test('of one that goes on where another ends, the one is told that was played to its end', () => {
    const long = promptOf('long', joined(NOTICE, babbled(8, 2)))
    expect(find(joined(silence(1), NOTICE, silence(4)), [notice, long])).toMatchObject([
      { promptId: 'notice', verdict: 'heardInFull' },
    ])
    expect(find(joined(silence(1), NOTICE, babbled(8, 2), silence(2)), [notice, long])).toMatchObject([
      { promptId: 'long', verdict: 'heardInFull' },
    ])
  })

  test('two that are the same cannot be told apart, and so none was heard for certain', () => {
    const twin = promptOf('twin', NOTICE)
    const findings = find(joined(silence(1), NOTICE, silence(1)), [notice, twin])
    expect(findings).toMatchObject([{ verdict: 'uncertain', ambiguousWith: [{ isToldApart: false }] }])
  })
})

describe('how long it listens', () => {
  test('on, when a prompt was heard in full: another may follow', () => {
    const matcher = new AnnouncementMatcher({ prompts: [notice], windowMs: WINDOW_MS })
    matcher.push(joined(silence(1), NOTICE.subarray(0, 24_000)))
    expect(matcher.state).toBe('listening')
    expect(matcher.isHearing).toBe(true)
    expect(matcher.takeFindings()).toEqual([])
    matcher.push(joined(NOTICE.subarray(24_000), silence(0.5)))
    expect(matcher.takeFindings()).toMatchObject([{ promptId: 'notice', verdict: 'heardInFull' }])
    expect(matcher.takeFindings()).toEqual([])
    expect(matcher.state).toBe('listening')
  })

  test.each([
    ['the same once more', notice, NOTICE],
    ['another', question, QUESTION],
  ])('after one that was heard, also without a pause: %s', (_, prompt, samples) => {
    const findings = find(joined(silence(1), NOTICE, samples, silence(1)), [notice, question])
    expect(findings).toMatchObject([
      { promptId: 'notice', verdict: 'heardInFull' },
      { promptId: prompt.promptId, verdict: 'heardInFull' },
    ])
    expect(Math.abs((findings[1]?.startSample ?? 0) - 56_000)).toBeLessThan(40)
  })

  test('on, if only a part was heard: it may be played again', () => {
    const findings = find(joined(NOTICE.subarray(0, 32_000), silence(3), NOTICE, silence(1)))
    expect(findings.map(({ verdict }) => verdict)).toEqual(['heardInPart', 'heardInFull'])
  })

  test('until the window has ended; a prompt that began in it is heard to its end', () => {
    const listen = (windowMs: number): AnnouncementMatcher => {
      const matcher = new AnnouncementMatcher({ prompts: [notice], windowMs })
      matcher.push(joined(silence(2), NOTICE, silence(3)))
      return matcher
    }
    const enough = listen(2_500)
    expect(enough.state).toBe('over')
    expect(enough.takeFindings()).toMatchObject([{ verdict: 'heardInFull' }])
    const tooShort = listen(1_500)
    expect(tooShort.state).toBe('over')
    expect(tooShort.takeFindings()).toEqual([])
  })

  test('not at all without prompts', () => {
    expect(new AnnouncementMatcher({ prompts: [], windowMs: WINDOW_MS }).state).toBe('over')
  })
})

describe('bounds and breaks', () => {
  test('a restart ends what was sounding; positions go on from where it says', () => {
    const matcher = new AnnouncementMatcher({ prompts: [notice], windowMs: WINDOW_MS })
    matcher.push(joined(silence(1), NOTICE.subarray(0, 32_000)))
    matcher.restart(100_000)
    expect(matcher.isHearing).toBe(false)
    matcher.push(joined(silence(1), NOTICE, silence(1)))
    const findings = finish(matcher)
    expect(findings.map(({ verdict }) => verdict)).toEqual(['heardInPart', 'heardInFull'])
    expect(Math.abs((findings[0]?.startSample ?? 0) - 8_000)).toBeLessThan(40)
    expect(Math.abs((findings[1]?.startSample ?? 0) - 108_000)).toBeLessThan(40)
  })

  test('findings beyond so many are counted', () => {
    const matcher = new AnnouncementMatcher({ prompts: [notice], windowMs: 1_000_000 })
    const cut = joined(NOTICE.subarray(0, 32_000), silence(3))
    for (let i = 0; i < FINDINGS_MAX + 2; i++) matcher.push(cut)
    expect(finish(matcher).length).toBe(FINDINGS_MAX)
    expect(matcher.omittedFindings).toBe(2)
  })
})
