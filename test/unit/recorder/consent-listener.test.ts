import { describe, expect, it } from 'vitest'

import type { ConsentFactAt } from '../../../src/consent/words.ts'
import { asStreamId } from '../../../src/ids.ts'
import { HEARD_FACTS_MAX, ConsentListener, type HeardPrompt } from '../../../src/recorder/consent-listener.ts'
import { RecordingClock } from '../../../src/recorder/recording-clock.ts'
import type { StreamReceiver } from '../../../src/recorder/stream-receiver.ts'
import { heardPrompt, ScriptedEar } from '../../support/scripted-ear.ts'

const OPENED_US = 5_000_000
const OPENED_AT = Date.parse('2026-11-29T12:00:00.000Z')
const STREAM_ID = 'st1'

function stream(sampleRate = 8_000, id = STREAM_ID): StreamReceiver {
  return { plan: { streamId: asStreamId(id) }, timeline: { sampleRate } } as unknown as StreamReceiver
}

function listenerOf(findings: readonly HeardPrompt[] = [], windowMs = 20_000, spoken?: { readonly words: string }) {
  const told: ConsentFactAt[] = []
  const ears: ScriptedEar[] = []
  const clock = new RecordingClock({ openedUs: OPENED_US, openedAtUnixMs: OPENED_AT }, 48_000)
  clock.fixOrigin(OPENED_US + 1_000_000)
  const listener = new ConsentListener({
    listening: {
      ...{ keys: { yes: '1', no: '2', withdraw: '*9' }, answerWithinMs: 5_000, windowMs },
      ...(spoken === undefined ? {} : { spoken: { words: { yes: ['yes'], no: ['no'] }, listenMs: 1_000 } }),
    },
    hearing: {
      createEar: () => {
        const ear = new ScriptedEar(findings)
        ears.push(ear)
        return ear
      },
      transcriber: {
        transcribe: (_samples, done) => {
          queueMicrotask(() => done(spoken?.words))
          return () => {}
        },
      },
    },
    clock,
    told: (fact) => told.push(fact),
  })
  /** Frames of 20 ms from one second to another: of silence, unless they have a level. */
  const run = (from: number, to: number, source = stream(), level = 0): void => {
    const { sampleRate } = source.timeline
    for (let frame = from * 50; frame < to * 50; frame++) {
      listener.addFrame([source], [new Int16Array(sampleRate / 50).fill(level)], frame * 960)
    }
  }
  const press = (digits: string, atSecond: number, source = stream()): void => {
    const { sampleRate } = source.timeline
    for (const [index, digit] of Array.from(digits).entries()) {
      const fromSample = (atSecond + index * 0.3) * sampleRate
      const toSample = fromSample + 0.1 * sampleRate
      listener.handleKey(source, { digit: digit as '1', via: 'event', fromSample, toSample })
    }
  }
  return { listener, told, ears, run, press }
}

describe('what is listened for in a recording', () => {
  it('an announcement is told with its place on the timeline, at the instant it ended', () => {
    const { told, run } = listenerOf([heardPrompt(8_000, 16_000)])
    run(2, 6)
    expect(told).toEqual([
      {
        // Position 0 is a second after the opening; the stream begins at 2 s, the prompt 1 s later, and lasts 2 s.
        at: '2026-11-29T12:00:06.000Z',
        fact: {
          ...{
            type: 'announcementHeard',
            prompt: heardPrompt(0, 0).prompt,
            streamId: STREAM_ID,
            share: 1,
            confidence: 0.9,
          },
          ...{ fromSample: 3 * 48_000, heardSamples: 2 * 48_000, verdict: 'heardInFull' },
        },
      },
    ])
  })

  it('audio of any rate is heard at 8 kHz, and the delay of the filter is taken off', () => {
    const { told, ears, run } = listenerOf([heardPrompt(8_000, 8_000)])
    run(0, 3, stream(48_000))
    expect(new Set(ears[0]?.pushed)).toEqual(new Set([160]))
    const [fact] = told.map(({ fact: { type, ...rest } }) => ({ type, ...rest }))
    expect(fact).toMatchObject({ type: 'announcementHeard', heardSamples: 48_000 })
    expect(48_000 - (fact as unknown as { fromSample: number }).fromSample).toBeGreaterThan(0)
    expect(48_000 - (fact as unknown as { fromSample: number }).fromSample).toBeLessThan(480)
  })

  it('each stream that begins within the window has an ear of its own, until that is over', () => {
    const { listener, ears, run } = listenerOf([], 2_000)
    run(0, 1, stream(8_000, 'one'))
    run(1, 4, stream(8_000, 'two'))
    run(4, 5, stream(8_000, 'three'))
    expect(ears).toHaveLength(2)
    const [, second] = ears
    if (second !== undefined) second.isOver = true
    run(5, 6, stream(8_000, 'two'))
    expect(second?.pushed).toHaveLength(150)
    listener.finish()
    expect(ears.every(({ isFinished }) => isFinished)).toBe(true)
  })

  it('a key answers an announcement, within the time for it', () => {
    const { told, run, press } = listenerOf([heardPrompt(8_000, 8_000)])
    run(0, 3)
    press('1', 1.5)
    press('2', 6.9)
    press('1', 7.5)
    expect(told.slice(1).map(({ fact }) => fact)).toEqual([
      { type: 'answered', answer: 'yes', by: 'dtmf', streamId: STREAM_ID, atSample: 1.5 * 48_000 },
      { type: 'answered', answer: 'no', by: 'dtmf', streamId: STREAM_ID, atSample: 6.9 * 48_000 },
    ])
  })

  it('a key that came before the announcement was recognised counts then; one with no announcement never', () => {
    const { told, run, press } = listenerOf([heardPrompt(8_000, 16_000)])
    press('1', 0.2)
    press('1', 2.5)
    expect(told).toEqual([])
    run(0, 4)
    expect(told.map(({ fact }) => fact.type)).toEqual(['announcementHeard', 'answered'])
    expect(told[1]).toMatchObject({ at: '2026-11-29T12:00:03.500Z', fact: { answer: 'yes', atSample: 2.5 * 48_000 } })
  })

  it('a key that came before counts once, and of many the latest', () => {
    const { told, run, press } = listenerOf([heardPrompt(0, 8_000), heardPrompt(8_000, 8_000)])
    for (let key = 0; key < 20; key++) press('1', 0.5 + key / 100)
    run(0, 3)
    const answers = told.filter(({ fact }) => fact.type === 'answered')
    expect(answers.map(({ fact }) => 'atSample' in fact && fact.atSample)).toEqual(
      Array.from({ length: 16 }, (_, index) => Math.round((0.54 + index / 100) * 8_000) * 6),
    )
  })

  it.each([
    ['of another party', 'other'],
    ['of its own', STREAM_ID],
  ])('no flood of keys that came before keeps a no out: one %s', (_, id) => {
    const { told, run, press } = listenerOf([heardPrompt(0, 8_000)])
    press('2', 0.2)
    for (let key = 0; key < 20; key++) press('1', 0.5 + key / 100, stream(8_000, id))
    run(0, 3)
    const answers = told.flatMap(({ fact }) => (fact.type === 'answered' ? [[fact.streamId, fact.answer]] : []))
    expect(answers).toContainEqual([STREAM_ID, 'no'])
    expect(answers.filter(([, answer]) => answer === 'yes')).toHaveLength(id === STREAM_ID ? 15 : 16)
  })

  it('what is found at the very end is told', () => {
    const { told, ears, listener, run } = listenerOf()
    run(0, 1)
    const [ear] = ears
    if (ear !== undefined) ear.finish = () => Object.assign(ear, { takeFindings: () => [heardPrompt(0, 8_000)] })
    listener.finish()
    expect(told.map(({ fact }) => fact.type)).toEqual(['announcementHeard'])
  })

  it.each<[string, Partial<HeardPrompt>, readonly string[]]>([
    ['that asks', {}, ['yes', 'no']],
    ['that asks, in part', { verdict: 'heardInPart', share: 0.7 }, ['yes', 'no']],
    ['that may have been none', { verdict: 'uncertain', share: 0.1 }, ['no']],
    ['that asks nothing', { asks: false }, ['no']],
  ])('keys after an announcement %s', (_, change, answers) => {
    const { told, run, press } = listenerOf([{ ...heardPrompt(8_000, 8_000), ...change }])
    press('1', 1.5)
    run(0, 3)
    press('2', 4)
    expect(told.flatMap(({ fact }) => (fact.type === 'answered' ? [fact.answer] : []))).toEqual(answers)
  })

  it('a yes waits for an announcement that was certain', () => {
    const findings = [{ ...heardPrompt(8_000, 8_000), verdict: 'uncertain' as const }, heardPrompt(8_000, 16_000)]
    const { told, run, press } = listenerOf(findings)
    run(0, 2.5)
    press('1', 2.6)
    expect(told.map(({ fact }) => fact.type)).toEqual(['announcementHeard'])
    run(2.5, 4)
    expect(told.map(({ fact }) => fact.type)).toEqual(['announcementHeard', 'announcementHeard', 'answered'])
  })

  it('a withdrawal needs no announcement, and counts when nothing is looked for any more', () => {
    const { told, listener, press } = listenerOf()
    listener.finish()
    press('*9', 100)
    expect(told.map(({ fact }) => fact)).toEqual([
      { type: 'withdrawn', by: 'dtmf', streamId: STREAM_ID, atSample: 100 * 48_000 },
    ])
  })

  it('whoever goes on pressing fills no ledger, and keeps no withdrawal out', () => {
    const { told, listener, run, press } = listenerOf([heardPrompt(0, 8_000)])
    run(0, 2)
    for (let count = 0; count < HEARD_FACTS_MAX + 6; count++) press('1', 2)
    expect(told).toHaveLength(HEARD_FACTS_MAX)
    expect(listener.untold).toBe(7)
    press('*9', 3)
    press('*9', 4)
    press('*9', 3, stream(8_000, 'other'))
    expect(told.slice(HEARD_FACTS_MAX).map(({ fact }) => fact)).toMatchObject([
      { type: 'withdrawn', streamId: STREAM_ID, atSample: 3 * 48_000 },
      { type: 'withdrawn', streamId: 'other' },
    ])
    expect(listener.finish()).toMatchObject([{ code: 'consent-facts-dropped' }])
  })

  it('no fact says which key it was', () => {
    const { told, run, press } = listenerOf([heardPrompt(0, 8_000)])
    run(0, 2)
    press('1', 1)
    press('*9', 3)
    expect(JSON.stringify(told)).not.toMatch(/\*|"digit"|"1"/)
  })
})

describe('an answer that is spoken', () => {
  const answers = (told: readonly ConsentFactAt[]) =>
    told.map(({ fact }) => fact).filter(({ type }) => type === 'answered')

  it('is one when an announcement asked for it, also when no announcement is looked for any more', async () => {
    const { listener, told, ears, run } = listenerOf([heardPrompt(0, 8_000)], 20_000, { words: 'yes' })
    run(0, 1)
    for (const ear of ears) ear.isOver = true
    run(1, 3, stream(), 1_000)
    const answer = { type: 'answered', answer: 'yes', by: 'speech', streamId: STREAM_ID, atSample: 48_000 }
    await expect.poll(() => answers(told)).toEqual([answer])
    expect(listener.finish()).toMatchObject([{ code: 'transcribed' }])
  })

  it.each([
    ['asks for none', { asks: false }],
    ['may have been none', { verdict: 'uncertain' as const }],
  ])('counts not behind an announcement that %s', (_what, finding) => {
    const { listener, told, run } = listenerOf([{ ...heardPrompt(0, 8_000), ...finding }], 20_000, { words: 'no' })
    run(0, 4, stream(), 1_000)
    expect([answers(told), listener.finish()]).toEqual([[], []])
  })

  it('is listened for behind the part of the announcement that was not found: it must not answer itself', async () => {
    const { told, run } = listenerOf([{ ...heardPrompt(0, 8_000), endSample: 16_000 }], 20_000, { words: 'yes' })
    run(0, 4, stream(), 1_000)
    await expect.poll(() => answers(told)).toMatchObject([{ atSample: 2 * 48_000 }])
  })

  it('is none while an announcement may be sounding in its stream, nor when it was one', async () => {
    const second = { ...heardPrompt(12_000, 16_000), asks: false }
    const { listener, told, ears, run } = listenerOf([heardPrompt(0, 8_000), second], 20_000, { words: 'no' })
    run(0, 1)
    for (const ear of ears) ear.isHearing = true
    // The second one, from 1.5 s to 3.5 s; what would be the answer is whole at 2 s already.
    run(1, 2, stream(), 1_000)
    run(2, 4, stream(), 1_000)
    for (const ear of ears) ear.isHearing = false
    run(4, 5)
    // Somebody spoke before it began.
    expect(listener.finish()).toMatchObject([{ code: 'spoken-answer-unheard' }])
    await Promise.resolve()
    expect(answers(told)).toEqual([])
  })

  it('is none when the party answers with a key meanwhile', async () => {
    const { listener, told, run, press } = listenerOf([heardPrompt(0, 8_000)], 20_000, { words: 'no' })
    run(0, 1)
    run(1, 1.5, stream(), 1_000)
    press('1', 1.4)
    run(1.5, 4, stream(), 1_000)
    expect(listener.finish()).toEqual([])
    await Promise.resolve()
    expect(answers(told)).toMatchObject([{ by: 'dtmf', answer: 'yes' }])
  })

  it('counts besides a key that came before it, or that answers nothing', async () => {
    const { told, run, press } = listenerOf([heardPrompt(0, 8_000)], 20_000, { words: 'no' })
    press('1', 0)
    run(0, 1)
    run(1, 1.5)
    run(1.5, 3, stream(), 1_000)
    // Long after the announcement.
    press('1', 20)
    run(3, 4)
    await expect.poll(() => answers(told).map((fact) => 'by' in fact && fact.by)).toEqual(['dtmf', 'speech'])
  })
})
