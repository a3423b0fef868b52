import { describe, expect, it } from 'vitest'

import { HEARING_RATE, QUESTIONS_MAX, SpokenAnswers } from '../../../src/recorder/spoken-answers.ts'

const LISTEN_MS = 2_000
const POSITION = 48_000

/** A recording whose transcriber answers when it is told to. */
class Rig {
  readonly told: [streamId: string, answer: string, atSample: number][] = []
  readonly orders: { readonly samples: Int16Array; readonly done: (words: string | undefined) => void }[] = []
  takenBack = 0
  readonly answers = new SpokenAnswers({
    listening: { words: { yes: ['yes'], no: ['no'] }, listenMs: LISTEN_MS },
    transcriber: {
      transcribe: (samples, done) => {
        this.orders.push({ samples, done })
        return () => (this.takenBack += 1)
      },
    },
    told: (...one) => void this.told.push(one),
  })

  /** So many seconds of a sound as loud as that, in the frames that come. */
  push(seconds: number, level: number, streamId = 's1', startPosition = 0): void {
    const frame = new Int16Array(HEARING_RATE / 50).fill(level)
    for (let count = 0; count < seconds * 50; count += 1) {
      this.answers.push(streamId, frame, startPosition)
      this.answers.settle(streamId)
    }
  }

  get noted(): readonly string[] {
    return this.answers.finish().map(({ code }) => code)
  }
}

describe('what is said behind an announcement that asks', () => {
  it('goes to the transcriber from its end on, also what was said before the announcement was found, and is told where somebody began to speak', () => {
    const rig = new Rig()
    rig.push(5, 1_000)
    rig.push(1, 0)
    // It ended at 5 s, and is found at 6 s.
    rig.answers.handleQuestion(5 * POSITION)
    expect(rig.answers.isListening).toBe(true)
    rig.push(2, 2_000)
    const [order] = rig.orders
    expect(order?.samples).toHaveLength(2 * HEARING_RATE)
    expect(new Set(order?.samples.subarray(0, HEARING_RATE))).toEqual(new Set([0]))
    expect(new Set(order?.samples.subarray(HEARING_RATE))).toEqual(new Set([2_000]))
    expect([rig.answers.isListening, rig.told]).toEqual([false, []])
    order?.done('Yes.')
    expect(rig.told).toEqual([['s1', 'yes', 6 * POSITION]])
    expect(rig.noted).toEqual(['transcribed'])
  })

  it('ends at a pause: what is said behind it is the conversation', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.answers.handleQuestion(POSITION)
    rig.push(0.4, 0)
    rig.push(0.3, 1_000)
    rig.push(0.7, 0)
    expect(rig.orders).toEqual([])
    rig.push(0.1, 0)
    // Whether it was an announcement is not known at once.
    expect(rig.orders).toEqual([])
    rig.push(1, 0)
    expect(rig.orders.map(({ samples }) => samples.length)).toEqual([1.5 * HEARING_RATE])
    rig.push(3, 1_000)
    expect(rig.orders).toHaveLength(1)
  })

  it('is listened to in each stream, by the place of its first sample', () => {
    const rig = new Rig()
    rig.push(3, 1_000)
    rig.push(1, 1_000, 's2', 2 * POSITION)
    rig.answers.handleQuestion(3 * POSITION)
    rig.push(2, 0)
    rig.push(3, 500, 's2', 2 * POSITION)
    expect(rig.orders).toHaveLength(1)
    rig.orders[0]?.done('no no')
    expect(rig.told).toEqual([['s2', 'no', 3 * POSITION]])
  })

  it('is waited for when the announcement ends later than it was found', () => {
    const rig = new Rig()
    rig.push(1, 1_000)
    rig.answers.handleQuestion(2 * POSITION)
    rig.push(1, 1_000)
    rig.push(3, 300)
    expect(rig.orders.map(({ samples }) => [samples[0], samples.at(-1)])).toEqual([[300, 300]])
  })

  it('is not remembered for ever: of what was found too late the newest four seconds are heard, and that is said', () => {
    const rig = new Rig()
    rig.push(10, 700)
    rig.answers.handleQuestion(1 * POSITION)
    rig.answers.settle('s1')
    rig.orders[0]?.done('yes')
    expect(rig.told).toEqual([['s1', 'yes', 6 * POSITION]])
    expect(rig.noted).toEqual(['transcribed', 'spoken-answer-unheard'])
  })

  it('is asked about so often in a stream, and once at a time; beyond that it is said', () => {
    const rig = new Rig()
    rig.push(1, 1_000)
    for (let count = 0; count < QUESTIONS_MAX; count += 1) {
      rig.answers.handleQuestion((1 + 3 * count) * POSITION)
      rig.answers.handleQuestion((1 + 3 * count) * POSITION)
      rig.push(3, 1_000)
    }
    for (const { done } of rig.orders) done('hello')
    expect(rig.orders).toHaveLength(QUESTIONS_MAX)
    rig.answers.handleQuestion((1 + 3 * QUESTIONS_MAX) * POSITION)
    rig.push(3, 1_000)
    expect(rig.orders).toHaveLength(QUESTIONS_MAX)
    expect([rig.takenBack, rig.noted]).toEqual([0, ['transcribed', 'spoken-answer-unheard']])
  })

  it('is given to nobody when nobody speaks', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.answers.handleQuestion(POSITION)
    rig.push(3, 100)
    expect([rig.orders, rig.noted]).toEqual([[], []])
  })

  it('is nobody’s where another announcement is played', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.push(1, 0, 's2')
    rig.answers.handleQuestion(POSITION)
    for (let seconds = 0; seconds < 1; seconds += 0.5) {
      rig.push(0.5, 1_000)
      rig.push(0.5, 1_000, 's2')
    }
    // One that ended before, and one in between.
    rig.answers.handleAnnouncement('s2', 0, POSITION)
    rig.answers.handleAnnouncement('s1', 1.5 * POSITION, 5 * POSITION)
    rig.push(2, 1_000)
    rig.push(2, 1_000, 's2')
    expect(rig.orders).toHaveLength(1)
    rig.orders[0]?.done('no')
    expect(rig.told).toEqual([['s2', 'no', POSITION]])
    // Somebody spoke before it.
    expect(rig.noted).toEqual(['transcribed', 'spoken-answer-unheard'])
  })

  it('is taken back when it turns out to be an announcement while words are made of it', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.answers.handleQuestion(POSITION)
    rig.push(3, 1_000)
    rig.answers.handleAnnouncement('s1', 6 * POSITION, 9 * POSITION)
    expect([rig.orders.length, rig.takenBack]).toEqual([1, 0])
    rig.answers.handleAnnouncement('s1', 2 * POSITION, 9 * POSITION)
    expect([rig.takenBack, rig.noted]).toEqual([1, ['transcribed']])
  })

  it('is heard behind an echo of the announcement', () => {
    const rig = new Rig()
    rig.push(1.5, 1_000)
    rig.answers.handleQuestion(POSITION)
    rig.answers.handleAnnouncement('s1', 0.3 * POSITION, 1.3 * POSITION)
    rig.push(3, 500)
    rig.orders[0]?.done('no')
    expect(rig.told).toEqual([['s1', 'no', 1.3 * POSITION]])
  })

  it('is that to the second announcement where nobody answered the first', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.answers.handleQuestion(POSITION)
    rig.push(1.5, 0)
    rig.answers.handleQuestion(2.5 * POSITION)
    rig.push(1.5, 0)
    rig.push(3, 1_000)
    rig.orders[0]?.done('no')
    expect([rig.told, rig.noted]).toEqual([[['s1', 'no', 4 * POSITION]], ['transcribed']])
  })

  it('is that to the first where somebody is answering it, and that to the second is missing', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.answers.handleQuestion(POSITION)
    rig.push(1.5, 1_000)
    rig.answers.handleQuestion(2.5 * POSITION)
    rig.push(2, 1_000)
    rig.orders[0]?.done('yes')
    expect([rig.told, rig.noted]).toEqual([[['s1', 'yes', POSITION]], ['transcribed', 'spoken-answer-unheard']])
  })

  it('counts not when the party answered in another way since, and does when it spoke later', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.answers.handleQuestion(POSITION)
    rig.push(3, 1_000)
    rig.answers.dismiss('s1', 2 * POSITION)
    rig.orders[0]?.done('no')
    rig.answers.handleQuestion(4 * POSITION)
    rig.push(1, 1_000)
    rig.answers.dismiss('s1', 4.5 * POSITION)
    rig.push(3, 1_000)
    expect([rig.told, rig.orders.length]).toEqual([[], 1])
    rig.answers.handleQuestion(8 * POSITION)
    rig.answers.dismiss('s1', 7 * POSITION)
    rig.push(3, 1_000)
    rig.orders[1]?.done('no')
    expect([rig.told, rig.noted]).toEqual([[['s1', 'no', 8 * POSITION]], ['transcribed']])
  })

  it('is given to the transcriber also when the recording ends in the middle of it, and what is awaited is told', () => {
    const rig = new Rig()
    rig.push(1, 0)
    rig.push(1, 0, 's2')
    rig.push(1, 0, 's3')
    rig.answers.handleQuestion(POSITION)
    // Still speaking, silent behind it and not settled, and nobody.
    rig.push(0.5, 1_000)
    rig.push(0.5, 700, 's2')
    rig.push(0.9, 0, 's2')
    rig.push(1, 20, 's3')
    let heard = 0
    rig.answers.handleEnd(() => (heard += 1))
    expect(rig.orders.map(({ samples }) => samples.length)).toEqual([0.5 * HEARING_RATE, 1.3 * HEARING_RATE])
    rig.orders[0]?.done('no')
    expect(heard).toBe(0)
    rig.orders[1]?.done(undefined)
    expect([heard, rig.told]).toEqual([1, [['s1', 'no', POSITION]]])
    expect([rig.noted, heard, rig.takenBack]).toEqual([['transcribed', 'transcriber-failed'], 1, 0])
  })

  it('is not waited for when nothing is being answered, and not for ever', () => {
    const quiet = new Rig()
    quiet.push(1, 0)
    let heard = 0
    quiet.answers.handleEnd(() => (heard += 1))
    expect([heard, quiet.noted]).toEqual([1, []])
    const slow = new Rig()
    slow.push(1, 0)
    slow.answers.handleQuestion(POSITION)
    slow.push(1, 1_000)
    slow.answers.handleEnd(() => (heard += 1))
    expect(slow.noted).toEqual(['transcribed', 'spoken-answer-unheard'])
    slow.orders[0]?.done('no')
    expect([heard, slow.takenBack]).toEqual([1, 1])
  })

  it('is missing, which is said: nobody could transcribe it, or the recording ended meanwhile', () => {
    const failed = new Rig()
    failed.push(1, 0)
    failed.answers.handleQuestion(POSITION)
    failed.push(3, 1_000)
    failed.orders[0]?.done(undefined)
    expect([failed.told, failed.noted]).toEqual([[], ['transcribed', 'transcriber-failed']])
    const ended = new Rig()
    ended.push(1, 0)
    ended.answers.handleQuestion(POSITION)
    ended.push(3, 1_000)
    expect([ended.noted, ended.takenBack]).toEqual([['transcribed', 'spoken-answer-unheard'], 1])
    const speaking = new Rig()
    speaking.push(1, 0)
    speaking.answers.handleQuestion(POSITION)
    speaking.push(1, 1_000)
    expect(speaking.noted).toEqual(['spoken-answer-unheard'])
    const quiet = new Rig()
    quiet.push(1, 0)
    quiet.answers.handleQuestion(POSITION)
    quiet.push(1, 20)
    expect(quiet.noted).toEqual([])
  })
})
