import { signCheckpoint, type Checkpoint } from '../../evidence/ledger/checkpoint.ts'
import type { GrowingTree } from '../../evidence/ledger/growing-tree.ts'
import { hashCount } from '../../evidence/ledger/tree-layout.ts'
import { signStatement, type StatementBody, type StatementClock } from '../../evidence/ledger/statement.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'
import type { LogFiles } from './log-folder.ts'

export interface LogSigner {
  readonly signingKey: SigningKey
  readonly verifyKey: VerifyKey
}

/** A statement that has no place in the log yet. */
export interface StatementDraft {
  readonly body: StatementBody
  readonly atUnixMs: number
  readonly clock: StatementClock
}

/** Gives statements their place in one log, signs them, writes them, and signs checkpoints. One call at a time. */
export class LogWriter {
  readonly logId: string
  readonly #files: LogFiles
  readonly #tree: GrowingTree
  readonly #signer: LogSigner
  #lastUnixMs: number
  #checkpoint: Checkpoint | undefined

  constructor(options: {
    readonly logId: string
    readonly files: LogFiles
    readonly tree: GrowingTree
    readonly signer: LogSigner
    /** Of the last statement; RFC 3339. */
    readonly lastAt?: string
    readonly checkpoint?: Checkpoint | undefined
  }) {
    this.logId = options.logId
    this.#files = options.files
    this.#tree = options.tree
    this.#signer = options.signer
    this.#checkpoint = options.checkpoint
    const times = [options.lastAt, options.checkpoint?.at].map((at) => (at === undefined ? 0 : Date.parse(at)))
    this.#lastUnixMs = Math.max(...times)
  }

  get size(): number {
    return this.#tree.size
  }

  /** The newest one. */
  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint
  }

  /** Signs statements for the places that come next. Nothing is written: {@link append} has to follow with the very same lines. */
  async sign(drafts: readonly StatementDraft[]): Promise<readonly string[]> {
    const signing = drafts.map(({ body, atUnixMs, clock }, index) => {
      const isBack = atUnixMs < this.#lastUnixMs
      this.#lastUnixMs = Math.max(this.#lastUnixMs, atUnixMs)
      const place = {
        logId: this.logId,
        seq: this.#tree.size + index,
        at: new Date(this.#lastUnixMs).toISOString(),
        clock: isBack ? ({ status: 'unsynchronized' } as const) : clock,
      }
      return signStatement(body, place, this.#signer.signingKey)
    })
    return Promise.all(signing)
  }

  /** Writes signed statements; when it rejects none of them is in the log, and they may be tried again as they are. */
  async append(lines: readonly string[]): Promise<void> {
    await this.#files.append(this.#tree.size, lines.map((line) => `${line}\n`).join(''))
    const place = hashCount(this.#tree.size)
    const hashes = lines.flatMap((line) => this.#tree.append(line))
    // Losing them costs nothing: they are made again at the next start, or when a proof needs them.
    await this.#files.writeHashes(place, Buffer.concat(hashes)).catch(() => {})
  }

  /** Signs a checkpoint of all that is there and writes it. */
  async signCheckpoint(nowUnixMs: number): Promise<Checkpoint & { readonly note: string }> {
    this.#lastUnixMs = Math.max(this.#lastUnixMs, nowUnixMs)
    const at = new Date(this.#lastUnixMs).toISOString()
    const checkpoint = { logId: this.logId, size: this.#tree.size, root: this.#tree.root(), at }
    const note = await signCheckpoint(checkpoint, this.#signer)
    await this.#files.writeCheckpoint(note)
    this.#checkpoint = checkpoint
    return { ...checkpoint, note }
  }

  close(): Promise<void> {
    return this.#files.close()
  }
}
