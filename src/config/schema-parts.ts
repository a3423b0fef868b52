import { Type, type TSchema } from 'typebox'
import { DURATION_PATTERN, SIZE_PATTERN } from './values.ts'

/** What a text means beyond its type; `check-value.ts` holds the rule for each. */
export type ValueKind =
  | 'bucket'
  | 'country'
  | 'databaseUrl'
  | 'duration'
  | 'host'
  | 'httpUrl'
  | 'ipAddress'
  | 'jurisdiction'
  | 'keys'
  | 'kmsKey'
  | 'listen'
  | 'network'
  | 'objectPrefix'
  | 'partyPattern'
  | 'path'
  | 'realm'
  | 'recipient'
  | 'sipListen'
  | 'sipTarget'
  | 'size'
  | 'sourceName'
  | 'tenant'
  | 'tlsName'
  | 'transitMount'
  | 'transitName'
  | 'userName'

/** Members of our own beside the JSON Schema keywords of a leaf. */
export interface LeafKeywords {
  readonly 'x-kind'?: ValueKind
  /** Shown as `***`, may be given as `file:/path` or `env:NAME`. */
  readonly 'x-secret'?: true
  /** Bounds of a duration or size, in its text form. */
  readonly 'x-minimum'?: string
  readonly 'x-maximum'?: string
  /** Of a list: one item may stand without brackets. */
  readonly 'x-single'?: true
}

interface Described {
  readonly description: string
}

export const text = (options: Described & LeafKeywords & { readonly default?: string }) => Type.String({ ...options })

/** A text that may be left out: `null` is the default, and what that means is in the description. */
export const optionalText = (options: Described & LeafKeywords) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], default: null, ...options })

export const duration = (
  options: Described & { readonly default: string; readonly minimum: string; readonly maximum: string },
) =>
  Type.String({
    description: options.description,
    default: options.default,
    pattern: DURATION_PATTERN,
    'x-kind': 'duration',
    'x-minimum': options.minimum,
    'x-maximum': options.maximum,
  })

export const size = (
  options: Described & { readonly default: string; readonly minimum: string; readonly maximum: string },
) =>
  Type.String({
    description: options.description,
    default: options.default,
    pattern: SIZE_PATTERN,
    'x-kind': 'size',
    'x-minimum': options.minimum,
    'x-maximum': options.maximum,
  })

export const group = <Properties extends Record<string, TSchema>>(description: string, properties: Properties) =>
  Type.Object(properties, { description, additionalProperties: false })

export const port = (options: Described & { readonly default: number }) =>
  Type.Integer({ ...options, minimum: 1024, maximum: 65_535 })
