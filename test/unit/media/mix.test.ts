import { describe, expect, it } from 'vitest'

import { clip, mixInto } from '../../../src/media/mix.ts'

describe('mixing', () => {
  it('adds sample by sample', () => {
    const accumulator = new Int32Array(3)
    mixInto(accumulator, Int16Array.of(1, -2, 3))
    mixInto(accumulator, Int16Array.of(10, 20, 30))
    expect([...clip(accumulator)]).toEqual([11, 18, 33])
  })

  it('saturates instead of wrapping round, and only at the end', () => {
    const accumulator = new Int32Array(3)
    for (let i = 0; i < 3; i++) mixInto(accumulator, Int16Array.of(30_000, -30_000, 30_000))
    mixInto(accumulator, Int16Array.of(0, 0, -32_000))
    mixInto(accumulator, Int16Array.of(0, 0, -32_000))
    expect([...clip(accumulator)]).toEqual([32_767, -32_768, 26_000])
  })

  it('ignores what does not fit, and fills an array that is given', () => {
    const accumulator = new Int32Array(2)
    mixInto(accumulator, Int16Array.of(1, 2, 3))
    mixInto(accumulator, Int16Array.of(1))
    const out = new Int16Array(2)
    expect(clip(accumulator, out)).toBe(out)
    expect([...out]).toEqual([2, 2])
  })
})
