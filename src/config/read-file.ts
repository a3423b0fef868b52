import { readFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  Scalar,
  type Document,
  type Node,
  type Pair,
} from 'yaml'
import { checkValue } from './check-value.ts'
import type { Draft } from './draft.ts'
import type { LeafSchema } from './leaves.ts'
import type { Problems } from './problems.ts'
import { CONFIG_SCHEMA, isArraySchema, isObjectSchema, LATER_KEYS } from './schema.ts'
import { closest } from './suggest.ts'

/** A configuration file larger than this is something else. */
export const CONFIG_FILE_BYTES_MAX = 1024 * 1024

interface FileReading {
  readonly name: string
  readonly document: Document.Parsed
  readonly lines: LineCounter
  readonly draft: Draft
  readonly problems: Problems
}

/**
 * Lays a YAML 1.2 file over `draft`.
 *
 * @param options.name how messages call the file
 * @param options.path where it is
 */
export function readConfigFile(options: {
  readonly name: string
  readonly path: string
  readonly draft: Draft
  readonly problems: Problems
}): void {
  const { name, draft, problems } = options
  const text = readText(name, options.path, problems)
  if (text === undefined) return
  const lines = new LineCounter()
  const document = parseDocument(text, { version: '1.2', schema: 'core', lineCounter: lines, prettyErrors: false })
  const reading = { name, document, lines, draft, problems }
  for (const error of document.errors) {
    const duplicate = error.code === 'DUPLICATE_KEY'
    problems.add(undefined, {
      code: duplicate ? 'config-duplicate-key' : 'config-syntax',
      where: position(reading, error.pos[0]),
      sentence: duplicate ? 'this key was given before.' : `this is not YAML: ${lowerFirst(error.message)}.`,
      hint: duplicate
        ? 'Keep one of the two.'
        : 'Check indentation (blanks, never tabs), colons and quotes around here.',
    })
  }
  // What stands around a mistake in the syntax may mean anything; more messages would only mislead.
  if (document.errors.length === 0) readNode(reading, CONFIG_SCHEMA, document.contents, '')
}

function readText(name: string, path: string, problems: Problems): string | undefined {
  try {
    const bytes = readFileSync(path)
    if (bytes.length <= CONFIG_FILE_BYTES_MAX) return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    problems.add(undefined, {
      code: 'config-too-large',
      where: name,
      sentence: `this file has ${bytes.length} bytes, more than any configuration.`,
      hint: 'Give the configuration file with --config FILE.',
    })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const missing = code === 'ENOENT' || code === 'ENOTDIR'
    problems.add(undefined, {
      code: missing ? 'config-not-found' : 'config-unreadable',
      where: undefined,
      sentence: missing
        ? `There is no configuration file ${name}.`
        : `The configuration file ${name} cannot be read (${code}).`,
      hint: missing
        ? 'Check the path, or leave --config and EARWITNESS_CONFIG out to run on defaults.'
        : 'Check that it is a text file in UTF-8 and that this user may read it.',
    })
  }
  return undefined
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

function position(reading: FileReading, offset: number): string {
  const { line, col } = reading.lines.linePos(offset)
  return `${reading.name}:${line}:${col}`
}

function positionOf(reading: FileReading, node: Node | null | undefined): string {
  return node?.range ? position(reading, node.range[0]) : reading.name
}

/** Anchors and aliases are YAML's own way not to repeat oneself. The depth of the schema bounds the recursion. */
function resolveAlias(reading: FileReading, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(reading.document) ?? null) : node
}

function readNode(reading: FileReading, schema: TSchema, given: Node | null, path: string): void {
  const node = resolveAlias(reading, given)
  if (isObjectSchema(schema)) readObject(reading, schema, node, path)
  else if (isArraySchema(schema)) readList(reading, schema, node, path)
  else readLeaf(reading, schema, node, path)
}

const isEmpty = (node: Node | null): boolean => node === null || (isScalar(node) && node.value === null)

function readObject(reading: FileReading, schema: ReturnType<typeof asObject>, node: Node | null, path: string): void {
  // `rtp:` with everything below it commented out.
  if (isEmpty(node)) return
  if (!isMap(node)) {
    const what = path === '' ? 'The file' : path
    complain(reading, path, node, {
      sentence: `${what} wants keys below it.`,
      hint: 'See config/earwitness.example.yaml.',
    })
    return
  }
  for (const pair of node.items as Pair<Node, Node | null>[]) {
    const key = isScalar(pair.key) ? String(pair.key.value) : ''
    const child = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined
    const childPath = path === '' ? key : `${path}.${key}`
    if (child === undefined)
      reportUnknownKey(reading, { key, path: childPath, node: pair.key, known: Object.keys(schema.properties) })
    else readNode(reading, child, pair.value ?? emptyValue(pair.key), childPath)
  }
}

const asObject = (schema: TSchema) => {
  if (!isObjectSchema(schema)) throw new TypeError('not an object schema')
  return schema
}

/** A key without anything after it (`{ url }`) stands for null, at the key's own place. */
function emptyValue(key: Node): Node {
  const scalar = new Scalar(null)
  scalar.range = key.range ?? null
  return scalar
}

function reportUnknownKey(
  reading: FileReading,
  unknown: { readonly key: string; readonly path: string; readonly node: Node; readonly known: readonly string[] },
): void {
  const later = LATER_KEYS.get(unknown.path)
  const near = closest(unknown.key, unknown.known)
  const known = `Known here: ${unknown.known.join(', ')}.`
  reading.problems.add(unknown.path, {
    code: later === undefined ? 'config-unknown-key' : 'config-not-supported-yet',
    where: positionOf(reading, unknown.node),
    sentence: later === undefined ? `there is no key ${JSON.stringify(unknown.path)}.` : `${unknown.path}: ${later}.`,
    hint: later !== undefined ? 'Take the key out for now.' : near === undefined ? known : `Did you mean "${near}"?`,
  })
}

function complain(
  reading: FileReading,
  path: string,
  node: Node | null,
  complaint: { readonly sentence: string; readonly hint: string },
): void {
  reading.problems.add(path, { code: 'config-invalid-value', where: positionOf(reading, node), ...complaint })
}

function readList(reading: FileReading, schema: TSchema & { items: TSchema }, node: Node | null, path: string): void {
  // `sources:` with everything below it commented out.
  if (isEmpty(node)) return
  const items = itemsOf(schema, node)
  if (items === undefined) {
    complain(reading, path, node, {
      sentence: `${path} wants a list.`,
      hint: 'Write [a, b], or each item on its own line after "- ".',
    })
    return
  }
  const complaint = checkValue({ ...schema, items: {} } as LeafSchema, Array.from(items))
  if (complaint !== undefined) {
    complain(reading, path, node, { sentence: `${path} ${complaint.sentence}.`, hint: complaint.hint })
    return
  }
  reading.draft.clearList(path, positionOf(reading, node))
  for (const [index, item] of items.entries()) {
    if (!isObjectSchema(schema.items)) {
      readItem(reading, schema.items, resolveAlias(reading, item), `${path}[${index}]`)
      continue
    }
    const itemPath = reading.draft.append(path, schema.items)
    readNode(reading, schema.items, item, itemPath)
    reportMissing(reading, schema.items, resolveAlias(reading, item), itemPath)
  }
}

/** The items of a list; one alone where the schema allows it without brackets. */
function itemsOf(schema: LeafSchema, node: Node | null): readonly (Node | null)[] | undefined {
  if (isSeq(node)) return node.items as (Node | null)[]
  return schema['x-single'] === true && isScalar(node) ? [node] : undefined
}

/** Keys of a list item that have no default must be given. */
function reportMissing(reading: FileReading, schema: TSchema, node: Node | null, path: string): void {
  for (const [key, child] of Object.entries(asObject(schema).properties)) {
    const childPath = `${path}.${key}`
    // Every list has a default, and one that is given is known by its items; so are the keys of a group.
    if (isArraySchema(child) || isObjectSchema(child)) continue
    if (reading.draft.origins.has(childPath) || reading.problems.concerns(childPath)) continue
    complain(reading, childPath, node, { sentence: `${childPath} is missing.`, hint: `Give ${path} a ${key}.` })
  }
}

function readLeaf(reading: FileReading, schema: TSchema, node: Node | null, path: string): void {
  const checked = checkNode(reading, schema, node, path)
  if (checked !== undefined) reading.draft.set(path, checked.value, positionOf(reading, node))
}

/** Appends an item only when it is fine, so that what is checked later is whole. */
function readItem(reading: FileReading, schema: TSchema, node: Node | null, path: string): void {
  const checked = checkNode(reading, schema, node, path)
  if (checked === undefined) return
  const listPath = path.slice(0, path.lastIndexOf('['))
  reading.draft.set(reading.draft.append(listPath, schema), checked.value, positionOf(reading, node))
}

function checkNode(
  reading: FileReading,
  schema: TSchema,
  node: Node | null,
  path: string,
): { readonly value: unknown } | undefined {
  const value: unknown = isScalar(node) ? node.value : isMap(node) ? {} : isSeq(node) ? [] : null
  const complaint = checkValue(schema, value)
  if (complaint === undefined) return { value }
  complain(reading, path, node, { sentence: `${path} ${complaint.sentence}.`, hint: complaint.hint })
  return undefined
}
