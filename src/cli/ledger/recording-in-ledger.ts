import type { Config } from '../../config/config.ts'
import {
  findRecordingInLog,
  missingInLog,
  unsaidCustody,
  type LogTestimony,
  type ToldTestimony,
  type ProvedTestimony,
} from '../../evidence/ledger/recording-in-log.ts'
import { recordingFacts, type RecordingFacts } from '../../evidence/ledger/recording-story.ts'
import { rotationLines, testimonyLine } from '../../evidence/ledger/ledger-text.ts'
import type { LogProof } from '../../evidence/ledger/log-proof.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import { isShredded } from '../../evidence/custody/verify-custody.ts'
import { checkKeys, KEY_FINDING_CODES } from '../../evidence/key-checks.ts'
import type { Finding, FindingCode } from '../../evidence/findings.ts'
import { KEY_NAME, MANIFEST_NAME } from '../../evidence/object-names.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import type { ObjectReader, Verdict } from '../../evidence/verify.ts'
import { sha256Hex } from '../../evidence/web-digest.ts'
import { linesOf } from '../../server/ledger/log-copy.ts'
import { firstCovering, newestCheckpoint, newestCosigned } from './kept-checkpoints.ts'
import { findLogs } from './ledger-copies.ts'

/** A verdict with what the ledger at hand adds to it. */
export interface WithLedger {
  readonly verdict: Verdict & { readonly ledger?: ToldTestimony }
  /** What a reader should know of it. */
  readonly lines: readonly string[]
  /** To be handed on; of every log at hand that says something of the recording, and has a checkpoint over it. */
  readonly proofs: readonly LogProof[]
}

/**
 * Looks the recording up in the logs at hand: was it opened and closed there, with this very manifest, and does a signed checkpoint cover that? Of a recording whose
 * manifest nobody trusted has signed nothing is asked.
 */
export async function withLedger(
  config: Config,
  verdict: Verdict,
  { objects, keys }: { readonly objects: ObjectReader; readonly keys: readonly VerifyKey[] },
): Promise<WithLedger> {
  const signed = await objects.get(MANIFEST_NAME)
  const { manifest, signerKeyId, consent } = verdict
  if (manifest === undefined || signerKeyId === undefined || signed === undefined)
    return { verdict, lines: [], proofs: [] }
  const recording = recordingFacts(manifest, {
    manifestSha256: await sha256Hex(signed),
    signerKeyId,
    consent,
    custody: verdict.custody?.records ?? [],
  })
  const asked = await askLogs(config, recording, keys)
  const testimonies = asked.map(({ testimony }) => testimony)
  const explained = withRotations(verdict, manifest, testimonies)
  const proofs = asked.map(({ proof }) => proof).filter((proof) => proof !== undefined)
  return { ...withTestimonies(explained, testimonies), proofs }
}

/** What one log does not say another may: the ledger of a recorder goes on in a new log when its key changes, or after a damage. */
const SAID_ELSEWHERE: ReadonlySet<FindingCode> = new Set<FindingCode>(['pause-not-in-log', 'consent-not-in-log'])

/** The verdict with what the logs at hand say: one of them tells of opening and closing; what any of them says that is not so is a finding. */
export function withTestimonies(verdict: Verdict, testimonies: readonly LogTestimony[]): Omit<WithLedger, 'proofs'> {
  // A ledger that began later, or another node's, cannot know of its opening.
  const testimony =
    testimonies.find(({ openedSeq, closedSeq }) => (openedSeq ?? closedSeq) !== undefined) ??
    testimonies.find(({ hadBegun }) => hadBegun)
  const others = testimonies.filter((each) => each !== testimony).flatMap(({ findings }) => findings)
  const more = [...others.filter(({ code }) => !SAID_ELSEWHERE.has(code)), ...unsaidCustody(testimonies)]
  if (testimony !== undefined) return told(verdict, testimony, more)
  const lines = ['Ledger: none at hand was being written when this recording began.']
  return { verdict: withFindings(verdict, more), lines }
}

function withFindings(verdict: Verdict, more: readonly Finding[]): Verdict {
  const findings = [...verdict.findings, ...more]
  return { ...verdict, findings, verified: findings.length === 0 && verdict.verified }
}

/** What every log at hand says of a recording, with the proofs. */
async function askLogs(
  config: Config,
  recording: RecordingFacts,
  keys: readonly VerifyKey[],
): Promise<readonly ProvedTestimony[]> {
  const testimonies: ProvedTestimony[] = []
  for (const { logId, local, stored } of await findLogs(config, Date.now())) {
    const copy = local ?? stored
    if (copy === undefined) continue
    // Before the statements: a log that goes on meanwhile has those that a checkpoint covers.
    const newest = await newestCheckpoint(copy, stored)
    const earlier =
      stored === undefined
        ? {}
        : { earlier: (seq: number) => firstCovering(stored, seq), cosigned: await newestCosigned(stored) }
    testimonies.push(await findRecordingInLog({ logId, recording, lines: linesOf(copy), newest, keys, ...earlier }))
  }
  return testimonies
}

/** The verdict with what all logs at hand together say of the keys, whichever node sealed them anew. */
function withRotations(verdict: Verdict, manifest: ManifestBody, testimonies: readonly LogTestimony[]): Verdict {
  const rotations = testimonies.flatMap((testimony) => testimony.rotations)
  if (rotations.length === 0 || isShredded(verdict.custody, KEY_NAME)) return verdict
  const keys = checkKeys(manifest.wrappedKey, verdict.sealedKeys, rotations)
  const others = verdict.findings.filter(({ code }) => !KEY_FINDING_CODES.has(code))
  const findings = [...keys.findings, ...others]
  const verified = findings.length === 0 && verdict.findingsDropped === 0
  return { ...verdict, findings, verified, counts: { ...verdict.counts, keyIntact: keys.isIntact } }
}

function told(
  verdict: Verdict,
  { findings, custodySaid: _said, custodyUnsaid: _unsaid, ...testimony }: LogTestimony,
  more: readonly Finding[],
): Omit<WithLedger, 'proofs'> {
  const missing = missingInLog(testimony)
  return {
    verdict: { ...withFindings(verdict, [...findings, ...missing, ...more]), ledger: testimony },
    lines: [testimonyLine(testimony), ...rotationLines(testimony.rotations)],
  }
}
