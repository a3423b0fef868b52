import type { TSchema } from 'typebox'
import { stringify } from 'yaml'
import { variableName, type LeafSchema } from './leaves.ts'
import { CONFIG_SCHEMA, isArraySchema, isObjectSchema } from './schema.ts'

const COMMENT_WIDTH = 108

const HEADER = `# Every key of Earwitness with its default. Copy this file to config/earwitness.yaml and keep what you
# change: a key that is left out has the value shown here. "earwitness check-config" says which values are in
# force and where they come from.
#
# YAML 1.2. Durations carry their unit (250ms, 20s, 5m, 1h, 2d), and so do sizes (64KiB, 4MiB). null means "not set".
# Every key can also be set by an environment variable, which wins over the file: rtp.portMin is
# EARWITNESS_RTP_PORT_MIN, the first item of sip.listen EARWITNESS_SIP_LISTEN_0, and the whole list
# EARWITNESS_SIP_LISTEN, separated by commas. For editors:
# yaml-language-server: $schema=./earwitness.schema.json
`

/** The text of `config/earwitness.example.yaml`: every key with its default, under a comment with its description. */
export function renderExample(): string {
  return HEADER + renderKeys(CONFIG_SCHEMA, '', 0)
}

function renderKeys(schema: TSchema, path: string, depth: number): string {
  if (!isObjectSchema(schema)) return ''
  const indent = '  '.repeat(depth)
  let text = ''
  for (const [key, child] of Object.entries(schema.properties)) {
    const childPath = path === '' ? key : `${path}.${key}`
    const leaf = child as LeafSchema
    text += `\n${comment(`${leaf.description ?? ''}${allowed(leaf)}`, indent)}`
    if (isObjectSchema(child)) text += `${indent}${key}:${renderKeys(child, childPath, depth + 1)}`
    else text += `${indent}${key}: ${renderValue(leaf.default)}\n`
    if (isArraySchema(child) && isObjectSchema(child.items)) text += renderItem(child.items, childPath, indent)
  }
  return text
}

function comment(words: string, indent: string, mark = '# '): string {
  const lines: string[] = []
  let line = ''
  for (const word of words.split(' ')) {
    if (line !== '' && indent.length + line.length + word.length > COMMENT_WIDTH) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  lines.push(line)
  return lines.map((text) => `${indent}${mark}${text}\n`).join('')
}

function allowed(leaf: LeafSchema): string {
  const { minimum, maximum } = leaf as { readonly minimum?: number; readonly maximum?: number }
  const low = minimum ?? leaf['x-minimum']
  const high = maximum ?? leaf['x-maximum']
  return low === undefined || high === undefined ? '' : ` (${low} to ${high})`
}

/** What stands for a key that has no default, or whose default would show too little. */
const SAMPLES: ReadonlyMap<string, string> = new Map([
  ['sources.name', 'sbc-berlin'],
  ['sources.address', '192.0.2.10'],
  ['sources.users.name', 'sbc-berlin'],
  ['vault.awsKms.keys.key', 'arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000001'],
  ['vault.awsKms.keys.publicKeyFile', '/etc/earwitness/recordings.pub.pem'],
  ['vault.vaultTransit.keys.key', 'recordings'],
  ['vault.vaultTransit.keys.publicKeyFile', '/etc/earwitness/recordings.pub.pem'],
  ['ledger.witnesses.url', 'https://witness.example.com'],
  ['ledger.witnesses.key', 'witness.example.com+00651b21+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'],
])

function renderValue(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trimEnd()
}

/** An item of a list of groups, as a comment: taking away the "# " gives a list with one item. */
function renderItem(schema: TSchema, listPath: string, indent: string): string {
  if (!isObjectSchema(schema)) return ''
  let text = `${indent}# An item, in place of [] (in the environment: ${variableName(`${listPath}[0]`)}_…):\n`
  for (const [index, [key, child]] of Object.entries(schema.properties).entries()) {
    const leaf = child as LeafSchema
    const childPath = `${listPath}[0].${key}`
    if (isObjectSchema(child)) {
      text += comment(leaf.description ?? '', indent, '#     # ')
      text += `${indent}#     ${key}:\n${renderItemKeys(child, indent)}`
      continue
    }
    text += comment(leaf.description ?? '', indent, '#     # ')
    const value = renderValue(SAMPLES.get(childPath.replaceAll('[0]', '')) ?? leaf.default)
    text += `${indent}#   ${index === 0 ? '-' : ' '} ${key}: ${value}\n`
    if (!isArraySchema(child)) continue
    // Comments within a comment, so that the item works without them.
    const deeper = renderItem(child.items, childPath, `${indent}      `)
    text += deeper.replaceAll(new RegExp(`^${indent}      `, 'gmu'), `${indent}#     `)
  }
  return text
}

/** The keys of a group within an item. */
function renderItemKeys(schema: TSchema, indent: string): string {
  if (!isObjectSchema(schema)) return ''
  return Object.entries(schema.properties)
    .map(([key, child]) => {
      const leaf = child as LeafSchema
      return `${comment(leaf.description ?? '', indent, '#       # ')}${indent}#       ${key}: ${renderValue(leaf.default)}\n`
    })
    .join('')
}

/** The JSON Schema (2020-12) of the file, for editors. A key that has a default need not be given. */
export function renderJsonSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Earwitness',
    ...withoutDefaulted(CONFIG_SCHEMA),
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

function withoutDefaulted(schema: TSchema): Record<string, unknown> {
  const plain = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>
  if (isArraySchema(schema)) {
    const list = { ...plain, items: withoutDefaulted(schema.items) }
    if ((schema as LeafSchema)['x-single'] !== true) return list
    const { description, default: fallback, ...rest } = list as Record<string, unknown>
    return { description, default: fallback, anyOf: [rest, withoutDefaulted(schema.items)] }
  }
  if (!isObjectSchema(schema)) return plain
  const entries = Object.entries(schema.properties)
  const required = entries.filter(([, child]) => !isObjectSchema(child) && !('default' in child)).map(([key]) => key)
  const properties = Object.fromEntries(entries.map(([key, child]) => [key, withoutDefaulted(child)]))
  const { required: _required, properties: _properties, ...rest } = plain
  return { ...rest, ...(required.length === 0 ? {} : { required }), properties }
}
