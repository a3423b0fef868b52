/**
 * Syncs directories, once for all who wait for the same one: who asks while a sync is under way shares the next, which begins after they
 * asked. Many files made side by side in one directory cost two syncs instead of one each.
 */
export class DirectorySync {
  readonly #sync: (path: string) => Promise<void>
  readonly #running = new Map<string, Promise<void>>()
  readonly #next = new Map<string, Promise<void>>()

  /** @param sync makes what was done to the entries of a directory durable */
  constructor(sync: (path: string) => Promise<void>) {
    this.#sync = sync
  }

  /** Resolves when everything done to the directory before this call is durable; rejects when that failed. */
  sync(path: string): Promise<void> {
    const running = this.#running.get(path)
    if (running === undefined) return this.#start(path)
    const next = this.#next.get(path) ?? this.#after(running, path)
    this.#next.set(path, next)
    return next
  }

  async #after(running: Promise<void>, path: string): Promise<void> {
    await running.catch(() => {})
    this.#next.delete(path)
    await this.#start(path)
  }

  async #start(path: string): Promise<void> {
    const started = this.#sync(path)
    this.#running.set(path, started)
    try {
      await started
    } finally {
      if (this.#running.get(path) === started) this.#running.delete(path)
    }
  }
}
