import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Static, TSchema } from 'typebox'
import { Default, Errors } from 'typebox/value'
import { isNode, isScalar, LineCounter, type Document, parseDocument } from 'yaml'
import type { RuleData } from '../consent/choose-rule.ts'
import type { Jurisdiction } from '../consent/jurisdiction.ts'
import { Problems } from './problems.ts'
import { NUMBERING_SCHEMA, PACK_SCHEMA } from './schema-consent-packs.ts'
import { closest } from './suggest.ts'

/** The packs that come with the program. */
const SHIPPED_FOLDER = join(import.meta.dirname, '../../config/consent')

const NUMBERING_FILE = 'numbering.yaml'

/** A pack larger than this is something else. */
export const PACK_BYTES_MAX = 1024 * 1024

/** Files read in one folder. */
export const PACKS_MAX = 200

interface PackFile {
  readonly name: string
  readonly document: Document.Parsed
  readonly lines: LineCounter
  readonly problems: Problems
}

/**
 * Reads the jurisdiction packs of the program and, over them, those of the operator: an entry of the same id replaces
 * ours.
 *
 * @param options.ownFolder `consent.packs`, absolute
 * @param options.problems takes what is wrong; without it a ConfigError is thrown
 */
export function readConsentPacks(
  options: { readonly ownFolder?: string | undefined; readonly cwd?: string; readonly problems?: Problems } = {},
): RuleData {
  const problems = options.problems ?? new Problems()
  shipped ??= readFolder(SHIPPED_FOLDER, { into: nothing(), shownAs: (name) => join('config/consent', name), problems })
  const { ownFolder, cwd } = options
  let found = shipped
  if (ownFolder !== undefined) {
    const shownAs = (name: string): string => relative(cwd ?? '/', join(ownFolder, name))
    found = readFolder(ownFolder, { into: shipped, shownAs, problems })
  }
  if (options.problems === undefined) problems.throwIfAny()
  return found
}

interface Found extends RuleData {
  /** Where each entry stands: `FILE:LINE:COLUMN`. */
  readonly places: ReadonlyMap<string, string>
}

const nothing = (): Found => ({ packs: new Map(), regions: new Map(), places: new Map() })

/** Ours are part of the program and do not change while it runs. */
let shipped: Found | undefined

function readFolder(
  folder: string,
  {
    into,
    shownAs,
    problems,
  }: { readonly into: Found; readonly shownAs: (name: string) => string; readonly problems: Problems },
): Found {
  const packs = new Map(into.packs)
  const places = new Map(into.places)
  const regions = new Map(into.regions)
  const seen = new Set<string>()
  for (const name of listFiles(folder, problems)) {
    const file = openFile(join(folder, name), shownAs(name), problems)
    if (file === undefined) continue
    if (name === NUMBERING_FILE) addRegions(file, regions)
    else addPack(file, { packs, seen, places, isOwn: folder !== SHIPPED_FOLDER })
  }
  checkWithin(packs, places, problems)
  return { packs, regions, places }
}

function listFiles(folder: string, problems: Problems): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => /^[^.].*\.ya?ml$/u.test(name))
    if (names.length <= PACKS_MAX) return names.toSorted()
    unreadable(problems, `${folder} holds more than ${PACKS_MAX} packs.`)
  } catch (error) {
    unreadable(problems, `The folder of jurisdiction packs ${folder} cannot be read (${codeOf(error)}).`)
  }
  return []
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown')

function unreadable(problems: Problems, sentence: string): void {
  const hint = 'Check consent.packs: a folder of YAML files as in config/consent, readable by this user.'
  problems.add(undefined, { code: 'consent-pack-unreadable', where: undefined, sentence, hint })
}

function openFile(path: string, name: string, problems: Problems): PackFile | undefined {
  let text: string
  try {
    const bytes = readFileSync(path)
    if (bytes.length > PACK_BYTES_MAX) {
      unreadable(problems, `${name} has ${bytes.length} bytes, more than any pack.`)
      return undefined
    }
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    unreadable(problems, `The jurisdiction pack ${name} cannot be read (${codeOf(error)}).`)
    return undefined
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { version: '1.2', schema: 'core', lineCounter: lines, prettyErrors: false })
  const file = { name, document, lines, problems }
  for (const error of document.errors) {
    const sentence = `this is not YAML: ${error.message}.`
    complain(file, error.pos[0], {
      sentence,
      hint: 'Check indentation (blanks, never tabs), colons and quotes around here.',
    })
  }
  return document.errors.length === 0 ? file : undefined
}

function complain(file: PackFile, offset: number, words: { readonly sentence: string; readonly hint: string }): void {
  const { line, col } = file.lines.linePos(offset)
  file.problems.add(undefined, { code: 'consent-pack-invalid', where: `${file.name}:${line}:${col}`, ...words })
}

type Path = readonly (string | number)[]

/** Where a value stands; of one that is not there, where its nearest container stands. */
function offsetOf(file: PackFile, path: Path): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = file.document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return file.document.contents?.range[0] ?? 0
}

/** The whole file by its schema, defaults filled in; undefined when something is wrong, which is told. */
function readWhole<Schema extends TSchema>(file: PackFile, schema: Schema): Static<Schema> | undefined {
  const value: unknown = Default(schema, file.document.toJS({ maxAliasCount: 100 }))
  const errors = [...Errors(schema, value)].filter(({ keyword }) => keyword !== 'boolean')
  for (const error of errors) {
    const path = error.instancePath
      .split('/')
      .slice(1)
      .map((part) => (/^[0-9]+$/u.test(part) ? Number(part) : part))
    for (const words of explain(error, path, schema)) complain(file, offsetOf(file, words.at), words)
  }
  return errors.length === 0 ? (value as Static<Schema>) : undefined
}

interface SchemaError {
  readonly keyword: string
  readonly params: object
  readonly message: string
}

interface Words {
  readonly sentence: string
  readonly hint: string
  readonly at: Path
}

function explain(error: SchemaError, path: Path, schema: TSchema): readonly Words[] {
  const name =
    path.length === 0
      ? 'the file'
      : path
          .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
          .join('')
          .slice(1)
  const params = error.params as {
    additionalProperties?: string[]
    requiredProperties?: string[]
    allowedValues?: string[]
    allowedValue?: string
  }
  if (error.keyword === 'additionalProperties') {
    const known = knownKeys(schema, path)
    return (params.additionalProperties ?? []).map((key) => {
      const near = closest(key, known)
      const hint = near === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean "${near}"?`
      return { sentence: `there is no key ${JSON.stringify(key)}.`, hint, at: [...path, key] }
    })
  }
  if (error.keyword === 'required') {
    return (params.requiredProperties ?? []).map((key) => ({
      sentence: `${name} has no ${key}.`,
      hint: 'See the packs in config/consent.',
      at: path,
    }))
  }
  if (error.keyword === 'enum')
    return [
      {
        sentence: `${name} has an unknown value.`,
        hint: `It is one of ${(params.allowedValues ?? []).join(', ')}.`,
        at: path,
      },
    ]
  if (error.keyword === 'const')
    return [{ sentence: `${name} is not what every pack says.`, hint: `Write: ${params.allowedValue}`, at: path }]
  return [
    { sentence: `${name} ${error.message}.`, hint: 'config/consent/pack.schema.json says what stands here.', at: path },
  ]
}

function knownKeys(schema: TSchema, path: Path): readonly string[] {
  let here = schema as { readonly properties?: Record<string, TSchema>; readonly items?: TSchema }
  for (const part of path) here = (typeof part === 'number' ? here.items : here.properties?.[part]) ?? {}
  return Object.keys(here.properties ?? {})
}

function addPack(
  file: PackFile,
  into: {
    readonly packs: Map<string, Jurisdiction>
    readonly seen: Set<string>
    readonly places: Map<string, string>
    readonly isOwn: boolean
  },
): void {
  const pack = readWhole(file, PACK_SCHEMA)
  for (const [index, entry] of (pack?.jurisdictions ?? []).entries()) {
    const offset = offsetOf(file, ['jurisdictions', index, 'id'])
    if (into.seen.has(entry.id) || entry.id === 'strictest') {
      const sentence = `the id "${entry.id}" is taken.`
      complain(file, offset, { sentence, hint: 'Each jurisdiction of a folder has an id of its own.' })
      continue
    }
    into.seen.add(entry.id)
    const { require, parties, when, notice, recordAnnouncement, ...rest } = entry
    into.packs.set(entry.id, {
      ...rest,
      rule: { require, parties, when, notice, recordAnnouncement },
      isOwn: into.isOwn,
    })
    const { line, col } = file.lines.linePos(offset)
    into.places.set(entry.id, `${file.name}:${line}:${col}`)
  }
}

function addRegions(file: PackFile, regions: Map<string, readonly string[]>): void {
  const numbering = readWhole(file, NUMBERING_SCHEMA)
  for (const [region, prefixes] of Object.entries(numbering?.prefixes ?? {})) {
    if (!/^[A-Z]{2}-[A-Z0-9]{1,3}$/u.test(region)) {
      const node = file.document.getIn(['prefixes', region], true)
      const offset = isScalar(node) ? (node.range?.[0] ?? 0) : offsetOf(file, ['prefixes', region])
      complain(file, offset, {
        sentence: `"${region}" is no region.`,
        hint: 'Regions are named as in ISO 3166-2: US-FL.',
      })
      continue
    }
    for (const prefix of prefixes) regions.set(prefix, [...(regions.get(prefix) ?? []), region])
  }
}

/** An entry within a place that no pack has would silently lose that place's rule. */
function checkWithin(
  packs: ReadonlyMap<string, Jurisdiction>,
  places: ReadonlyMap<string, string>,
  problems: Problems,
): void {
  for (const { id, within } of packs.values()) {
    for (const wider of within) {
      if (packs.has(wider)) continue
      const near = closest(wider, packs.keys())
      problems.add(undefined, {
        code: 'consent-pack-invalid',
        where: places.get(id),
        sentence: `"${id}" is within "${wider}", which no pack has.`,
        hint: near === undefined ? 'Take it out, or add an entry of that id.' : `Did you mean "${near}"?`,
      })
    }
  }
}
