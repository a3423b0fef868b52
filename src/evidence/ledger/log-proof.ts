import { accepted, rejected, type Result } from '../../result.ts'
import { canonicalJson } from '../canonical-json.ts'
import { readDocument, type DocumentRejectReason } from '../canonical-document.ts'
import { integer, list, members, optional, uuid, type Check } from '../shape-checks.ts'
import { NOTE_LENGTH_MAX } from './signed-note.ts'
import { STATEMENT_LENGTH_MAX } from './statement.ts'

/** What a log says of one recording, with the proofs that its checkpoints cover it, as it is handed on. FORMAT.md 7 */
export const LOG_PROOF_FORMAT = 'earwitness-log-proof/1'
export const LOG_PROOF_BYTES_MAX = 32 * 1024 * 1024
/** Statements in one proof. */
export const PROVED_STATEMENTS_MAX = 1_000
/** Beyond these, statements that a key was sealed anew. */
export const PROVED_ROTATIONS_MAX = 1_000
/** And beyond these, statements that it was closed: a start says it again that does not know whether it was said. */
export const PROVED_ENDS_MAX = 16
/** Longest time stamp, as Base64. */
export const TIMESTAMP_LENGTH_MAX = 65_536

export interface ProvedCheckpoint {
  /** Text of the signed note. */
  readonly note: string
  /** That the tree of the last checkpoint begins with that of this one, in Base64; absent of the last. */
  readonly consistency?: readonly string[]
  /** Answer of a time stamping authority (RFC 3161) over the note, DER in Base64. */
  readonly timestamp?: string
  /** Signature lines of witnesses under the note, each with its LF. */
  readonly cosignatures?: string
}

export interface ProvedStatement {
  readonly seq: number
  readonly jws: string
  /** That it is in the tree of the last checkpoint, in Base64. */
  readonly inclusion: readonly string[]
}

export interface LogProof {
  readonly format: typeof LOG_PROOF_FORMAT
  readonly logId: string
  /** Ascending by size; the last one covers all statements here. */
  readonly checkpoints: readonly ProvedCheckpoint[]
  /** Ascending by `seq`. */
  readonly statements: readonly ProvedStatement[]
}

const HASH = /^[A-Za-z0-9+/]{43}=$/
const hash: Check = (value, path) => (typeof value === 'string' && HASH.test(value) ? undefined : path)

function ofLength(lengthMax: number): Check {
  return (value, path) => (typeof value === 'string' && value.length <= lengthMax ? undefined : path)
}

const findFault = members({
  logId: uuid,
  checkpoints: list(
    members({
      note: ofLength(NOTE_LENGTH_MAX),
      consistency: optional(list(hash)),
      timestamp: optional(ofLength(TIMESTAMP_LENGTH_MAX)),
      cosignatures: optional(ofLength(NOTE_LENGTH_MAX)),
    }),
  ),
  statements: list(members({ seq: integer, jws: ofLength(STATEMENT_LENGTH_MAX), inclusion: list(hash) })),
})

export function writeLogProof(proof: LogProof): Uint8Array {
  return new TextEncoder().encode(canonicalJson(proof))
}

/** Checks the shape only. Never throws; `detail` says where the shape is wrong. */
export function readLogProof(bytes: Uint8Array): Result<LogProof, DocumentRejectReason> {
  const document = readDocument(bytes, { bytesMax: LOG_PROOF_BYTES_MAX, format: LOG_PROOF_FORMAT, findFault })
  if (!document.ok) return document
  const proof = document.value as LogProof
  if (proof.checkpoints.length === 0) return rejected('shape', 'checkpoints')
  const isOrdered = proof.statements.every(
    ({ seq }, index) => index === 0 || (proof.statements[index - 1]?.seq ?? 0) < seq,
  )
  if (!isOrdered) return rejected('shape', 'statements')
  return accepted(proof)
}
