import { expect, test } from 'vitest'

import { registerPrompt } from '../../../../src/consent/matcher/prompt.ts'
import { HEARING_RATE } from '../../../../src/recorder/spoken-answers.ts'
import { type ListenedPrompt, promptEars } from '../../../../src/server/media/prompt-ears.ts'
import { babbled } from '../../../support/babbled.ts'

const CONSENT = { keys: {}, answerWithinMs: 15_000, windowMs: 20_000 }
const FRAME = HEARING_RATE / 50
const [NOTICE, QUESTION] = [babbled(1, 6), babbled(4, 5)]

function listened(promptId: string, samples: Int16Array, sha256: string): ListenedPrompt {
  const registered = registerPrompt(samples, { promptId, version: sha256 })
  if (!registered.ok) throw new Error(registered.reason)
  return { ref: { promptId, sha256 }, asks: promptId === 'question', prompt: registered.value }
}

const prompts = [listened('notice', NOTICE, 'a'.repeat(64)), listened('question', QUESTION, 'b'.repeat(64))]

test('every prompt of the window is told once, in its order and at its place', () => {
  const ear = promptEars(prompts)(CONSENT)?.()
  const told: (readonly [string, boolean, string, number])[] = []
  const hear = (samples: Int16Array): void => {
    for (let at = 0; at < samples.length; at += FRAME) {
      ear?.push(samples.subarray(at, at + FRAME))
      for (const { prompt, asks, verdict, fromSample } of ear?.takeFindings() ?? [])
        told.push([prompt.promptId, asks, verdict, Math.round(fromSample / HEARING_RATE)])
    }
  }
  const second = new Int16Array(HEARING_RATE)
  for (const samples of [second, NOTICE, QUESTION, second, NOTICE, second]) hear(samples)
  expect(ear?.isOver).toBe(false)
  expect(told).toEqual([
    ['notice', false, 'heardInFull', 1],
    ['question', true, 'heardInFull', 7],
    ['notice', false, 'heardInFull', 13],
  ])
  for (const samples of [second, NOTICE, second]) hear(samples)
  expect(ear?.isOver).toBe(true)
  ear?.finish()
  expect(ear?.takeFindings()).toEqual([])
})

test('nothing is listened for without prompts, or where nobody wants it', () => {
  expect(promptEars([])(CONSENT)).toBeUndefined()
  expect(promptEars(prompts)(undefined)).toBeUndefined()
})
