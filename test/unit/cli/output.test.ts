import { describe, expect, test } from 'vitest'
import {
  displayWidth,
  formatBytes,
  formatDuration,
  formatInstant,
  formatTable,
  paintFor,
  printable,
  truncate,
  wrap,
} from '../../../src/cli/output.ts'
import { Capture } from './support.ts'

describe('colour', () => {
  test('appears on a terminal only', () => {
    expect(paintFor(new Capture(80), {})('red', 'x')).toBe('\u001b[31mx\u001b[39m')
    expect(paintFor(new Capture(), {})('red', 'x')).toBe('x')
  })

  test('does not appear with NO_COLOR or on a dumb terminal', () => {
    expect(paintFor(new Capture(80), { NO_COLOR: '1' })('red', 'x')).toBe('x')
    expect(paintFor(new Capture(80), { TERM: 'dumb' })('red', 'x')).toBe('x')
    expect(paintFor(new Capture(80), { NO_COLOR: '' })('red', 'x')).not.toBe('x')
  })
})

describe('text from the wire', () => {
  test('cannot steer the terminal', () => {
    expect(printable('Ann\u001b[2Ja \u0007\r\n')).toBe('Anna \ufffd\ufffd\ufffd')
    expect(printable('abc\u202ecba')).toBe('abc\ufffdcba')
    expect(printable('\u009b31m')).not.toContain('\u009b')
  })

  test('keeps every ordinary script', () => {
    expect(printable('Zoë Łuk 王小明 नमस्ते 👩‍👧')).toBe('Zoë Łuk 王小明 नमस्ते 👩‍👧')
  })
})

describe('width of text', () => {
  test.each([
    ['abc', 3],
    ['Zoe\u0308', 3],
    ['王小明', 6],
    ['👩‍👧', 2],
    ['', 0],
  ])('%s takes %d cells', (text, width) => {
    expect(displayWidth(text)).toBe(width)
  })

  test('cutting says that something is missing', () => {
    expect(truncate('abcdef', 4)).toBe('abc…')
    expect(truncate('王小明', 4)).toBe('王…')
    expect(truncate('abcd', 4)).toBe('abcd')
  })

  test('wrapping breaks at blanks and keeps long words whole', () => {
    expect(wrap('aa bb cccccc d', 5)).toEqual(['aa bb', 'cccccc', 'd'])
  })
})

describe('tables', () => {
  const columns = [{ title: 'id' }, { title: 'who', shrinks: true }, { title: 'n', align: 'right' as const }]

  test('are aligned, wide characters included', () => {
    expect(
      formatTable(columns, [
        ['1', '王', '5'],
        ['22', 'Anna', '10'],
      ]),
    ).toEqual(['id  who    n', '1   王     5', '22  Anna  10'])
  })

  test('shrink to the terminal, and not at all in a pipe', () => {
    const row = ['1', 'a very long name indeed', '10']
    expect(formatTable(columns, [row], { columnsMax: 20 })[1]).toBe('1   a very long…  10')
    expect(formatTable(columns, [row])[1]).toBe('1   a very long name indeed  10')
  })

  test('leave no blanks at the end of a line', () => {
    expect(formatTable([{ title: 'a' }, { title: 'b' }], [['x', '']])).toEqual(['a  b', 'x'])
  })
})

describe('numbers and times', () => {
  test.each([
    [0, '0:00:00'],
    [59_999, '0:00:59'],
    [247_000, '0:04:07'],
    [100 * 3_600_000, '100:00:00'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  test('instants are ISO 8601 in UTC', () => {
    expect(formatInstant(new Date('2026-11-23T15:05:09.5+01:00'))).toBe('2026-11-23T14:05:09Z')
  })

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [300 * 1024 ** 2, '300 MiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
