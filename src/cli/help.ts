import { COMMON_OPTIONS } from './arguments.ts'
import type { Command, CommandOption } from './command.ts'
import { COMMANDS } from './commands.ts'
import { formatTable, terminalColumns, wrap, type Paint } from './output.ts'

const HELP_WIDTH_MAX = 100
const INDENT = '  '
const VERSION_OPTION: CommandOption = { type: 'boolean', short: 'V', description: 'show the version' }

const widthFor = (stream: NodeJS.WritableStream): number =>
  Math.min(terminalColumns(stream) ?? HELP_WIDTH_MAX, HELP_WIDTH_MAX)

/** What `earwitness --help` prints. */
export function overviewHelp(stream: NodeJS.WritableStream, paint: Paint): readonly string[] {
  const width = widthFor(stream)
  return [
    ...wrap('Earwitness records SIPREC calls so that the recordings stand up as evidence.', width),
    '',
    `${paint('bold', 'Usage:')} earwitness COMMAND [options]`,
    '',
    paint('bold', 'Commands:'),
    ...twoColumns(
      COMMANDS.map(({ name, summary }) => [name, summary] as const),
      width,
      paint,
    ),
    '',
    paint('bold', 'Options:'),
    ...optionLines({ ...COMMON_OPTIONS, version: VERSION_OPTION }, width, paint),
    '',
    ...wrap('Exit codes: 0 done, 1 failed, 2 usage, 3 verification failed, 4 partly done.', width),
    ...wrap('"earwitness COMMAND --help" says more about each.', width),
  ]
}

/** What `earwitness COMMAND --help` prints. */
export function commandHelp(command: Command, stream: NodeJS.WritableStream, paint: Paint): readonly string[] {
  const width = widthFor(stream)
  const lines = [
    `${paint('bold', 'Usage:')} earwitness ${command.usage}`,
    '',
    ...wrap(sentence(command.summary), width),
  ]
  if (command.description !== undefined) lines.push('', ...wrap(command.description, width))
  if (Object.keys(command.options).length > 0) {
    lines.push('', paint('bold', 'Options:'), ...optionLines(command.options, width, paint))
  }
  lines.push('', paint('bold', 'Options of every command:'), ...optionLines(COMMON_OPTIONS, width, paint))
  const examples = command.examples ?? []
  if (examples.length > 0) {
    lines.push('', paint('bold', 'Examples:'), ...examples.map((example) => `${INDENT}earwitness ${example}`))
  }
  return lines
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}

function optionLines(options: Readonly<Record<string, CommandOption>>, width: number, paint: Paint): readonly string[] {
  const rows = Object.entries(options).map(([name, option]) => {
    const short = option.short === undefined ? '   ' : `-${option.short},`
    const value = option.type === 'string' ? ` ${option.placeholder ?? 'TEXT'}` : ''
    return [`${short} --${name}${value}`, option.description] as const
  })
  return twoColumns(rows, width, paint)
}

/** Names on the left, wrapped text on the right. */
function twoColumns(rows: readonly (readonly [string, string])[], width: number, paint: Paint): readonly string[] {
  const left = Math.max(...rows.map(([name]) => name.length))
  const right = Math.max(24, width - INDENT.length - left - 2)
  const cells = rows.flatMap(([name, text]) => wrap(text, right).map((line, index) => [index === 0 ? name : '', line]))
  const columns = [{ title: '', paint: (cell: string) => paint('cyan', cell) }, { title: '' }]
  return formatTable(columns, cells).map((line) => INDENT + line)
}
