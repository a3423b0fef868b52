import type { GrowingFile, SpoolFiles } from '../../src/server/spool/spool-files.ts'

interface DiskFile {
  bytes: Uint8Array
  /** So much of it survives a power cut. */
  synced: number
}

/**
 * A disk in memory that forgets, on {@link SpoolDisk.cutPower}, what was not synced: bytes of files, and names in folders. Any operation can be made to fail.
 */
export class SpoolDisk implements SpoolFiles {
  readonly #files = new Map<string, DiskFile>()
  readonly #durableNames = new Set<string>()
  /** Appends and syncs, in their order. */
  readonly operations: string[] = []
  /** Throws in the place of an operation; the name of the operation is given. */
  fails: (operation: string) => boolean = () => false
  free = Number.MAX_SAFE_INTEGER

  get paths(): readonly string[] {
    return [...this.#files.keys()].toSorted()
  }

  /** Keeps what was synced, and `torn` bytes of what was not. */
  cutPower(torn = 0): void {
    for (const [path, file] of this.#files) {
      if (!this.#durableNames.has(path)) this.#files.delete(path)
      else file.bytes = file.bytes.slice(0, Math.min(file.bytes.length, file.synced + torn))
    }
  }

  async create(path: string): Promise<GrowingFile> {
    this.#step('create')
    if (this.#files.has(path)) throw new Error('EEXIST')
    const file: DiskFile = { bytes: new Uint8Array(0), synced: 0 }
    this.#files.set(path, file)
    return {
      append: async (bytes) => {
        this.#step('append')
        file.bytes = Buffer.concat([file.bytes, bytes])
      },
      sync: async () => {
        this.#step('sync')
        file.synced = file.bytes.length
      },
      close: async () => {},
    }
  }

  async unlink(path: string): Promise<void> {
    this.#step('unlink')
    this.#files.delete(path)
  }

  async remove(path: string): Promise<void> {
    this.#files.delete(path)
  }

  async rename(path: string, to: string): Promise<void> {
    this.#step('rename')
    const file = this.#files.get(path)
    if (file === undefined) throw new Error('ENOENT')
    this.#files.delete(path)
    this.#files.set(to, file)
  }

  async makeDirectory(): Promise<void> {
    this.#step('makeDirectory')
  }

  async removeDirectory(path: string): Promise<void> {
    for (const name of this.paths) if (name.startsWith(`${path}/`)) this.#files.delete(name)
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step('syncDirectory')
    for (const name of this.paths) if (name.startsWith(`${path}/`)) this.#durableNames.add(name)
  }

  async readDirectory(path: string): Promise<readonly string[]> {
    const inside = this.paths.filter((name) => name.startsWith(`${path}/`))
    return [...new Set(inside.map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))]
  }

  async read(path: string): Promise<Uint8Array> {
    const file = this.#files.get(path)
    if (file === undefined) throw new Error('ENOENT')
    return file.bytes
  }

  async sizeBytes(path: string): Promise<number> {
    return (await this.read(path)).length
  }

  async freeBytes(): Promise<number> {
    this.#step('freeBytes')
    return this.free
  }

  #step(operation: string): void {
    this.operations.push(operation)
    if (this.fails(operation)) throw new Error(`ENOSPC: ${operation}`)
  }
}
