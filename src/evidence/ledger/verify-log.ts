import { FindingList, type Finding } from '../findings.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { areSame } from './check-proof.ts'
import { decodeCheckpoint, readCheckpoint, type Checkpoint } from './checkpoint.ts'
import type { WitnessedCheckpoint } from './cosignature.ts'
import type { WitnessKey } from './witness-key.ts'
import { GrowingTree } from './growing-tree.ts'
import {
  CHECKPOINT_FAULTS,
  COSIGNATURE_FAULTS,
  STATEMENT_FAULTS,
  staleWitnessText,
  TIMESTAMP_FAULTS,
  unwitnessedText,
} from './ledger-findings.ts'
import { decodeStatement, readStatement } from './statement.ts'
import { compareTimestamp } from './timestamp.ts'
import { areWitnessesDue, CHECKPOINT_STALE_MS, WitnessTally, type WitnessesDue } from './witness-tally.ts'

export interface NamedNote {
  readonly name: string
  readonly note: string
  /** What its name says its size is. */
  readonly size?: number
  /** The answer of a time stamping authority that lies beside it. */
  readonly timestamp?: Uint8Array
  /** Signature lines of witnesses that lie beside it. */
  readonly cosignatures?: string
}

export interface LogVerdict {
  readonly logId: string
  /** True when there is not one finding. */
  readonly verified: boolean
  readonly findings: readonly Finding[]
  /** Findings beyond `FINDINGS_MAX`. */
  readonly findingsDropped: number
  /** Statements that are there. */
  readonly size: number
  /** Statements that a checkpoint covers whose root is right. */
  readonly coveredSize: number
  /** When that checkpoint was signed. RFC 3339 */
  readonly coveredAt: string | undefined
  readonly checkpoints: number
  /** Checkpoints beside which a time stamp over them lies. */
  readonly timestamps: number
  /** Checkpoints beside which cosignatures lie, whoever signed them. */
  readonly cosigned: number
  /** For each trusted witness that has signed, in the order of their keys. */
  readonly witnessed: readonly WitnessedCheckpoint[]
  /** Names of trusted witnesses that have signed under no checkpoint. */
  readonly unwitnessed: readonly string[]
  readonly firstAt: string | undefined
  readonly lastAt: string | undefined
  /** Statements that the node says it could not keep. */
  readonly statementsLost: number
  /** The log that this one goes on from. */
  readonly previousLogId: string | undefined
}

/**
 * Checks one log as FORMAT.md section 6 says, and reports all that is wrong. Keeps one statement at a time, whatever the length of the log.
 *
 * @param options.lines the statements in order, each without LF
 * @param options.checkpoints in ascending order of the sizes in their names
 * @param options.held checkpoints that were kept elsewhere, in any order
 * @param options.witnesses whose cosignatures count; absent: nobody's
 * @param options.witnessesDue `never` when absent
 */
export async function verifyLog(options: {
  readonly logId: string
  readonly lines: AsyncIterable<string>
  readonly checkpoints: AsyncIterable<NamedNote>
  readonly held: readonly NamedNote[]
  readonly keys: readonly VerifyKey[]
  readonly witnesses?: readonly WitnessKey[]
  readonly witnessesDue?: WitnessesDue
}): Promise<LogVerdict> {
  const { logId, keys, witnesses = [], witnessesDue = 'never' } = options
  const verifier = new LogVerifier({ logId, keys, witnesses, witnessesDue })
  const lines = options.lines[Symbol.asyncIterator]()
  const advance = async (size: number): Promise<void> => {
    while (verifier.nextSeq < size) {
      const line = await lines.next()
      if (line.done === true) return
      await verifier.takeLine(line.value)
    }
  }
  const held: { readonly checkpoint: Checkpoint; readonly name: string }[] = []
  for (const note of options.held) {
    const checkpoint = await verifier.readNote(note)
    if (checkpoint !== undefined) held.push({ checkpoint, name: note.name })
  }
  held.sort((left, right) => left.checkpoint.size - right.checkpoint.size)
  const compareHeld = async (size: number): Promise<void> => {
    for (let next = held[0]; next !== undefined && next.checkpoint.size <= size; next = held[0]) {
      held.shift()
      await advance(next.checkpoint.size)
      verifier.takeCheckpoint(next.checkpoint, `${next.name}, a checkpoint that was kept`)
    }
  }
  for await (const note of options.checkpoints) {
    const checkpoint = await verifier.readNote(note)
    if (checkpoint === undefined) continue
    await compareHeld(checkpoint.size)
    await advance(checkpoint.size)
    await verifier.takeCosignatures(note, checkpoint)
    verifier.takeCheckpoint(checkpoint, note.name)
  }
  await compareHeld(Infinity)
  await advance(Infinity)
  return verifier.verdict()
}

/** The first statement in which two copies of a log differ; undefined when one is the beginning of the other. */
export async function findFork(left: AsyncIterable<string>, right: AsyncIterable<string>): Promise<number | undefined> {
  const others = right[Symbol.asyncIterator]()
  let seq = 0
  for await (const line of left) {
    const other = await others.next()
    if (other.done === true) return undefined
    if (other.value !== line) return seq
    seq += 1
  }
  return undefined
}

class LogVerifier {
  readonly #logId: string
  readonly #keys: readonly VerifyKey[]
  readonly #findings = new FindingList()
  readonly #tree = new GrowingTree()
  /** Why roots say nothing any more; the reason is a finding already. */
  #isBroken = false
  #lines = 0
  #nextSeq = 0
  #firstAt: string | undefined
  #lastAt: string | undefined
  #firstUncoveredAt: string | undefined
  #covered: Checkpoint | undefined
  #newest: Checkpoint | undefined
  #checkpoints = 0
  #timestamps = 0
  #cosigned = 0
  readonly #witnesses: WitnessTally
  readonly #witnessesDue: WitnessesDue
  #statementsLost = 0
  #previousLogId: string | undefined
  /** Each is said once: what follows from it would bury it. */
  #isRewritten = false
  #isTruncated = false

  constructor(options: {
    readonly logId: string
    readonly keys: readonly VerifyKey[]
    readonly witnesses: readonly WitnessKey[]
    readonly witnessesDue: WitnessesDue
  }) {
    this.#logId = options.logId
    this.#keys = options.keys
    this.#witnesses = new WitnessTally(options.witnesses)
    this.#witnessesDue = options.witnessesDue
  }

  get nextSeq(): number {
    return this.#nextSeq
  }

  async takeLine(jws: string): Promise<void> {
    this.#lines += 1
    this.#tree.append(jws)
    const place = `statement ${this.#nextSeq}`
    const decoded = decodeStatement(jws)
    const trusted = await readStatement(jws, this.#keys)
    if (!trusted.ok) {
      const [code, sentence] = STATEMENT_FAULTS[trusted.reason]
      this.#findings.add(code, trusted.detail === undefined ? sentence : `${sentence} (${trusted.detail})`, place)
      this.#isBroken ||= trusted.reason !== 'signerUnknown'
    }
    if (!decoded.ok) {
      this.#takeUnknown()
      return
    }
    const { statement } = decoded.value
    if (statement.logId !== this.#logId) {
      this.#findings.add('statement-foreign', 'It belongs to another log.', place)
      this.#takeUnknown()
      return
    }
    this.#checkSeq(statement.seq)
    this.#checkTime(statement.at, place)
    if (statement.kind === 'statementsLost') this.#statementsLost += statement.count
    if (statement.kind === 'nodeStarted' && statement.seq === 0) this.#previousLogId = statement.previous?.logId
  }

  /** The checkpoint, if it is one of this log by a trusted signer. */
  async readNote({ name, note, size, timestamp }: NamedNote): Promise<Checkpoint | undefined> {
    this.#checkpoints += 1
    const compared = timestamp === undefined ? undefined : await compareTimestamp(note, timestamp)
    if (compared === 'right') this.#timestamps += 1
    else if (compared !== undefined) this.#findings.add('timestamp-wrong', TIMESTAMP_FAULTS[compared], name)
    const decoded = decodeCheckpoint(note)
    if (decoded.ok && decoded.value.checkpoint.logId !== this.#logId) {
      this.#findings.add('checkpoint-foreign', 'This checkpoint belongs to another log.', name)
      return undefined
    }
    const read = await readCheckpoint(note, this.#keys)
    if (!read.ok) {
      const [code, sentence] = CHECKPOINT_FAULTS[read.reason]
      this.#findings.add(code, sentence, name)
      return undefined
    }
    if (size !== undefined && read.value.size !== size) {
      const sentence = `This checkpoint is one of ${read.value.size} statements, not of as many as its name says.`
      this.#findings.add('checkpoint-swapped', sentence, name)
      return undefined
    }
    return read.value
  }

  /** What lies beside a checkpoint of a copy, in ascending order; a checkpoint that was kept elsewhere says nothing of witnesses. */
  async takeCosignatures({ name, note, cosignatures }: NamedNote, { size, at }: Checkpoint): Promise<void> {
    const decoded = decodeCheckpoint(note)
    if (!decoded.ok) return
    if (cosignatures !== undefined) this.#cosigned += 1
    const fault = await this.#witnesses.take({ text: decoded.value.note.text, size, at, cosignatures })
    if (fault !== undefined) this.#findings.add('cosignature-wrong', COSIGNATURE_FAULTS[fault], name)
  }

  /** To be called when all statements that it covers have been taken, as far as they are there. */
  takeCheckpoint(checkpoint: Checkpoint, name: string): void {
    const before = this.#newest
    if (before !== undefined && checkpoint.size === before.size && !areSame(checkpoint.root, before.root)) {
      const sentence = `Two signed checkpoints of ${checkpoint.size} statements differ: the log was told in two ways.`
      this.#findings.add('log-forked', sentence, name)
      return
    }
    const isLate = (at: string | undefined): boolean => at !== undefined && Date.parse(checkpoint.at) < Date.parse(at)
    if (isLate(before?.size === checkpoint.size ? undefined : before?.at)) {
      this.#findings.add('checkpoint-back-dated', 'It says that it is older than a smaller checkpoint.', name)
    } else if (this.#nextSeq === checkpoint.size && isLate(this.#lastAt)) {
      this.#findings.add('checkpoint-back-dated', 'It says that it is older than a statement that it covers.', name)
    }
    this.#newest = checkpoint
    this.#compareRoot(checkpoint, name)
  }

  verdict(): LogVerdict {
    if (this.#lines === 0) this.#findings.add('log-empty', 'There is not one statement.')
    else if (this.#checkpoints === 0) {
      this.#findings.add(
        'checkpoint-missing',
        'There is no checkpoint: whether statements were cut off cannot be told.',
      )
    }
    this.#checkStale()
    this.#checkWitnesses()
    const { witnessed, unwitnessed } = this.#witnesses
    return {
      logId: this.#logId,
      verified: this.#findings.isEmpty,
      findings: this.#findings.findings,
      findingsDropped: this.#findings.dropped,
      size: this.#lines,
      coveredSize: this.#covered?.size ?? 0,
      coveredAt: this.#covered?.at,
      checkpoints: this.#checkpoints,
      timestamps: this.#timestamps,
      cosigned: this.#cosigned,
      ...{ witnessed, unwitnessed },
      firstAt: this.#firstAt,
      lastAt: this.#lastAt,
      statementsLost: this.#statementsLost,
      previousLogId: this.#previousLogId,
    }
  }

  /** A witness is trusted for what it would not sign: that it has signed nothing, or nothing more, is what a log looks like that was rewritten. */
  #checkWitnesses(): void {
    const ageMs = Date.parse(this.#lastAt ?? '') - Date.parse(this.#firstAt ?? '')
    if (!areWitnessesDue(this.#witnessesDue, ageMs)) return
    const { unwitnessed, stale } = this.#witnesses
    for (const name of unwitnessed) this.#findings.add('witness-missing', unwitnessedText(name, this.#checkpoints))
    for (const { witness, size } of stale) this.#findings.add('witness-stale', staleWitnessText(witness, size))
  }

  #compareRoot(checkpoint: Checkpoint, name: string): void {
    if (this.#nextSeq < checkpoint.size) {
      if (this.#isTruncated) return
      this.#isTruncated = true
      const sentence = `The log is cut: ${checkpoint.size} statements were signed for, ${this.#nextSeq} are there.`
      this.#findings.add('log-truncated', sentence, name)
      return
    }
    if (this.#isBroken) return
    if (this.#tree.size === checkpoint.size && areSame(this.#tree.root(), checkpoint.root)) {
      this.#covered = checkpoint
      this.#firstUncoveredAt = undefined
      return
    }
    if (this.#isRewritten) return
    this.#isRewritten = true
    const since = this.#covered === undefined ? '' : `, after statement ${this.#covered.size - 1}`
    this.#findings.add('log-rewritten', `The statements are not those that were signed for${since}.`, name)
  }

  /** It is taken for the one that belongs here, so that what follows is not all called missing. */
  #takeUnknown(): void {
    this.#isBroken = true
    this.#nextSeq += 1
  }

  /** Behind the newest checkpoint there may be what was said in the last minute, or before the node was killed; then the next start covers it. */
  #checkStale(): void {
    if (this.#newest === undefined || this.#firstUncoveredAt === undefined || this.#lastAt === undefined) return
    const isCovered = this.#covered?.size === this.#newest.size
    if (!isCovered || Date.parse(this.#lastAt) - Date.parse(this.#firstUncoveredAt) <= CHECKPOINT_STALE_MS) return
    const sentence = 'The log went on for long behind its newest checkpoint: newer ones are missing.'
    this.#findings.add('checkpoint-stale', sentence, `statement ${this.#newest.size}`)
  }

  #checkSeq(seq: number): void {
    const expected = this.#nextSeq
    if (seq > expected) {
      const names = seq - expected === 1 ? `statement ${expected}` : `statements ${expected} to ${seq - 1}`
      this.#findings.add('statement-missing', `The log has a hole before statement ${seq}.`, names)
    } else if (seq < expected) {
      this.#findings.add('statement-repeated', `It stands where statement ${expected} should.`, `statement ${seq}`)
    }
    this.#isBroken ||= seq !== expected
    // What goes back does not move the place: the one that belongs here may follow.
    this.#nextSeq = Math.max(expected, seq + 1)
  }

  #checkTime(at: string, place: string): void {
    if (this.#lastAt !== undefined && Date.parse(at) < Date.parse(this.#lastAt)) {
      this.#findings.add('statement-back-dated', 'It says that it is older than the one before it.', place)
      return
    }
    this.#firstAt ??= at
    this.#lastAt = at
    this.#firstUncoveredAt ??= at
  }
}
