import {
  CORRELATION_KINDS,
  readCorrelationValue,
  type CorrelationId,
  type CorrelationKind,
  type ValueReader,
} from './correlation-values.ts'
import { headerLines, parametersIn, uriEntries, type HeaderLookup } from './dialog-facts.ts'
import { DIALECTS } from './dialects/all.ts'
import type { ExtensionIdRule, HeaderIdRule } from './dialects/dialect.ts'
import type { MetadataExtension, MetadataSnapshot } from './metadata.ts'
import { foldName, localNameOf } from './xml-names.ts'

/** Ids kept of one message. */
export const CORRELATION_IDS_MAX = 64

const HEADER_RULES: readonly HeaderIdRule[] = DIALECTS.flatMap(({ headerIds }) => headerIds)
const HEADER_RULES_BY_NAME = grouped(HEADER_RULES, ({ header }) => header.toLowerCase())
const EXTENSION_RULES_BY_NAME = grouped(
  DIALECTS.flatMap(({ extensionIds }) => extensionIds),
  ({ name }) => name,
)

/**
 * What links the communication sessions of a snapshot to those of other recording sessions: ids of groups and sessions, RFC 7989
 * Session-IDs, and ids in vendor data by the rules of all dialects. Never a stream id: clients use those again.
 *
 * Each id once, at most {@link CORRELATION_IDS_MAX}. Never throws.
 */
export function snapshotCorrelation(snapshot: MetadataSnapshot): readonly CorrelationId[] {
  const ids = new IdSet()
  for (const { csGroupId } of snapshot.groups) ids.read('csGroup', 'exact', csGroupId)
  for (const session of snapshot.communicationSessions) {
    ids.read('cs', 'exact', session.csId)
    if (session.csGroupId !== undefined) ids.read('csGroup', 'exact', session.csGroupId)
    for (const text of session.sipSessionIds) ids.read('sessionId', 'sessionId', text)
  }
  let labelled: { readonly path: string; readonly header: string } | undefined
  for (const extension of snapshot.extensions) {
    const names = extension.path.split('/').map(foldName)
    for (const rule of rulesOf(names.at(-1) ?? '', names)) ids.read(rule.kind, rule.reads, extension.text)
    for (const { name, value } of extension.attributes) {
      for (const rule of rulesOf(foldName(localNameOf(name)), names)) ids.read(rule.kind, rule.reads, value)
    }
    // Oracle copies SIP headers: `<header label="X-UCID"><value>…</value></header>`.
    const header = labelOf(extension)
    if (header !== undefined) labelled = { path: extension.path, header }
    if (labelled !== undefined && extension.path.startsWith(labelled.path)) ids.readHeader(labelled.header, extension.text)
  }
  return ids.list
}

/**
 * The same of the headers of a SIP message: Session-ID, User-to-User, Cisco-Guid, P-Charging-Vector, Call-Info, the parameters of Cisco's
 * From, and what else the dialects name.
 *
 * @see RFC 7989 5, RFC 7433, RFC 7315 5.6, RFC 3261 20.9
 */
export function headerCorrelation(lookup: HeaderLookup): readonly CorrelationId[] {
  const ids = new IdSet()
  for (const name of HEADER_RULES_BY_NAME.keys()) {
    for (const line of headerLines(lookup, name)) ids.readHeader(name, line)
  }
  for (const line of headerLines(lookup, 'from')) ids.readCallReferences(parametersIn(line))
  return ids.list
}

/** Every form in which an id that somebody types may be stored; the text as it is among them. */
export function correlationForms(text: string): readonly string[] {
  const readers: readonly ValueReader[] = ['exact', 'text', 'ucid', 'uui', 'guid', 'sessionId']
  const values = readers.flatMap((reads) => readCorrelationValue('vendorCall', reads, text).map(({ value }) => value))
  return [...new Set(values)]
}

export function isCorrelationKind(text: string): text is CorrelationKind {
  return (CORRELATION_KINDS as readonly string[]).includes(text)
}

class IdSet {
  readonly #ids = new Map<string, CorrelationId>()

  get list(): readonly CorrelationId[] {
    return [...this.#ids.values()]
  }

  read(kind: CorrelationKind, reads: ValueReader, text: string): void {
    for (const id of readCorrelationValue(kind, reads, text)) {
      if (this.#ids.size < CORRELATION_IDS_MAX) this.#ids.set(`${id.kind} ${id.value}`, id)
    }
  }

  readHeader(name: string, line: string): void {
    for (const { parameter, purpose, kind, reads } of HEADER_RULES_BY_NAME.get(name.toLowerCase()) ?? []) {
      if (purpose !== undefined) {
        for (const entry of uriEntries(line)) if (entry.purpose.includes(purpose)) this.read(kind, reads, entry.uri)
      } else if (parameter === undefined) {
        this.read(kind, reads, line)
      } else {
        const value = parametersIn(`;${line}`).get(parameter)
        if (value !== undefined) this.read(kind, reads, value)
      }
    }
  }

  /** Both sides of a call of Cisco phones: the fork of one carries the reference of the other. */
  readCallReferences(parameters: ReadonlyMap<string, string>): void {
    const near = callReference(parameters.get('x-refci'), parameters.get('x-nearendclusterid'))
    const far = callReference(parameters.get('x-farendrefci'), parameters.get('x-farendclusterid'))
    for (const reference of [near, far]) if (reference !== undefined) this.read('refci', 'text', reference)
    const side = parameters.has('x-nearend') ? 'near' : parameters.has('x-farend') ? 'far' : undefined
    if (near !== undefined && side !== undefined) this.read('fork', 'text', `${near}/${side}`)
  }
}

/** References count up in each cluster on its own. */
function callReference(reference: string | undefined, cluster: string | undefined): string | undefined {
  if (reference === undefined || reference === '') return undefined
  return cluster === undefined || cluster === '' ? reference : `${reference}@${cluster}`
}

function rulesOf(name: string, path: readonly string[]): readonly ExtensionIdRule[] {
  const rules = EXTENSION_RULES_BY_NAME.get(name) ?? []
  const fitting = rules.filter(({ inside }) => inside === undefined || path.includes(inside))
  // A rule that names its surroundings knows better than one that does not.
  const special = fitting.filter(({ inside }) => inside !== undefined)
  return special.length > 0 ? special : fitting
}

function labelOf({ path, attributes }: MetadataExtension): string | undefined {
  if (!foldName(path).endsWith('header')) return undefined
  return attributes.find(({ name }) => ['label', 'name'].includes(foldName(localNameOf(name))))?.value
}

function grouped<Rule>(rules: readonly Rule[], keyOf: (rule: Rule) => string): ReadonlyMap<string, readonly Rule[]> {
  const groups = new Map<string, Rule[]>()
  for (const rule of rules) {
    const group = groups.get(keyOf(rule)) ?? []
    group.push(rule)
    groups.set(keyOf(rule), group)
  }
  return groups
}
