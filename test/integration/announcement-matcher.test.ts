import { beforeAll, describe, expect, test } from 'vitest'

import { AnnouncementMatcher } from '../../src/consent/matcher/announcement-matcher.ts'
import type { Finding } from '../../src/consent/matcher/finding.ts'
import { type Prompt, registerPrompt } from '../../src/consent/matcher/prompt.ts'
import { convertAudio } from '../support/ffmpeg.ts'
import { atSpeechRate, fliteSpeech, type FliteVoice, SPEECH_RATE } from '../support/speech.ts'

/** Synthetic speech through FFmpeg's codecs; `npm run bench:consent` has many more, and people's voices. */

const NOTICE = 'This call may be recorded for training and quality purposes.'
const CHANGED = 'This call may be recorded for billing and quality purposes.'
const OTHER = 'Please note that the invoice was sent to the old address last week.'

interface Said {
  readonly notice: Int16Array
  readonly changed: Int16Array
  readonly otherVoice: Int16Array
  readonly otherWords: Int16Array
}

let said: Said
let notice: Prompt
let changed: Prompt

beforeAll(async () => {
  const say = (voice: FliteVoice, sentence: string): Promise<Int16Array> => fliteSpeech(voice, sentence)
  const [one, two, three, four] = await Promise.all([
    say('slt', NOTICE),
    say('slt', CHANGED),
    say('rms', NOTICE),
    say('slt', OTHER),
  ])
  said = { notice: one, changed: two, otherVoice: three, otherWords: four }
  notice = promptOf('notice', said.notice)
  changed = promptOf('changed', said.changed)
})

function promptOf(promptId: string, samples: Int16Array): Prompt {
  const result = registerPrompt(samples, { promptId, version: '1' })
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

function channelOf(...parts: readonly Int16Array[]): Int16Array {
  return Int16Array.from([
    ...new Int16Array(SPEECH_RATE),
    ...parts.flatMap((part) => [...part]),
    ...new Int16Array(SPEECH_RATE),
  ])
}

/** Through a codec and back to 16-bit samples at a rate. */
async function through(
  samples: Int16Array,
  encode: readonly string[],
  decode: readonly string[],
  rate: number,
): Promise<Int16Array> {
  const raw = ['-f', 's16le', '-ac', '1']
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
  const coded = await convertAudio(bytes, [...raw, '-ar', String(SPEECH_RATE)], encode)
  const heard = await convertAudio(coded, decode, [...raw, '-ar', String(rate)])
  return new Int16Array(heard.buffer, heard.byteOffset, heard.length >> 1).slice()
}

function find(samples: Int16Array, prompts: readonly Prompt[]): readonly Finding[] {
  const matcher = new AnnouncementMatcher({ prompts, windowMs: 60_000 })
  for (let at = 0; at < samples.length; at += 160) matcher.push(samples.subarray(at, at + 160))
  matcher.finish()
  return matcher.takeFindings()
}

describe('a spoken announcement', () => {
  test.each([
    ['G.711', 8_000, ['-c:a', 'pcm_mulaw', '-f', 'mulaw'], ['-f', 'mulaw', '-ar', '8000']],
    ['G.722', 16_000, ['-ar', '16000', '-c:a', 'g722', '-f', 'g722'], ['-f', 'g722']],
    ['Opus', 48_000, ['-ar', '48000', '-c:a', 'libopus', '-b:a', '16k', '-f', 'ogg'], ['-f', 'ogg']],
  ] as const)('is heard in full through %s, at its place', async (_, rate, encode, decode) => {
    const findings = find(atSpeechRate(await through(channelOf(said.notice), encode, decode, rate), rate), [notice])
    expect(findings).toMatchObject([{ promptId: 'notice', verdict: 'heardInFull' }])
    expect(Math.abs((findings[0]?.startSample ?? 0) / SPEECH_RATE - 1)).toBeLessThan(0.02)
  })

  test('of which the end is cut off was heard in part', () => {
    const share = 0.7
    const findings = find(channelOf(said.notice.subarray(0, share * said.notice.length)), [notice])
    expect(findings).toMatchObject([{ promptId: 'notice', verdict: 'heardInPart' }])
    expect(Math.abs((findings[0]?.shareHeard ?? 0) - share)).toBeLessThan(0.1)
  })

  test('with one word changed was not heard in full, and is told apart where both are known', () => {
    for (const { verdict } of find(channelOf(said.changed), [notice])) expect(verdict).not.toBe('heardInFull')
    expect(find(channelOf(said.changed), [notice, changed])).toMatchObject([{ promptId: 'changed' }])
    expect(find(channelOf(said.notice), [notice, changed])).toMatchObject([{ promptId: 'notice' }])
  })

  test('by another voice, and other words by the same voice, are not it', () => {
    expect(find(channelOf(said.otherVoice, said.otherWords), [notice, changed])).toEqual([])
  })
})
