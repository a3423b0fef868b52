import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { effectiveValues } from '../../../src/cli/check-config.ts'
import { readConsentPacks } from '../../../src/config/read-consent-packs.ts'
import { chooseRule } from '../../../src/consent/choose-rule.ts'
import { ConsentCase } from '../../../src/consent/consent-case.ts'
import type { ConsentParty } from '../../../src/consent/policy.ts'
import { renderExample, renderJsonSchema } from '../../../src/config/example.ts'
import { listLeaves } from '../../../src/config/leaves.ts'
import { load, SOURCE_DEFAULTS } from './support.ts'

const CONFIG_FOLDER = '../../../config'
const file = (name: string): URL => new URL(`${CONFIG_FOLDER}/${name}`, import.meta.url)

describe('the files in config/ (write them anew with: vitest run --project pure test/unit/config -u)', () => {
  test('the example is what the schema says', async () => {
    await expect(renderExample()).toMatchFileSnapshot(`${CONFIG_FOLDER}/earwitness.example.yaml`)
  })

  test('the JSON schema is what the schema says', async () => {
    await expect(renderJsonSchema()).toMatchFileSnapshot(`${CONFIG_FOLDER}/earwitness.schema.json`)
  })
})

describe('the example file', () => {
  const text = readFileSync(file('earwitness.example.yaml'), 'utf8')

  test('holds every key, each with its default', () => {
    const values = (loaded: ReturnType<typeof load>) => effectiveValues(loaded).map(({ path, value }) => [path, value])
    const loaded = load(text)
    expect(values(loaded)).toEqual(values(load(undefined)))
    expect(effectiveValues(loaded).filter(({ origin }) => origin === 'default')).toEqual([])
  })

  test('has a comment above every key', () => {
    const lines = text.split('\n')
    const bare = lines.filter((line, index) => /^ *[a-zA-Z]+:/u.test(line) && !/^ *# /u.test(lines[index - 1] ?? ''))
    expect(bare).toEqual([])
  })

  test('becomes a configuration with one source when the item is uncommented', () => {
    const [before = '', after = ''] = text.split('sources: []\n')
    const item = after.replace(/^# An item.*$/mu, 'sources:').replace(/^# {3}/gmu, '  ')
    expect(load(before + item).config.sources).toEqual([
      { ...SOURCE_DEFAULTS, name: 'sbc-berlin', address: ['192.0.2.10'] },
    ])
    const [above = '', below = ''] = item.split('    users: []\n')
    const user = below.replace(/^ {4}# An item.*$/mu, '    users:').replace(/^ {4}# {3}/gmu, '      ')
    const withUser = `${above}${user}`.replace('password: null', 'password: swordfish')
    expect(load(before + withUser).config.sources[0]?.users.map(({ name }) => name)).toEqual(['sbc-berlin'])
  })

  test('keeps its lines within 120 columns', () => {
    expect(text.split('\n').filter((line) => line.length > 120)).toEqual([])
  })
})

test('with the example of the README a caller can agree to a recorded call, and nothing is to be warned of', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const [, example = ''] = /^## Consent\n.*?^```yaml\n(.*?)^```$/msu.exec(readme) ?? []
  const { config, warnings } = load(example)
  expect(warnings).toEqual([])
  const { policy, own, country, jurisdiction, listening } = config.consent.byDefault
  const agent = own.find(({ includes }) => includes('sip:1001@pbx.example.com'))
  const ruleParties = [{ number: '+4930123456' }, { number: '1001', jurisdiction: agent?.jurisdiction }]
  const { rule } = chooseRule({ parties: ruleParties, source: { country, jurisdiction } }, readConsentPacks())
  const parties: readonly ConsentParty[] = [
    { id: 'A', role: 'caller', streamIds: ['a'], own: 'asked' },
    { id: 'B', role: 'other', streamIds: ['b'], own: agent?.consent ?? 'asked' },
  ]
  expect(listening?.keys.yes).toBeDefined()
  const consent = new ConsentCase({ policy, rule, parties, startedUs: 0 })
  consent.handleFact(15_000_000, { type: 'answered', answer: 'yes', by: 'dtmf', streamId: 'a' })
  expect(consent.state).toBe('agreed')
})

describe('the pages on SBCs and PBXs', () => {
  const pages = readdirSync(file('src/')).toSorted()
  const yamlBlocks = (page: string): readonly string[] =>
    [...readFileSync(file(page), 'utf8').matchAll(/^```yaml\n(.*?)^```$/gmsu)].map(([, text = '']) => text)

  test('are linked from the README, all of them', () => {
    const readme = readFileSync(file('README.md'), 'utf8')
    const linked = [...readme.matchAll(/\]\(src\/([a-z-]+\.md)\)/gu)].map(([, page = '']) => page)
    expect(linked.toSorted()).toEqual(pages)
  })

  test.each(['README.md', ...pages.map((page) => `src/${page}`)])('%s has sources that the recorder takes', (page) => {
    const blocks = yamlBlocks(page)
    expect(blocks).not.toEqual([])
    for (const block of blocks) expect(load(block).config.sources).toHaveLength(1)
  })
})

describe('the schema', () => {
  test('describes every key in words of its own', () => {
    const descriptions = listLeaves().map((leaf) => leaf.schema.description ?? '')
    expect(descriptions.filter((description) => description.length < 25)).toEqual([])
    expect(new Set(descriptions).size).toBe(descriptions.length)
  })

  test('requires nothing but what has no default', () => {
    const schema = parse(renderJsonSchema()) as {
      required?: unknown
      properties: { sources: { items: { required?: unknown } } }
    }
    expect(schema.required).toBeUndefined()
    expect(schema.properties.sources.items.required).toEqual(['name'])
  })
})
