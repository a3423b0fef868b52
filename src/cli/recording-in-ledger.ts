import type { Config } from '../config/config.ts'
import type { Finding } from '../evidence/findings.ts'
import { findRecordingInLog, type LogTestimony, type RecordingFacts } from '../evidence/ledger/recording-in-log.ts'
import { MANIFEST_NAME } from '../evidence/object-names.ts'
import type { VerifyKey } from '../evidence/signer-keys.ts'
import type { ObjectReader, Verdict } from '../evidence/verify.ts'
import { sha256Hex } from '../evidence/web-digest.ts'
import { linesOf, notesOf, type LogCopy } from '../server/ledger/log-copy.ts'
import { findLogs } from './ledger-copies.ts'

/** A verdict with what the ledger at hand adds to it. */
export interface WithLedger {
  readonly verdict: Verdict & { readonly ledger?: Omit<LogTestimony, 'findings'> }
  /** What a reader should know of it. */
  readonly lines: readonly string[]
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
  const { manifest, signerKeyId } = verdict
  if (manifest === undefined || signerKeyId === undefined || signed === undefined) return { verdict, lines: [] }
  const recording = {
    recordingId: manifest.recordingId,
    startedAt: manifest.startedAt,
    endedAt: manifest.endedAt,
    manifestSha256: await sha256Hex(signed),
    wrappedKeySha256: manifest.wrappedKey.sha256,
  }
  const signers = keys.filter(({ keyId }) => keyId === signerKeyId)
  const testimonies = await askLogs(config, recording, signers)
  const testimony = testimonies.find(({ openedSeq, closedSeq }) => (openedSeq ?? closedSeq) !== undefined)
  if (testimony !== undefined) return told(verdict, testimony)
  // A ledger that began later, or another node's, cannot know of it.
  const silent = testimonies.find(({ hadBegun }) => hadBegun)
  return silent === undefined
    ? { verdict, lines: ['Ledger: none at hand was being written when this recording began.'] }
    : told(verdict, silent)
}

async function askLogs(
  config: Config,
  recording: RecordingFacts,
  keys: readonly VerifyKey[],
): Promise<readonly LogTestimony[]> {
  const testimonies: LogTestimony[] = []
  for (const { logId, local, stored } of await findLogs(config, Date.now())) {
    const copy = local ?? stored
    if (copy === undefined) continue
    const note = await newestNote(copy)
    testimonies.push(await findRecordingInLog({ logId, recording, lines: () => linesOf(copy), note, keys }))
  }
  return testimonies
}

async function newestNote(copy: LogCopy): Promise<string | undefined> {
  for await (const { note } of notesOf({ ...copy, checkpoints: copy.checkpoints.slice(-1) })) return note
  return undefined
}

function told(verdict: Verdict, { findings, ...testimony }: LogTestimony): WithLedger {
  const { logId, openedSeq, closedSeq, coveredAt } = testimony
  const missing: Finding[] = []
  if (openedSeq === undefined) {
    missing.push({
      code: 'opened-not-in-log',
      sentence: `The ledger ${logId} does not say that this recording was opened.`,
    })
  }
  if (closedSeq === undefined && testimony.hasGoneOn) {
    missing.push({
      code: 'closed-not-in-log',
      sentence: `The ledger ${logId} does not say that this recording was closed.`,
    })
  }
  const all = [...verdict.findings, ...findings, ...missing]
  const covered =
    coveredAt === undefined ? 'no checkpoint covers it yet' : `covered by a checkpoint that was signed ${coveredAt}`
  const place = `opened as statement ${openedSeq ?? '(none)'}, closed as statement ${closedSeq ?? '(none)'}`
  return {
    verdict: { ...verdict, verified: all.length === 0 && verdict.verified, findings: all, ledger: testimony },
    lines: [`Ledger ${logId}: ${place}; ${covered}.`],
  }
}
