import { describe, expect, it } from 'vitest'

import { GAPS_MAX, GapList, INTERVALS_MAX, Intervals } from '../../../src/media/gap-list.ts'

describe('the list of gaps', () => {
  it('merges neighbours of the same cause only', () => {
    const list = new GapList()
    list.add(0, 10, 'lost')
    list.add(10, 20, 'lost')
    list.add(20, 30, 'held')
    list.add(40, 50, 'held')
    list.add(60, 60, 'lost')
    expect(list.gaps).toEqual([
      { fromSample: 0, toSample: 20, cause: 'lost' },
      { fromSample: 20, toSample: 30, cause: 'held' },
      { fromSample: 40, toSample: 50, cause: 'held' },
    ])
    expect(list.samples).toEqual({ lost: 20, silence: 0, held: 20, noMedia: 0, paused: 0, masked: 0, undecoded: 0 })
  })

  it('names GAPS_MAX of them and only sums the rest', () => {
    const list = new GapList()
    for (let index = 0; index < GAPS_MAX + 3; index++) list.add(index * 10, index * 10 + 2, 'lost')
    expect(list.gaps.length).toBe(GAPS_MAX)
    expect(list.unlistedSamples).toBe(6)
    expect(list.samples.lost).toBe((GAPS_MAX + 3) * 2)
  })
})

describe('held intervals', () => {
  function found(held: Intervals, fromUs: number, toUs: number): number[][] {
    const parts: number[][] = []
    held.within(fromUs, toUs, (from, to) => parts.push([from, to]))
    return parts
  }

  it('are cut to what is asked for; one that has not ended covers everything after it', () => {
    const held = new Intervals()
    held.set(true, 100)
    held.set(true, 120)
    held.set(false, 200)
    held.set(false, 220)
    held.set(true, 300)
    expect(found(held, 0, 150)).toEqual([[100, 150]])
    expect(found(held, 150, 400)).toEqual([
      [150, 200],
      [300, 400],
    ])
    held.forgetBefore(250)
    expect(found(held, 0, 400)).toEqual([[300, 400]])
  })

  it('are bounded: a source that changes faster is held from then on, until it resumes', () => {
    const held = new Intervals()
    for (let index = 0; index < INTERVALS_MAX + 10; index++) {
      held.set(true, index * 10)
      held.set(false, index * 10 + 5)
    }
    expect(found(held, 0, Infinity).length).toBe(INTERVALS_MAX)
  })
})
