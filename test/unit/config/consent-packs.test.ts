import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { chooseRule } from '../../../src/consent/choose-rule.ts'
import { ConfigError } from '../../../src/config/problems.ts'
import { PACKS_MAX, readConsentPacks } from '../../../src/config/read-consent-packs.ts'
import { PACK_NOTICE, renderPackSchema } from '../../../src/config/schema-consent-packs.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-packs-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** `where code sentence hint` of what is wrong with an own pack. */
function complaints(files: Readonly<Record<string, string>>): readonly string[] {
  const ownFolder = folderWith(files)
  try {
    readConsentPacks({ ownFolder, cwd: ownFolder })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ where, code, sentence, hint }) => `${where ?? '-'} ${code} ${sentence} ${hint}`)
  }
}

const ENTRY = `
  - id: de
    name: Germany, as our lawyer reads it
    countries: [DE]
    require: notice
    parties: all
    when: before
    notice: [announcement]
    references: [{ cite: Letter of our lawyer, version: '2026', checked: memory, on: '2026-11-29' }]
    explanation: Notice is enough for us.
`
const PACK = `notice: '${PACK_NOTICE}'\njurisdictions:${ENTRY}`

test('the JSON schema of packs is what the schema says', async () => {
  await expect(renderPackSchema()).toMatchFileSnapshot('../../../config/consent/pack.schema.json')
})

describe('the packs that come with the program', () => {
  const { packs, regions } = readConsentPacks()
  const all = [...packs.values()]

  test('have the countries that are promised', () => {
    const countries = new Set(all.flatMap((one) => one.countries))
    const eu = 'AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE'
    const wanted = `${eu} IS LI NO GB CH CA AU IN BR JP DO US`.split(' ')
    expect(wanted.filter((country) => !countries.has(country))).toEqual([])
  })

  test('have every state, province and territory that a number can be of', () => {
    const known = new Set(all.flatMap((one) => one.regions))
    const named = new Set([...regions.values()].flat())
    expect([...named].filter((region) => !known.has(region))).toEqual([])
    expect([...known].filter((region) => !named.has(region))).toEqual([])
    expect([...known].filter((region) => region.startsWith('US-'))).toHaveLength(51)
  })

  test('say of each rule what it rests on, and ask for something only where it can be given', () => {
    for (const { id, rule, references, explanation, within } of all) {
      expect(references.length, id).toBeGreaterThan(0)
      expect(explanation.length, id).toBeGreaterThan(20)
      expect(within.filter((wider) => !packs.has(wider))).toEqual([])
      if (rule.require === 'none') expect(rule.parties, id).toBe('one')
      else expect(rule.notice, id).toContain('announcement')
    }
  })

  test('name each country and each region once', () => {
    const names = all.flatMap((one) => [...one.countries, ...one.regions])
    expect(names.length).toBe(new Set(names).size)
  })
})

describe('packs of the operator', () => {
  test('replace an entry of ours and leave the others', () => {
    const own = readConsentPacks({ ownFolder: folderWith({ 'own.yaml': PACK }) })
    expect(own.packs.get('de')?.rule.require).toBe('notice')
    expect(own.packs.get('de')?.within).toEqual([])
    expect(own.packs.size).toBe(readConsentPacks().packs.size)
    const { explanation } = chooseRule(
      { parties: [{ number: '+4930123456' }, { number: '+81345678901' }], source: {} },
      own,
    )
    expect(explanation[1]).toBe(
      'a party is of Germany, as our lawyer reads it (a pack of the operator): Letter of our lawyer',
    )
  })

  test('are told apart from what is wrong, with the place', () => {
    const lines = complaints({
      'own.yaml': PACK.replace('require: notice', 'requires: notice').replace('when: before', 'when: soon'),
    })
    expect(lines).toEqual([
      'own.yaml:3:5 consent-pack-invalid jurisdictions[0] has no require. See the packs in config/consent.',
      'own.yaml:6:15 consent-pack-invalid there is no key "requires". Did you mean "require"?',
      'own.yaml:8:11 consent-pack-invalid jurisdictions[0].when has an unknown value. It is one of during, atStart, before.',
    ])
  })

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['not YAML', { 'a.yaml': 'a: [' }, 'a.yaml:1:5 consent-pack-invalid this is not YAML'],
    ['not a pack', { 'a.yaml': '- 1' }, 'a.yaml:1:1 consent-pack-invalid the file must be object'],
    ['empty', { 'a.yaml': '' }, 'a.yaml:1:1 consent-pack-invalid the file must be object'],
    ['without the notice', { 'a.yaml': PACK.replace(PACK_NOTICE, 'Sound advice.') }, 'Write: Not legal advice.'],
    ['an id twice', { 'a.yaml': PACK + ENTRY }, 'a.yaml:13:9 consent-pack-invalid the id "de" is taken.'],
    ['an id in two files', { 'a.yaml': PACK, 'b.yaml': PACK }, 'b.yaml:3:9 consent-pack-invalid the id "de" is taken.'],
    ['the id of the strictest', { 'a.yaml': PACK.replace('id: de', 'id: strictest') }, 'the id "strictest" is taken.'],
    [
      'within nowhere',
      { 'a.yaml': `${PACK}    within: [gpdr]\n` },
      'a.yaml:3:9 consent-pack-invalid "de" is within "gpdr", which no pack has. Did you mean "gdpr"?',
    ],
    [
      'a region that is none',
      { 'numbering.yaml': "source: x\nprefixes:\n  Florida: ['1813']\n" },
      'numbering.yaml:3:12 consent-pack-invalid "Florida" is no region.',
    ],
    ['not UTF-8 sized', { 'a.yaml': `#${'x'.repeat(1024 * 1024)}` }, 'consent-pack-unreadable a.yaml has'],
  ])('%s', (_what, files, expected) => {
    expect(complaints(files).join('\n')).toContain(expected)
  })

  test('in a folder that is not there, or that is full of something else', () => {
    expect(() => readConsentPacks({ ownFolder: join(folderWith({}), 'missing') })).toThrow(/cannot be read \(ENOENT\)/u)
    const many = Object.fromEntries(Array.from({ length: PACKS_MAX + 1 }, (_, index) => [`p${index}.yaml`, '']))
    expect(complaints(many)[0]).toContain(`holds more than ${PACKS_MAX} packs`)
  })
})
