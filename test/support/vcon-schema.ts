import { Type, type TSchema } from 'typebox'

/**
 * The unsigned form of a vCon, retold from the CDDL that belongs to draft-ietf-vcon-vcon-core (syntax 0.4.0): parties, recordings, attachments. Further members
 * are allowed everywhere, as they are there.
 */

const index = Type.Integer({ minimum: 0 })
const date = Type.String({ pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$` })
const mediatype = Type.String({ pattern: '^[a-z]+/[A-Za-z0-9.+-]+$' })
const contentHash = Type.String({ pattern: '^sha(256|384|512)-[A-Za-z0-9_-]+$' })

const inlineJson = Type.Object({ encoding: Type.Literal('json'), body: Type.Unknown(), mediatype })
const inlineText = Type.Object({
  encoding: Type.Union([Type.Literal('none'), Type.Literal('base64url')]),
  body: Type.String(),
  mediatype,
})
const external = Type.Object({ url: Type.String({ pattern: '^https://' }), content_hash: contentHash })
const nothing = Type.Object({ body: Type.Optional(Type.Never()), url: Type.Optional(Type.Never()) })
const content = Type.Union([inlineJson, inlineText, external, nothing])

const party = Type.Object({
  tel: Type.Optional(Type.String()),
  sip: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  uuid: Type.Optional(Type.String()),
})

const dialog = Type.Intersect([
  Type.Object({
    type: Type.Literal('recording'),
    start: Type.Optional(date),
    duration: Type.Optional(Type.Number({ minimum: 0 })),
    parties: Type.Optional(Type.Union([index, Type.Array(Type.Union([index, Type.Array(index), Type.Null()]))])),
    application: Type.Optional(Type.String()),
    filename: Type.Optional(Type.String()),
  }),
  content,
])

const attachment = Type.Intersect([
  Type.Object({
    purpose: Type.Optional(Type.String()),
    start: date,
    party: index,
    dialog: index,
    filename: Type.Optional(Type.String()),
  }),
  content,
])

export const VCON_SCHEMA: TSchema = Type.Object({
  vcon: Type.Optional(Type.Literal('0.4.0')),
  uuid: Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' }),
  extensions: Type.Optional(Type.Array(Type.String())),
  created_at: date,
  parties: Type.Optional(Type.Array(party)),
  dialog: Type.Optional(Type.Array(dialog)),
  attachments: Type.Optional(Type.Array(attachment)),
})

/** The signed form: general JWS JSON serialization, with algorithm and chain in the unprotected header. Section 5.2 of the same draft */
const base64url = Type.String({ pattern: '^[A-Za-z0-9_-]+$' })
export const SIGNED_VCON_SCHEMA: TSchema = Type.Object({
  payload: base64url,
  signatures: Type.Array(
    Type.Object({
      header: Type.Object({
        // RS256 is what it would rather have.
        alg: Type.String(),
        x5c: Type.Array(Type.String({ pattern: '^[A-Za-z0-9+/]+=*$' }), { minItems: 1 }),
        uuid: Type.Optional(Type.String()),
      }),
      protected: base64url,
      signature: base64url,
    }),
    { minItems: 1 },
  ),
})
