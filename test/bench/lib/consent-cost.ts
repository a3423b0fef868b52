import { AnnouncementMatcher } from '../../../src/consent/matcher/announcement-matcher.ts'
import { SPEECH_RATE } from '../../support/speech.ts'
import { joined, type Material } from './consent-material.ts'

const ROUNDS = 7
const SECONDS = 60
const MANY_PROMPTS = 21

export interface Cost {
  /** CPU milliseconds for each second of audio at 8 kHz, prompts aside. */
  readonly audioMs: number
  /** And for each prompt. */
  readonly promptMs: number
  readonly promptSeconds: number
  readonly lines: readonly string[]
}

/** CPU time of listening to speech in which no prompt is, the least of some rounds. */
export function costOf({ announcements, speech }: Material): Cost {
  const audio = joined(speech.slice(0, 40).map(({ samples }) => samples)).subarray(0, SECONDS * SPEECH_RATE)
  const seconds = audio.length / SPEECH_RATE
  const prompts = announcements.slice(0, MANY_PROMPTS).map(({ prompt }) => prompt)
  const listen = (count: number): number => {
    const matcher = new AnnouncementMatcher({
      prompts: prompts.slice(0, count),
      windowMs: 1_000 * SECONDS,
    })
    const before = process.cpuUsage()
    for (let at = 0; at < audio.length; at += 160) matcher.push(audio.subarray(at, at + 160))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000 / seconds
  }
  const least = (count: number): number =>
    Array.from({ length: ROUNDS }, () => listen(count)).reduce((least, ms) => Math.min(least, ms))
  const one = least(1)
  const promptMs = (least(prompts.length) - one) / (prompts.length - 1)
  const promptSeconds =
    prompts.reduce((sum, { lengthSamples }) => sum + lengthSamples, 0) / prompts.length / SPEECH_RATE
  const audioMs = one - promptMs
  return {
    audioMs,
    promptMs,
    promptSeconds,
    lines: [
      '',
      `CPU for each second of audio: ${audioMs.toFixed(2)} ms, and ${promptMs.toFixed(3)} ms for each prompt (of ${promptSeconds.toFixed(1)} s on average)`,
    ],
  }
}
