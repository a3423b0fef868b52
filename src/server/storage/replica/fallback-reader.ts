import { EarwitnessError } from '../../../errors.ts'
import type { ObjectStore } from '../object-store.ts'

/** How long a store that did not answer is left alone by reading, so that not every object waits for its time-outs. */
const REST_MS = 30_000
/** What is so of a whole store, and takes long to find out. */
const RESTING_CODES: ReadonlySet<string> = new Set([
  ...['storage-busy', 'storage-failing', 'storage-missing', 'storage-timeout', 'storage-unreachable'],
])

type Readable = Pick<ObjectStore, 'get' | 'list'>
type Listed = Awaited<ReturnType<ObjectStore['list']>>

/**
 * `lacked`: the primary store has no such object, the replica has. `down`: the primary store does not answer, the replica does. `unasked`: the primary
 * store has no such object, and the replica, which may have it, does not answer.
 */
export type FallbackKind = 'lacked' | 'down' | 'unasked'

/** Somebody reads from the replica, or would have to; `code` is why a store does not answer. */
export type OnFallback = (kind: FallbackKind, code: string | undefined) => void

/**
 * Reads from the primary store, and from the replica what the primary lacks or does not give. An object is said not to be there only when the primary
 * store has answered so.
 */
export class FallbackReader implements Readable {
  readonly #primary: Side
  readonly #replica: Side
  readonly #onFallback: OnFallback
  readonly #listsWithoutPrimary: boolean

  constructor(options: {
    readonly primary: Readable
    readonly replica: Readable
    readonly onFallback: OnFallback
    /** A replica that is behind then lists less than there is: not for those who write by what they find. */
    readonly listsWithoutPrimary: boolean
    readonly nowMs?: () => number
  }) {
    const nowMs = options.nowMs ?? ((): number => performance.now())
    this.#primary = new Side(options.primary, nowMs)
    this.#replica = new Side(options.replica, nowMs)
    this.#onFallback = options.onFallback
    this.#listsWithoutPrimary = options.listsWithoutPrimary
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const found = await this.#primary.ask((store) => store.get(key))
    if (found.ok && found.value !== undefined) return found.value
    const other = await this.#replica.ask((store) => store.get(key))
    if (other.ok && other.value !== undefined) {
      this.#onFallback(found.ok ? 'lacked' : 'down', found.ok ? undefined : found.error.code)
      return other.value
    }
    // The replica may be behind: that it has nothing says nothing.
    if (!found.ok) throw found.error
    if (!other.ok) this.#onFallback('unasked', other.error.code)
    return undefined
  }

  /** Of both stores. */
  async list(prefix: string): Promise<Listed> {
    const [found, other] = await Promise.all([
      this.#primary.ask((store) => store.list(prefix)),
      this.#replica.ask((store) => store.list(prefix)),
    ])
    if (found.ok) {
      if (other.ok) return merge(found.value, other.value)
      this.#onFallback('unasked', other.error.code)
      return found.value
    }
    if (!other.ok || !this.#listsWithoutPrimary) throw found.error
    this.#onFallback('down', found.error.code)
    return other.value
  }
}

type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: EarwitnessError }

/** A store that is left alone for a while after it has failed. */
class Side {
  readonly #store: Readable
  readonly #nowMs: () => number
  #failed: { readonly error: EarwitnessError; readonly untilMs: number } | undefined

  constructor(store: Readable, nowMs: () => number) {
    this.#store = store
    this.#nowMs = nowMs
  }

  async ask<Value>(question: (store: Readable) => Promise<Value>): Promise<Answer<Value>> {
    if (this.#failed !== undefined && this.#nowMs() < this.#failed.untilMs)
      return { ok: false, error: this.#failed.error }
    try {
      const value = await question(this.#store)
      this.#failed = undefined
      return { ok: true, value }
    } catch (error) {
      if (!(error instanceof EarwitnessError)) throw error
      // What is wrong with the question is the same everywhere.
      if (error.code === 'storage-key-invalid' || error.code === 'storage-list-too-long') throw error
      // What one object is refused for says nothing of the others.
      if (RESTING_CODES.has(error.code)) this.#failed = { error, untilMs: this.#nowMs() + REST_MS }
      return { ok: false, error }
    }
  }
}

/** Both are in order of their keys. */
function merge(one: Listed, other: Listed): Listed {
  const keys = new Set(one.map(({ key }) => key))
  const more = other.filter(({ key }) => !keys.has(key))
  if (more.length === 0) return one
  return [...one, ...more].toSorted((left, right) => (left.key < right.key ? -1 : 1))
}
