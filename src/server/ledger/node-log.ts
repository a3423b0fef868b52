import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import { GrowingTree } from '../../evidence/ledger/growing-tree.ts'
import { cosignaturesName, logMonthPrefix, timestampName } from '../../evidence/ledger/log-names.ts'
import { uuidV7 } from '../../ids.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { UploadQueue } from '../storage/upload-queue.ts'
import type { Cosigners } from './cosigners.ts'
import { linesOf, localCopy } from './log-copy.ts'
import { LogFolder } from './log-folder.ts'
import { LogProver } from './log-prover.ts'
import { LogPublisher, UPLOAD_ORDER } from './log-publisher.ts'
import { LogWriter, type LogSigner, type StatementDraft } from './log-writer.ts'
import type { OpenedLog } from './open-log.ts'

const SALT_BYTES = 32

export interface NodeLogOptions {
  readonly ledgerDir: string
  readonly signer: LogSigner
  readonly store: Pick<ObjectStore, 'list'>
  readonly uploads: Pick<UploadQueue, 'put'>
  readonly nowUnixMs: () => number
  /** Has somebody else stamp a checkpoint (RFC 3161). */
  readonly stamp?: (note: Uint8Array) => Promise<Uint8Array>
  readonly stampFailed: () => void
  /** Those who are asked to sign under each checkpoint. */
  readonly cosigners: Pick<Cosigners, 'ask' | 'notStored'>
  /** Nobody waits any longer. */
  readonly stopped: AbortSignal
}

/** A checkpoint that the upload queue does not have yet. */
interface Unpublished {
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}

/** `behindStore`: the store has more of this log than its node. `forked`: it has something else under a name that is to be written. */
export type StoreRefusal = 'behindStore' | 'forked'

/** The log that is being written: on the disk, and from there in the object store. One call at a time. */
export class NodeLog {
  readonly #writer: LogWriter
  readonly #publisher: LogPublisher
  readonly #salt: Uint8Array | undefined
  readonly #prover: LogProver
  readonly #options: NodeLogOptions
  readonly #nowUnixMs: () => number
  /** The newest checkpoint, as long as the upload queue does not have it. */
  #unpublished: Unpublished | undefined
  /** One hand-over at a time, each of bounded size, so that a store in trouble does not fill the memory. */
  #isHandedOver = true
  #refusal: StoreRefusal | undefined

  private constructor(writer: LogWriter, files: LogFolder, salt: Uint8Array | undefined, options: NodeLogOptions) {
    const { ledgerDir, store, uploads } = options
    const { logId } = writer
    this.#writer = writer
    this.#options = options
    this.#salt = salt
    this.#prover = new LogProver(files, () => statementsOf(ledgerDir, logId))
    this.#nowUnixMs = options.nowUnixMs
    this.#publisher = new LogPublisher({ logId, store, uploads, copy: () => localCopy(ledgerDir, logId) })
  }

  /** A new log, without a statement. */
  static async begin(options: NodeLogOptions, randomBytes: (length: number) => Uint8Array): Promise<NodeLog> {
    const { ledgerDir, signer, nowUnixMs } = options
    const logId = uuidV7(nowUnixMs(), randomBytes(16))
    const salt = randomBytes(SALT_BYTES)
    await LogFolder.create(join(ledgerDir, logId), salt)
    const files = new LogFolder(join(ledgerDir, logId))
    const tree = new GrowingTree()
    return new NodeLog(new LogWriter({ logId, files, tree, signer }), files, salt, options)
  }

  /** Goes on with one of an earlier run. */
  static async resume(opened: OpenedLog, options: NodeLogOptions): Promise<NodeLog> {
    const { logId, folder, tree, lastAt, checkpoint } = opened
    const writer = new LogWriter({ ...{ logId, tree, lastAt, checkpoint }, files: folder, signer: options.signer })
    return new NodeLog(writer, folder, await folder.salt(), options)
  }

  get logId(): string {
    return this.#writer.logId
  }

  get size(): number {
    return this.#writer.size
  }

  get checkpoint(): LogWriter['checkpoint'] {
    return this.#writer.checkpoint
  }

  /** A checkpoint has not been handed to the upload queue. */
  get isUnpublished(): boolean {
    return this.#unpublished !== undefined
  }

  /** The store contradicts this log: nothing more may be added to it. */
  get refusal(): StoreRefusal | undefined {
    return this.#refusal
  }

  /** FORMAT.md 2.2 */
  saltedHash(member: string, value: string): string | undefined {
    if (this.#salt === undefined) return undefined
    return createHmac('sha256', this.#salt).update(`earwitness-salted/1\n${member}\n${value}`).digest('hex')
  }

  sign(drafts: readonly StatementDraft[]): Promise<readonly string[]> {
    return this.#writer.sign(drafts)
  }

  append(lines: readonly string[]): Promise<void> {
    return this.#writer.append(lines)
  }

  /** Whether the store has more of this log than there is here. A store that cannot be asked says nothing. */
  async isBehindStore(): Promise<boolean> {
    const end = await this.#publisher.storedEnd(this.#nowUnixMs()).catch(() => 0)
    return end > this.size
  }

  /** Signs a checkpoint of what none covers yet. */
  async cover(): Promise<void> {
    if (this.checkpoint?.size === this.size) return
    this.#unpublished = await this.#writer.signCheckpoint(this.#nowUnixMs())
  }

  /**
   * Hands what is covered to the upload queue, unless that has not brought the last of it to the store yet and this is not the `last` time. Rejects when the
   * store cannot be asked what it has; then, too, it is to be tried again.
   */
  async publish(when: 'now' | 'last' = 'now'): Promise<void> {
    const unpublished = this.#unpublished
    if (unpublished === undefined || this.#refusal !== undefined) return
    if (!this.#isHandedOver && (when === 'now' || this.#publisher.isHandingOver)) return
    const nowUnixMs = this.#nowUnixMs()
    if ((await this.#publisher.storedEnd(nowUnixMs)) > this.size) {
      this.#refusal = 'behindStore'
      return
    }
    const { isWhole, done } = await this.#publisher.publish(unpublished.size, unpublished.note, nowUnixMs)
    this.#unpublished = undefined
    this.#isHandedOver = false
    void done
      .catch((error: unknown) => {
        if (error instanceof EarwitnessError && error.code === 'storage-conflict') this.#refusal = 'forked'
        // What the queue gives up otherwise is handed over again, if need be at the next start.
        else this.#unpublished ??= unpublished
      })
      .then(() => {
        this.#isHandedOver = true
      })
    // One that comes to the store later than now is behind the next one, which covers all that it does.
    if (!isWhole) return
    const stamped = this.#stamp(unpublished, nowUnixMs)
    const cosigned = this.#cosign(unpublished, nowUnixMs)
    if (when === 'last') await Promise.all([cosigned, Promise.race([stamped, aborted(this.#options.stopped)])])
  }

  /** A checkpoint that the authority did not stamp is behind the next one, which covers all that it does. */
  async #stamp({ size, note }: Unpublished, nowUnixMs: number): Promise<void> {
    const { stamp, stampFailed, uploads } = this.#options
    if (stamp === undefined) return
    try {
      const reply = await stamp(Buffer.from(note))
      const key = `${logMonthPrefix(this.logId, nowUnixMs)}/${timestampName(size)}`
      void uploads.put(UPLOAD_ORDER, key, reply).catch(stampFailed)
    } catch {
      stampFailed()
    }
  }

  /** Under a checkpoint that a witness did not sign there is the next one, which goes on from it. */
  async #cosign({ size, root, note }: Unpublished, nowUnixMs: number): Promise<void> {
    const { cosigners, uploads, stopped } = this.#options
    const lines = await cosigners.ask({
      ...{ logId: this.logId, note, size, signal: stopped, currentSize: () => this.size },
      prove: (oldSize) => this.#prover.prove({ oldSize, size, root }, stopped),
    })
    if (lines === '') return
    const key = `${logMonthPrefix(this.logId, nowUnixMs)}/${cosignaturesName(size)}`
    void uploads.put(UPLOAD_ORDER, key, Buffer.from(lines)).catch(() => cosigners.notStored())
  }

  close(): Promise<void> {
    return this.#writer.close()
  }
}

async function* statementsOf(ledgerDir: string, logId: string): AsyncGenerator<string> {
  yield* linesOf(await localCopy(ledgerDir, logId))
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
