import { describe, expect, test } from 'vitest'

import { type InputRate, isInputRate, ToMatcherRate } from '../../../../src/consent/matcher/to-matcher-rate.ts'

const RATES: readonly InputRate[] = [16_000, 32_000, 48_000]

function tone(hz: number, rate: number, seconds = 0.25): Float32Array {
  return Float32Array.from({ length: rate * seconds }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / rate))
}

function convert(rate: InputRate, samples: Float32Array | Int16Array, piece = samples.length): number[] {
  const converter = new ToMatcherRate(rate)
  const all: number[] = []
  const output = new Float64Array(piece + 1)
  for (let at = 0; at < samples.length; at += piece) {
    const count = converter.write(samples.subarray(at, at + piece), output)
    all.push(...output.subarray(0, count))
  }
  return all
}

function loudest(samples: readonly number[]): number {
  return samples.slice(100).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
}

describe.each(RATES)('%d Hz', (rate) => {
  test('a tone stays as it is, at its place', () => {
    const wanted = tone(1_000, 8_000)
    const given = convert(rate, tone(1_000, rate))
    expect(given.length).toBeGreaterThan(wanted.length - 10)
    for (let i = 100; i < given.length; i++)
      expect(Math.abs((given[i] ?? 0) / 32_768 - (wanted[i] ?? 0))).toBeLessThan(0.08)
  })

  test('what would fold into the bands that are compared is taken away', () => {
    expect(loudest(convert(rate, tone(5_200, rate)))).toBeLessThan(0.02 * loudest(convert(rate, tone(1_000, rate))))
  })

  test('the lengths of the stretches do not matter', () => {
    const samples = tone(700, rate)
    expect(convert(rate, samples, 7)).toEqual(convert(rate, samples))
  })
})

test('8 kHz is handed through; floats become 16-bit samples', () => {
  expect(convert(8_000, Int16Array.of(1, -2, 3))).toEqual([1, -2, 3])
  expect(convert(8_000, Float32Array.of(0.5, -1))).toEqual([16_384, -32_768])
})

test('rates that are not whole multiples of 8 kHz are none', () => {
  expect([8_000, 11_025, 16_000, 44_100, 24_000, 48_000].filter((rate) => isInputRate(rate))).toEqual([
    8_000, 16_000, 48_000,
  ])
})
