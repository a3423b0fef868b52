import type { ObjectStore } from '../object-store.ts'
import { FallbackReader, type OnFallback } from './fallback-reader.ts'
import type { Replicator } from './replicator.ts'

/** Two stores as one: writes go to both, as the replicator says; reads fall back to the replica. */
export class ReplicatedStore implements ObjectStore {
  readonly #primary: ObjectStore
  readonly #replica: ObjectStore
  readonly #replicator: Replicator
  readonly #reader: FallbackReader

  constructor(options: {
    readonly primary: ObjectStore
    readonly replica: ObjectStore
    readonly replicator: Replicator
    readonly onFallback: OnFallback
  }) {
    const { primary, replica, replicator, onFallback } = options
    this.#primary = primary
    this.#replica = replica
    this.#replicator = replicator
    this.#reader = new FallbackReader({ primary, replica, onFallback, listsWithoutPrimary: false })
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#replicator.put(key, bytes)
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#reader.get(key)
  }

  list(prefix: string): ReturnType<ObjectStore['list']> {
    return this.#reader.list(prefix)
  }

  /** From both; an error of either is thrown, and the other store has been asked all the same. */
  async delete(key: string): Promise<void> {
    this.#replicator.forget(key)
    const outcomes = await Promise.allSettled([this.#primary.delete(key), this.#replica.delete(key)])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  check(): Promise<unknown> {
    return this.#primary.check()
  }
}
