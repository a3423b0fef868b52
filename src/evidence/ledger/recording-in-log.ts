import { FindingList, type Finding } from '../findings.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { checkInclusion } from './check-proof.ts'
import { readCheckpoint, type Checkpoint } from './checkpoint.ts'
import { GrowingTree } from './growing-tree.ts'
import { HashPicker, inclusionNodes, proveInclusion } from './proofs.ts'
import { decodeStatement, readStatement, type Statement } from './statement.ts'
import { leafHash } from './tree-hash.ts'

/** So long after a recording ended its last statement may still be on its way. */
const CLOSING_MS = 10 * 60 * 1_000

/** What is to be found about one recording. */
export interface RecordingFacts {
  readonly recordingId: string
  readonly startedAt: string
  readonly endedAt: string
  /** Hex SHA-256 of `manifest.jws`. */
  readonly manifestSha256: string
  /** Hex SHA-256 of `key.age`, as the manifest has it. */
  readonly wrappedKeySha256: string
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
}

interface Seen {
  readonly seq: number
  readonly jws: string
}

/**
 * Looks a recording up in one log and proves that what the log says of it is in the tree of its newest checkpoint. FORMAT.md 6
 *
 * Reads the log twice and keeps a few hashes. Whether the rest of the log is sound is for `verifyLog` to say.
 *
 * @param options.lines the log from its beginning, anew each time
 * @param options.note its newest checkpoint
 */
export async function findRecordingInLog(options: {
  readonly logId: string
  readonly recording: RecordingFacts
  readonly lines: () => AsyncIterable<string>
  readonly note: string | undefined
  readonly keys: readonly VerifyKey[]
}): Promise<LogTestimony> {
  const { logId, recording, lines, note, keys } = options
  const findings = new FindingList()
  const search = new RecordingSearch(recording, keys, findings)
  for await (const jws of lines()) await search.take(jws)
  const { opened, closed } = search
  const checkpoint = note === undefined ? undefined : await readCheckpoint(note, keys)
  const seen = [opened, closed].filter((statement) => statement !== undefined)
  const newest = checkpoint?.ok === true && checkpoint.value.logId === logId ? checkpoint.value : undefined
  const isCovered = newest !== undefined && seen.length > 0 && seen.every(({ seq }) => seq < newest.size)
  if (isCovered) await checkIncluded(seen, newest, lines(), findings)
  return {
    logId,
    findings: findings.findings,
    hadBegun: search.firstAt !== undefined && Date.parse(search.firstAt) < Date.parse(recording.startedAt),
    hasGoneOn: search.lastAt !== undefined && Date.parse(search.lastAt) - Date.parse(recording.endedAt) > CLOSING_MS,
    openedSeq: opened?.seq,
    closedSeq: closed?.seq,
    coveredAt: isCovered ? newest.at : undefined,
  }
}

class RecordingSearch {
  opened: Seen | undefined
  closed: Seen | undefined
  firstAt: string | undefined
  lastAt: string | undefined
  readonly #recording: RecordingFacts
  readonly #keys: readonly VerifyKey[]
  readonly #findings: FindingList
  #seq = 0

  constructor(recording: RecordingFacts, keys: readonly VerifyKey[], findings: FindingList) {
    this.#recording = recording
    this.#keys = keys
    this.#findings = findings
  }

  async take(jws: string): Promise<void> {
    const seq = this.#seq
    this.#seq += 1
    const decoded = decodeStatement(jws)
    if (!decoded.ok) return
    const { statement } = decoded.value
    this.lastAt = statement.at
    if (seq === 0 && (await readStatement(jws, this.#keys)).ok) this.firstAt = statement.at
    if (!('recordingId' in statement) || statement.recordingId !== this.#recording.recordingId) return
    // What nobody trusted has signed says nothing of the recording.
    if ((await readStatement(jws, this.#keys)).ok) this.#compare(statement, { seq, jws })
  }

  #compare(statement: Statement, seen: Seen): void {
    const place = `statement ${seen.seq}`
    if (statement.kind === 'recordingOpened') {
      // Of several the first counts: a recovered recording is said to be opened once more.
      if (this.opened !== undefined) return
      this.opened = seen
      if (statement.wrappedKeySha256 === this.#recording.wrappedKeySha256) return
      this.#findings.add(
        'key-not-in-log',
        'The ledger says that the recording was opened with another sealed key.',
        place,
      )
    }
    if (statement.kind !== 'recordingClosed') return
    const isThis = statement.manifestSha256 === this.#recording.manifestSha256
    if (this.closed !== undefined) {
      if (!isThis)
        this.#findings.add(
          'closed-twice',
          'The ledger says that the recording was closed with a second manifest.',
          place,
        )
      return
    }
    this.closed = seen
    if (isThis) return
    this.#findings.add(
      'manifest-not-in-log',
      'The ledger says that the recording was closed with another manifest.',
      place,
    )
  }
}

/** Proves each statement from hashes that go by, as somebody would who has only the proofs. */
async function checkIncluded(
  seen: readonly Seen[],
  { size, root }: Checkpoint,
  lines: AsyncIterable<string>,
  findings: FindingList,
): Promise<void> {
  const picker = new HashPicker(seen.flatMap(({ seq }) => inclusionNodes(seq, size)))
  const tree = new GrowingTree()
  for await (const jws of lines) picker.take(tree.append(jws))
  for (const { seq, jws } of seen) {
    const proof = proveInclusion(seq, size, picker.read)
    const claim = { leafHash: leafHash(jws), leaf: seq, size, root, proof: proof ?? [] }
    if (proof !== undefined && (await checkInclusion(claim))) continue
    const sentence = 'The newest checkpoint of the ledger does not cover this statement: the ledger was changed.'
    findings.add('statement-not-included', sentence, `statement ${seq}`)
  }
}
