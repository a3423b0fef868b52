import { stripVTControlCharacters, styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

interface TerminalLike {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** True when `stream` is a terminal. */
export function isTerminal(stream: NodeJS.WritableStream): boolean {
  return (stream as TerminalLike).isTTY === true
}

/** Colours on a terminal, plain text elsewhere or when NO_COLOR is set (no-color.org) or the terminal is dumb. */
export function paintFor(stream: NodeJS.WritableStream, env: Readonly<Record<string, string | undefined>>): Paint {
  const noColour = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  if (noColour || !isTerminal(stream)) return (_style, text) => text
  return (style, text) => styleText(style, text, { validateStream: false })
}

/** Columns of the terminal, or undefined when output does not go to one and lines may be of any length. */
export function terminalColumns(stream: NodeJS.WritableStream): number | undefined {
  const columns = isTerminal(stream) ? (stream as TerminalLike).columns : undefined
  return columns === undefined || columns < 20 ? undefined : columns
}

// Characters that move the cursor, change colours or turn the direction of writing round. Names arrive from the wire,
// so a
// participant could otherwise rewrite what the operator sees.
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** `text` without anything that could steer a terminal; each such character becomes U+FFFD. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(UNPRINTABLE, '\ufffd')
}

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })
const PLAIN = /^[\u0020-\u007e]*$/u
const WIDE =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u

/** Cells that `text` takes on a terminal. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const { segment } of GRAPHEMES.segment(stripVTControlCharacters(text))) width += WIDE.test(segment) ? 2 : 1
  return width
}

/** Cuts `text` to at most `width` cells, the last of which says that something is missing. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const { segment } of GRAPHEMES.segment(text)) {
    const wide = WIDE.test(segment) ? 2 : 1
    if (used + wide > width - 1) break
    kept += segment
    used += wide
  }
  return `${kept}…`
}

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** May be cut to make the table fit the terminal. */
  readonly shrinks?: boolean
  /** Applied to the padded cell. */
  readonly paint?: (cell: string) => string
}

const COLUMN_GAP = '  '
const SHRUNK_WIDTH_MIN = 8

/**
 * Lines of an aligned table. Cells are made {@link printable}; nothing is cut unless `columnsMax` is given (a
 * terminal), so that
 * what goes into a pipe is whole.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { readonly columnsMax?: number | undefined; readonly heading?: (text: string) => string } = {},
): readonly string[] {
  const cells = rows.map((row) => row.map(printable))
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[index] ?? ''))),
  )
  if (options.columnsMax !== undefined) shrinkWidths(columns, widths, options.columnsMax)
  const line = (row: readonly string[], paint?: (text: string) => string): string =>
    columns
      .map((column, index) => {
        const width = widths[index] ?? 0
        const cell = truncate(row[index] ?? '', width)
        const fill = ' '.repeat(Math.max(0, width - displayWidth(cell)))
        const last = index === columns.length - 1
        const painted = (paint ?? column.paint ?? String)(cell)
        if (column.align === 'right') return fill + painted
        return last ? painted : painted + fill
      })
      .join(COLUMN_GAP)
      .trimEnd()
  const heading = columns.some((column) => column.title !== '')
    ? [
        line(
          columns.map((column) => column.title),
          options.heading ?? String,
        ),
      ]
    : []
  return [...heading, ...cells.map((row) => line(row))]
}

function shrinkWidths(columns: readonly Column[], widths: number[], columnsMax: number): void {
  const gaps = COLUMN_GAP.length * (columns.length - 1)
  let excess = widths.reduce((sum, width) => sum + width, gaps) - columnsMax
  while (excess > 0) {
    // The widest column gives way first, one cell at a time, so that columns end up alike.
    let widest = -1
    for (const [index, column] of columns.entries()) {
      const width = widths[index] ?? 0
      if (column.shrinks === true && width > SHRUNK_WIDTH_MIN && width > (widths[widest] ?? 0)) widest = index
    }
    if (widest < 0) return
    widths[widest] = (widths[widest] ?? 0) - 1
    excess -= 1
  }
}

/** Breaks `text` at blanks into lines of at most `width` cells; words longer than that stay whole. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const paragraph of text.split('\n')) {
    let line = ''
    for (const word of paragraph.split(' ')) {
      const longer = line === '' ? word : `${line} ${word}`
      if (line !== '' && displayWidth(longer) > width) {
        lines.push(line)
        line = word
      } else line = longer
    }
    lines.push(line)
  }
  return lines
}

/** `0:04:07`; hours are not folded into days, fractions are cut off. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

/** ISO 8601 in UTC to the second: `2026-11-23T14:05:09Z`. */
export function formatInstant(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`
}

/** `1.5 MiB`; binary units. */
export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = sizeBytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

export function writeLines(stream: NodeJS.WritableStream, lines: Iterable<string>): void {
  let text = ''
  for (const line of lines) text += `${line}\n`
  if (text !== '') stream.write(text)
}

/** One JSON document: indented on a terminal, on one line for programs. */
export function writeJson(stream: NodeJS.WritableStream, value: unknown): void {
  stream.write(`${JSON.stringify(value, undefined, isTerminal(stream) ? 2 : undefined)}\n`)
}
