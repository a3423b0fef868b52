import { headerLines, parametersIn, type HeaderLookup } from './dialog-facts.ts'
import { DIALECTS } from './dialects/all.ts'
import { DIALECT_NAMES, type Dialect, type DialectName, type Sign, type SignWeight } from './dialects/dialect.ts'
import { parseParameterizedValue } from './header-value.ts'
import type { MetadataSnapshot } from './metadata.ts'
import { foldName } from './xml-names.ts'

/** What there is to recognise a client by: the first INVITE, and its metadata as far as it came and could be read. */
export interface DialectFacts {
  readonly headers: HeaderLookup
  readonly sdp: SdpFacts | undefined
  readonly snapshot: Pick<MetadataSnapshot, 'root' | 'extensions'> | undefined
}

interface SdpFacts {
  readonly originUser: string
  readonly sessionName: string
  readonly media: readonly { readonly attributes: readonly { readonly name: string; readonly value: string }[] }[]
}

export interface RecognisedDialect {
  readonly dialect: DialectName
  /** What it was recognised by, as `fact: text of the table`: nothing from the wire. `configured` when a source says so. */
  readonly grounds: readonly string[]
}

const POINTS: Readonly<Record<SignWeight, number>> = { named: 16, sure: 8, likely: 3, hint: 1 }
/** A client is named for one likely sign, or three hints. */
const POINTS_MIN = 3

/**
 * Names the client by its habits: the dialect with the most points, or `generic` when none has enough. What a source is configured as
 * wins. Reading does not depend on the answer. Never throws; linear in the facts.
 */
export function recogniseDialect(facts: DialectFacts, configured?: string): RecognisedDialect {
  const hint = DIALECT_NAMES.find((name) => name === configured)
  if (hint !== undefined) return { dialect: hint, grounds: ['configured'] }
  const folded = foldFacts(facts)
  let best: { readonly dialect: Dialect; readonly points: number; readonly signs: readonly Sign[] } | undefined
  for (const dialect of DIALECTS) {
    const signs = dialect.signs.filter((sign) => shows(sign, folded))
    const points = signs.reduce((sum, { weight }) => sum + POINTS[weight], 0)
    if (points >= POINTS_MIN && points > (best?.points ?? 0)) best = { dialect, points, signs }
  }
  return best === undefined
    ? { dialect: 'generic', grounds: [] }
    : { dialect: best.dialect.name, grounds: best.signs.map(describe) }
}

/** The facts in lower case, looked up once. */
interface FoldedFacts {
  readonly headers: HeaderLookup
  readonly userAgents: readonly string[]
  readonly fromParameters: ReadonlyMap<string, string>
  readonly boundary: string
  readonly sdp: SdpFacts | undefined
  readonly root: { readonly name: string; readonly prefix: string } | undefined
  readonly rootAttributes: ReadonlySet<string>
  readonly namespaces: ReadonlySet<string>
  readonly paths: ReadonlySet<string>
}

function foldFacts({ headers, sdp, snapshot }: DialectFacts): FoldedFacts {
  const { root, extensions = [] } = snapshot ?? {}
  // Attributes of the root are reported as an extension whose path is the root's own name.
  const ofRoot = extensions.filter(({ path }) => path === root?.localName).flatMap(({ attributes }) => attributes)
  const contentType = parseParameterizedValue(headerLines(headers, 'content-type')[0] ?? '')
  return {
    headers,
    userAgents: ['user-agent', 'server'].flatMap((name) => headerLines(headers, name)).map(lower),
    fromParameters: parametersIn(headerLines(headers, 'from')[0] ?? ''),
    boundary: lower(contentType.parameters.get('boundary') ?? ''),
    sdp,
    root: root && { name: foldName(root.localName), prefix: lower(root.prefix) },
    rootAttributes: new Set(ofRoot.map(({ name }) => foldName(name))),
    namespaces: new Set([root?.namespace, ...extensions.map(({ namespace }) => namespace)].map((uri) => lower(uri ?? ''))),
    paths: new Set(extensions.map(({ path }) => foldName(path))),
  }
}

function shows(sign: Sign, facts: FoldedFacts): boolean {
  switch (sign.fact) {
    case 'userAgent':
      return facts.userAgents.some((text) => text.startsWith(sign.startsWith))
    case 'header': {
      const { contains = '' } = sign
      return headerLines(facts.headers, sign.name).some((line) => lower(line).includes(contains))
    }
    case 'fromParameter':
      return facts.fromParameters.has(sign.name)
    case 'boundary':
      return facts.boundary.startsWith(sign.startsWith)
    case 'sdpOrigin':
      return lower(facts.sdp?.originUser ?? '').startsWith(sign.startsWith)
    case 'sdpName':
      return lower(facts.sdp?.sessionName ?? '') === lower(sign.is)
    case 'sdpAttribute':
      return (facts.sdp?.media ?? []).some(({ attributes }) =>
        attributes.some(({ name, value }) => name === sign.name && (sign.is === undefined || lower(value) === sign.is)),
      )
    case 'root':
      return facts.root?.name === sign.is
    case 'rootPrefix':
      return facts.root?.prefix === sign.is
    case 'rootAttribute':
      return facts.rootAttributes.has(sign.name)
    case 'namespace':
      return [...facts.namespaces].some((uri) => uri.includes(sign.contains))
    case 'extension':
      return [...facts.paths].some((path) => path === sign.endsWith || path.endsWith(`/${sign.endsWith}`))
  }
}

function describe(sign: Sign): string {
  const { fact, weight: _weight, ...wanted } = sign
  return `${fact}: ${Object.values(wanted).join(' ')}`
}

function lower(text: string): string {
  return text.trim().toLowerCase()
}
