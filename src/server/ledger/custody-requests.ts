import type { StatementBody } from '../../evidence/ledger/statement.ts'
import { isUuidV7 } from '../../ids.ts'

const SHA256 = /^[0-9a-f]{64}$/

/** What every request says. */
export interface Asked {
  /** UUIDv7. */
  readonly requestId: string
  readonly recordingId: string
  /** Who. Only its salted hash is said; of a decision nothing when it is empty. */
  readonly by: string
  /** RFC 3339. */
  readonly at: string
}

/** A command on this machine decided something about a recording, and its custody record is stored. `reason`: only its salted hash is said, and
 * nothing when it is empty. `wrappedKeySha256` is absent where nobody can tell it any more. */
export type CustodyRequest = Asked & { readonly reason: string; readonly recordSha256: string } & (
    | { readonly kind: 'holdAdded' | 'holdReleased'; readonly holdId: string; readonly lostSha256?: string }
    | {
        readonly kind: 'shredBegun' | 'shredded'
        readonly wrappedKeySha256?: string
        readonly scope: 'key' | 'objects'
      }
  )

/** What is said of it. `saltedHash` gives what stands for a text, where there is a salt. */
export function custodyStatement(
  { by, reason, at, ...said }: CustodyRequest,
  saltedHash: (member: string, value: string) => string | undefined,
): StatementBody {
  const byHash = by === '' ? undefined : saltedHash('byHash', by)
  const reasonHash = reason === '' ? undefined : saltedHash('reasonHash', reason)
  return {
    ...said,
    ...(byHash === undefined ? {} : { byHash }),
    ...(reasonHash === undefined ? {} : { reasonHash }),
    askedAt: at,
  }
}

export function parseCustody(asked: Asked, rest: Partial<Record<string, unknown>>): CustodyRequest | undefined {
  const { kind, reason, recordSha256, holdId, lostSha256, wrappedKeySha256, scope } = rest
  if (typeof reason !== 'string' || !isSha256(recordSha256)) return undefined
  const about = { ...asked, reason, recordSha256 }
  if (kind === 'holdAdded' || kind === 'holdReleased') {
    if (typeof holdId !== 'string' || !isUuidV7(holdId)) return undefined
    if (lostSha256 === undefined) return { ...about, kind, holdId }
    return kind === 'holdReleased' && isSha256(lostSha256) ? { ...about, kind, holdId, lostSha256 } : undefined
  }
  if (kind !== 'shredBegun' && kind !== 'shredded') return undefined
  if (scope !== 'key' && scope !== 'objects') return undefined
  if (wrappedKeySha256 === undefined) return { ...about, kind, scope }
  return isSha256(wrappedKeySha256) ? { ...about, kind, wrappedKeySha256, scope } : undefined
}

function isSha256(value: unknown): value is string {
  return typeof value === 'string' && SHA256.test(value)
}
