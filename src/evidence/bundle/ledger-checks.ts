import type { ConsentTestimony } from '../consent-checks.ts'
import type { CustodyVerdict } from '../custody/verify-custody.ts'
import type { FindingList } from '../findings.ts'
import { checkLogProof } from '../ledger/check-log-proof.ts'
import type { WitnessKey } from '../ledger/witness-key.ts'
import { documentFault } from '../canonical-document.ts'
import { readLogProof } from '../ledger/log-proof.ts'
import { missingInLog, type ToldTestimony } from '../ledger/recording-in-log.ts'
import { recordingFacts } from '../ledger/recording-story.ts'
import type { KeyRotation } from '../key-checks.ts'
import { decodeManifest, type ManifestBody } from '../manifest.ts'
import { MANIFEST_NAME } from '../object-names.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { sha256Hex } from '../web-digest.ts'
import type { BundleMembers } from './bundle-members.ts'
import { isLogProofName, OBJECTS_FOLDER } from './member-names.ts'

/** What a log says of the recording of a bundle. */
export type BundledTestimony = ToldTestimony

/** What the logs of a bundle say together. */
export interface CheckedLedger {
  /** Of the log that knows the recording best. */
  readonly best: BundledTestimony | undefined
  /** Of all of them: a key may be sealed anew by another node than that which recorded. */
  readonly rotations: readonly KeyRotation[]
}

/** Checks what a bundle holds of logs. FORMAT.md 4 */
export async function checkLedger(
  body: ManifestBody,
  {
    members,
    keys,
    witnesses,
    consent,
    custody,
  }: {
    readonly consent: ConsentTestimony
    readonly members: BundleMembers
    readonly keys: readonly VerifyKey[]
    readonly custody: CustodyVerdict | undefined
    readonly witnesses?: readonly WitnessKey[] | undefined
  },
  findings: FindingList,
): Promise<CheckedLedger> {
  const signed = await members.read(OBJECTS_FOLDER + MANIFEST_NAME)
  if (signed === undefined) return { best: undefined, rotations: [] }
  const manifest = decodeManifest(new TextDecoder('latin1').decode(signed))
  // Who did not sign the manifest has nothing to say about it, and may have sealed its key anew.
  const signerKeyId = manifest.ok ? manifest.value.keyId : ''
  const recording = recordingFacts(body, {
    manifestSha256: await sha256Hex(signed),
    signerKeyId,
    consent,
    custody: custody?.records ?? [],
  })
  const testimonies: BundledTestimony[] = []
  for (const name of new Set(members.names.filter(isLogProofName))) {
    const bytes = await members.read(name)
    const proof = bytes === undefined ? undefined : readLogProof(bytes)
    if (proof?.ok !== true) {
      const sentence = proof === undefined ? 'This proof is damaged.' : documentFault('This proof', proof.reason)
      findings.add('log-proof-unreadable', sentence, name)
      continue
    }
    const testimony = await checkLogProof(proof.value, { name, recording, keys, witnesses }, findings)
    if (testimony !== undefined) testimonies.push(testimony)
  }
  const knows = testimonies.find(({ openedSeq, closedSeq }) => openedSeq !== undefined && closedSeq !== undefined)
  const best = knows ?? testimonies.find(({ hadBegun }) => hadBegun) ?? testimonies[0]
  for (const { code, sentence } of best === undefined ? [] : missingInLog(best)) findings.add(code, sentence)
  // Whoever names a witness wants to know that it has signed: a proof without, or none at all, is what a forger hands on.
  for (const { name } of best === undefined ? (witnesses ?? []) : []) {
    findings.add('witness-missing', `There is no proof from a ledger that witness ${name} could have signed under.`)
  }
  for (const name of best?.witnesses?.unwitnessed ?? []) {
    findings.add('witness-missing', `Witness ${name} has signed under nothing that covers this recording.`)
  }
  return { best, rotations: testimonies.flatMap(({ rotations }) => rotations) }
}
