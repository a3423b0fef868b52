import { join } from 'node:path'

import { areSame } from '../../evidence/ledger/check-proof.ts'
import { readCheckpoint, type Checkpoint } from '../../evidence/ledger/checkpoint.ts'
import { GrowingTree } from '../../evidence/ledger/growing-tree.ts'
import { decodeStatement, readStatement } from '../../evidence/ledger/statement.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import { linesOf, localCopy, type LogCopy, type NamedEntries } from './log-copy.ts'
import { LogFolder } from './log-folder.ts'
import { remakeHashes } from './log-prover.ts'

/**
 * Why a log is not gone on with. `signerChanged`: it is of another key. `empty`: there is nothing in it. `checkpointMissing`, `checkpointUnreadable`:
 * the newest checkpoint is gone, or not by this node. `truncated`, `rewritten`: the statements are not those that the newest checkpoint stands for.
 * `unreadable`: what stands behind it is no statement of this log, though statements follow. `holed`: a file is missing.
 */
export type LogRefusal =
  | 'signerChanged'
  | 'empty'
  | 'checkpointMissing'
  | 'checkpointUnreadable'
  | 'truncated'
  | 'rewritten'
  | 'unreadable'
  | 'holed'

export interface OpenedLog {
  readonly logId: string
  readonly folder: LogFolder
  readonly tree: GrowingTree
  readonly lastAt: string
  readonly checkpoint: Checkpoint | undefined
  /** Bytes that were being written in a crash, and were cut off. */
  readonly cutBytes: number
}

/**
 * Opens a log of this node to go on with it: reads all of it, compares it with its newest checkpoint, cuts off what a crash left half written, and makes the
 * stored hashes again. Nothing is changed when it is refused.
 */
export async function openLog(
  ledgerDir: string,
  logId: string,
  signer: VerifyKey,
): Promise<Result<OpenedLog, LogRefusal>> {
  const copy = await localCopy(ledgerDir, logId)
  const note = copy.checkpoints.length === 0 ? undefined : await copy.read(copy.checkpoints[0]?.name ?? '')
  const checkpoint = note === undefined ? undefined : await readCheckpoint(Buffer.from(note).toString('utf8'), [signer])
  const scan = new LogScan(copy, signer, checkpoint?.ok === true ? checkpoint.value : undefined)
  const refusal = await scan.run()
  if (refusal !== undefined) return rejected(refusal)
  if (checkpoint === undefined && scan.tree.size > 1) return rejected('checkpointMissing')
  if (checkpoint !== undefined && (!checkpoint.ok || checkpoint.value.logId !== logId)) {
    return rejected('checkpointUnreadable')
  }
  const folder = new LogFolder(join(ledgerDir, logId))
  const { name, soundBytes } = scan.tail
  await folder.resume(name, soundBytes)
  if (scan.unendedLine !== undefined) await folder.append(scan.tree.size - 1, `${scan.unendedLine}\n`)
  await remakeHashes(folder, linesOf(copy), { size: scan.tree.size })
  return accepted({
    ...{ logId, folder, tree: scan.tree, lastAt: scan.lastAt },
    checkpoint: checkpoint?.ok === true ? checkpoint.value : undefined,
    cutBytes: scan.cutBytes,
  })
}

/** Reads a log from its beginning to its end. */
class LogScan {
  readonly tree = new GrowingTree()
  readonly #copy: LogCopy
  readonly #signer: VerifyKey
  readonly #checkpoint: Checkpoint | undefined
  /** The last file, and how much of it counts. */
  tail = { name: '', soundBytes: 0 }
  cutBytes = 0
  /** A last line that is a whole statement, and lacks its LF only. */
  unendedLine: string | undefined
  lastAt = ''
  #isCheckpointMet = false
  /** Behind the newest checkpoint a line was no statement: so must be all that follow. */
  #isCut = false

  constructor(copy: LogCopy, signer: VerifyKey, checkpoint: Checkpoint | undefined) {
    this.#copy = copy
    this.#signer = signer
    this.#checkpoint = checkpoint
  }

  async run(): Promise<LogRefusal | undefined> {
    for (const [index, entries] of this.#copy.entries.entries()) {
      const isLast = index === this.#copy.entries.length - 1
      const refusal = await this.#readFile(entries, isLast)
      if (refusal !== undefined) return refusal
    }
    if (this.tree.size === 0) return 'empty'
    return this.#checkpoint === undefined || this.#isCheckpointMet ? undefined : 'truncated'
  }

  async #readFile(entries: NamedEntries, isLast: boolean): Promise<LogRefusal | undefined> {
    // One that was made just before a crash is empty.
    if (entries.first !== this.tree.size) return 'holed'
    const bytes = Buffer.from((await this.#copy.read(entries.name)) ?? new Uint8Array())
    this.tail = { name: entries.name, soundBytes: 0 }
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const refusal = await this.#takeLine(bytes.toString('latin1', start, end))
      if (refusal !== undefined) return refusal
      start = end + 1
      if (!this.#isCut) this.tail.soundBytes = start
    }
    this.cutBytes = bytes.length - this.tail.soundBytes
    if (this.cutBytes === 0) return undefined
    if (!isLast) return 'unreadable'
    return this.#takeUnended(bytes.toString('latin1', start))
  }

  async #takeUnended(line: string): Promise<LogRefusal | undefined> {
    if (this.#isCut || !(await this.#isNext(line))) return undefined
    this.unendedLine = line
    this.cutBytes = 0
    return this.#takeLine(line)
  }

  async #takeLine(line: string): Promise<LogRefusal | undefined> {
    const isCovered = this.#checkpoint !== undefined && this.tree.size < this.#checkpoint.size
    if (this.tree.size === 0) {
      const first = decodeStatement(line)
      if (first.ok && first.value.keyId !== this.#signer.keyId) return 'signerChanged'
    }
    // What the checkpoint covers is proved by its root; the last of it says what time it was.
    const isNext = isCovered || (await this.#isNext(line))
    if (this.#isCut && isNext) return 'unreadable'
    if (!isNext) {
      this.#isCut = true
      return undefined
    }
    this.tree.append(line)
    if (this.#checkpoint?.size !== this.tree.size) return undefined
    this.#isCheckpointMet = true
    this.lastAt = timeOf(line) ?? this.lastAt
    return areSame(this.tree.root(), this.#checkpoint.root) ? undefined : 'rewritten'
  }

  async #isNext(line: string): Promise<boolean> {
    const read = await readStatement(line, [this.#signer])
    if (!read.ok || read.value.logId !== this.#copy.logId) return false
    // Behind a line that is to be cut off any statement of the log shows that it was not a crash.
    if (!this.#isCut && read.value.seq !== this.tree.size) return false
    this.lastAt = read.value.at
    return true
  }
}

function timeOf(line: string): string | undefined {
  const decoded = decodeStatement(line)
  return decoded.ok ? decoded.value.statement.at : undefined
}
