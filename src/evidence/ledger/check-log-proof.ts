import type { FindingList } from '../findings.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { fromBase64 } from './base64.ts'
import { checkConsistency, checkInclusion, leafHashOf } from './check-proof.ts'
import { decodeCheckpoint, readCheckpoint, type Checkpoint } from './checkpoint.ts'
import type { WitnessKey } from './witness-key.ts'
import { CHECKPOINT_FAULTS, COSIGNATURE_FAULTS, STATEMENT_FAULTS, TIMESTAMP_FAULTS } from './ledger-findings.ts'
import { PROVED_STATEMENTS_MAX, type LogProof, type ProvedStatement } from './log-proof.ts'
import { isLongAfter, type ToldTestimony } from './recording-in-log.ts'
import { RecordingStory, type RecordingFacts } from './recording-story.ts'
import { decodeStatement, readStatement, type Statement } from './statement.ts'
import { compareTimestamp } from './timestamp.ts'
import { WitnessTally } from './witness-tally.ts'

/**
 * Checks what was handed on of a log: signatures, that the last checkpoint covers every statement, that it goes on from the earlier ones, and that what is
 * said fits the recording. `name` is where it lies, for the findings.
 */
export async function checkLogProof(
  proof: LogProof,
  {
    name,
    recording,
    keys,
    witnesses = [],
  }: {
    readonly name: string
    readonly recording: RecordingFacts
    readonly keys: readonly VerifyKey[]
    readonly witnesses?: readonly WitnessKey[] | undefined
  },
  findings: FindingList,
): Promise<ToldTestimony | undefined> {
  const newest = await checkCheckpoints(proof, { name, keys }, findings)
  if (newest === undefined) return undefined
  const story = new RecordingStory(recording, findings)
  // Of another node, which knows at most that a key was sealed anew.
  let isForeign = false
  let firstAt: string | undefined
  for (const proved of proof.statements) {
    const statement = await checkStatement(proved, { proof, newest, name, keys }, findings)
    const decoded = decodeStatement(proved.jws)
    if (statement === undefined || !decoded.ok) continue
    if (statement.seq === 0) isForeign = decoded.value.keyId !== recording.signerKeyId
    if (statement.seq === 0 && !isForeign) firstAt = statement.at
    story.take(statement, decoded.value.keyId)
  }
  const isWhole = proof.statements.length < PROVED_STATEMENTS_MAX
  story.finish({ lastAt: newest.at, isWhole })
  const { openedSeq, closedSeq, told, rotations } = story
  const { witnessed, unwitnessed } = await checkWitnesses(proof, { name, witnesses, closedSeq }, findings)
  return {
    logId: proof.logId,
    hadBegun: firstAt !== undefined && Date.parse(firstAt) < Date.parse(recording.startedAt),
    // Older proofs end with the first thousand, whatever those were: that the end is not among them says nothing.
    hasGoneOn: !isForeign && isWhole && isLongAfter(newest.at, recording),
    openedSeq,
    closedSeq,
    coveredAt: newest.at,
    statements: told,
    rotations,
    witnesses: { witnessed, unwitnessed, size: newest.size },
  }
}

/** The last one, if all are signed, of this log, and each the beginning of the last. */
async function checkCheckpoints(
  { logId, checkpoints }: LogProof,
  { name, keys }: { readonly name: string; readonly keys: readonly VerifyKey[] },
  findings: FindingList,
): Promise<Checkpoint | undefined> {
  const read: Checkpoint[] = []
  for (const { note, timestamp } of checkpoints) {
    const checkpoint = await readCheckpoint(note, keys)
    if (timestamp !== undefined) {
      const compared = await compareTimestamp(note, fromBase64(timestamp) ?? new Uint8Array())
      if (compared !== 'right') findings.add('timestamp-wrong', TIMESTAMP_FAULTS[compared], name)
    }
    if (!checkpoint.ok) findings.add(...CHECKPOINT_FAULTS[checkpoint.reason], name)
    else if (checkpoint.value.logId === logId) read.push(checkpoint.value)
    else findings.add('checkpoint-foreign', 'This checkpoint belongs to another log.', name)
  }
  const newest = read.at(-1)
  if (read.length < checkpoints.length || newest === undefined) return undefined
  for (const [index, { size: oldSize, root: oldRoot, at }] of read.slice(0, -1).entries()) {
    const hashes = bytesOf(checkpoints[index]?.consistency ?? [])
    if (!(await checkConsistency({ oldSize, oldRoot, size: newest.size, root: newest.root, proof: hashes }))) {
      const sentence = 'Two signed checkpoints do not belong to one log that only grew, or their proof was changed.'
      findings.add('log-forked', sentence, name)
    }
    if (Date.parse(at) > Date.parse(newest.at)) {
      findings.add('checkpoint-back-dated', 'It says that it is older than a smaller checkpoint.', name)
    }
  }
  return newest
}

/** Who has signed, of those who are trusted, under a checkpoint that covers all up to `closedSeq`. */
async function checkWitnesses(
  { checkpoints }: LogProof,
  {
    name,
    witnesses,
    closedSeq = 0,
  }: { readonly name: string; readonly witnesses: readonly WitnessKey[]; readonly closedSeq: number | undefined },
  findings: FindingList,
): Promise<Pick<WitnessTally, 'witnessed' | 'unwitnessed'>> {
  const before = new WitnessTally(witnesses)
  const covering = new WitnessTally(witnesses)
  for (const { note, cosignatures } of checkpoints) {
    const decoded = decodeCheckpoint(note)
    if (cosignatures === undefined || !decoded.ok) continue
    const { checkpoint, note: parsed } = decoded.value
    const { size, at } = checkpoint
    const fault = await (size > closedSeq ? covering : before).take({ text: parsed.text, size, at, cosignatures })
    if (fault !== undefined) findings.add('cosignature-wrong', COSIGNATURE_FAULTS[fault], name)
  }
  return covering
}

async function checkStatement(
  { seq, jws, inclusion }: ProvedStatement,
  around: {
    readonly proof: LogProof
    readonly newest: Checkpoint
    readonly name: string
    readonly keys: readonly VerifyKey[]
  },
  findings: FindingList,
): Promise<Statement | undefined> {
  const { proof, newest, keys, name } = around
  const place = `${name}, statement ${seq}`
  const statement = await readStatement(jws, keys)
  if (!statement.ok) {
    findings.add(...STATEMENT_FAULTS[statement.reason], place)
    return undefined
  }
  if (statement.value.logId !== proof.logId || statement.value.seq !== seq) {
    findings.add('statement-foreign', 'It belongs to another place, or to another log.', place)
    return undefined
  }
  const leafHash = await leafHashOf(new TextEncoder().encode(jws))
  const { size, root } = newest
  if (await checkInclusion({ leafHash, leaf: seq, size, root, proof: bytesOf(inclusion) })) return statement.value
  findings.add('statement-not-included', 'The checkpoint beside it does not cover this statement.', place)
  return undefined
}

function bytesOf(hashes: readonly string[]): readonly Uint8Array[] {
  return hashes.map((hash) => fromBase64(hash) ?? new Uint8Array())
}
