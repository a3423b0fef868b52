import type { TSchema } from 'typebox'
import { checkValue, type Complaint } from './check-value.ts'
import type { Draft } from './draft.ts'
import { listLeaves, VARIABLE_PREFIX, type Leaf, type LeafSchema } from './leaves.ts'
import type { Problems } from './problems.ts'
import { CONFIG_SCHEMA, isArraySchema, isObjectSchema } from './schema.ts'
import { closest } from './suggest.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Variables with our prefix that are not keys of the configuration. */
export const OTHER_VARIABLES: ReadonlyMap<string, string> = new Map([
  ['EARWITNESS_CONFIG', 'Configuration file, when --config is not given'],
])

interface Assignment {
  readonly name: string
  readonly text: string
  readonly leaf: Leaf
  /** The numbers in the name, one for each `#` of the leaf's variable. */
  readonly indices: readonly number[]
}

/**
 * Lays variables over `draft`. `EARWITNESS_SIP_LISTEN` (separated by commas) replaces a list,
 * `EARWITNESS_SIP_LISTEN_0` one item
 * of it; the number after the last item appends. A variable that is set but empty counts as not set, since that is what
 * compose files make of one that is missing.
 */
export function readEnvironment(env: Environment, draft: Draft, problems: Problems): void {
  const leaves = listLeaves()
  const assignments: Assignment[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(VARIABLE_PREFIX) || OTHER_VARIABLES.has(name)) continue
    const found = matchVariable(name, leaves)
    if (found === undefined) reportUnknown(name, leaves, problems)
    else if (text !== undefined && text !== '') assignments.push({ name, text, ...found })
  }
  // Whole lists before their items, items in the order of their numbers.
  assignments.sort(
    (a, b) =>
      a.indices.length - b.indices.length ||
      (a.indices[0] ?? 0) - (b.indices[0] ?? 0) ||
      (a.indices[1] ?? 0) - (b.indices[1] ?? 0) ||
      (a.name < b.name ? -1 : 1),
  )
  for (const assignment of assignments) assign(assignment, draft, problems)
  reportHalfItems(assignments, draft, problems)
}

function matchVariable(name: string, leaves: readonly Leaf[]): { leaf: Leaf; indices: readonly number[] } | undefined {
  for (const leaf of leaves) {
    const pattern = new RegExp(`^${leaf.variable.replaceAll('#', '([0-9]{1,4})')}$`, 'u')
    const match = pattern.exec(name)
    if (match !== null) return { leaf, indices: match.slice(1).map(Number) }
  }
  return undefined
}

function reportUnknown(name: string, leaves: readonly Leaf[], problems: Problems): void {
  const indices = [...name.matchAll(/_([0-9]+)(?=_|$)/gu)].map((match) => match[1] ?? '0')
  const near = closest(name.replace(/_[0-9]+(?=_|$)/gu, '_#'), [
    ...leaves.map((leaf) => leaf.variable),
    ...OTHER_VARIABLES.keys(),
  ])
  const meant = near?.replaceAll('#', () => indices.shift() ?? '0')
  problems.add(undefined, {
    code: 'config-unknown-variable',
    where: `env ${name}`,
    sentence: 'no key has this variable.',
    hint:
      meant === undefined
        ? 'Unset it. "earwitness check-config --variables" lists all names.'
        : `Did you mean ${meant}? "earwitness check-config --variables" lists all names.`,
  })
}

function assign(assignment: Assignment, draft: Draft, problems: Problems): void {
  const { name, text, leaf } = assignment
  const origin = `env ${name}`
  const complain = (path: string, complaint: Complaint): void => {
    const sentence = `${path} ${complaint.sentence}.`
    problems.add(path, { code: 'config-invalid-value', where: origin, sentence, hint: complaint.hint })
  }
  const path = placeFor(assignment, draft, complain)
  if (path === undefined) return
  if (isArraySchema(leaf.schema)) {
    assignList(assignment, { path, draft, origin, complain })
    return
  }
  const value = convert(leaf.schema, text)
  const complaint = checkValue(leaf.schema, value)
  if (complaint === undefined) {
    draft.set(path, value, origin)
    return
  }
  complain(path, complaint)
  // An item keeps its place, so that those after it do not look as if one were missing.
  if (assignment.indices.length > 0) draft.set(path, text, origin)
}

function assignList(
  assignment: Assignment,
  target: { path: string; draft: Draft; origin: string; complain: (path: string, complaint: Complaint) => void },
): void {
  const { leaf, text } = assignment
  const { path } = target
  const items = text.split(',').map((item) => item.trim())
  const itemSchema = (leaf.schema as TSchema & { items: TSchema }).items
  const whole = checkValue({ ...leaf.schema, items: {} } as LeafSchema, items)
  if (whole !== undefined) target.complain(path, whole)
  target.draft.clearList(path, target.origin)
  for (const [index, item] of items.entries()) {
    const complaint = checkValue(itemSchema, item)
    if (complaint === undefined) target.draft.set(target.draft.append(path, itemSchema), item, target.origin)
    else target.complain(`${path}[${index}]`, complaint)
  }
}

/**
 * The path an assignment goes to; an item just after the last of its list is made. Undefined when numbers before it are missing, which
 * is told.
 */
function placeFor(
  { leaf, indices }: Assignment,
  draft: Draft,
  complain: (path: string, complaint: Complaint) => void,
): string | undefined {
  const [head = '', ...steps] = leaf.path.split('[]')
  let path = head
  for (const [depth, index] of indices.entries()) {
    if (index > draft.lengthOf(path)) {
      const hint = 'Number items from 0 without leaving one out.'
      complain(path, { sentence: `has no item before number ${index}`, hint })
      return undefined
    }
    if (index === draft.lengthOf(path)) draft.append(path, itemSchemaOf(path))
    path += `[${index}]${steps[depth] ?? ''}`
  }
  return path
}

function itemSchemaOf(listPath: string): TSchema {
  let schema: TSchema = CONFIG_SCHEMA
  for (const key of listPath.split('.')) {
    if (isArraySchema(schema)) schema = schema.items
    if (isObjectSchema(schema)) schema = schema.properties[key.replace(/\[[0-9]+\]$/u, '')] ?? schema
  }
  return isArraySchema(schema) ? schema.items : schema
}

function convert(schema: LeafSchema, text: string): unknown {
  const type: unknown = (schema as { type?: unknown }).type
  if (type === 'integer' && /^-?[0-9]{1,15}$/u.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

interface BegunItem {
  readonly path: string
  /** Of the leaves in it: `sources[]`, `sources[].users[]`. */
  readonly pattern: string
  readonly indices: readonly number[]
  /** A variable that began it. */
  readonly name: string
}

/** The items of lists of groups that an assignment is in, outer ones first. */
function itemsAround({ leaf, indices, name }: Assignment): readonly BegunItem[] {
  const parts = leaf.path.split('[]')
  return indices.flatMap((_, depth) => {
    if (parts[depth + 1]?.startsWith('.') !== true) return []
    const within = indices.slice(0, depth + 1)
    const path = within.map((index, at) => `${parts[at] ?? ''}[${index}]`).join('')
    return [{ path, pattern: `${parts.slice(0, depth + 1).join('[]')}[]`, indices: within, name }]
  })
}

/** An item that variables began must get every key that has no default. */
function reportHalfItems(assignments: readonly Assignment[], draft: Draft, problems: Problems): void {
  const items = new Map(assignments.flatMap(itemsAround).map((item) => [item.path, item]))
  for (const item of items.values()) {
    for (const leaf of listLeaves()) {
      const rest = leaf.path.slice(item.pattern.length)
      // Lists have defaults, and what is in them is an item of its own.
      const isDirect = leaf.path.startsWith(`${item.pattern}.`) && !rest.includes('[]') && !isArraySchema(leaf.schema)
      const path = item.path + rest
      if (!isDirect || draft.origins.has(path) || problems.concerns(path)) continue
      const indices = item.indices.map(String)
      problems.add(path, {
        code: 'config-invalid-value',
        where: `env ${item.name}`,
        sentence: `${path} is missing.`,
        hint: `Set ${leaf.variable.replaceAll('#', () => indices.shift() ?? '0')} too.`,
      })
    }
  }
}
