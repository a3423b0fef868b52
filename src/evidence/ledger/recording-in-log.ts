import { FindingList, type Finding } from '../findings.ts'
import type { KeyRotation } from '../key-checks.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { toBase64 } from './base64.ts'
import { checkInclusion } from './check-proof.ts'
import { readCheckpoint, type Checkpoint } from './checkpoint.ts'
import { GrowingTree } from './growing-tree.ts'
import {
  LOG_PROOF_FORMAT,
  PROVED_ROTATIONS_MAX,
  PROVED_ENDS_MAX,
  PROVED_STATEMENTS_MAX,
  type LogProof,
  type ProvedCheckpoint,
  type ProvedStatement,
} from './log-proof.ts'
import type { WitnessedCheckpoint } from './cosignature.ts'
import { consistencyNodes, HashPicker, inclusionNodes, proveConsistency, proveInclusion } from './proofs.ts'
import { RecordingStory, type CustodyFact, type RecordingFacts, type ToldStatement } from './recording-story.ts'
import { decodeStatement, readStatement } from './statement.ts'
import { leafHash } from './tree-hash.ts'

/** So long after a recording ended its last statement may still be on its way. */
const CLOSING_MS = 10 * 60 * 1_000

/** A checkpoint as it is kept. */
export interface KeptCheckpoint {
  readonly note: string
  /** Answer of a time stamping authority, DER in Base64. */
  readonly timestamp?: string
  /** Signature lines of witnesses under the note. */
  readonly cosignatures?: string
}

/** What one log says about a recording. */
export interface LogTestimony {
  readonly logId: string
  readonly findings: readonly Finding[]
  /** The log had begun before the recording did, so it should know of it. */
  readonly hadBegun: boolean
  /** The log has gone on since the recording ended, so it should know of its end. */
  readonly hasGoneOn: boolean
  readonly openedSeq: number | undefined
  readonly closedSeq: number | undefined
  /** When the checkpoint was signed that covers both; undefined while none does. */
  readonly coveredAt: string | undefined
  /** All that is said of the recording, the first {@link TOLD_STATEMENTS_MAX}. */
  readonly statements: readonly ToldStatement[]
  /** What it says of keys that were sealed anew. */
  readonly rotations: readonly KeyRotation[]
  /** Hashes of the custody records that it names. */
  readonly custodySaid: readonly string[]
  /** Those that it should name, and does not. */
  readonly custodyUnsaid: readonly CustodyFact[]
}

/** The part of a testimony that is handed on. */
export type ToldTestimony = Omit<LogTestimony, 'findings' | 'custodySaid' | 'custodyUnsaid'> & {
  /** Of a proof that was handed on. */
  readonly witnesses?: WitnessesOfProof
}

/** Which trusted witnesses have signed under checkpoints that cover what is said of the recording. */
export interface WitnessesOfProof {
  /** The newest such checkpoint of each. */
  readonly witnessed: readonly WitnessedCheckpoint[]
  /** Names of those who have signed under none. */
  readonly unwitnessed: readonly string[]
  /** Statements that the newest checkpoint of the proof covers. */
  readonly size: number
}

/** Custody records that a log should know of, and none of these does: several logs of one signer may share the work. */
export function unsaidCustody(
  testimonies: readonly Pick<LogTestimony, 'custodySaid' | 'custodyUnsaid'>[],
): readonly Finding[] {
  const said = new Set(testimonies.flatMap(({ custodySaid }) => custodySaid))
  const unsaid = new Map(testimonies.flatMap(({ custodyUnsaid }) => custodyUnsaid.map((fact) => [fact.sha256, fact])))
  return [...unsaid.values()]
    .filter(({ sha256 }) => !said.has(sha256))
    .map(({ kind, at }) => ({
      code: 'custody-not-in-log' as const,
      sentence: `The ledger of the node that decided \`${kind}\` at ${at} does not say it.`,
    }))
}

export interface ProvedTestimony {
  readonly testimony: LogTestimony
  /** To hand on; undefined while no checkpoint covers anything of it. */
  readonly proof: LogProof | undefined
}

interface LogQuestion {
  readonly logId: string
  readonly recording: RecordingFacts
  /** The log from its beginning. */
  readonly lines: AsyncIterable<string>
  /** The newest checkpoint. */
  readonly newest: KeptCheckpoint | undefined
  /** The first checkpoint that covers statement `seq`, where older ones are kept. */
  readonly earlier?: (seq: number) => Promise<KeptCheckpoint | undefined>
  /** The newest checkpoint that witnesses have signed under, where that is known. */
  readonly cosigned?: KeptCheckpoint | undefined
  /** All that are trusted, the signer of the manifest among them. */
  readonly keys: readonly VerifyKey[]
}

/**
 * Looks a recording up in one log and proves that what the log says of it is in the tree of its newest checkpoint. FORMAT.md 6
 *
 * Reads the log once and keeps a few hashes for each statement about the recording. Whether the rest of the log is sound is for `verifyLog` to say.
 */
export async function findRecordingInLog(question: LogQuestion): Promise<ProvedTestimony> {
  const { newest, cosigned, lines } = question
  const search = new LogSearch(question, await readKept(question, newest))
  search.wantCosigned(cosigned, await readKept(question, cosigned))
  for await (const jws of lines) await search.take(jws)
  return search.testimony()
}

/** Undefined when it is none of this log by a trusted signer. */
async function readKept(
  { logId, keys }: Pick<LogQuestion, 'logId' | 'keys'>,
  kept: KeptCheckpoint | undefined,
): Promise<Checkpoint | undefined> {
  const read = kept === undefined ? undefined : await readCheckpoint(kept.note, keys)
  return read?.ok === true && read.value.logId === logId ? read.value : undefined
}

/** What a log should say, and does not. `statement 0` and the newest checkpoint tell what it should know of. */
export function missingInLog(
  testimony: Pick<LogTestimony, 'logId' | 'openedSeq' | 'closedSeq' | 'hadBegun' | 'hasGoneOn'>,
): readonly Finding[] {
  const { logId, openedSeq, closedSeq, hadBegun, hasGoneOn } = testimony
  const missing: Finding[] = []
  const add = (code: 'opened-not-in-log' | 'closed-not-in-log', what: string): void => {
    missing.push({ code, sentence: `The ledger ${logId} does not say that this recording was ${what}.` })
  }
  if (openedSeq === undefined && hadBegun) add('opened-not-in-log', 'opened')
  if (closedSeq === undefined && hasGoneOn) add('closed-not-in-log', 'closed')
  return missing
}

/** Whether a log that says something at `at` should know of the end of the recording. */
export function isLongAfter(at: string | undefined, { endedAt }: RecordingFacts): boolean {
  return at !== undefined && Date.parse(at) - Date.parse(endedAt) > CLOSING_MS
}

/** A checkpoint, whose consistency with the newest one can be proved. */
interface ProvableCheckpoint {
  readonly kept: KeptCheckpoint
  readonly size: number
}

/** Places beyond the first thousand. Without them no reader could tell the key in force from one that was put there, nor whether the end of the recording was said. */
const BEYOND: Readonly<Partial<Record<string, number>>> = {
  keyRotated: PROVED_ROTATIONS_MAX,
  recordingClosed: PROVED_ROTATIONS_MAX + PROVED_ENDS_MAX,
}

class LogSearch {
  readonly #question: LogQuestion
  readonly #checkpoint: Checkpoint | undefined
  readonly #findings = new FindingList()
  readonly #story: RecordingStory
  readonly #tree = new GrowingTree()
  readonly #picker = new HashPicker()
  readonly #seen: { readonly seq: number; readonly jws: string; readonly isAbout: boolean }[] = []
  /** Smaller than the newest one. */
  #earlier: ProvableCheckpoint | undefined
  #cosigned: ProvableCheckpoint | undefined
  /** Of another node, which knows at most that a key was sealed anew. */
  #isForeign = false
  #signerKeyId: string | undefined
  #begunAt: string | undefined
  #firstAt: string | undefined
  #lastAt: string | undefined

  constructor(question: LogQuestion, checkpoint: Checkpoint | undefined) {
    this.#question = question
    this.#checkpoint = checkpoint
    this.#story = new RecordingStory(question.recording, this.#findings)
  }

  async take(jws: string): Promise<void> {
    const decoded = decodeStatement(jws)
    if (decoded.ok) {
      const { statement, keyId } = decoded.value
      this.#lastAt = statement.at
      const isFirst = this.#tree.size === 0
      const isAbout = 'recordingId' in statement && statement.recordingId === this.#question.recording.recordingId
      // What nobody trusted has signed says nothing of the recording.
      if ((isFirst || isAbout) && (await readStatement(jws, this.#question.keys)).ok) {
        if (isFirst) {
          this.#isForeign = keyId !== this.#question.recording.signerKeyId
          this.#begunAt = statement.at
          this.#signerKeyId = keyId
        }
        if (isFirst && !this.#isForeign) this.#firstAt = statement.at
        const wasClosed = this.#story.closedSeq !== undefined
        this.#story.take(statement, keyId)
        this.#keep(jws, { isAbout, beyond: BEYOND[statement.kind] ?? 0 })
        if (!wasClosed && this.#story.closedSeq !== undefined) await this.#wantEarlier()
      }
    }
    this.#picker.take(this.#tree.append(jws))
  }

  async testimony(): Promise<ProvedTestimony> {
    const { logId, recording } = this.#question
    this.#story.finish({ lastAt: this.#lastAt, isWhole: true })
    const whole = this.#whole()
    const { openedSeq, closedSeq, told, rotations } = this.#story
    const seen = [openedSeq, closedSeq].filter((seq) => seq !== undefined)
    const checkpoint = this.#checkpoint
    const isCovered = checkpoint !== undefined && seen.length > 0 && seen.every((seq) => seq < checkpoint.size)
    const proof = checkpoint === undefined ? undefined : await this.#prove(checkpoint)
    const testimony = {
      logId,
      findings: this.#findings.findings,
      hadBegun: this.#firstAt !== undefined && Date.parse(this.#firstAt) < Date.parse(recording.startedAt),
      hasGoneOn: !this.#isForeign && isLongAfter(this.#lastAt, recording),
      openedSeq,
      closedSeq,
      coveredAt: isCovered ? checkpoint.at : undefined,
      statements: told,
      rotations,
      custodySaid: this.#story.said,
      custodyUnsaid: whole === undefined ? [] : this.#story.unsaid(whole),
    }
    return { testimony, proof }
  }

  /** From when to when this log goes, and whose it is. */
  #whole(): Parameters<RecordingStory['unsaid']>[0] | undefined {
    const [firstAt, lastAt, signerKeyId] = [this.#begunAt, this.#lastAt, this.#signerKeyId]
    const isKnown = firstAt !== undefined && lastAt !== undefined && signerKeyId !== undefined
    return isKnown ? { signerKeyId, firstAt, lastAt } : undefined
  }

  /** Asks for the hashes that prove this statement; to be called before it is in the tree. */
  #keep(jws: string, { isAbout, beyond }: { readonly isAbout: boolean; readonly beyond: number }): void {
    const seq = this.#tree.size
    const size = this.#checkpoint?.size ?? 0
    if (seq >= size || this.#seen.length >= PROVED_STATEMENTS_MAX + beyond) return
    this.#seen.push({ seq, jws, isAbout })
    this.#picker.want(inclusionNodes(seq, size), (node) => this.#tree.subtree(node))
  }

  /** The first checkpoint after a recording was closed says, by its time stamp, when that was so at the latest. */
  async #wantEarlier(): Promise<void> {
    const kept = await this.#question.earlier?.(this.#tree.size)
    this.#earlier = this.#wantProof(kept, await readKept(this.#question, kept))
  }

  /** To be called before the first statement. */
  wantCosigned(kept: KeptCheckpoint | undefined, checkpoint: Checkpoint | undefined): void {
    this.#cosigned = this.#wantProof(kept, checkpoint)
  }

  /** Undefined for one that covers nothing that is still to come, or no less than the newest one. */
  #wantProof(kept: KeptCheckpoint | undefined, checkpoint: Checkpoint | undefined): ProvableCheckpoint | undefined {
    const size = this.#checkpoint?.size ?? 0
    if (kept === undefined || checkpoint === undefined) return undefined
    if (checkpoint.size <= this.#tree.size || checkpoint.size >= size) return undefined
    this.#picker.want(consistencyNodes(checkpoint.size, size), (node) => this.#tree.subtree(node))
    return { kept, size: checkpoint.size }
  }

  /** Proves each statement from hashes that went by, as somebody would who has only the proofs. */
  async #prove({ size, root }: Checkpoint): Promise<LogProof | undefined> {
    const { logId, newest } = this.#question
    const statements: ProvedStatement[] = []
    for (const { seq, jws, isAbout } of this.#seen) {
      const proof = proveInclusion(seq, size, this.#picker.read)
      const claim = { leafHash: leafHash(jws), leaf: seq, size, root, proof: proof ?? [] }
      if (proof !== undefined && (await checkInclusion(claim))) {
        statements.push({ seq, jws, inclusion: proof.map(toBase64) })
      } else if (isAbout) {
        const sentence = 'The newest checkpoint of the ledger does not cover this statement: the ledger was changed.'
        this.#findings.add('statement-not-included', sentence, `statement ${seq}`)
      }
    }
    if (newest === undefined || !this.#seen.some(({ isAbout }) => isAbout)) return undefined
    return { format: LOG_PROOF_FORMAT, logId, checkpoints: [...this.#provedEarlier(size), newest], statements }
  }

  #provedEarlier(size: number): readonly ProvedCheckpoint[] {
    const earlier = this.#earlier
    const closedSeq = this.#story.closedSeq ?? Infinity
    // A witness that has signed under less than the whole recording says nothing of it.
    const isWanted = (cosigned: ProvableCheckpoint): boolean => cosigned.size > Math.max(closedSeq, earlier?.size ?? 0)
    const cosigned = this.#cosigned !== undefined && isWanted(this.#cosigned) ? this.#cosigned : undefined
    return [earlier, cosigned].flatMap((provable) => {
      if (provable === undefined) return []
      const proof = proveConsistency(provable.size, size, this.#picker.read)
      return proof === undefined ? [] : [{ ...provable.kept, consistency: proof.map(toBase64) }]
    })
  }
}
