import { randomBytes } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import { DirectorySync } from './directory-sync.ts'
import { nodeFiles, type FileOperations } from './file-operations.ts'
import { requireObjectKey, UNNAMED_BYTES_MAX, type CustodyStore, type ObjectCopy } from './object-store.ts'
import { errnoOf, storageError } from './storage-error.ts'

/** Objects in one answer of `list`. */
export const LIST_OBJECTS_MAX = 1_000_000
/** Folders inside folders that `list` follows. */
export const LIST_DEPTH_MAX = 32
/** A file in the incoming folder that is older than this was left by a crash. */
export const INCOMING_AGE_MAX_MS = 24 * 60 * 60 * 1_000

/** Beside the objects, so that a link never crosses a file system; its name can never be part of a key. */
export const INCOMING = '.incoming'
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/**
 * An object store in a folder: each object a file, readable by the recorder's user alone.
 *
 * An object is written whole to `.incoming`, synced, and then given its name by a hard link, which fails when the name
 * is taken; so no reader ever sees half an object, and none is ever overwritten, whoever else writes to the same
 * folder.
 */
export class FolderStore implements CustodyStore {
  readonly #root: string
  readonly #files: FileOperations
  readonly #directories: DirectorySync
  readonly #nowUnixMs: () => number
  /** True once the root was found or made; see {@link FolderStore.#ensureRoot}. */
  #rootReady = false

  constructor(root: string, options: { readonly files?: FileOperations; readonly nowUnixMs?: () => number } = {}) {
    this.#root = resolve(root)
    this.#files = options.files ?? nodeFiles
    this.#directories = new DirectorySync((path) => this.#files.syncDirectory(path))
    this.#nowUnixMs = options.nowUnixMs ?? Date.now
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    requireObjectKey(key)
    const path = join(this.#root, key)
    try {
      await this.#ensureRoot()
      if (!(await this.#create(path, bytes))) await this.#requireSame(key, path, bytes)
    } catch (error) {
      throw storageError(error, path)
    }
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    requireObjectKey(key)
    const path = join(this.#root, key)
    try {
      return await this.#files.read(path)
    } catch (error) {
      if (!isAbsent(error)) throw storageError(error, path)
      await this.#requireRoot()
      return undefined
    }
  }

  async list(prefix: string): Promise<readonly { readonly key: string; readonly sizeBytes: number }[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    if (folder !== '') requireObjectKey(folder.slice(0, -1))
    await this.#requireRoot()
    const found: { key: string; sizeBytes: number }[] = []
    await this.#walk(folder, prefix, found, 0)
    return found.toSorted((left, right) => (left.key < right.key ? -1 : 1))
  }

  async folders(prefix: string): Promise<readonly string[]> {
    if (prefix !== '') requireObjectKey(prefix.slice(0, -1))
    await this.#requireRoot()
    const entries = await this.#entries(join(this.#root, prefix))
    const names = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name)
    return names.filter((name) => prefix !== '' || name !== INCOMING).toSorted()
  }

  async delete(key: string): Promise<void> {
    requireObjectKey(key)
    const path = join(this.#root, key)
    try {
      await this.#files.unlink(path)
      await this.#directories.sync(dirname(path))
    } catch (error) {
      if (!isAbsent(error)) throw storageError(error, path)
    }
  }

  async copies(prefix: string): Promise<readonly ObjectCopy[]> {
    return (await this.list(prefix)).map(({ key }) => ({ key, copyId: '', isDeleteMarker: false }))
  }

  /** A folder locks nothing. */
  lockOf(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  destroy({ key }: ObjectCopy): Promise<void> {
    return this.delete(key)
  }

  /** A crash between writing and naming leaves the object in the incoming folder. */
  async destroyUnnamed(hashes: ReadonlySet<string>): Promise<number> {
    const incoming = join(this.#root, INCOMING)
    let count = 0
    for (const { name, isDirectory } of await this.#entries(incoming)) {
      const path = join(incoming, name)
      const sizeBytes = await this.#sizeOf(path)
      if (isDirectory || sizeBytes > UNNAMED_BYTES_MAX) continue
      try {
        if (!hashes.has(sha256Hex(await this.#files.read(path)))) continue
        await this.#files.unlink(path)
        count += 1
      } catch (error) {
        // Whoever was writing it is through with it.
        if (!isAbsent(error)) throw storageError(error, path)
      }
    }
    if (count > 0) await this.#directories.sync(incoming)
    return count
  }

  setLegalHold(): Promise<boolean> {
    return Promise.resolve(false)
  }

  async check(): Promise<void> {
    try {
      await this.#ensureRoot()
      const probe = join(this.#root, INCOMING, `probe-${randomName()}`)
      await this.#create(probe, new TextEncoder().encode('earwitness'))
      await this.#files.unlink(probe)
      await this.#removeLeftovers()
    } catch (error) {
      throw storageError(error, this.#root)
    }
  }

  /** True when `path` is new; false when something is there already. */
  async #create(path: string, bytes: Uint8Array): Promise<boolean> {
    const incoming = join(this.#root, INCOMING, randomName())
    await this.#files.writeNew(incoming, bytes, FILE_MODE)
    try {
      return await this.#linkInto(incoming, path)
    } finally {
      // Failing here loses no object: what is left in the incoming folder is removed by a later check.
      await this.#files.unlink(incoming).catch(() => undefined)
    }
  }

  async #linkInto(incoming: string, path: string): Promise<boolean> {
    const folder = dirname(path)
    let outcome = await this.#tryLink(incoming, path)
    if (outcome === 'noFolder') {
      await this.#ensureFolder(folder)
      outcome = await this.#tryLink(incoming, path)
    }
    if (outcome === 'noFolder') throw this.#missing(folder)
    if (outcome === 'linked') await this.#directories.sync(folder)
    return outcome === 'linked'
  }

  async #tryLink(incoming: string, path: string): Promise<'linked' | 'taken' | 'noFolder'> {
    try {
      await this.#files.link(incoming, path)
      return 'linked'
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return 'taken'
      if (errnoOf(error) === 'ENOENT') return 'noFolder'
      throw error
    }
  }

  async #requireSame(key: string, path: string, bytes: Uint8Array): Promise<void> {
    const existing = await this.#files.read(path)
    if (existing.length !== bytes.length || !Buffer.from(bytes).equals(existing)) {
      throw new EarwitnessError(
        'storage-conflict',
        `Another object is stored as ${key} already.`,
        'Nothing was overwritten. Two recorders may share this folder, or somebody put a file there.',
      )
    }
    // The first attempt may have died between the link and this.
    await this.#directories.sync(dirname(path))
  }

  /**
   * Creates the root the first time only: were it made again whenever it is missing, an unmounted volume would
   * silently be replaced by a folder on another disk.
   */
  async #ensureRoot(): Promise<void> {
    if (this.#rootReady) return
    await this.#makeFolders(this.#root, undefined)
    await this.#makeFolders(join(this.#root, INCOMING), this.#root)
    this.#rootReady = true
  }

  /** An object that is not there, and a volume that is not mounted, are different things. */
  async #requireRoot(): Promise<void> {
    try {
      await this.#files.status(this.#root)
    } catch (error) {
      throw storageError(error, this.#root)
    }
  }

  #missing(path: string): EarwitnessError {
    return storageError(Object.assign(new Error('gone'), { code: 'ENOENT' }), path)
  }

  async #ensureFolder(folder: string): Promise<void> {
    // Fails with ENOENT when the root went away.
    await this.#files.status(join(this.#root, INCOMING))
    await this.#makeFolders(folder, this.#root)
  }

  /** Creates `folder` and what is missing above it, up to `stopAt`, each synced into its parent. */
  async #makeFolders(folder: string, stopAt: string | undefined): Promise<void> {
    const parent = dirname(folder)
    if (folder === stopAt || parent === folder) return
    try {
      await this.#files.makeDirectory(folder, FOLDER_MODE)
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return
      if (errnoOf(error) !== 'ENOENT') throw error
      await this.#makeFolders(parent, stopAt)
      await this.#files.makeDirectory(folder, FOLDER_MODE).catch(ignoreExisting)
    }
    await this.#directories.sync(parent)
  }

  async #walk(
    folder: string,
    prefix: string,
    found: { key: string; sizeBytes: number }[],
    depth: number,
  ): Promise<void> {
    const path = join(this.#root, folder)
    if (depth > LIST_DEPTH_MAX) throw storageListError(path)
    for (const { name, isDirectory } of await this.#entries(path)) {
      const key = folder + name
      if (folder === '' && name === INCOMING) continue
      if (isDirectory) {
        const inside = `${key}/`
        if (inside.startsWith(prefix) || prefix.startsWith(inside)) await this.#walk(inside, prefix, found, depth + 1)
      } else if (key.startsWith(prefix)) {
        if (found.length >= LIST_OBJECTS_MAX) throw storageListError(path)
        found.push({ key, sizeBytes: await this.#sizeOf(join(this.#root, key)) })
      }
    }
  }

  async #entries(path: string): Promise<readonly { readonly name: string; readonly isDirectory: boolean }[]> {
    try {
      return await this.#files.readDirectory(path)
    } catch (error) {
      if (isAbsent(error)) return []
      throw storageError(error, path)
    }
  }

  /** Zero for what vanished meanwhile, or leads nowhere: it is still something that lies there. */
  async #sizeOf(path: string): Promise<number> {
    try {
      return (await this.#files.status(path)).sizeBytes
    } catch (error) {
      if (isAbsent(error)) return 0
      throw storageError(error, path)
    }
  }

  async #removeLeftovers(): Promise<void> {
    const incoming = join(this.#root, INCOMING)
    const oldestUnixMs = this.#nowUnixMs() - INCOMING_AGE_MAX_MS
    for (const { name } of await this.#files.readDirectory(incoming)) {
      const path = join(incoming, name)
      // Another recorder sharing the folder may be quicker.
      const status = await this.#files.status(path).catch(() => undefined)
      if (status !== undefined && status.modifiedAtUnixMs < oldestUnixMs) {
        await this.#files.unlink(path).catch(() => undefined)
      }
    }
  }
}

function ignoreExisting(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error
}

function isAbsent(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
}

function randomName(): string {
  return randomBytes(12).toString('hex')
}

function storageListError(path: string): EarwitnessError {
  return new EarwitnessError(
    'storage-list-too-long',
    `There is more under ${path} than one listing takes.`,
    'Ask for a smaller part, such as one tenant or one day.',
  )
}
