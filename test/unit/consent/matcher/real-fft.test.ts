import { expect, test } from 'vitest'

import { RealFft } from '../../../../src/consent/matcher/real-fft.ts'

test.each([8, 64, 1_024])('%d samples have the power that the definition gives', (length) => {
  const samples = Float64Array.from({ length }, (_, i) => Math.sin(i * i) + (i % 7))
  const window = Float64Array.from({ length }, (_, i) => 1 + (i % 3))
  const oldest = 5
  const power = new Float64Array(length / 2)
  new RealFft(length).power({ samples, oldest, window }, power, 1, length / 2)

  for (const bin of [1, 2, length / 4, length / 2 - 1]) {
    let re = 0
    let im = 0
    for (let i = 0; i < length; i++) {
      const sample = (samples[(oldest + i) % length] ?? 0) * (window[i] ?? 0)
      re += sample * Math.cos((2 * Math.PI * bin * i) / length)
      im -= sample * Math.sin((2 * Math.PI * bin * i) / length)
    }
    expect(power[bin]).toBeCloseTo(re * re + im * im, 4)
  }
})

test('bins that are not asked for are left alone', () => {
  const power = new Float64Array(32).fill(-1)
  const samples = Float64Array.from({ length: 64 }, (_, i) => i)
  new RealFft(64).power({ samples, oldest: 0, window: new Float64Array(64).fill(1) }, power, 3, 5)
  expect([...power].flatMap((value, bin) => (value === -1 ? [] : [bin]))).toEqual([3, 4])
})
