import { checkpointName, entriesName, logListKey, logMonthPrefix } from '../../evidence/ledger/log-names.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { UploadQueue } from '../storage/upload-queue.ts'
import { linesOf, storedEnd, type LogCopy } from './log-copy.ts'

/** Characters of statements in one object. */
export const PUBLISHED_LENGTH_MAX = 4 * 1024 * 1024
/** Characters that wait in memory for the store at a time. More would not make it faster: objects go there one after the other. */
export const WAITING_LENGTH_MAX = 2 * PUBLISHED_LENGTH_MAX
/** One row for all: a checkpoint never comes before what it covers. */
export const UPLOAD_ORDER = 'ledger'

/**
 * Brings a log to the object store, in immutable pieces: entries, then a checkpoint that covers them. What is there already is asked of the store itself, so a
 * crash leaves neither a hole nor two pieces that disagree.
 */
export class LogPublisher {
  readonly #logId: string
  readonly #store: Pick<ObjectStore, 'list'>
  readonly #uploads: Pick<UploadQueue, 'put'>
  readonly #copy: () => Promise<LogCopy>
  /** Statements that the store has, or that are on their way; undefined until the store has been asked. */
  #end: number | undefined
  #isHandingOver = false

  constructor(options: {
    readonly logId: string
    readonly store: Pick<ObjectStore, 'list'>
    readonly uploads: Pick<UploadQueue, 'put'>
    /** The node's own copy as it is now. */
    readonly copy: () => Promise<LogCopy>
  }) {
    this.#logId = options.logId
    this.#store = options.store
    this.#uploads = options.uploads
    this.#copy = options.copy
  }

  /** Asks the store how far it has this log, once. */
  async storedEnd(nowUnixMs: number): Promise<number> {
    this.#end ??= await storedEnd(this.#store, this.#logId, nowUnixMs)
    return this.#end
  }

  /** The upload queue does not have all of what was published last: nothing else may be published. */
  get isHandingOver(): boolean {
    return this.#isHandingOver
  }

  /**
   * Hands over all statements up to `size` and the checkpoint of that size, {@link WAITING_LENGTH_MAX} at a time: after a long outage there may be more than fits into
   * memory. Resolves when the upload queue has all of it, which `isWhole` says, or as much as may wait; `done` settles when the store has all. The queue tries
   * again for ever.
   */
  async publish(
    size: number,
    note: string,
    nowUnixMs: number,
  ): Promise<{ readonly isWhole: boolean; readonly done: Promise<void> }> {
    const begin = await this.storedEnd(nowUnixMs)
    const copy = await this.#copy()
    const puts = new BoundedPuts((key, bytes) => this.#uploads.put(UPLOAD_ORDER, key, bytes))
    this.#isHandingOver = true
    const given = this.#handOver(puts, { copy, begin, size, note, prefix: logMonthPrefix(this.#logId, nowUnixMs) })
    const done = given.then(() => puts.stored())
    done.catch(() => {})
    const isWhole = await Promise.race([given.then(() => true), puts.full.then(() => false)])
    return { isWhole, done }
  }

  async #handOver(
    puts: BoundedPuts,
    what: {
      readonly copy: LogCopy
      readonly begin: number
      readonly size: number
      readonly note: string
      readonly prefix: string
    },
  ): Promise<void> {
    const { copy, begin, size, note, prefix } = what
    let first = begin
    let seq = 0
    let piece = ''
    const endPiece = async (): Promise<void> => {
      if (seq > first) await puts.put(`${prefix}/${entriesName(first, seq)}`, piece)
      first = seq
      piece = ''
    }
    try {
      for await (const line of linesFrom(copy, begin)) {
        seq = line.seq
        if (seq >= size) break
        if (seq === 0) await puts.put(logListKey(this.#logId), line.jws)
        piece += `${line.jws}\n`
        seq += 1
        if (piece.length >= PUBLISHED_LENGTH_MAX) await endPiece()
      }
      await endPiece()
      await puts.put(`${prefix}/${checkpointName(size)}`, note)
      this.#end = Math.max(begin, size)
    } finally {
      this.#isHandingOver = false
    }
  }
}

/** Gives objects to the upload queue, one behind the other, as long as not too much of them waits there. */
class BoundedPuts {
  readonly #put: (key: string, bytes: Uint8Array) => Promise<void>
  readonly #puts: Promise<void>[] = []
  readonly #full = Promise.withResolvers<void>()
  #waitingLength = 0
  /** How many of the first are stored. */
  #storedCount = 0

  constructor(put: (key: string, bytes: Uint8Array) => Promise<void>) {
    this.#put = put
  }

  /** Resolves when one had to wait. */
  get full(): Promise<void> {
    return this.#full.promise
  }

  /** Resolves when the queue has it; rejects when that has given up one before it. */
  async put(key: string, text: string): Promise<void> {
    while (this.#waitingLength >= WAITING_LENGTH_MAX) {
      this.#full.resolve()
      await this.#puts[this.#storedCount]
      this.#storedCount += 1
    }
    this.#waitingLength += text.length
    const stored = this.#put(key, Buffer.from(text, 'utf8')).then(() => {
      this.#waitingLength -= text.length
    })
    stored.catch(() => {})
    this.#puts.push(stored)
  }

  async stored(): Promise<void> {
    await Promise.all(this.#puts)
  }
}

/** The statements from `begin` on; of files that end before it not a byte is read. */
async function* linesFrom(
  copy: LogCopy,
  begin: number,
): AsyncGenerator<{ readonly seq: number; readonly jws: string }> {
  const start = copy.entries.findLastIndex(({ first }) => first <= begin)
  const entries = copy.entries.slice(Math.max(0, start))
  let seq = entries[0]?.first ?? 0
  for await (const jws of linesOf({ ...copy, entries })) {
    if (seq >= begin) yield { seq, jws }
    seq += 1
  }
}
