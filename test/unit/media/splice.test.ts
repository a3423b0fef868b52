import { describe, expect, it } from 'vitest'

import { splice } from '../../../src/media/splice.ts'

const SINE = Int16Array.from({ length: 160 }, (_, i) => Math.round(10_000 * Math.sin(i / 8)))

describe('making a packet longer or shorter', () => {
  it.each([8, 32, -8, -32])('by %i samples leaves its beginning and its end as they are', (change) => {
    const out = new Int16Array(160 + change)
    splice(SINE, change, out)
    expect([...out.subarray(0, 40)]).toEqual([...SINE.subarray(0, 40)])
    expect([...out.subarray(-40)]).toEqual([...SINE.subarray(-40)])
  })

  it.each([8, 32, -8, -32])('by %i samples makes no step larger than the audio itself has', (change) => {
    const out = new Int16Array(160 + change)
    splice(SINE, change, out)
    for (let i = 1; i < out.length; i++) expect(Math.abs((out[i] ?? 0) - (out[i - 1] ?? 0))).toBeLessThan(2_000)
  })

  it('works on the shortest packets', () => {
    const out = new Int16Array(30)
    splice(SINE.subarray(0, 40), -10, out)
    expect(out[0]).toBe(SINE[0])
    expect(out[29]).toBe(SINE[39])
  })
})
