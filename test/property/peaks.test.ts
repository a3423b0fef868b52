import fc from 'fast-check'
import { expect, test } from 'vitest'

import { LevelMeter, levelDbov, peakByte } from '../../src/media/level-meter.ts'
import { PeakRow, readPeaks, writePeaks } from '../../src/media/peaks.ts'

const stream = fc.record({
  streamId: fc.string({ maxLength: 20 }),
  startPeak: fc.nat({ max: 100 }),
  peaks: fc.array(fc.nat({ max: 255 }), { maxLength: 2_500 }),
})

test('what is written as peaks is read again, each stream in its place, for any streams', () => {
  fc.assert(
    fc.property(fc.array(stream, { maxLength: 6 }), (streams) => {
      const rows = streams.map(({ streamId, startPeak, peaks }) => {
        const row = new PeakRow()
        for (const peak of peaks) row.push(peak)
        return { streamId, startPeak, row }
      })
      const read = readPeaks(writePeaks(rows))
      if (!read.ok) throw new Error(read.reason)
      const points = Math.max(0, ...streams.map(({ startPeak, peaks }) => startPeak + peaks.length))
      streams.forEach(({ streamId, startPeak, peaks }, index) => {
        const expected = new Uint8Array(points)
        expected.set(peaks, startPeak)
        expect(read.value[index]?.streamId).toBe(streamId)
        expect(read.value[index]?.peaks).toEqual(expected)
        read.value[index]?.overview.forEach((point, second) => {
          expect(point).toBe(Math.max(0, ...expected.subarray(second * 20, (second + 1) * 20)))
        })
      })
    }),
    { numRuns: 50 },
  )
})

test('bytes of a stranger are refused or read, never more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 40 }), (bytes, points) => {
      readPeaks(bytes)
      const header = `{"format":"earwitness-peaks/1","peaksPerSecond":20,"points":${points},"streams":["0"]}\n`
      const read = readPeaks(Buffer.concat([Buffer.from(header), bytes]))
      expect(read.ok).toBe(bytes.length === points + Math.ceil(points / 20))
    }),
  )
})

test('a peak is never less than the sample it stands for, and off by less than a step', () => {
  fc.assert(
    fc.property(fc.integer({ min: -32_768, max: 32_767 }), (sample) => {
      const shown = (peakByte(Math.abs(sample)) * 32_768) / 255
      expect(shown).toBeGreaterThanOrEqual(Math.abs(sample))
      expect(shown - Math.abs(sample)).toBeLessThan(32_768 / 255)
    }),
  )
})

test('peaks do not depend on the sample rate, nor a level on how the samples lie', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -32_768, max: 32_767 }), { minLength: 20, maxLength: 20 }), (halves) => {
      const measured = [80, 160, 480].map((halfLength) => {
        const peaks: number[] = []
        const meter = new LevelMeter({ startFrame: 0, loudDbov: -70, onPeak: (peak) => peaks.push(peak) })
        for (let half = 0; half < halves.length; half += 2) {
          const frame = new Int16Array(2 * halfLength).fill(halves[half] ?? 0, 0, halfLength)
          meter.add(frame.fill(halves[half + 1] ?? 0, halfLength))
        }
        return { peaks, level: meter.levelDbov }
      })
      const meanSquare = halves.reduce((sum, value) => sum + value * value, 0) / halves.length
      for (const { peaks, level } of measured) {
        expect(peaks).toEqual(measured[0]?.peaks)
        expect(level).toBeCloseTo(levelDbov(meanSquare), 6)
      }
    }),
  )
})
