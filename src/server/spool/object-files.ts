import { join } from 'node:path'

import type { SpoolFiles } from './spool-files.ts'

/** In the place of the slashes of a key, which cannot contain it. */
const SLASH = '~'
const UNFINISHED = '.new-'
const REFUSED = '.refused-'

/** Files that were put aside. */
export interface RefusedObjects {
  readonly count: number
  readonly bytes: number
}

/** Finished objects in a folder, each a file of its own, whose name is its key: written whole, synced and renamed. */
export class ObjectFiles {
  readonly #folder: string
  readonly #files: SpoolFiles
  /** Names of what is being written. */
  readonly #writing = new Set<string>()

  constructor(folder: string, files: SpoolFiles) {
    this.#folder = folder
    this.#files = files
  }

  /** What an earlier run has left, in no order. */
  async left(): Promise<readonly { readonly key: string; readonly sizeBytes: number }[]> {
    await this.#files.makeDirectory(this.#folder)
    const all = await this.#files.readDirectory(this.#folder)
    // Nobody will finish them.
    const abandoned = all.filter((name) => isUnfinished(name) && !this.#writing.has(name))
    await Promise.all(abandoned.map((name) => this.#files.remove(join(this.#folder, name))))
    const names = all.filter((name) => !name.startsWith('.'))
    return Promise.all(
      names.map(async (name) => ({
        key: name.replaceAll(SLASH, '/'),
        sizeBytes: await this.#files.sizeBytes(join(this.#folder, name)),
      })),
    )
  }

  /** What was put aside, by this run and by earlier ones, and is still there. */
  async refused(): Promise<RefusedObjects> {
    const names = (await this.#files.readDirectory(this.#folder)).filter(isRefused)
    let bytes = 0
    // Somebody may take one away meanwhile.
    for (const name of names) bytes += await this.#files.sizeBytes(join(this.#folder, name)).catch(() => 0)
    return { count: names.length, bytes }
  }

  read(key: string): Promise<Uint8Array> {
    return this.#files.read(this.#path(key))
  }

  /** Resolves when neither a crash nor a power cut takes it any more. */
  write(key: string, bytes: Uint8Array): Promise<void> {
    return this.#write(nameOf(key), bytes)
  }

  /** Fine when it is not there. */
  remove(key: string): Promise<void> {
    return this.#files.remove(this.#path(key))
  }

  /** It waits for nothing any more, and is kept for somebody to look at. */
  async putAside(key: string): Promise<void> {
    await this.#files.rename(this.#path(key), join(this.#folder, REFUSED + nameOf(key)))
  }

  /** As {@link putAside}, of an object that is in no file yet. */
  writeAside(key: string, bytes: Uint8Array): Promise<void> {
    return this.#write(REFUSED + nameOf(key), bytes)
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const unfinished = UNFINISHED + name
    this.#writing.add(unfinished)
    try {
      await this.#writeWhole(name, unfinished, bytes)
    } finally {
      this.#writing.delete(unfinished)
    }
  }

  async #writeWhole(name: string, unfinishedName: string, bytes: Uint8Array): Promise<void> {
    const unfinished = join(this.#folder, unfinishedName)
    await this.#files.makeDirectory(this.#folder)
    await this.#files.remove(unfinished)
    const file = await this.#files.create(unfinished)
    try {
      await file.append(bytes)
      await file.sync()
    } catch (error) {
      // A full disk has no room for it.
      await this.#files.remove(unfinished).catch(() => {})
      throw error
    } finally {
      await file.close()
    }
    await this.#files.rename(unfinished, join(this.#folder, name))
    await this.#files.syncDirectory(this.#folder)
  }

  #path(key: string): string {
    return join(this.#folder, nameOf(key))
  }
}

function nameOf(key: string): string {
  return key.replaceAll('/', SLASH)
}

/** Of a file of the folder: whether the store refused for good what is in it. */
export function isRefused(name: string): boolean {
  return name.startsWith(REFUSED)
}

function isUnfinished(name: string): boolean {
  return name.startsWith(UNFINISHED)
}
