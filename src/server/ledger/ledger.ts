import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'
import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import type { StatementBody, StatementClock } from '../../evidence/ledger/statement.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { errnoOf } from '../storage/storage-error.ts'
import type { UploadQueue } from '../storage/upload-queue.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Cosigners, type AskedWitness } from './cosigners.ts'
import { localLogs } from './log-copy.ts'
import type { LogSigner } from './log-writer.ts'
import { NodeLog, type NodeLogOptions, type StoreRefusal } from './node-log.ts'
import { openLog, type LogRefusal } from './open-log.ts'
import { RequestFolder, statementOf, type StatementRequest } from './statement-requests.ts'
import { StatementQueue } from './statement-queue.ts'

/** A statement is covered by a checkpoint, and on its way to the store, at most so much later. FORMAT.md 5 */
export const CHECKPOINT_INTERVAL_MS = 60_000
/** Or when so many wait for one. */
export const CHECKPOINT_STATEMENTS = 1_000
/** How long a store that does not answer is waited for before the log of the last run is gone on with. */
const STORE_WAIT_MS = 10_000
/** How often it is looked whether a command left a request. */
const REQUESTS_INTERVAL_MS = 2_000
const RETRY_FIRST_MS = 250
const RETRY_LAST_MS = 5_000

type PreviousLog = NonNullable<(StatementBody & { readonly kind: 'nodeStarted' })['previous']>

/** Where statements go: never waits, never fails. */
export interface StatementSink {
  append(body: StatementBody): void
  /** Resolves when all that was appended before is on the disk; while that does not take it, not at all. */
  written(): Promise<void>
  /** What stands for a name, number or address, FORMAT.md 2.2; undefined while there is no salt. */
  saltedHash(member: string, value: string): string | undefined
}

/** What is known of the log right now. */
export interface LedgerStatus {
  readonly logId: string | undefined
  readonly size: number
  readonly checkpointSize: number
  readonly checkpointAt: string | undefined
  /** The log of the last run, or this one, contradicts itself or the store. */
  readonly isRefused: boolean
  /** Why an operator has to look; undefined while all is well. */
  readonly problem: string | undefined
  /** Wall-clock milliseconds since which a statement waits for a checkpoint. */
  readonly uncoveredSinceUnixMs: number | undefined
  /** Wall-clock milliseconds since which a witness has not signed, though it was asked. */
  readonly unwitnessedSinceUnixMs: number | undefined
}

export interface LedgerOptions {
  readonly dataDir: string
  readonly signer: LogSigner
  readonly software: { readonly name: string; readonly version: string }
  readonly store: Pick<ObjectStore, 'list'>
  readonly uploads: Pick<UploadQueue, 'put'>
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly observer: {
    written(count: number): void
    /** What commands asked for is written. */
    said(requests: readonly StatementRequest[]): void
    /** A statement was lost, an attempt to write failed, or a log was refused. */
    failed(reason: string): void
  }
  readonly nowUnixMs: () => number
  readonly clock: () => StatementClock
  readonly randomBytes: (length: number) => Uint8Array
  readonly checkpointMs?: number
  /** Has somebody else stamp these bytes (RFC 3161); gives the answer. */
  readonly stamp?: (bytes: Uint8Array) => Promise<Uint8Array>
  /** Asked to sign under each checkpoint. */
  readonly witnesses?: readonly AskedWitness[]
}

/**
 * The log of this node. Statements are taken at once and written behind the back of whoever makes them: a slow, full or broken disk, a damaged log or a lost
 * store never holds up a recording; it is a count, a line in the log and a check that fails.
 */
export class Ledger implements StatementSink {
  readonly #options: LedgerOptions
  readonly #logOptions: NodeLogOptions
  readonly #queue: StatementQueue
  readonly #requests: RequestFolder
  #requested: readonly StatementRequest[] = []
  #looking: NodeJS.Timeout | undefined
  readonly #checkpointMs: number
  readonly #stopped = new AbortController()
  #log: NodeLog | undefined
  #uncoveredSinceUnixMs: number | undefined
  /** Why the log before this one is not gone on with: said until the next start. */
  #refusal: LogRefusal | StoreRefusal | undefined
  #failing: string | undefined
  #isClosing = false
  readonly #cosigners: Cosigners
  #wake: () => void = () => {}
  #appended = 0
  /** Who waits for so many of them to be on the disk. */
  #awaiting: { readonly upTo: number; readonly resolve: () => void }[] = []
  #onDisk = 0
  #working: Promise<void> | undefined

  constructor(options: LedgerOptions) {
    const { dataDir, signer, store, uploads, nowUnixMs, clock, observer, log, stamp, witnesses = [] } = options
    this.#options = options
    this.#cosigners = new Cosigners({ witnesses, log, failed: (reason) => observer.failed(reason), nowUnixMs })
    this.#logOptions = {
      ...{ ledgerDir: join(dataDir, LEDGER_PREFIX), signer, store, uploads, nowUnixMs },
      ...(stamp === undefined ? {} : { stamp }),
      ...{ stampFailed: () => observer.failed('timestamp'), cosigners: this.#cosigners, stopped: this.#stopped.signal },
    }
    this.#queue = new StatementQueue({ nowUnixMs, clock, onLost: (reason) => observer.failed(reason) })
    this.#requests = new RequestFolder(dataDir, () => observer.failed('requestInvalid'))
    this.#checkpointMs = options.checkpointMs ?? CHECKPOINT_INTERVAL_MS
  }

  get status(): LedgerStatus {
    return {
      logId: this.#log?.logId,
      size: this.#log?.size ?? 0,
      checkpointSize: this.#log?.checkpoint?.size ?? 0,
      checkpointAt: this.#log?.checkpoint?.at,
      isRefused: this.#refusal !== undefined,
      problem: this.#failing ?? this.#refusal ?? this.#cosigners.problem,
      uncoveredSinceUnixMs: this.#uncoveredSinceUnixMs ?? this.#queue.oldestUnixMs,
      unwitnessedSinceUnixMs: this.#cosigners.unsignedSinceUnixMs,
    }
  }

  /** Opens the log of the last run, or begins one, and works until {@link close}. Returns at once. */
  run(): void {
    this.#looking ??= setInterval(() => void this.#lookForRequests(), REQUESTS_INTERVAL_MS).unref()
    this.#working ??= this.#work().catch((error: unknown) => {
      if (this.#stopped.signal.aborted) return
      this.#failing = 'ledger-failed'
      this.#options.observer.failed('ledger-failed')
      this.#options.log.error({ err: error }, 'the ledger failed and takes nothing more until the next start')
    })
  }

  append(body: StatementBody): void {
    if (this.#isClosing) return
    this.#queue.push(body)
    this.#appended += 1
    this.#wake()
  }

  written(): Promise<void> {
    const upTo = this.#appended
    if (this.#onDisk >= upTo) return Promise.resolve()
    return new Promise((resolve) => this.#awaiting.push({ upTo, resolve }))
  }

  saltedHash(member: string, value: string): string | undefined {
    return this.#log?.saltedHash(member, value)
  }

  /** Says that the node stops, signs a last checkpoint and hands all of it to the upload queue; gives up after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#working === undefined) return
    clearInterval(this.#looking)
    this.append({ kind: 'nodeStopped' })
    this.#isClosing = true
    this.#wake()
    const timeout = new AbortController()
    const expired = sleep(timeoutMs, undefined, { signal: timeout.signal }).catch(() => {})
    await Promise.race([this.#working, expired])
    timeout.abort()
    this.#stopped.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    let log = await this.#retry(() => this.#open())
    await this.#lookForRequests()
    while (!this.#isClosing || this.#queue.length > 0) {
      await this.#waitForWork(log)
      while (this.#queue.length > 0) await this.#writeBatch(log)
      await this.#writeRequests(log)
      if (this.#isClosing || this.#isCheckpointDue(log)) await this.#cover(log)
      if (log.refusal !== undefined) {
        await log.close()
        log = await this.#replace(log.logId, log.refusal)
      }
    }
    await log.close()
  }

  async #open(): Promise<NodeLog> {
    const { ledgerDir, signer } = this.#logOptions
    const newest = (await localLogs(ledgerDir)).at(-1)
    if (newest === undefined) return this.#begin(undefined)
    const opened = await openLog(ledgerDir, newest, signer.verifyKey)
    if (!opened.ok) return this.#replace(newest, opened.reason)
    const { cutBytes } = opened.value
    if (cutBytes > 0)
      this.#options.log.warn({ cutBytes }, 'the end of the ledger, half written in a crash, was cut off')
    const log = await NodeLog.resume(opened.value, this.#logOptions)
    const patience = sleep(STORE_WAIT_MS, false, { ref: false, signal: this.#stopped.signal })
    if (await Promise.race([log.isBehindStore(), patience])) {
      await log.close()
      return this.#replace(newest, 'behindStore')
    }
    // What the last run could not cover any more is covered before anything is added.
    await this.#cover(log)
    return this.#start(log, undefined)
  }

  /** A log that contradicts itself or the store is left as it is, and another one says so. */
  #replace(logId: string, reason: LogRefusal | StoreRefusal): Promise<NodeLog> {
    if (reason === 'signerChanged') return this.#begin({ logId, cause: reason })
    this.#refusal = reason
    this.#options.observer.failed(reason)
    const error = new EarwitnessError(
      'ledger-refused',
      `The ledger ${logId} does not agree with what was signed for it (${reason}).`,
      'It is left as it is, and a new one was begun. Run `earwitness ledger verify`, keep its folder, and find out who changed it.',
    )
    this.#options.log.error({ code: error.code, reason, err: error }, 'the ledger is refused')
    return this.#begin({ logId, cause: 'refused', code: reason })
  }

  async #begin(previous: PreviousLog | undefined): Promise<NodeLog> {
    const log = await this.#retry(() => NodeLog.begin(this.#logOptions, this.#options.randomBytes))
    return this.#start(log, previous)
  }

  /** The first statement of a log is covered at once, so that none is ever without a checkpoint. */
  async #start(log: NodeLog, previous: PreviousLog | undefined): Promise<NodeLog> {
    const { software } = this.#options
    const body = { kind: 'nodeStarted', software, ...(previous === undefined ? {} : { previous }) } as const
    await this.#write(log, await log.sign([this.#queue.draft(body)]))
    await this.#cover(log)
    this.#log = log
    return log
  }

  async #writeBatch(log: NodeLog): Promise<void> {
    this.#uncoveredSinceUnixMs ??= this.#queue.oldestUnixMs ?? this.#options.nowUnixMs()
    const drafts = this.#queue.take()
    const upTo = this.#queue.length === 0 ? this.#appended : 0
    await this.#write(log, await log.sign(drafts))
    if (upTo === 0) return
    this.#onDisk = upTo
    for (const waiting of this.#awaiting) if (waiting.upTo <= upTo) waiting.resolve()
    this.#awaiting = this.#awaiting.filter((waiting) => waiting.upTo > upTo)
  }

  /** What commands on this machine asked for since it was last looked. */
  async #lookForRequests(): Promise<void> {
    if (this.#requested.length > 0) return
    this.#requested = await this.#requests.list().catch((error: unknown) => {
      this.#options.observer.failed(codeOf(error))
      return []
    })
    if (this.#requested.length > 0) this.#wake()
  }

  async #writeRequests(log: NodeLog): Promise<void> {
    const requests = this.#requested
    if (requests.length === 0) return
    this.#uncoveredSinceUnixMs ??= this.#options.nowUnixMs()
    const hash = (member: string, value: string): string | undefined => log.saltedHash(member, value)
    const drafts = requests.map((request) => this.#queue.draft(statementOf(request, hash)))
    await this.#write(log, await log.sign(drafts))
    this.#options.observer.said(requests)
    await this.#requests.done(requests)
    this.#requested = []
  }

  /** The same lines again, until the disk takes them: no place of the log is signed for twice. */
  async #write(log: NodeLog, lines: readonly string[]): Promise<void> {
    await this.#retry(() => log.append(lines))
    this.#options.observer.written(lines.length)
  }

  async #cover(log: NodeLog): Promise<void> {
    await this.#retry(() => log.cover())
    this.#uncoveredSinceUnixMs = undefined
    // A store that cannot be asked is asked again with the next checkpoint.
    const when = this.#isClosing ? 'last' : 'now'
    await log.publish(when).catch((error: unknown) => this.#options.observer.failed(codeOf(error)))
  }

  #isCheckpointDue(log: NodeLog): boolean {
    const waiting = log.size - (log.checkpoint?.size ?? 0)
    return waiting >= CHECKPOINT_STATEMENTS || this.#checkpointInMs(log) === 0
  }

  /** How long a checkpoint has time; undefined when none is wanted. */
  #checkpointInMs(log: NodeLog): number | undefined {
    const sinceUnixMs = this.#uncoveredSinceUnixMs
    if (sinceUnixMs === undefined) return log.isUnpublished ? this.#checkpointMs : undefined
    // A clock that went back must not put it off.
    const ageMs = Math.max(0, this.#options.nowUnixMs() - sinceUnixMs)
    return Math.max(0, this.#checkpointMs - ageMs)
  }

  async #waitForWork(log: NodeLog): Promise<void> {
    if (this.#queue.length > 0 || this.#requested.length > 0 || this.#isClosing) return
    const woken = new AbortController()
    const pauseMs = this.#checkpointInMs(log)
    const options = { ref: false, signal: AbortSignal.any([woken.signal, this.#stopped.signal]) }
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (pauseMs !== undefined) void sleep(pauseMs, undefined, options).then(resolve, () => {})
    })
    this.#wake = () => {}
    woken.abort()
    if (log.isUnpublished && this.#uncoveredSinceUnixMs === undefined) await log.publish().catch(() => {})
  }

  /** Tries for ever, with growing pauses, until the ledger is closed. */
  async #retry<Value>(attempt: () => Promise<Value>): Promise<Value> {
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(RETRY_LAST_MS, 2 * pauseMs)) {
      try {
        const value = await attempt()
        this.#failing = undefined
        return value
      } catch (error) {
        if (this.#stopped.signal.aborted) throw error
        if (this.#failing === undefined)
          this.#options.log.error({ err: error }, 'the ledger cannot be written; it is tried again')
        this.#failing = codeOf(error)
        this.#options.observer.failed(this.#failing)
        await sleep(pauseMs, undefined, { ref: false, signal: this.#stopped.signal })
      }
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof EarwitnessError ? error.code : (errnoOf(error) ?? 'failed')
}
