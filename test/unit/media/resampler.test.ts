import { describe, expect, it, test } from 'vitest'

import { Resampler } from '../../../src/media/resampler.ts'
import { noise, tone } from '../../support/audio.ts'

/** A second of `input`, in packets of uneven length, from an index in the middle of a long stream. */
function resampled(input: Int16Array, fromRate: number, toRate: number, packet: (n: number) => number): Int16Array {
  const resampler = new Resampler(fromRate, toRate)
  const out: number[] = []
  let index = 0x1234_5678
  for (let at = 0, n = 0; at < input.length; n++) {
    const piece = input.subarray(at, at + packet(n))
    out.push(...resampler.resample(piece, index))
    at += piece.length
    index += piece.length
  }
  return Int16Array.from(out)
}

/** Ratio of the sine of this frequency that fits best to everything else, dB, and its amplitude. */
function fit(
  samples: Int16Array,
  frequency: number,
  sampleRate: number,
): { readonly snrDb: number; readonly amplitude: number } {
  const sums = { sine: 0, cosine: 0, both: 0, bySine: 0, byCosine: 0 }
  const angle = (i: number): number => (2 * Math.PI * frequency * i) / sampleRate
  const [from, to] = [1_000, samples.length - 1_000]
  for (let i = from; i < to; i++) {
    const [s, c, x] = [Math.sin(angle(i)), Math.cos(angle(i)), samples[i] ?? 0]
    sums.sine += s * s
    sums.cosine += c * c
    sums.both += s * c
    sums.bySine += x * s
    sums.byCosine += x * c
  }
  const determinant = sums.sine * sums.cosine - sums.both ** 2
  const a = (sums.bySine * sums.cosine - sums.byCosine * sums.both) / determinant
  const b = (sums.byCosine * sums.sine - sums.bySine * sums.both) / determinant
  let error = 0
  let signal = 0
  for (let i = from; i < to; i++) {
    const expected = a * Math.sin(angle(i)) + b * Math.cos(angle(i))
    error += ((samples[i] ?? 0) - expected) ** 2
    signal += expected ** 2
  }
  return { snrDb: 10 * Math.log10(signal / error), amplitude: Math.hypot(a, b) / 32_767 }
}

describe('a change of the sample rate', () => {
  test.each([
    [44_100, 48_000, 1_000],
    [44_100, 48_000, 15_000],
    [8_000, 16_000, 3_000],
    [8_000, 48_000, 1_000],
    [16_000, 48_000, 6_000],
    [48_000, 16_000, 3_000],
    [16_000, 8_000, 2_500],
    [11_025, 16_000, 2_000],
    [22_050, 24_000, 5_000],
    [32_000, 48_000, 10_000],
  ])('from %d to %d keeps a tone of %d Hz, 80 dB above everything else', (fromRate, toRate, frequency) => {
    const input = tone({ frequency, sampleRate: fromRate, samples: fromRate, amplitude: 0.5 })
    const output = resampled(input, fromRate, toRate, (n) => 100 + ((n * 71) % 333))
    const { snrDb, amplitude } = fit(output, frequency, toRate)
    expect(Math.abs(output.length - toRate)).toBeLessThanOrEqual(1)
    expect(snrDb).toBeGreaterThan(80)
    expect(amplitude).toBeCloseTo(0.5, 3)
  })

  it('down lets nothing through that the lower rate has no place for', () => {
    const input = tone({ frequency: 5_000, sampleRate: 16_000, samples: 16_000, amplitude: 0.5 })
    const output = resampled(input, 16_000, 8_000, () => 320)
    expect(Math.max(...output.subarray(100).map(Math.abs))).toBeLessThan(4)
  })

  it('does not depend on how the audio is cut into packets', () => {
    const input = noise({ seed: 5, samples: 44_100 })
    const whole = resampled(input, 44_100, 48_000, () => 44_100)
    expect(resampled(input, 44_100, 48_000, () => 882)).toEqual(whole)
    expect(resampled(input, 44_100, 48_000, (n) => 1 + ((n * 37) % 500))).toEqual(whole)
  })

  it('makes 960 samples of each 20 ms at 44.1 kHz', () => {
    const resampler = new Resampler(44_100, 48_000)
    const lengths = Array.from({ length: 50 }, (_, n) => resampler.resample(new Int16Array(882), 7 + n * 882).length)
    expect(new Set(lengths)).toEqual(new Set([960]))
  })

  it('starts from silence where the audio does not go on', () => {
    const loud = new Int16Array(160).fill(20_000)
    const resampler = new Resampler(8_000, 16_000)
    resampler.resample(loud, 0)
    expect(Math.abs(resampler.resample(loud, 160)[0] ?? 0)).toBeGreaterThan(10_000)
    expect(Math.abs(resampler.resample(loud, 8_000)[0] ?? 0)).toBeLessThan(100)
  })

  it('makes the sound later by what it says', () => {
    const input = new Int16Array(400)
    input[100] = 20_000
    const resampler = new Resampler(8_000, 16_000)
    const output = resampler.resample(input, 0)
    expect(output.indexOf(Math.max(...output))).toBe(2 * (100 + resampler.delaySamples))
  })
})
