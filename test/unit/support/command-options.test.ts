import { expect, it } from 'vitest'

import { readOptions } from '../../support/command-options.ts'

const OPTIONS = {
  runs: { type: 'string', default: '200' },
  only: { type: 'string', default: '' },
  rates: { type: 'string', default: '25,50' },
  json: { type: 'string' },
  quick: { type: 'boolean', default: false },
} as const

it('options of benchmarks have what is given, and else what holds without it', () => {
  expect(readOptions(OPTIONS, ['--runs', '7', '--quick'])).toEqual({
    values: { runs: '7', only: '', rates: '25,50', quick: true },
  })
})

it.each([
  [['--rnus', '7'], /--rnus/u],
  [['--json'], /--json/u],
  [['seven'], /seven/u],
  [['--runs', 'seven'], /^--runs wants a number, not "seven"\.$/u],
  [['--runs', ''], /^--runs wants a number/u],
] as const)('a mistake is named before anything is started: %o', (args, mistake) => {
  const { mistake: said, values } = readOptions(OPTIONS, args)
  expect(values).toBeUndefined()
  expect(said).toMatch(mistake)
  expect(said).not.toContain('\n')
})

it.each(['--help', '-h'])('%s is a question and no mistake', (flag) => {
  expect(readOptions(OPTIONS, [flag, '--nonsense'])).toEqual({})
})
