import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { parseDuration } from '../config/values.ts'
import { closest } from '../config/suggest.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import type { Command, CommandOption, ParsedArguments } from './command.ts'

/** The options every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  config: {
    type: 'string',
    placeholder: 'FILE',
    description: 'configuration file (default: config/earwitness.yaml when present)',
  },
  json: { type: 'boolean', description: 'print JSON on stdout, and errors as JSON on stderr' },
  help: { type: 'boolean', short: 'h', description: 'show this help' },
}

/** A mistake on the command line: exit code 2. */
export function usageError(code: string, sentence: string, hint: string): EarwitnessError {
  return new EarwitnessError(code, sentence, hint, { exitCode: ExitCode.usage })
}

/**
 * Parses what stands after the command's name.
 *
 * @throws EarwitnessError `usage-unknown-option`, `usage-missing-value`, `usage-positionals`, each with exit code 2.
 */
export function parseArguments(command: Command, argv: readonly string[]): ParsedArguments {
  const options = { ...command.options, ...COMMON_OPTIONS }
  const config: ParseArgsOptionsConfig = {}
  for (const [name, option] of Object.entries(options)) {
    config[name] = {
      type: option.type,
      ...(option.short === undefined ? {} : { short: option.short }),
      ...(option.multiple === undefined ? {} : { multiple: option.multiple }),
    }
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: config,
      strict: true,
      allowPositionals: true,
      allowNegative: true,
    })
    if (values['help'] !== true) checkPositionals(command, positionals)
    return { values, positionals }
  } catch (error) {
    throw explainParseError(command, Object.keys(options), error)
  }
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const { min, max } = command.positionals ?? { min: 0, max: 0 }
  if (positionals.length >= min && positionals.length <= max) return
  const extra = positionals[max]
  throw usageError(
    'usage-positionals',
    extra === undefined ? `${command.name} needs something more.` : `${command.name} does not understand "${extra}".`,
    `Usage: earwitness ${command.usage}`,
  )
}

function explainParseError(command: Command, names: readonly string[], error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  const help = `See "earwitness ${command.name} --help".`
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const option = /'(-[^' ]*)/u.exec(error.message)?.[1] ?? ''
    const near = closest(option.replace(/^-+(?:no-)?/u, ''), names)
    const sentence = `${command.name} has no option ${option}.`
    return usageError('usage-unknown-option', sentence, near === undefined ? help : `Did you mean --${near}? ${help}`)
  }
  if (error.code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    return usageError('usage-missing-value', `${error.message.split('\n')[0] ?? ''}.`.replace(/\.\.$/u, '.'), help)
  }
  return error
}

/** True when the boolean option was given (and not negated by `--no-name`). */
export function flag(args: ParsedArguments, name: string): boolean {
  return args.values[name] === true
}

/** The value of a string option, or undefined when it was not given. */
export function textOption(args: ParsedArguments, name: string): string | undefined {
  const value = args.values[name]
  return typeof value === 'string' ? value : undefined
}

/** Every value of a string option with `multiple`. */
export function textOptions(args: ParsedArguments, name: string): readonly string[] {
  const value = args.values[name]
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

/** A number option; `fallback` when it was not given. @throws EarwitnessError `usage-invalid-value` */
export function numberOption(
  args: ParsedArguments,
  name: string,
  range: { readonly fallback: number; readonly min: number; readonly max: number; readonly integer?: boolean },
): number {
  const text = textOption(args, name)
  if (text === undefined) return range.fallback
  const value = /^-?[0-9]+(?:\.[0-9]+)?$/u.test(text) ? Number(text) : Number.NaN
  const fits = value >= range.min && value <= range.max && (range.integer !== true || Number.isInteger(value))
  if (fits) return value
  const kind = range.integer === true ? 'a whole number' : 'a number'
  throw usageError(
    'usage-invalid-value',
    `--${name} wants ${kind}, not "${text}".`,
    `From ${range.min} to ${range.max}.`,
  )
}

/** {@link numberOption} for whole numbers. */
export function integerOption(
  args: ParsedArguments,
  name: string,
  range: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  return numberOption(args, name, { ...range, integer: true })
}

/** A duration with its unit (`30s`, `5m`, `250ms`), in milliseconds. @throws EarwitnessError `usage-invalid-value` */
export function durationOptionMs(args: ParsedArguments, name: string, fallbackMs: number): number {
  const text = textOption(args, name)
  if (text === undefined) return fallbackMs
  const valueMs = parseDuration(text)
  if (valueMs.ok) return valueMs.value
  throw usageError(
    'usage-invalid-value',
    `--${name} wants a duration, not "${text}".`,
    'Write it with its unit: 250ms, 30s, 5m, 1h.',
  )
}

/** One of a closed set of words; `fallback` when it was not given. @throws EarwitnessError `usage-invalid-value` */
export function choiceOption<Choice extends string>(
  args: ParsedArguments,
  name: string,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  const text = textOption(args, name)
  if (text === undefined) return fallback
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  const near = closest(text, choices)
  throw usageError(
    'usage-invalid-value',
    `--${name} does not know "${text}".`,
    `${near === undefined ? '' : `Did you mean ${near}? `}It is one of ${choices.join(', ')}.`,
  )
}

const INSTANT = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/u

/**
 * A moment written as ISO 8601 (`2026-11-23`, `2026-11-23T14:00`, with or without zone; without one it is UTC), as a
 * Date.
 * @throws EarwitnessError `usage-invalid-value`
 */
export function instantOption(args: ParsedArguments, name: string): Date | undefined {
  const text = textOption(args, name)
  if (text === undefined) return undefined
  const match = INSTANT.exec(text)
  const day = match?.[1] ?? ''
  const instant = new Date(`${day}T${match?.[2] ?? '00:00'}${match?.[3] ?? 'Z'}`)
  // A Date carries 30 February over into March; what comes out must be what was written.
  const midnight = new Date(`${day}T00:00Z`)
  const exists = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
  if (match !== null && exists && !Number.isNaN(instant.getTime())) return instant
  throw usageError(
    'usage-invalid-value',
    `--${name} wants a date or a time, not "${text}".`,
    'Write 2026-11-23 or 2026-11-23T14:00Z; without a zone it is UTC.',
  )
}
