import type { FindingList } from '../findings.ts'
import { isCustodyName, isSealedKeyName } from '../object-names.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { readCustodyChain, type CustodyState } from './custody-chain.ts'
import type { CustodyKind, ShredScope } from './custody-record.ts'
import { isDestroyedBy } from './destroyed-by.ts'

/** `held`: it must not be destroyed. `shredding`: its destruction was begun. `shredded`: it was destroyed, as it was decided. */
export type CustodyStanding = 'free' | 'held' | 'shredding' | 'shredded'

/** What was decided about a recording after it was made, as far as trusted keys have signed it. */
export interface CustodyVerdict {
  readonly state: CustodyStanding
  /** Open holds. */
  readonly holds: CustodyState['holds']
  /** What is destroyed, or about to be; undefined: nothing. */
  readonly scope: ShredScope | undefined
  readonly records: readonly {
    readonly name: string
    /** Hex, of the object. */
    readonly sha256: string
    readonly signerKeyId: string
    readonly kind: CustodyKind | 'unknown'
    readonly at: string
    /** Of the release of a hold whose record is lost: hex, of that record. */
    readonly lostSha256?: string
  }[]
}

/** Undefined when nothing was decided. FORMAT.md 4 */
export async function verifyCustody(
  objects: { readonly get: (name: string) => Promise<Uint8Array | undefined> },
  names: readonly string[],
  trust: { readonly recordingId: string; readonly keys: readonly VerifyKey[]; readonly findings: FindingList },
): Promise<CustodyVerdict | undefined> {
  if (!names.some(isCustodyName)) return undefined
  const { findings } = trust
  const { state, records } = await readCustodyChain(objects, names, trust)
  if (state.shred === 'begun') {
    const sentence = 'Its destruction was begun and is not reported as done: run `earwitness shred` again.'
    findings.add('shred-unfinished', sentence, records.at(-1)?.name)
  }
  if (state.destroyed !== undefined) {
    // `key.age` is found by the manifest; this is for keys that it does not name, and for recordings without one.
    for (const name of names.filter((each) => isSealedKeyName(each))) {
      findings.add('shred-undone', 'A sealed key is there that was reported as destroyed.', name)
    }
  }
  return {
    state: standingOf(state),
    holds: state.holds,
    scope: state.scope,
    records: records.map(({ name, sha256, keyId, record }) => ({
      ...{ name, sha256, signerKeyId: keyId, kind: record.kind, at: record.at },
      ...(record.kind === 'holdReleased' && record.lostSha256 !== undefined ? { lostSha256: record.lostSha256 } : {}),
    })),
  }
}

export function standingOf({ shred, holds }: CustodyState): CustodyStanding {
  if (shred === 'done') return 'shredded'
  if (shred === 'begun') return 'shredding'
  return holds.length > 0 ? 'held' : 'free'
}

/** Whether it is as it was decided that an object of this name is not there. */
export function isShredded(custody: CustodyVerdict | undefined, name: string): boolean {
  if (custody?.state !== 'shredding' && custody?.state !== 'shredded') return false
  return custody.scope !== undefined && isDestroyedBy(custody.scope, name)
}
