import { mapped, type Result } from '../../result.ts'
import { integer, list, members, oneOf, optional, sha256, text, time, uuid, type Check } from '../shape-checks.ts'
import {
  decodeDocument,
  readDocument,
  signDocument,
  type DocumentKind,
  type DocumentRejectReason,
  type SignedDocument,
} from '../signed-document.ts'
import type { SigningKey, VerifyKey } from '../signer-keys.ts'

/** What is decided about a recording after it was made. The meaning of every member is in `FORMAT.md` section 2. */

export const CUSTODY_FORMAT = 'earwitness-custody/1'
/** `typ` of the protected header: the signature of a record can never pass for that of a manifest or statement. RFC 8725 3.11 */
export const CUSTODY_TYPE = 'earwitness-custody+jws'
/** Longest record, as JWS. */
export const CUSTODY_LENGTH_MAX = 32_768
/** Records of one recording. */
export const CUSTODY_RECORDS_MAX = 1_000

/** `key`: all wrapped keys. `objects`: these, and all other objects but the manifest and custody records. */
export type ShredScope = 'key' | 'objects'

/** How much was destroyed in one place. */
export interface DestroyedCount {
  readonly place: 'store' | 'replica' | 'node'
  readonly objects: number
  /** Versions of a bucket count one by one. */
  readonly copies: number
}

/** What a record decides. */
export type CustodyDecision =
  | { readonly kind: 'holdAdded'; readonly holdId: string }
  | {
      readonly kind: 'holdReleased'
      readonly holdId: string
      /** Hex SHA-256 of the record that had added it, and is lost: what ledger or index know of it. Absent: that record is there. */
      readonly lostSha256?: string
    }
  | { readonly kind: 'shredBegun'; readonly scope: ShredScope }
  | { readonly kind: 'shredded'; readonly scope: ShredScope; readonly destroyed: readonly DestroyedCount[] }

export type CustodyKind = CustodyDecision['kind']

/** What every record says besides. */
export interface CustodyPlace {
  readonly recordingId: string
  readonly recordId: string
  readonly seq: number
  /** Absent in the first. */
  readonly previousSha256?: string
  /** RFC 3339 in UTC with milliseconds. */
  readonly at: string
  /** Base64 of a sealed note, see `custody-note.ts`. */
  readonly note?: string
}

export type CustodyRecord = CustodyPlace & { readonly format: typeof CUSTODY_FORMAT } & (
    | CustodyDecision
    | { readonly kind: 'unknown' }
  )

const base64: Check = (value, path) =>
  typeof value === 'string' && value.length <= CUSTODY_LENGTH_MAX && /^[A-Za-z0-9+/]+={0,2}$/.test(value)
    ? undefined
    : path

const checkPlace = members({
  recordingId: uuid,
  recordId: uuid,
  seq: integer,
  previousSha256: optional(sha256),
  at: time,
  kind: text,
  note: optional(base64),
})

const scope = oneOf('key', 'objects')
const CHECKS: Readonly<Record<CustodyKind, Check>> = {
  holdAdded: members({ holdId: uuid }),
  holdReleased: members({ holdId: uuid, lostSha256: optional(sha256) }),
  shredBegun: members({ scope }),
  shredded: members({
    scope,
    destroyed: list(members({ place: oneOf('store', 'replica', 'node'), objects: integer, copies: integer })),
  }),
}

/** Where a record is not of format 1, or undefined. Of a kind that is not known only the members are looked at that all have. */
function findFault(value: unknown): string | undefined {
  const fault = checkPlace(value, '')
  if (fault !== undefined) return fault
  const { kind, seq, previousSha256 } = value as CustodyRecord
  if ((seq === 0) !== (previousSha256 === undefined)) return 'previousSha256'
  return Object.hasOwn(CHECKS, kind) ? CHECKS[kind as CustodyKind](value, '') : undefined
}

const CUSTODY_RECORD: DocumentKind = {
  ...{ what: 'custody record', format: CUSTODY_FORMAT, type: CUSTODY_TYPE, lengthMax: CUSTODY_LENGTH_MAX },
  findFault,
}

/**
 * Signs a record.
 *
 * Throws as {@link signDocument}.
 */
export function signCustodyRecord(record: CustodyPlace & CustodyDecision, signer: SigningKey): Promise<string> {
  return signDocument(record, CUSTODY_RECORD, signer)
}

/** A record and who claims to have signed it. */
export interface SignedRecord {
  readonly keyId: string
  readonly record: CustodyRecord
}

/** Reads a record *without* checking who signed it. */
export function decodeCustodyRecord(jws: string): Result<SignedRecord, DocumentRejectReason> {
  return mapped(decodeDocument<CustodyRecord>(jws, CUSTODY_RECORD), toRecord)
}

/** Reads a record and checks its signature against the keys that are trusted. Never throws. */
export async function readCustodyRecord(
  jws: string,
  keys: readonly VerifyKey[],
): Promise<Result<SignedRecord, DocumentRejectReason>> {
  return mapped(await readDocument<CustodyRecord>(jws, CUSTODY_RECORD, keys), toRecord)
}

function toRecord({ keyId, body: record }: SignedDocument<CustodyRecord>): SignedRecord {
  return { keyId, record }
}
