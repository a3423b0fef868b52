import { EarwitnessError } from '../../errors.ts'
import { readCustodyChain, type CustodyChain } from '../../evidence/custody/custody-chain.ts'
import { FindingList, type FindingCode } from '../../evidence/findings.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'

/** Of a record by an unknown signer; and of those on it, which make no sense without it. */
const OF_ANOTHER: ReadonlySet<FindingCode> = new Set<FindingCode>(['custody-unknown-signer', 'custody-wrong'])

/**
 * What was decided about a recording, for somebody who is about to destroy or to release something of it.
 *
 * @param names of all its objects
 * @throws EarwitnessError `custody-damaged`: what cannot be believed may be a hold
 */
export async function readDecisions(
  objects: { readonly get: (name: string) => Promise<Uint8Array | undefined> },
  names: Iterable<string>,
  trust: { readonly recordingId: string; readonly keys: readonly VerifyKey[] },
): Promise<CustodyChain> {
  const findings = new FindingList()
  const chain = await readCustodyChain(objects, names, { ...trust, findings })
  const [first] = findings.findings
  if (first === undefined) return chain
  const more = findings.findings.length + findings.dropped - 1
  const isOfAnother = findings.findings.every(({ code }) => OF_ANOTHER.has(code))
  const andMore = more === 0 ? '' : `, and ${more} more`
  throw new EarwitnessError(
    'custody-damaged',
    `What was decided about this recording cannot be believed: ${first.name ?? ''} ${first.sentence} [${first.code}]${andMore}`,
    isOfAnother
      ? 'If another recorder decided it, give its public key too: --key signer.pub.pem.'
      : 'Nothing was done. Run `earwitness verify` on it, and find out who changed it.',
  )
}
