import { describe, expect, it } from 'vitest'

import { upsampled } from '../../../src/media/upsample.ts'
import { tone } from '../../support/audio.ts'

describe('audio at a multiple of its rate', () => {
  it.each([2, 3, 6])('is the same sound at the same place: %i times', (factor) => {
    const sampleRate = 8_000
    const samples = tone({ frequency: 1_000, sampleRate, samples: 800, amplitude: 0.5 })
    const more = upsampled(samples, factor, false)
    const wanted = tone({
      frequency: 1_000,
      sampleRate: sampleRate * factor,
      samples: 800 * factor,
      amplitude: 0.5,
    })
    expect(more.length).toBe(wanted.length)
    // Away from the ends, behind which there is silence.
    for (let i = 50 * factor; i < 750 * factor; i++)
      expect(Math.abs((more[i] ?? 0) - (wanted[i] ?? 0))).toBeLessThan(30)
  })

  it('says of no sample anything beside it where it is stepped', () => {
    expect([...upsampled(Int16Array.of(0, 0, 9_000, 0), 3, true)]).toEqual([
      0, 0, 0, 0, 0, 0, 9_000, 9_000, 9_000, 0, 0, 0,
    ])
  })

  it('of nothing is nothing', () => {
    expect(upsampled(new Int16Array(0), 2, false)).toEqual(new Int16Array(0))
  })
})
