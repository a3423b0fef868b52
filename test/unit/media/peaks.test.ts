import { describe, expect, test } from 'vitest'

import { PeakRow, PEAKS_MAX, readPeaks, writePeaks } from '../../../src/media/peaks.ts'

function rowOf(peaks: readonly number[]): PeakRow {
  const row = new PeakRow()
  for (const peak of peaks) row.push(peak)
  return row
}

const HEADER = '{"format":"earwitness-peaks/1","peaksPerSecond":20,"points":3,"streams":["0","1"]}\n'

describe('a file of peaks', () => {
  test('is one line, an overview of each stream, then the peaks of each', () => {
    const file = writePeaks([
      { streamId: '0', startPeak: 0, row: rowOf([1, 9, 3]) },
      { streamId: '1', startPeak: 1, row: rowOf([7, 5]) },
    ])
    expect(Buffer.from(file).toString('latin1')).toBe(`${HEADER}\x09\x07\x01\x09\x03\x00\x07\x05`)
  })

  test('has an overview point for each second, the last perhaps of less', () => {
    const peaks = Array.from({ length: 45 }, (_, index) => index)
    const read = readPeaks(writePeaks([{ streamId: 'a', startPeak: 0, row: rowOf(peaks) }]))
    expect(read.ok && [...(read.value[0]?.overview ?? [])]).toEqual([19, 39, 44])
  })

  test('of nothing has no points', () => {
    const read = readPeaks(writePeaks([]))
    expect(read).toEqual({ ok: true, value: [] })
  })

  test.each([
    ['header', ''],
    ['header', '{"format":"earwitness-peaks/1"'],
    ['header', 'null\n'],
    ['header', '{"format":"earwitness-peaks/2","peaksPerSecond":20,"points":0,"streams":[]}\n'],
    ['header', '{"format":"earwitness-peaks/1","peaksPerSecond":20,"points":-1,"streams":[]}\n'],
    ['header', '{"format":"earwitness-peaks/1","peaksPerSecond":20,"points":1e99,"streams":[]}\n'],
    ['header', '{"format":"earwitness-peaks/1","peaksPerSecond":20,"points":1,"streams":[1]}\n'],
    ['length', HEADER],
    ['length', `${HEADER}123456789`],
  ])('with a wrong %s is refused: %j', (reason, text) => {
    expect(readPeaks(Buffer.from(text, 'latin1'))).toEqual({ ok: false, reason })
  })
})

test('a row of peaks ends after a day, and counts what it leaves out', () => {
  const row = new PeakRow()
  for (let index = 0; index < PEAKS_MAX + 3; index++) row.push(index & 0xff)
  expect(row).toMatchObject({ length: PEAKS_MAX, dropped: 3 })
  const copy = new Uint8Array(PEAKS_MAX)
  row.copyTo(copy)
  expect(copy.every((peak, index) => peak === (index & 0xff))).toBe(true)
})
