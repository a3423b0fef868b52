import { randomBytes } from 'node:crypto'
import { chown, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { isUuidV7, uuidV7UnixMs } from '../../ids.ts'
import { namesIn } from '../names-in.ts'
import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'

/**
 * Small files in a folder of the data folder, one for each recording that has one, by the month of its id: by them a recorder that runs knows what a command has done, without asking a store.
 */
export class MarkFolder {
  readonly #dataDir: string
  readonly #name: string

  constructor(dataDir: string, name: string) {
    this.#dataDir = dataDir
    this.#name = name
  }

  /** Undefined when there is none. */
  async read(recordingId: string): Promise<string | undefined> {
    try {
      return await readFile(this.#path(recordingId), 'utf8')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Resolves when it would survive a power cut. */
  async write(recordingId: string, text: string): Promise<void> {
    const path = this.#path(recordingId)
    const folder = dirname(path)
    const owner = await stat(this.#dataDir)
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    // Its own: a command and the recorder may write the same mark at one moment.
    const incoming = `${path}.${randomBytes(8).toString('hex')}.new`
    const file = await open(incoming, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    // A command that root runs must not leave what the user of the recorder cannot read.
    for (const each of [dirname(folder), folder, incoming]) await chown(each, owner.uid, owner.gid).catch(() => {})
    await rename(incoming, path)
    await nodeFiles.syncDirectory(folder)
    if (made === undefined) return
    await nodeFiles.syncDirectory(dirname(folder))
    await nodeFiles.syncDirectory(this.#dataDir)
  }

  /** The recordings that have one, the oldest first. */
  async list(): Promise<readonly string[]> {
    const root = join(this.#dataDir, this.#name)
    const names = await Promise.all((await monthsIn(root)).map((month) => namesIn(join(root, month))))
    return names.flat().filter(isUuidV7).toSorted()
  }

  /** Fine when there is none. */
  async remove(recordingId: string): Promise<void> {
    await absentIsFine(() => unlink(this.#path(recordingId)))
  }

  /** Removes marks that were written before. */
  async removeOlder(unixMs: number): Promise<void> {
    const root = join(this.#dataDir, this.#name)
    for (const month of await monthsIn(root)) {
      for (const name of await namesIn(join(root, month))) {
        const path = join(root, month, name)
        await absentIsFine(async () => {
          const { mtimeMs } = await stat(path)
          if (mtimeMs < unixMs) await unlink(path)
        })
      }
    }
  }

  #path(recordingId: string): string {
    const month = new Date(uuidV7UnixMs(recordingId) ?? 0).toISOString().slice(0, 7)
    return join(this.#dataDir, this.#name, month, recordingId)
  }
}

/** What else lies there is not ours. */
async function monthsIn(root: string): Promise<readonly string[]> {
  return (await namesIn(root)).filter((name) => /^\d{4}-\d{2}$/.test(name)).toSorted()
}

/** Somebody else may be removing the same. */
async function absentIsFine(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
