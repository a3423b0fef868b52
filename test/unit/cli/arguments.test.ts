import { describe, expect, test } from 'vitest'
import {
  choiceOption,
  durationOptionMs,
  flag,
  instantOption,
  integerOption,
  parseArguments,
  textOption,
  textOptions,
} from '../../../src/cli/arguments.ts'
import type { Command } from '../../../src/cli/command.ts'
import { ExitCode } from '../../../src/errors.ts'

const command: Command = {
  name: 'place',
  summary: 'places something',
  usage: 'place WHERE',
  options: {
    calls: { type: 'string', description: 'how many' },
    layout: { type: 'string', description: 'which' },
    tag: { type: 'string', multiple: true, description: 'any number of tags' },
    fast: { type: 'boolean', description: 'do not wait' },
    output: { type: 'string', short: 'o', description: 'where to' },
  },
  positionals: { min: 1, max: 2 },
  run: () => Promise.resolve(ExitCode.done),
}

const parse = (...argv: string[]) => parseArguments(command, argv)
const usage = (code: string, hint: string) =>
  expect.objectContaining({ code, exitCode: ExitCode.usage, hint: expect.stringContaining(hint) })

describe('a command line', () => {
  test('gives options and positionals', () => {
    const args = parse('here', '--calls', '5', '--tag=a', '--tag', 'b', '-o', 'file', '--json', '--fast')
    expect(args.positionals).toEqual(['here'])
    expect(textOption(args, 'calls')).toBe('5')
    expect(textOptions(args, 'tag')).toEqual(['a', 'b'])
    expect(textOption(args, 'output')).toBe('file')
    expect([flag(args, 'fast'), flag(args, 'json'), flag(args, 'help')]).toEqual([true, true, false])
  })

  test('with an unknown option is refused, telling which was meant', () => {
    expect(() => parse('here', '--cals', '5')).toThrow(usage('usage-unknown-option', 'Did you mean --calls?'))
    expect(() => parse('here', '-x')).toThrow(usage('usage-unknown-option', 'place --help'))
  })

  test('with an option that lacks its value is refused', () => {
    expect(() => parse('here', '--calls')).toThrow(usage('usage-missing-value', 'place --help'))
    expect(() => parse('here', '--fast=1')).toThrow(usage('usage-missing-value', 'place --help'))
  })

  test('with too few or too many words is refused, unless help is wanted', () => {
    expect(() => parse()).toThrow(usage('usage-positionals', 'earwitness place WHERE'))
    expect(() => parse('a', 'b', 'c')).toThrow(usage('usage-positionals', 'earwitness place WHERE'))
    expect(flag(parse('--help'), 'help')).toBe(true)
  })
})

describe('values of options', () => {
  test('numbers have bounds', () => {
    const range = { fallback: 1, min: 1, max: 100 }
    expect(integerOption(parse('a'), 'calls', range)).toBe(1)
    expect(integerOption(parse('a', '--calls', '100'), 'calls', range)).toBe(100)
    for (const text of ['101', '0', '1.5', 'x', '1e2', '']) {
      expect(() => integerOption(parse('a', `--calls=${text}`), 'calls', range)).toThrow(
        usage('usage-invalid-value', '1 to 100'),
      )
    }
  })

  test('durations have units', () => {
    expect(durationOptionMs(parse('a', '--calls', '90s'), 'calls', 0)).toBe(90_000)
    expect(durationOptionMs(parse('a'), 'calls', 7)).toBe(7)
    expect(() => durationOptionMs(parse('a', '--calls', '90'), 'calls', 0)).toThrow(usage('usage-invalid-value', '30s'))
  })

  test('choices are closed', () => {
    const choices = ['separate', 'mixed'] as const
    expect(choiceOption(parse('a'), 'layout', choices, 'separate')).toBe('separate')
    expect(choiceOption(parse('a', '--layout', 'mixed'), 'layout', choices, 'separate')).toBe('mixed')
    expect(() => choiceOption(parse('a', '--layout', 'mixd'), 'layout', choices, 'separate')).toThrow(
      usage('usage-invalid-value', 'Did you mean mixed?'),
    )
  })

  test.each([
    ['2026-11-23', '2026-11-23T00:00:00.000Z'],
    ['2026-11-23T14:05', '2026-11-23T14:05:00.000Z'],
    ['2026-11-23 14:05:09', '2026-11-23T14:05:09.000Z'],
    ['2026-11-23T14:05+01:00', '2026-11-23T13:05:00.000Z'],
    ['2028-02-29', '2028-02-29T00:00:00.000Z'],
  ])('the time %s is %s', (text, iso) => {
    expect(instantOption(parse('a', '--calls', text), 'calls')?.toISOString()).toBe(iso)
  })

  test.each(['yesterday', '23.11.2026', '2026-13-01', '2026-02-30', '2026-11-23T25:00', ''])(
    '%s is no time',
    (text) => {
      expect(() => instantOption(parse('a', `--calls=${text}`), 'calls')).toThrow(usage('usage-invalid-value', 'UTC'))
    },
  )
})
