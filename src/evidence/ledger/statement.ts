import { mapped, type Result } from '../../result.ts'
import {
  decodeDocument,
  readDocument,
  signDocument,
  type DocumentKind,
  type DocumentRejectReason,
} from '../signed-document.ts'
import type { SigningKey, VerifyKey } from '../signer-keys.ts'
import type { PauseRequester } from '../words.ts'
import { findStatementFault } from './statement-shape.ts'

/** What a log says about recordings and its node. The meaning of every member is in `FORMAT.md` section 2. */

export const STATEMENT_FORMAT = 'earwitness-statement/1'
/** Longest statement, as JWS. */
export const STATEMENT_LENGTH_MAX = 16_384

const STATEMENT: DocumentKind = {
  ...{ what: 'statement', format: STATEMENT_FORMAT, type: 'earwitness-statement+jws', lengthMax: STATEMENT_LENGTH_MAX },
  findFault: findStatementFault,
}

interface AboutRecording {
  readonly recordingId: string
}

interface ByHand {
  /** Hex, see FORMAT.md 2.2. */
  readonly reasonHash?: string
  readonly byHash?: string
  /** Hex SHA-256 of the custody record that says the same. */
  readonly recordSha256?: string
  /** When it was decided; RFC 3339. */
  readonly askedAt?: string
  /** Of the custody record; of one that is said twice, because of a crash, it is the same. */
  readonly requestId?: string
}

/** A statement without its place in a log. */
export type StatementBody =
  | {
      readonly kind: 'nodeStarted'
      readonly software: { readonly name: string; readonly version: string }
      readonly previous?: {
        readonly logId: string
        readonly cause: 'signerChanged' | 'refused'
        /** Why it was refused. */
        readonly code?: string
      }
    }
  | { readonly kind: 'nodeStopped' }
  | (AboutRecording & {
      readonly kind: 'recordingOpened'
      readonly rsId: string
      readonly tenant: string
      readonly src: string
      readonly startedAt: string
      readonly recipient: string
      /** Hex SHA-256 of `key.age`. */
      readonly wrappedKeySha256: string
      /** Pauses of single media streams will be said as well. Absent: by software that did not. */
      readonly streamPauses?: true
      /** Said once more, when the recording was recovered. */
      readonly again?: true
    })
  | (AboutRecording & {
      readonly kind: 'recordingClosed'
      /** Hex SHA-256 of `manifest.jws`. */
      readonly manifestSha256: string
      readonly state: 'complete' | 'interrupted'
      readonly endCause: string
      readonly endedAt: string
      readonly durationSamples: number
    })
  | (AboutRecording & { readonly kind: 'recordingPaused' | 'recordingResumed'; readonly by: PauseRequester })
  /** By SDP: the SRC wants nothing of the stream recorded (`paused`), or it was agreed that nothing is sent on it (`held`). */
  | (AboutRecording & {
      readonly kind: 'streamPaused' | 'streamResumed'
      readonly streamId: string
      readonly cause: 'paused' | 'held'
    })
  | (AboutRecording & {
      readonly kind: 'consent'
      readonly type: string
      /** Of the event among those of its recording. Absent in older statements. */
      readonly number?: number
      readonly atSample?: number
      readonly evidenceSha256?: string
    })
  | (AboutRecording &
      ByHand & {
        readonly kind: 'holdAdded' | 'holdReleased'
        readonly holdId?: string
        /** Of `holdReleased`: hex SHA-256 of the record of the hold, which is lost. */
        readonly lostSha256?: string
      })
  | (AboutRecording & {
      readonly kind: 'access'
      readonly action: 'listen' | 'listenEnded' | 'export' | 'open'
      readonly byHash?: string
      readonly durationMs?: number
      /** When it was done, where that is earlier than when it is said; RFC 3339. */
      readonly askedAt?: string
      /** UUIDv7; of one that is said twice, because of a crash, it is the same. */
      readonly requestId?: string
    })
  | (AboutRecording &
      ByHand & {
        readonly kind: 'shredBegun' | 'shredded'
        /** Absent where nobody could tell it any more. */
        readonly wrappedKeySha256?: string
        readonly scope?: 'key' | 'objects'
      })
  | (AboutRecording & {
      readonly kind: 'keyRotated'
      readonly name: string
      readonly sha256: string
      readonly replacesSha256: string
      readonly byHash?: string
      readonly askedAt?: string
      readonly requestId?: string
    })
  | { readonly kind: 'checkpointSeen'; readonly note: string }
  | { readonly kind: 'statementsLost'; readonly count: number }

export type StatementKind = StatementBody['kind']

export interface StatementClock {
  readonly status: 'synchronized' | 'unsynchronized' | 'unknown'
  readonly source?: string
}

/** What every statement says besides. */
export interface StatementPlace {
  readonly logId: string
  readonly seq: number
  /** RFC 3339 in UTC with milliseconds. */
  readonly at: string
  readonly clock: StatementClock
}

/** A statement as it is signed. Its kind may be one that this software does not know. */
export type Statement = StatementPlace & { readonly format: typeof STATEMENT_FORMAT } & (
    | StatementBody
    | { readonly kind: 'unknown' }
  )

/**
 * Signs a statement at its place in a log.
 *
 * Throws as {@link signDocument}.
 */
export function signStatement(body: StatementBody, place: StatementPlace, signer: SigningKey): Promise<string> {
  return signDocument({ ...body, ...place }, STATEMENT, signer)
}

/** Reads a statement *without* checking who signed it. */
export function decodeStatement(
  jws: string,
): Result<{ readonly keyId: string; readonly statement: Statement }, DocumentRejectReason> {
  const decoded = decodeDocument<Statement>(jws, STATEMENT)
  return mapped(decoded, ({ keyId, body: statement }) => ({ keyId, statement }))
}

/** Reads a statement and checks its signature against the keys that are trusted. Never throws. */
export async function readStatement(
  jws: string,
  keys: readonly VerifyKey[],
): Promise<Result<Statement, DocumentRejectReason>> {
  return mapped(await readDocument<Statement>(jws, STATEMENT, keys), ({ body }) => body)
}
