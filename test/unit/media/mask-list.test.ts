import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { MASKS_MAX, MaskList } from '../../../src/media/mask-list.ts'

function allOf(list: MaskList, epoch = list.epoch): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = []
  list.within({ from: Number.NEGATIVE_INFINITY, to: Infinity, epoch }, (from, to) => found.push([from, to]))
  return found
}

describe('a list of masks', () => {
  it('joins what touches or overlaps, and nothing else', () => {
    const list = new MaskList()
    for (const [from, to] of [
      [100, 200],
      [400, 500],
      [200, 250],
      [50, 60],
      [240, 300],
    ] as const) {
      list.add(from, to)
    }
    expect(allOf(list)).toEqual([
      [50, 60],
      [100, 300],
      [400, 500],
    ])
    list.add(55, 450)
    expect(allOf(list)).toEqual([[50, 500]])
  })

  it('takes nothing empty', () => {
    const list = new MaskList()
    list.add(10, 10)
    expect(list.isEmpty).toBe(true)
  })

  it('keeps the times of two sources apart', () => {
    const list = new MaskList()
    list.add(1_000, 2_000)
    list.restart()
    list.add(1_500, 1_600)
    expect([allOf(list, 0), allOf(list, 1)]).toEqual([[[1_000, 2_000]], [[1_500, 1_600]]])
    list.forgetBefore(0, 1)
    expect([allOf(list, 0), allOf(list, 1)]).toEqual([[], [[1_500, 1_600]]])
  })

  it('forgets what has been read', () => {
    const list = new MaskList()
    list.add(0, 100)
    list.add(200, 300)
    list.forgetBefore(250, 0)
    expect(allOf(list)).toEqual([[200, 300]])
  })

  it('covers all that was ever added, however much that is, and in order', () => {
    const spans = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 300 })), {
      maxLength: 3 * MASKS_MAX,
    })
    fc.assert(
      fc.property(spans, (added) => {
        const list = new MaskList()
        for (const [from, length] of added) list.add(from, from + length)
        const kept = allOf(list)
        expect(kept.length).toBeLessThanOrEqual(MASKS_MAX)
        expect(kept.toSorted(([left], [right]) => left - right)).toEqual(kept)
        for (const [from, length] of added) {
          expect(kept.some(([start, end]) => start <= from && from + length <= end)).toBe(true)
        }
      }),
    )
  })
})
