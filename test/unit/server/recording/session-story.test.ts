import { describe, expect, it } from 'vitest'

import { asStreamId } from '../../../../src/ids.ts'
import type { MediaStreamPlan } from '../../../../src/recorder/recording-types.ts'
import {
  eventsOfPlans,
  hasRoomFor,
  statementOf,
  tellStory,
  type StoryEvent,
} from '../../../../src/server/recording/session-story.ts'

const at = (second: number): string => new Date(Date.UTC(2026, 10, 29, 12, 0, second)).toISOString()
const SEPARATE = { layout: 'separate', durationSamples: 10 * 48_000 } as const
const ORIGIN: StoryEvent = { kind: 'origin', originAt: at(0) }

function plan(streamId: string, paused = false, held = false): MediaStreamPlan {
  return {
    ...{ streamId: asStreamId(streamId), streamLabel: `label ${streamId}`, line: { label: undefined, place: 0 } },
    ...{ payloadTypes: new Map(), held, paused, keys: undefined },
  } as unknown as MediaStreamPlan
}

const asked = (isPaused: boolean, second: number, more: Partial<StoryEvent> = {}): StoryEvent =>
  ({ kind: 'pause', isPaused, at: at(second), by: 'api', ...more }) as StoryEvent

describe('what plans add to the story', () => {
  it('is each media stream once, and each change of what the SDP pauses', () => {
    const story = [...eventsOfPlans([], [plan('0'), plan('1')], at(0))]
    expect(story.map(({ kind }) => kind)).toEqual(['streams'])
    expect(eventsOfPlans(story, [plan('0'), plan('1')], at(1))).toEqual([])
    story.push(...eventsOfPlans(story, [plan('0'), plan('1', true), plan('2')], at(2)))
    expect(story.slice(1)).toMatchObject([
      { kind: 'streams', streams: [{ streamId: '2' }] },
      { kind: 'pause', isPaused: true, streamId: '1', by: 'src', via: 'SDP', at: at(2) },
    ])
    expect(eventsOfPlans(story, [plan('1', true)], at(3))).toEqual([])
    expect(eventsOfPlans(story, [plan('1')], at(4))).toMatchObject([{ kind: 'pause', isPaused: false, streamId: '1' }])
  })
})

describe('what the ledger is told', () => {
  const recordingId = '019aaff1-0680-7abc-8def-0123456789ab'

  it('is each pause and each hold of a media stream, and when it ends', () => {
    const story: StoryEvent[] = []
    const plans = [
      [plan('0'), plan('1', true)],
      [plan('0', false, true), plan('1')],
      [plan('0'), plan('1')],
      [plan('0')],
    ]
    for (const [second, each] of plans.entries()) story.push(...eventsOfPlans(story, each, at(second)))
    const said = story.flatMap((event) => statementOf(recordingId, event) ?? [])
    expect(said).toEqual([
      { kind: 'streamPaused', recordingId, streamId: '1', cause: 'paused' },
      { kind: 'streamResumed', recordingId, streamId: '1', cause: 'paused' },
      { kind: 'streamPaused', recordingId, streamId: '0', cause: 'held' },
      { kind: 'streamResumed', recordingId, streamId: '0', cause: 'held' },
    ])
  })

  it('is not a pause of the whole recording, which is said where it is asked for', () => {
    expect(statementOf(recordingId, asked(true, 1))).toBeUndefined()
    expect(statementOf(recordingId, ORIGIN)).toBeUndefined()
  })

  it('has room for all pauses that a manifest lists, however often somebody is put on hold', () => {
    const hold = { kind: 'hold', isHeld: true, at: at(0), streamId: '0' } as const
    const pause = asked(true, 0, { streamId: '0' })
    const story: StoryEvent[] = Array.from({ length: 999 }, () => hold)
    expect(hasRoomFor(story, hold)).toBe(true)
    story.push(hold)
    expect([hasRoomFor(story, hold), hasRoomFor(story, pause)]).toEqual([false, true])
    story.push(...Array.from({ length: 2_999 }, () => pause))
    expect(hasRoomFor(story, pause)).toBe(true)
    story.push(pause)
    expect(hasRoomFor(story, pause)).toBe(false)
  })
})

describe('what the story tells', () => {
  it('is nothing when there is none', () => {
    expect(tellStory([], SEPARATE)).toEqual({})
  })

  it('is media streams in the order of their channels, also when a line of the journal is there twice', () => {
    const story = [...eventsOfPlans([], [plan('0'), plan('1')], at(0)), ...eventsOfPlans([], [plan('0')], at(0))]
    const channels = (layout: 'separate' | 'mixed'): unknown =>
      tellStory(story, { ...SEPARATE, layout }).negotiatedStreams?.map(({ streamId, channel }) => [streamId, channel])
    expect(channels('separate')).toEqual([
      ['0', 0],
      ['1', 1],
    ])
    expect(channels('mixed')).toEqual([
      ['0', 0],
      ['1', 0],
    ])
  })

  it('is no pause without the instant of sample 0: it would have no place', () => {
    expect(tellStory([asked(true, 1)], SEPARATE)).toEqual({})
  })

  it('is each request from when it came to when it was taken back, by whom and how', () => {
    const sdp = { by: 'src', via: 'SDP', streamId: '1' } as const
    const story = [
      ...[ORIGIN, asked(true, 2), asked(true, 2), asked(true, 3, sdp), asked(false, 4), asked(false, 4)],
      ...[asked(true, 9, { by: 'src', via: 'INFO' })],
    ]
    expect(tellStory(story, SEPARATE)).toEqual({
      originAt: at(0),
      pauses: [
        { by: 'api', from: at(2), fromSample: 2 * 48_000, to: at(4), toSample: 4 * 48_000 },
        { ...sdp, from: at(3), fromSample: 3 * 48_000 },
        { by: 'src', via: 'INFO', from: at(9), fromSample: 9 * 48_000 },
      ],
    })
  })

  it('lies within the audio there is, and ends no pause before it began', () => {
    const story = [{ kind: 'origin', originAt: at(5) } as const, asked(true, 2), asked(false, 1), asked(true, 20)]
    expect(tellStory(story, SEPARATE).pauses).toEqual([
      { by: 'api', from: at(2), fromSample: 0, to: at(2), toSample: 0 },
      { by: 'api', from: at(20), fromSample: SEPARATE.durationSamples },
    ])
  })

  it('lists as many pauses as any manifest, and counts the others', () => {
    const story: StoryEvent[] = [ORIGIN]
    for (let count = 0; count < 1_001; count += 1) story.push(asked(true, 1), asked(false, 1))
    const { pauses, unlistedPauses } = tellStory(story, SEPARATE)
    expect([pauses?.length, unlistedPauses]).toEqual([1_000, 1])
  })
})
