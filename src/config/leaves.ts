import type { TSchema } from 'typebox'
import { CONFIG_SCHEMA, isArraySchema, isObjectSchema } from './schema.ts'
import type { LeafKeywords } from './schema-parts.ts'

export type LeafSchema = TSchema & LeafKeywords & { readonly description?: string; readonly default?: unknown }

/** One key that holds a value: a text, number or boolean, or a list of texts (whose items are leaves too). */
export interface Leaf {
  /** `rtp.portMin`; `[]` stands for any index: `sip.listen[]`, `sources[].name`. */
  readonly path: string
  readonly schema: LeafSchema
  /** `EARWITNESS_RTP_PORT_MIN`; `#` stands for any index: `EARWITNESS_SIP_LISTEN_#`. */
  readonly variable: string
}

export const VARIABLE_PREFIX = 'EARWITNESS_'

/** Every leaf in the order of the schema; a list of texts comes once as a whole and once as its items. */
export function listLeaves(schema: TSchema = CONFIG_SCHEMA, path = ''): readonly Leaf[] {
  if (isObjectSchema(schema)) {
    return Object.entries(schema.properties).flatMap(([key, child]) =>
      listLeaves(child, path === '' ? key : `${path}.${key}`),
    )
  }
  const itself = { path, schema, variable: variableName(path) }
  if (!isArraySchema(schema)) return [itself]
  const items = listLeaves(schema.items, `${path}[]`)
  return isObjectSchema(schema.items) ? items : [itself, ...items]
}

/** `sip.listen[0]` is `EARWITNESS_SIP_LISTEN_0`, `rtp.portMin` is `EARWITNESS_RTP_PORT_MIN`. */
export function variableName(path: string): string {
  const words = path
    .replaceAll('[]', '.#')
    .replace(/\[([0-9]+)\]/gu, '.$1')
    .replace(/([a-z0-9])([A-Z])/gu, '$1_$2')
    .replaceAll('.', '_')
  return VARIABLE_PREFIX + words.toUpperCase()
}

/** True when printing the value would give a secret away. */
export function isSecret(path: string): boolean {
  const pattern = path.replace(/\[[0-9]+\]/gu, '[]')
  return listLeaves().some((leaf) => leaf.path === pattern && leaf.schema['x-secret'] === true)
}
