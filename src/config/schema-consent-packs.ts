import { Type, type TSchema } from 'typebox'
import { MOMENTS, NOTICES, REQUIREMENTS } from '../consent/jurisdiction.ts'

/** What every pack says of itself, word for word, so that nobody takes it for more. */
export const PACK_NOTICE = 'Not legal advice. A reading of the law by laymen, for a lawyer to check.'

const words = (description: string, pattern?: string) =>
  Type.String({ description, minLength: 1, maxLength: 2000, ...(pattern === undefined ? {} : { pattern }) })

const ID = '^[a-z][a-z0-9-]{0,30}$'
const group = <Properties extends Record<string, TSchema>>(description: string, properties: Properties) =>
  Type.Object(properties, { description, additionalProperties: false })

const reference = group('A law or a decision that the rule rests on.', {
  cite: words('As it is cited, short.'),
  url: Type.Optional(words('Where the text stands.', '^https?://')),
  version: words('Which version was consulted: a year or a date.'),
  checked: Type.Enum(['search', 'memory'], {
    description: 'search: looked up in public text. memory: written from memory, and the first thing to check.',
  }),
  on: words('When it was consulted.', '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
})

const jurisdiction = group('A place and its rule.', {
  id: words('Name in sources[].consent.jurisdiction and in events; lower case.', ID),
  name: words('For people.'),
  countries: Type.Array(words('ISO 3166-1 alpha-2.', '^[A-Z]{2}$'), {
    description: 'Countries that are this place.',
    default: [],
    maxItems: 64,
  }),
  regions: Type.Array(words('ISO 3166-2.', '^[A-Z]{2}-[A-Z0-9]{1,3}$'), {
    description:
      'Regions that are this place. Of a number whose country has regions and whose own is unknown, all of them hold.',
    default: [],
    maxItems: 64,
  }),
  within: Type.Array(words('An id.', ID), {
    description: 'Wider places whose rules hold here as well.',
    default: [],
    maxItems: 8,
  }),
  require: Type.Enum([...REQUIREMENTS], {
    description:
      'none: the consent of the operator, who takes part, is enough. notice: the parties must know. agreement: they must say yes.',
  }),
  parties: Type.Enum(['one', 'all'], { description: 'Whose notice or agreement it takes.' }),
  when: Type.Enum([...MOMENTS], {
    description:
      'By when: before recording starts (which holdUntilConsent gives, and which is otherwise taken as atStart), at its start, or during the call.',
  }),
  notice: Type.Array(Type.Enum([...NOTICES], { description: 'A kind of notice.' }), {
    description:
      'What counts as notice. The recorder proves an announcement; tone, written and contract are what an operator declares (ownPartiesAre).',
    minItems: 1,
    maxItems: NOTICES.length,
  }),
  recordAnnouncement: Type.Boolean({
    description: 'The announcement itself must be in the recording.',
    default: false,
  }),
  references: Type.Array(reference, { description: 'At least one.', minItems: 1, maxItems: 16 }),
  explanation: words('A sentence or two for people.'),
  uncertain: Type.Optional(words('Where courts differ, or the law is not settled.')),
})

/** A file of `config/consent/`, and of the folder that `consent.packs` names. */
export const PACK_SCHEMA = group('Rules about recording calls, for one or several jurisdictions.', {
  notice: Type.Literal(PACK_NOTICE, { description: 'What every pack says of itself.' }),
  jurisdictions: Type.Array(jurisdiction, {
    description: 'Each stands alone or within others.',
    minItems: 1,
    maxItems: 300,
  }),
})

/** `config/consent/numbering.yaml`: which region the first digits of a number belong to. */
export const NUMBERING_SCHEMA = group('Regions by the first digits of their numbers.', {
  source: words('Where it was taken from.'),
  prefixes: Type.Record(
    Type.String({ pattern: '^[A-Z]{2}-[A-Z0-9]{1,3}$' }),
    Type.Array(Type.String({ pattern: '^[0-9]{3,7}$' }), { minItems: 1, maxItems: 200 }),
    {
      description:
        'By region (ISO 3166-2): numbers in E.164 that begin so, without "+". Several regions may share one.',
    },
  ),
})

/** The JSON Schema (2020-12) of a pack, for editors. A key that has a default need not be given. */
export function renderPackSchema(): string {
  const plain = JSON.parse(JSON.stringify(PACK_SCHEMA)) as {
    properties: { jurisdictions: { items: { required: string[]; properties: Record<string, object> } } }
  }
  const { items } = plain.properties.jurisdictions
  items.required = items.required.filter((key) => !('default' in (items.properties[key] ?? {})))
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Earwitness jurisdiction pack',
    ...plain,
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}
