import { describe, expect, test } from 'vitest'

import {
  firstPeakOf,
  levelDbov,
  LevelMeter,
  meanSquareOf,
  peakByte,
  SILENCE_DBOV,
} from '../../../src/media/level-meter.ts'

const FRAME = 160

function meterOf(options: { readonly startFrame?: number; readonly loudDbov?: number } = {}) {
  const peaks: number[] = []
  const { startFrame = 0, loudDbov = -70 } = options
  return { peaks, meter: new LevelMeter({ startFrame, loudDbov, onPeak: (peak) => peaks.push(peak) }) }
}

function sine(amplitude: number, length: number, rate = 8_000): Int16Array {
  return Int16Array.from({ length }, (_, index) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * 1_000 * index) / rate)),
  )
}

describe('levels', () => {
  test('a square wave at full scale has 0 dBov, digital silence -127', () => {
    expect(levelDbov(32_768 ** 2)).toBe(0)
    expect(levelDbov(0)).toBe(SILENCE_DBOV)
    expect(levelDbov(1e-9)).toBe(SILENCE_DBOV)
  })

  test('meanSquareOf is the way back', () => {
    for (const dbov of [-3, -20, -70]) expect(levelDbov(meanSquareOf(dbov))).toBeCloseTo(dbov, 9)
  })

  test.each([8_000, 16_000, 48_000])('a sine has the level of its amplitude less 3 dB, at %i Hz', (rate) => {
    const { meter } = meterOf()
    const samples = sine(3_276.8, rate / 5, rate)
    const frameLength = rate / 50
    for (let at = 0; at < samples.length; at += frameLength) meter.add(samples.subarray(at, at + frameLength))
    expect(meter.levelDbov).toBeCloseTo(-23.01, 1)
  })

  test('a level stands until its window is full, and forgets what was before', () => {
    const { meter } = meterOf()
    for (let frame = 0; frame < 9; frame++) meter.add(sine(10_000, FRAME))
    expect(meter.levelDbov).toBe(SILENCE_DBOV)
    meter.add(sine(10_000, FRAME))
    expect(meter.levelDbov).toBeGreaterThan(-20)
    for (let frame = 0; frame < 10; frame++) meter.add(new Int16Array(FRAME))
    expect(meter.levelDbov).toBe(SILENCE_DBOV)
  })

  test('what is not above the threshold is not loud', () => {
    const { meter } = meterOf({ loudDbov: -70 })
    // The idle value of A-law has -72.2 dBov.
    meter.add(new Int16Array(FRAME).fill(8))
    expect(meter).toMatchObject({ frames: 1, loudFrames: 0 })
    meter.add(new Int16Array(FRAME).fill(16))
    meter.add(new Int16Array(FRAME))
    expect(meter).toMatchObject({ frames: 3, loudFrames: 2 })
  })
})

describe('peaks', () => {
  test('are rounded up to 8 bits: 0 is silence alone', () => {
    expect([0, 1, 128, 129, 32_767, 32_768].map(peakByte)).toEqual([0, 1, 1, 2, 255, 255])
  })

  test('one comes every 50 ms, with the greatest magnitude of its samples and of no other', () => {
    const { meter, peaks } = meterOf()
    const samples = new Int16Array(5 * FRAME)
    samples[399] = -20_000
    samples[400] = 1_000
    for (let at = 0; at < samples.length; at += FRAME) meter.add(samples.subarray(at, at + FRAME))
    expect(peaks).toEqual([peakByte(20_000), peakByte(1_000)])
  })

  test('of a channel that joins lie in the same 50 ms as those of the others', () => {
    const { meter, peaks } = meterOf({ startFrame: 7 })
    expect(firstPeakOf(7)).toBe(2)
    meter.add(new Int16Array(FRAME).fill(500, 0, FRAME / 2))
    expect(peaks).toEqual([peakByte(500)])
    meter.add(new Int16Array(FRAME))
    meter.flush()
    expect(peaks).toEqual([peakByte(500), 0])
    meter.flush()
    expect(peaks).toHaveLength(2)
  })
})
