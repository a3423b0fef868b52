import { checkpointName, entriesName, logListKey, logMonthPrefix } from '../../evidence/ledger/log-names.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { UploadQueue } from '../storage/upload-queue.ts'
import { linesOf, storedEnd, type LogCopy } from './log-copy.ts'

/** Characters of statements in one object. */
export const PUBLISHED_LENGTH_MAX = 4 * 1024 * 1024
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

  /**
   * Hands over all statements up to `size` and the checkpoint of that size. Resolves when the upload queue has them; `done` settles when the store has
   * them. The queue tries again for ever.
   */
  async publish(size: number, note: string, nowUnixMs: number): Promise<{ readonly done: Promise<void> }> {
    const begin = await this.storedEnd(nowUnixMs)
    const prefix = logMonthPrefix(this.#logId, nowUnixMs)
    const puts: Promise<void>[] = []
    const put = (key: string, text: string): void => {
      puts.push(this.#uploads.put(UPLOAD_ORDER, key, Buffer.from(text, 'utf8')))
    }
    let first = begin
    let seq = 0
    let piece = ''
    const endPiece = (): void => {
      if (seq > first) put(`${prefix}/${entriesName(first, seq)}`, piece)
      first = seq
      piece = ''
    }
    for await (const line of linesFrom(await this.#copy(), begin)) {
      seq = line.seq
      if (seq >= size) break
      if (seq === 0) put(logListKey(this.#logId), line.jws)
      piece += `${line.jws}\n`
      seq += 1
      if (piece.length >= PUBLISHED_LENGTH_MAX) endPiece()
    }
    endPiece()
    put(`${prefix}/${checkpointName(size)}`, note)
    this.#end = Math.max(begin, size)
    return { done: Promise.all(puts).then(() => {}) }
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
