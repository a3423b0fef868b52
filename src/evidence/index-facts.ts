import { accepted, rejected, type Result } from '../result.ts'
import { canonicalJson } from './canonical-json.ts'
import { integer, list, members, oneOf, optional, time, type Check } from './shape-checks.ts'

/** What is inside `index.age`: see `FORMAT.md` 4.2 for the meaning of every member. */

const INDEX_FORMAT = 'earwitness-index/1'

export interface IndexFacts {
  readonly sipCallId: string
  readonly dialect: string
  readonly correlationIds: readonly { readonly kind: string; readonly value: string }[]
  readonly attributions: readonly IndexAttribution[]
}

interface IndexAttribution {
  readonly ordinal: number
  readonly streamId: string
  readonly participantId: string
  readonly basis: 'label' | 'order'
  readonly from: IndexInstant
  /** Absent: to the end. */
  readonly to?: IndexInstant | undefined
}

interface IndexInstant {
  readonly at: string
  readonly clock: 'src' | 'recorder'
}

/** `shape`: not what FORMAT.md asks for, `detail` says where. `format`: a version this software does not know. */
type IndexRejectReason = 'notJson' | 'format' | 'shape'

/** Ids are as long as their clients made them. */
const text: Check = (value, path) => (typeof value === 'string' ? undefined : path)

const checkInstant = members({ at: time, clock: oneOf('src', 'recorder') })

const checkFacts = members({
  sipCallId: text,
  dialect: text,
  correlationIds: list(members({ kind: text, value: text })),
  attributions: list(
    members({
      ordinal: integer,
      streamId: text,
      participantId: text,
      basis: oneOf('label', 'order'),
      from: checkInstant,
      to: optional(checkInstant),
    }),
  ),
})

/** The plaintext of `index.age`. */
export function writeIndexFacts({ sipCallId, dialect, correlationIds, attributions }: IndexFacts): Uint8Array {
  const body = {
    format: INDEX_FORMAT,
    // Canonical JSON has no lone surrogates; an SRC may send anything.
    sipCallId: sipCallId.toWellFormed(),
    dialect,
    correlationIds: correlationIds.map(({ kind, value }) => ({ kind, value: value.toWellFormed() })),
    attributions: attributions.map(({ ordinal, streamId, participantId, basis, from, to }) => ({
      ...{ ordinal, streamId, participantId: participantId.toWellFormed(), basis, from },
      ...(to === undefined ? {} : { to }),
    })),
  }
  return new TextEncoder().encode(canonicalJson(body))
}

/** Reads the plaintext of `index.age`. Never throws. */
export function readIndexFacts(clear: Uint8Array): Result<IndexFacts, IndexRejectReason> {
  const value = parseJson(new TextDecoder().decode(clear))
  if (value === undefined) return rejected('notJson')
  const format: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'format') : undefined
  if (format !== INDEX_FORMAT) return rejected('format')
  return hasIndexShape(value) ? accepted(value) : rejected('shape', checkFacts(value, ''))
}

function hasIndexShape(value: unknown): value is IndexFacts {
  return checkFacts(value, '') === undefined
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
