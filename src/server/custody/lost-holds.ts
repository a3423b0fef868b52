import { EarwitnessError } from '../../errors.ts'
import type { StoredRecord } from '../../evidence/custody/custody-chain.ts'
import type { SaidHold } from '../../evidence/ledger/said-holds.ts'

/** A hold of which nothing says that it was released. */
export interface KnownHold extends SaidHold {
  readonly knownBy: 'ledger' | 'index'
}

/** Of what is known those whose record is gone, and of which nobody has said beside the recording that they are over all the same. */
export function lostHolds(known: readonly KnownHold[], records: readonly StoredRecord[]): readonly KnownHold[] {
  const hashes = new Set(records.flatMap(({ sha256, record }) => [sha256, ...lostIn(record)]))
  const isThere = ({ recordSha256, holdId }: KnownHold): boolean =>
    recordSha256 === undefined
      ? records.some(({ record }) => record.kind === 'holdAdded' && (holdId === undefined || record.holdId === holdId))
      : hashes.has(recordSha256)
  return known.filter((hold) => !isThere(hold))
}

function lostIn(record: StoredRecord['record']): readonly string[] {
  return record.kind === 'holdReleased' && record.lostSha256 !== undefined ? [record.lostSha256] : []
}

/** @throws EarwitnessError `hold-lost`: a hold whose record is gone may still hold */
export function refuseLost(known: readonly KnownHold[], records: readonly StoredRecord[]): void {
  const lost = lostHolds(known, records)
  if (lost.length === 0) return
  const who = [...new Set(lost.map(({ knownBy }) => `the ${knownBy}`))].join(' and ')
  throw new EarwitnessError(
    'hold-lost',
    `A legal hold on this recording is known to ${who}, and its record is not beside the recording; nothing was destroyed.`,
    `Put custody-….jws back, out of a backup or an older version of the bucket; \`earwitness verify\` tells what is missing. If another recorder released it, give its public key: --key signer.pub.pem. ${endOf(lost)}`,
  )
}

/** How those can be ended that are over. */
export function endOf(lost: readonly KnownHold[]): string {
  const ids = new Set(lost.flatMap(({ holdId, recordSha256 }) => (recordSha256 === undefined ? [] : (holdId ?? []))))
  const isNamed = lost.every(({ holdId, recordSha256 }) => holdId !== undefined && recordSha256 !== undefined)
  return [
    ...(ids.size === 0
      ? []
      : [
          `One that is lost for good, and is over: earwitness hold release ID --lost ${[...ids].join(' or ')} --reason TEXT.`,
        ]),
    ...(isNamed ? [] : ['What is known without its id, or without the hash of its record, no --lost can end.']),
  ].join(' ')
}
