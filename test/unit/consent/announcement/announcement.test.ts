import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  Announcement,
  ANNOUNCEMENT_US_MAX,
  type AnnouncementMode,
  type AnnouncementPlan,
  RESTARTS_MAX,
  SETTLE_US_MAX,
  TRANSFER_US_MAX,
} from '../../../../src/consent/announcement/announcement.ts'

const REF = { promptId: 'ask', sha256: 'aa' }

/** An announcement whose acts are written down; `settle` is done at once unless the test keeps it. */
function announcementOf(
  mode: AnnouncementMode,
  change: Partial<AnnouncementPlan['answer']> & { asks?: readonly boolean[]; keeps?: boolean } = {},
) {
  const { asks = [true], keeps = false, ...answer } = change
  const acts: string[] = []
  let playedMs = 0
  const announcement: Announcement = new Announcement(
    {
      mode,
      prompts: asks.map((each) => ({ ref: REF, totalMs: 2_000, asks: each })),
      answer: { yes: '1', no: '2', windowUs: 5_000_000, onNo: 'hangUp', onNone: 'continue', ...answer },
    },
    {
      act: (act) => {
        acts.push(act.kind === 'play' ? `play ${act.index}` : act.kind === 'over' ? `over ${act.outcome}` : act.kind)
        if (act.kind === 'settle' && !keeps) announcement.handleSettled(0)
      },
      playedMs: () => playedMs,
      nowUs: 0,
    },
  )
  const play = (ms: number, nowUs: number): void => {
    playedMs = ms
    if (ms === 2_000) announcement.handlePlayed(nowUs)
  }
  const facts = () =>
    announcement
      .facts(() => 'unknown')
      .map(({ fact }) => {
        if (fact.type === 'answered') return `answered ${fact.answer}`
        return fact.type === 'announcementPlayed' ? `${fact.playedMs} ${fact.endCause} ${fact.heardToEnd}` : fact.type
      })
  return { announcement, acts, facts, play }
}

describe('what becomes of a call', () => {
  it.each<[AnnouncementMode, '1' | '2' | '7' | undefined, readonly string[], readonly string[]]>([
    ['answer', '1', ['bye', 'over agreed'], ['answered yes']],
    ['answer', '2', ['bye', 'over refused'], ['answered no']],
    ['answer', '7', ['bye', 'over noAnswer'], ['answered none']],
    ['answer', undefined, ['bye', 'over noAnswer'], ['answered none']],
    ['early', '1', ['redirect', 'over agreed'], ['answered yes']],
    ['early', '2', ['decline', 'over refused'], ['answered no']],
    ['early', undefined, ['redirect', 'over noAnswer'], ['answered none']],
    ['refer', '1', ['refer'], ['answered yes']],
    ['refer', '2', ['bye', 'over refused'], ['answered no']],
    ['refer', undefined, ['refer'], ['answered none']],
  ])('%s mode, key %s', (mode, key, acts, answers) => {
    const { announcement, acts: done, facts, play } = announcementOf(mode)
    announcement.handleConfirmed()
    play(2_000, 3_000_000)
    if (key !== undefined) announcement.handleKey(key, 'event', 4_000_000)
    announcement.handleTimeout(8_000_000)
    expect(done).toEqual(['play 0', 'settle', ...acts])
    expect(facts()).toEqual(['2000 played unknown', ...answers])
  })

  it('waits for a call that arrives on hold, whose end is no restart', () => {
    const { announcement, acts } = announcementOf('answer')
    announcement.handleHeld(true, 0)
    announcement.handleConfirmed()
    expect(acts).toEqual([])
    announcement.handleHeld(false, 1)
    for (let hold = 0; hold < RESTARTS_MAX; hold += 1) {
      announcement.handleHeld(true, 2)
      announcement.handleHeld(false, 3)
    }
    expect(acts.filter((act) => act === 'play 0')).toHaveLength(1 + RESTARTS_MAX)
    expect(acts).not.toContain('over failed')
  })

  it('goes on after a no, or not after none, where the configuration says so', () => {
    const no = announcementOf('early', { onNo: 'continue' })
    no.announcement.handleConfirmed()
    no.play(2_000, 1)
    no.announcement.handleKey('2', 'event', 2)
    expect(no.acts).toContain('redirect')
    const none = announcementOf('early', { onNone: 'hangUp' })
    none.announcement.handleConfirmed()
    none.play(2_000, 1)
    none.announcement.handleTimeout(5_000_001)
    expect(none.acts).toContain('decline')
  })

  it('plays several prompts, and asks where one asks', () => {
    const { announcement, acts, play, facts } = announcementOf('answer', { asks: [false, true, false] })
    announcement.handleConfirmed()
    announcement.handleKey('1', 'event', 1)
    play(2_000, 2)
    play(2_000, 3)
    announcement.handleKey('1', 'event', 4)
    play(2_000, 5)
    expect(acts).toEqual(['play 0', 'play 1', 'play 2', 'settle', 'bye', 'over agreed'])
    expect(facts()).toHaveLength(4)
  })

  it.each<[readonly ('1' | '2' | undefined)[], string, readonly string[]]>([
    [['1', '1'], 'agreed', ['', 'yes']],
    [['1', '2'], 'refused', ['', 'no']],
    [['1', undefined], 'noAnswer', ['', 'none']],
    [[undefined, '1'], 'noAnswer', ['none', '']],
    [[undefined, '2'], 'refused', ['', 'no']],
    [['2'], 'refused', ['no']],
  ])(
    'asks each question by itself, none after a no, and has the strictest answer: keys %j',
    (keys, outcome, answers) => {
      const { announcement, acts, facts, play } = announcementOf('answer', { asks: [true, true], onNo: 'continue' })
      announcement.handleConfirmed()
      for (const [index, key] of keys.entries()) {
        const nowUs = (index + 1) * 10_000_000
        play(2_000, nowUs)
        if (key === undefined) announcement.handleTimeout(nowUs + 5_000_000)
        else announcement.handleKey(key, 'event', nowUs + 1)
      }
      expect(acts).toEqual([...keys.map((_, index) => `play ${index}`), 'settle', 'bye', `over ${outcome}`])
      const told = answers.flatMap((answer) => [
        '2000 played unknown',
        ...(answer === '' ? [] : [`answered ${answer}`]),
      ])
      expect(facts()).toEqual(told)
    },
  )

  it.each([
    [[true, true], 'answered none'],
    [[true, false, true], 'answered none'],
    [[true, false], 'answered yes'],
  ])('a yes to one of several questions is none when the rest is not heard: asking %j', (asks, answer) => {
    const { announcement, facts, play } = announcementOf('answer', { asks })
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleKey('1', 'event', 2)
    play(500, 3)
    announcement.handleKey('2', 'event', 4)
    announcement.handleEnded('hangUp', 5)
    expect(facts()).toHaveLength(3)
    expect(facts()).toEqual(expect.arrayContaining(['2000 played unknown', answer, '500 hangUp no']))
  })

  it('says yes in its facts just where every question was answered yes, and is agreed to just where they say so', () => {
    const key = fc.constantFrom('1' as const, '2' as const, undefined)
    const question = fc.record({ asks: fc.boolean(), key, isEarly: fc.boolean() })
    const onward = fc.constantFrom('continue' as const, 'hangUp' as const)
    fc.assert(
      fc.property(fc.array(question, { minLength: 1, maxLength: 4 }), onward, onward, (questions, onNo, onNone) => {
        const asks = questions.map((each) => each.asks)
        const { announcement, acts, facts, play } = announcementOf('answer', { asks, onNo, onNone })
        announcement.handleConfirmed()
        for (const [index, { key: pressed, isEarly }] of questions.entries()) {
          const nowUs = (index + 1) * 10_000_000
          if (!acts.includes(`play ${index}`)) continue
          if (pressed !== undefined && isEarly) announcement.handleKey(pressed, 'event', nowUs - 1)
          play(2_000, nowUs)
          if (pressed !== undefined && asks[index] === true && !isEarly)
            announcement.handleKey(pressed, 'event', nowUs + 1)
          announcement.handleTimeout(nowUs + 5_000_000)
        }
        const asked = questions.filter((each) => each.asks)
        const isAgreed = asked.length > 0 && asked.every((each) => each.key === '1')
        expect(facts().includes('answered yes')).toBe(isAgreed)
        expect(acts.at(-1) === 'over agreed').toBe(isAgreed)
        expect(facts().filter((fact) => fact.startsWith('answered'))).toHaveLength(asked.length > 0 ? 1 : 0)
      }),
    )
  })

  it('leaves out what comes after a no', () => {
    const { announcement, acts, play } = announcementOf('answer', { asks: [true, false] })
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleKey('2', 'event', 2)
    expect(acts).toEqual(['play 0', 'settle', 'bye', 'over refused'])
  })
})

describe('keys', () => {
  it('pressed while the prompt plays count at its end: the last one that means something', () => {
    const { announcement, acts, play, facts } = announcementOf('answer')
    announcement.handleConfirmed()
    for (const [key, nowUs] of [
      ['1', 1],
      ['2', 2],
      ['9', 3],
    ] as const)
      announcement.handleKey(key, 'event', nowUs)
    expect([acts, announcement.facts(() => 'yes')]).toEqual([['play 0'], []])
    play(2_000, 4)
    expect([acts.at(-1), facts().at(-1)]).toEqual(['over refused', 'answered no'])
  })

  it('are taken of one way only, that of the first which means something', () => {
    const { announcement, acts, play, facts } = announcementOf('answer', {
      ...{ asks: [false, true, true], onNone: 'continue' },
    })
    announcement.handleConfirmed()
    announcement.handleKey('9', 'tone', 1)
    announcement.handleKey('1', 'event', 2)
    play(2_000, 3)
    play(2_000, 4)
    announcement.handleKey('1', 'event', 5)
    expect(acts.at(-1)).toBe('play 2')
    // A long press: INFO comes when the key is let go.
    announcement.handleKey('1', 'info', 4_000_000)
    announcement.handleKey('1', 'tone', 4_000_001)
    play(2_000, 5_000_000)
    announcement.handleKey('1', 'info', 5_000_001)
    announcement.handleTimeout(10_000_000)
    expect(facts().at(-1)).toBe('answered none')
  })

  it('after the window count for nothing', () => {
    const { announcement, acts, play, facts } = announcementOf('answer', { keeps: true })
    announcement.handleConfirmed()
    play(2_000, 0)
    announcement.handleTimeout(4_999_999)
    expect(acts).toEqual(['play 0'])
    announcement.handleTimeout(5_000_000)
    announcement.handleKey('1', 'event', 5_000_001)
    expect(facts()).toEqual(['2000 played unknown', 'answered none'])
  })
})

describe('an end by the other side', () => {
  it('within a prompt: how far it went, and no answer, whatever key was pressed', () => {
    const { announcement, acts, play, facts } = announcementOf('answer')
    announcement.handleConfirmed()
    play(640, 1)
    announcement.handleKey('1', 'event', 2)
    announcement.handleEnded('hangUp', 3)
    expect(facts()).toEqual(['640 hangUp no'])
    expect(acts).toEqual(['play 0', 'stopPlaying', 'settle', 'over hangUp'])
  })

  it('while a key is awaited: none was pressed', () => {
    const { announcement, play, facts } = announcementOf('answer')
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleEnded('hangUp', 3)
    expect(facts()).toEqual(['2000 played unknown', 'answered none'])
  })

  it('before anything was played: nothing was', () => {
    for (const end of ['noAck', 'cancelled', 'failed'] as const) {
      const { announcement, facts, acts } = announcementOf('answer')
      announcement.handleEnded(end, 1)
      expect([facts(), acts.at(-1)]).toEqual([[`0 ${end} no`], `over ${end}`])
    }
  })

  it('while facts are being kept changes neither them nor is anything done twice', () => {
    const { announcement, acts, play, facts } = announcementOf('early', { asks: [false], keeps: true })
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleEnded('cancelled', 2)
    announcement.handleSettled(3)
    announcement.handleSettled(4)
    expect(acts).toEqual(['play 0', 'settle', 'stopPlaying', 'over cancelled'])
    expect(facts()).toEqual(['2000 played unknown'])
  })
})

describe('facts that do not come to be kept', () => {
  it.each<[AnnouncementMode, readonly string[]]>([
    ['answer', ['bye', 'over failed']],
    ['early', ['decline', 'over failed']],
    ['refer', ['bye', 'over failed']],
  ])('are awaited for a while, then the call is let go, in %s mode', (mode, last) => {
    const { announcement, acts, play } = announcementOf(mode, { asks: [false], keeps: true })
    announcement.handleConfirmed()
    play(2_000, 7)
    expect(announcement.nextTimeoutUs).toBe(7 + SETTLE_US_MAX)
    announcement.handleTimeout(6 + SETTLE_US_MAX)
    expect(announcement.isOver).toBe(false)
    announcement.handleTimeout(7 + SETTLE_US_MAX)
    announcement.handleSettled(8 + SETTLE_US_MAX)
    expect(acts).toEqual(['play 0', 'settle', ...last])
    expect(announcement.nextTimeoutUs).toBe(Infinity)
  })

  it('keep nobody who has hung up', () => {
    const { announcement, acts } = announcementOf('answer', { keeps: true })
    announcement.handleConfirmed()
    announcement.handleEnded('hangUp', 3)
    announcement.handleTimeout(3 + SETTLE_US_MAX)
    expect(acts).toEqual(['play 0', 'stopPlaying', 'settle', 'over hangUp'])
  })
})

describe('what is being kept', () => {
  it('is not changed by media that break', () => {
    const { announcement, acts, play } = announcementOf('answer', { asks: [false], keeps: true })
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleBroken(2)
    expect(acts).toEqual(['play 0', 'settle'])
    announcement.handleSettled(3)
    expect(acts.slice(2)).toEqual(['bye', 'over played'])
  })
})

describe('hold', () => {
  it('before the second prompt: nothing of that was played', () => {
    const { announcement, acts, play, facts } = announcementOf('answer', { asks: [true, false] })
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleHeld(true, 2)
    announcement.handleKey('1', 'event', 3)
    announcement.handleEnded('hangUp', 4)
    expect(acts).toEqual(['play 0', 'stopPlaying', 'settle', 'over hangUp'])
    expect(facts()).toEqual(['2000 played unknown', 'answered yes', '0 hangUp no'])
  })

  it('stops a prompt, which begins anew', () => {
    const { announcement, acts, play, facts } = announcementOf('answer', { asks: [false] })
    announcement.handleConfirmed()
    play(600, 1)
    announcement.handleHeld(true, 2)
    announcement.handleHeld(true, 3)
    announcement.handlePlayed(4)
    announcement.handleHeld(false, 5)
    play(2_000, 6)
    expect(acts).toEqual(['play 0', 'stopPlaying', 'play 0', 'settle', 'bye', 'over played'])
    expect(facts()).toEqual(['2000 played unknown'])
  })

  it('is waited for before the first word; what never began was not played', () => {
    const { announcement, acts, facts } = announcementOf('answer')
    announcement.handleHeld(true, 1)
    announcement.handleConfirmed()
    expect(acts).toEqual([])
    announcement.handleEnded('hangUp', 2)
    expect(facts()).toEqual(['0 hangUp no'])
  })

  it('has an end', () => {
    const { announcement, acts, play } = announcementOf('answer')
    announcement.handleConfirmed()
    for (let times = 0; times <= RESTARTS_MAX; times += 1) {
      announcement.handleHeld(true, times)
      announcement.handleHeld(false, times)
    }
    play(2_000, 9)
    expect(acts.slice(-4)).toEqual(['stopPlaying', 'settle', 'over failed', 'bye'])
  })
})

describe('transfer', () => {
  it.each([
    [true, 'over played'],
    [false, 'over transferFailed'],
  ])('done: %s', (isDone, last) => {
    const { announcement, acts, play } = announcementOf('refer', { asks: [false] })
    announcement.handleConfirmed()
    play(2_000, 1)
    announcement.handleTransferred(isDone)
    announcement.handleTransferred(!isDone)
    expect(acts).toEqual(['play 0', 'settle', 'refer', 'bye', last])
  })

  it('that nobody tells of has failed; whoever hangs up after it has taken it', () => {
    const silent = announcementOf('refer', { asks: [false] })
    silent.announcement.handleConfirmed()
    silent.play(2_000, 1)
    silent.announcement.handleTimeout(TRANSFER_US_MAX)
    expect(silent.acts.at(-1)).toBe('over transferFailed')
    const gone = announcementOf('refer', { asks: [false] })
    gone.announcement.handleConfirmed()
    gone.play(2_000, 1)
    gone.announcement.handleEnded('hangUp', 2)
    expect(gone.acts.slice(-2)).toEqual(['refer', 'over played'])
  })
})

it('does not last for ever', () => {
  const { announcement, acts } = announcementOf('early')
  announcement.handleConfirmed()
  expect(announcement.nextTimeoutUs).toBe(ANNOUNCEMENT_US_MAX)
  announcement.handleTimeout(ANNOUNCEMENT_US_MAX)
  expect([acts, announcement.isOver]).toEqual([['play 0', 'stopPlaying', 'settle', 'over failed', 'decline'], true])
  expect(announcement.nextTimeoutUs).toBe(Infinity)
})
